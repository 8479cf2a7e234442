"""Where relay and desk are put together: the one place that knows both."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chappe.desk.desk import Desk
    from chappe.desk.settings import DeskSettings
    from chappe.relay.config import Settings
    from chappe.relay.relay import Relay
    from chappe.relay.serve import Mount, Part, Ready


def desk_settings(settings: Settings, port: int) -> DeskSettings:
    """Of the desk in the relay's data directory. Raises usage.invalid for a CHAPPE_DESK_ORIGIN that is
    none."""
    from chappe.desk.settings import ORIGIN_VARIABLE, DeskSettings, origin_of

    origin = origin_of(settings.server_name, port, os.environ.get(ORIGIN_VARIABLE))
    return DeskSettings(settings.data_dir, settings.server_name, origin)


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

        return Serving(desk_settings(settings, ready.port), RelayDoor(relay))

    return mount
