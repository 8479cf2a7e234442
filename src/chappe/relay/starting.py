"""Who may start: one relay, or several gateways; and what they make on their first start, once."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import exc

from chappe.relay import log_key, tls
from chappe.relay.config import Settings
from chappe.relay.database import os_failure
from chappe.relay.failures import storage_failure
from chappe.relay.log_files import LogFiles
from chappe.relay.log_heads import find_head
from chappe.relay.push import PushKey
from chappe.relay.storage import Database, look
from chappe.wire.errors import error

LOCK_NAME: Final = "relay.lock"
SET_UP_NAME: Final = "set-up.lock"
DESK_LOCK_NAME: Final = "desk.lock"
LOCK_SECONDS: Final = 5.0


@contextmanager
def hold(settings: Settings, database: Database) -> Iterator[None]:
    """What keeps a second relay away, or, with a bus, all but gateways. Raises storage.locked."""
    with ExitStack() as held:
        held.enter_context(alone_in(settings.data_dir, with_others=settings.bus is not None))
        if database.shared and settings.bus is None:
            held.enter_context(alone_on(database))
        if settings.bus is not None and settings.desk:
            words = "The desk runs at another gateway: start this one without --desk."
            held.enter_context(
                _locked(settings.data_dir / DESK_LOCK_NAME, fcntl.LOCK_EX | fcntl.LOCK_NB, words)
            )
        yield


@contextmanager
def alone_on(database: Database) -> Iterator[None]:
    """Hold the leader's lock of a shared database, which several gateways have among them."""
    from chappe.relay.storage.locks import try_lead

    engine = database.engine(writes=True)
    try:
        with engine.connect() as connection:
            # One that was killed a moment ago is still there, until PostgreSQL notices.
            until = time.monotonic() + LOCK_SECONDS
            while not try_lead(connection):
                if time.monotonic() > until:
                    raise error(
                        "storage.locked",
                        "Another relay has this database. Stop it first, or give each of them --bus.",
                    )
                time.sleep(0.1)
            yield
    except exc.DBAPIError as problem:
        raise storage_failure(problem) from None
    finally:
        engine.dispose()


def set_up(settings: Settings, database: Database) -> None:
    """Tables and keys; of several gateways that start at the same time one makes them. Raises storage.*."""
    if settings.bus is None:
        database.upgrade()
        return
    with _locked(settings.data_dir / SET_UP_NAME, fcntl.LOCK_EX):
        database.upgrade()
        tls.server_context(settings)
        PushKey(settings.data_dir)
        _make_log_key(settings, database)


def _make_log_key(settings: Settings, database: Database) -> None:
    with look(database) as connection:
        begun = find_head(connection) is not None
    begun = begun or LogFiles(settings.data_dir / "tlog").checkpoint() is not None
    log_key.load(settings.data_dir, log_key.origin_of(settings.server_name), make=not begun)


@contextmanager
def alone_in(data_dir: Path, *, with_others: bool = False) -> Iterator[None]:
    """Hold the data directory's lock: alone, or with other gateways."""
    how = fcntl.LOCK_SH if with_others else fcntl.LOCK_EX
    words = "Another relay uses this data directory; stop it first."
    with _locked(data_dir / LOCK_NAME, how | fcntl.LOCK_NB, words):
        yield


@contextmanager
def _locked(path: Path, how: int, words: str = "") -> Iterator[None]:
    """The system lets go of it however the process ends. Raises storage.locked with these words."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise os_failure(problem) from None
    try:
        try:
            fcntl.flock(descriptor, how)
        except BlockingIOError:
            raise error("storage.locked", words) from None
        yield
    finally:
        os.close(descriptor)
