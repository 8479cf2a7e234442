"""Make activation codes, straight in the data directory, whether or not a relay runs on it."""

from __future__ import annotations

import time

from sqlalchemy import exc, insert

from chappe.relay.config import Settings
from chappe.relay.database import open_engine, prepare_folder, storage_failure
from chappe.relay.migrations import upgrade
from chappe.relay.tables import codes as table
from chappe.wire import codes

_DAY = 24 * 3600


def new_code(settings: Settings, count: int = 1) -> list[str]:
    """`count` fresh codes in their canonical form; they hold for `settings.code_days` from now.

    They are kept nowhere but in the answer: the relay has their digests. Raises storage.*.
    """
    prepare_folder(settings.data_dir)
    upgrade(settings.database)
    fresh = [codes.new() for _ in range(count)]
    now = int(time.time())
    expires = now + settings.code_days * _DAY
    engine = open_engine(settings.database, writes=True)
    try:
        with engine.connect() as connection, connection.begin():
            connection.execute(
                insert(table),
                [{"digest": codes.digest(c), "created_at": now, "expires_at": expires} for c in fresh],
            )
    except exc.DBAPIError as problem:
        raise storage_failure(problem) from None
    finally:
        engine.dispose()
    return fresh
