"""SQLite as Chappe's servers use it: WAL, synchronous=FULL, secure_delete; and its errors as ours.

Here because relay and desk have a database each and import nothing of one another.
"""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import NullPool

from chappe.wire.durable import sync_folder
from chappe.wire.errors import ChappeError, error

BUSY_MILLISECONDS: Final = 10_000
_FULL_NAMES: Final = frozenset({"SQLITE_FULL"})
_UNWRITABLE_NAMES: Final = frozenset({"SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY"})
_FULL_NUMBERS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_UNWRITABLE_NUMBERS: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}
)


def prepare_folder(data_dir: Path) -> None:
    """Make the data directory, readable by its owner alone. Raises StorageFailure."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(data_dir, 0o700)
    except OSError as problem:
        raise os_failure(problem) from None


def open_engine(path: Path, *, writes: bool) -> Engine:
    """An engine on the database file. With `writes`, every transaction takes the write lock at its start.

    The caller keeps one connection per thread: there is no pool that would hand it to another.
    """
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool, hide_parameters=True)
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: Any) -> None:
        # The driver must not open transactions of its own: it would not know about savepoints.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={BUSY_MILLISECONDS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "secure_delete=ON",
            "temp_store=MEMORY",
            "cache_size=-16384",
            "journal_size_limit=67108864",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        if writes:
            # Whoever reads first makes the log.
            connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            name_the_log(path)

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine


def name_the_log(path: Path) -> None:
    """Once a database is open: the name of its log is on the disk. SQLite sees to that as well, at its first
    sync, and does not look whether it failed: all commits since would be gone with the name after a loss of
    power. Raises sqlite3.OperationalError: a failure to connect, for whoever does."""
    try:
        sync_folder(path.parent)
    except OSError as problem:
        raise sqlite3.OperationalError("the folder's names could not be synced") from problem


def storage_failure(problem: BaseException) -> ChappeError:
    """The typed error for what the driver raised: storage.full where the disk has no room."""
    original = problem.orig if isinstance(problem, exc.DBAPIError) else problem
    name = getattr(original, "sqlite_errorname", "") or ""
    if name in _UNWRITABLE_NAMES:
        return error("storage.unwritable")
    return error("storage.full" if name in _FULL_NAMES else "storage.failed")


def os_failure(problem: OSError) -> ChappeError:
    """The typed error for a failed file operation."""
    if problem.errno in _UNWRITABLE_NUMBERS:
        return error("storage.unwritable")
    return error("storage.full" if problem.errno in _FULL_NUMBERS else "storage.failed")
