"""Where relay and desk are put together: the one place that knows both."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from chappe.desk.desk import Desk
    from chappe.desk.dossier.stored import Inventory
    from chappe.desk.settings import DeskSettings
    from chappe.relay.config import Settings
    from chappe.relay.relay import Relay
    from chappe.relay.serve import Mount, Part, Ready


SERVED: Final = "served"
"""A file of the data directory."""


def desk_settings(settings: Settings, port: int) -> DeskSettings:
    """Of the desk in the relay's data directory. Raises usage.invalid for a CHAPPE_DESK_ORIGIN that is
    none."""
    from chappe.desk.settings import ORIGIN_VARIABLE, DeskSettings, origin_of

    origin = origin_of(settings.server_name, port, os.environ.get(ORIGIN_VARIABLE))
    return DeskSettings(settings.data_dir, settings.server_name, origin)


class Served(msgspec.Struct, frozen=True):
    """How the directory was served last: what links are made of."""

    name: str
    port: int


def _stored(settings: Settings) -> Inventory:
    """Every field, from the schema as it is now, without counts. Raises storage.*."""
    import chappe
    from chappe.desk.dossier.stored import Inventory, desk_store
    from chappe.relay.kept import FILES
    from chappe.relay.stored import stores

    found = [*stores(settings, count=False), desk_store(settings.data_dir, count=False)]
    return Inventory(found, FILES, None, chappe.__version__, datetime.now(UTC).date().isoformat())


def as_served(settings: Settings) -> Settings:
    """With the name and the port that the directory was served with last, where nobody says another."""
    try:
        served = msgspec.json.decode((settings.data_dir / SERVED).read_bytes(), type=Served)
    except (OSError, msgspec.MsgspecError):
        return settings
    known = {"server_name": served.name, "port": served.port}
    given = settings.model_fields_set
    return settings.model_copy(update={key: value for key, value in known.items() if key not in given})


def _note_served(settings: Settings, port: int) -> None:
    """Best effort: a full disk stops no start, and a command may be told the port."""
    from chappe.wire.durable import replace_file

    served = msgspec.json.encode(Served(settings.server_name, port))
    file = settings.data_dir / SERVED
    with suppress(OSError):
        if not file.exists() or file.read_bytes() != served:
            replace_file(file, served)


def desk_of(settings: Settings) -> Desk:
    """The desk of the data directory, for a command: whether or not a relay runs there.

    Raises StorageFailure, usage.invalid.
    """
    from chappe.desk.desk import Desk
    from chappe.relay.door import DirectoryDoor

    door = DirectoryDoor(settings)
    return Desk(desk_settings(settings, settings.port), door=door, relay=door)


def beside(settings: Settings) -> Mount:
    """The desk, for `chappe.relay.serve`."""

    def mount(relay: Relay, ready: Ready) -> Part:
        from chappe.desk.serving import Serving
        from chappe.relay.door import RelayDoor

        _note_served(settings, ready.port)
        return Serving(desk_settings(settings, ready.port), RelayDoor(relay), partial(_stored, settings))

    return mount
