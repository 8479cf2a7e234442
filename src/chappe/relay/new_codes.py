"""Make activation codes, straight in the data directory, whether or not a relay runs on it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sqlalchemy import insert

from chappe.relay.config import Settings
from chappe.relay.database import prepare_folder
from chappe.relay.organisations import find
from chappe.relay.storage import change, open_database
from chappe.relay.tables import codes as table
from chappe.wire import codes

_DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class NewCodes:
    """Codes in their canonical form, and the fleet key of the organisation that they are of, or nothing."""

    codes: list[str] = field(repr=False)
    fleet_key: bytes


def new_code(settings: Settings, count: int = 1) -> list[str]:
    """As `new_codes`, for lines of no organisation."""
    return new_codes(settings, count).codes


def new_codes(settings: Settings, count: int = 1, organisation: str | None = None) -> NewCodes:
    """`count` fresh codes for lines of the organisation of that name; they hold for `settings.code_days`.

    They are kept nowhere but in the answer: the relay has their digests. Raises organisation.unknown,
    storage.*.
    """
    prepare_folder(settings.data_dir)
    database = open_database(settings)
    database.upgrade()
    fresh = [codes.new() for _ in range(count)]
    now = int(time.time())
    expires = now + settings.code_days * _DAY
    with change(database) as connection:
        id_, fleet_key = (None, b"") if organisation is None else find(connection, organisation)
        row = {"created_at": now, "expires_at": expires, "organisation": id_}
        connection.execute(insert(table), [row | {"digest": codes.digest(code)} for code in fresh])
    return NewCodes(fresh, fleet_key)
