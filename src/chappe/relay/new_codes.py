"""Make activation codes, straight in the data directory, whether or not a relay runs on it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from sqlalchemy import exc, insert

from chappe.relay.config import Settings
from chappe.relay.database import open_engine, prepare_folder, storage_failure
from chappe.relay.migrations import upgrade
from chappe.relay.organisations import find
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
    upgrade(settings.database)
    fresh = [codes.new() for _ in range(count)]
    now = int(time.time())
    expires = now + settings.code_days * _DAY
    engine = open_engine(settings.database, writes=True)
    try:
        with engine.connect() as connection, connection.begin():
            id_, fleet_key = (None, b"") if organisation is None else find(connection, organisation)
            row = {"created_at": now, "expires_at": expires, "organisation": id_}
            connection.execute(insert(table), [row | {"digest": codes.digest(code)} for code in fresh])
    except exc.DBAPIError as problem:
        raise storage_failure(problem) from None
    finally:
        engine.dispose()
    return NewCodes(fresh, fleet_key)
