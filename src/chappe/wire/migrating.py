"""Bring a database to the newest revision of its schema's history (Alembic), once, whoever asks at once."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, exc

from chappe.wire.errors import error
from chappe.wire.sqlite import open_engine, os_failure, storage_failure


def upgrade(path: Path, history: Path, head: str) -> None:
    """Make the database file, or bring it up to date, in one transaction. Safe beside a running server, and
    beside another that does the same. Raises StorageFailure.

    `history`: the folder with `env.py` and `versions/`; `head`: the newest revision there.
    """
    if _revision(path) == head:
        return
    with _one_at_a_time(path.parent):
        if _revision(path) != head:
            _migrate(path, history)


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """SQLite does not wait for a second one that makes the same new file a WAL database: it refuses."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as problem:
        raise os_failure(problem) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _revision(path: Path) -> str | None:
    """What the file says of itself; None if it is not there yet, or says nothing that can be read."""
    if not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=10)) as connection:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:
        return None
    return str(row[0]) if row else None


def _migrate(path: Path, history: Path) -> None:
    engine = open_engine(path, writes=True)
    try:
        with engine.connect() as connection, connection.begin():
            bring_up(connection, history)
    except exc.DBAPIError as problem:
        raise storage_failure(problem) from None
    finally:
        engine.dispose()


def bring_up(connection: Connection, history: Path) -> None:
    """To the newest revision, in the transaction that is open. Raises storage.failed, and what the driver
    raises."""
    # Only here: it takes as long to load as all else together, and most starts do not need it.
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(history).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError:
        # It knows no way from the revision that the database names.
        raise error("storage.failed", "A newer Chappe made this database; start that one.") from None
