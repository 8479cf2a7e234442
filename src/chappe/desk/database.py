"""The desk's database: reads, changes that the audit log tells of, and the little that it need not tell of.

    database.read(lambda connection: …)            one moment, beside a writer
    database.change(actor, lambda unit: …)         one transaction; what changed is in the log, or nothing
    changed database.keep_books(lambda unit: …)            sessions, challenges, answers kept for a double
    submit

Each call blocks; the API runs it in a thread.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias, TypeVar

from sqlalchemy import Connection, exc

from chappe.desk import log
from chappe.desk.entries import Detail, Entry, entry
from chappe.desk.migrations import upgrade
from chappe.desk.number_file import NumberFile
from chappe.desk.who import SYSTEM, Actor
from chappe.wire.api import to_base64
from chappe.wire.clock_guard import ClockGuard
from chappe.wire.errors import error
from chappe.wire.sqlite import open_engine, prepare_folder, storage_failure

T = TypeVar("T")
Clock: TypeAlias = Callable[[], float]

FOLDER: Final = "desk"
FILE: Final = "desk.db"
BOOKS: Final = frozenset({"sessions", "ceremonies", "answers"})
"""What `keep_books` may write to, and what in `change` is no change by itself."""
_NOTES: Final = {
    ("tokens", "used_at"),
    ("passkeys", "used_at"),
    ("passkeys", "signatures"),
    ("resellers", "told"),
}
_WRITES: Final = frozenset({sqlite3.SQLITE_INSERT, sqlite3.SQLITE_UPDATE, sqlite3.SQLITE_DELETE})


@dataclass(frozen=True, slots=True)
class Beside:
    """What the data directory knows beside the database, and no backup brings back."""

    clock: ClockGuard
    numbers: NumberFile


@dataclass(slots=True)
class Unit:
    """A transaction under way. `now`: its one time, in Unix seconds. `after`: what is done as soon as it is
    durable, before anybody hears of it; what fails there is told as a failure, and not undone."""

    connection: Connection
    now: int
    actor: Actor
    beside: Beside
    entries: list[Entry] = field(default_factory=list)
    after: list[Callable[[], None]] = field(default_factory=list)

    def log(
        self,
        what: str,
        subject: bytes | None = None,
        *,
        reseller: bytes | None = None,
        organisation: bytes | None = None,
        **details: Detail | bytes,
    ) -> None:
        """Tell the audit log of a change (`chappe.desk.happenings`). No names, no addresses: see
        `Entry`. Bytes are told as base64url."""
        self.entries.append(
            entry(
                self.actor,
                self.now,
                what,
                subject=subject,
                reseller=reseller,
                organisation=organisation,
                details={
                    name: to_base64(value) if isinstance(value, bytes) else value
                    for name, value in details.items()
                },
            )
        )


class Database:
    """Of one data directory. Several may be open on it, in several processes."""

    def __init__(self, data_dir: Path, clock: Clock = time.time) -> None:
        """Make the folder and bring the schema up to date. Raises StorageFailure."""
        self.path = data_dir / FOLDER / FILE
        self.clock = clock
        self.beside = Beside(ClockGuard(data_dir, clock), NumberFile(data_dir))
        prepare_folder(data_dir)
        prepare_folder(self.path.parent)
        upgrade(self.path)
        self._reads = open_engine(self.path, writes=False)
        self._writes = open_engine(self.path, writes=True)
        self._one_writer = threading.Lock()

    def close(self) -> None:
        self._reads.dispose()
        self._writes.dispose()

    def now(self) -> int:
        return int(self.clock())

    def read(self, work: Callable[[Connection], T]) -> T:
        """Raises storage.*, and what `work` raises."""
        try:
            with self._reads.connect() as connection, connection.begin():
                return work(connection)
        except exc.DBAPIError as problem:
            raise storage_failure(problem) from None

    def change(self, actor: Actor, work: Callable[[Unit], T]) -> T:
        """All or nothing, with what `work` logged. A change that logged nothing is a mistake of ours and is
        undone: raises internal.bug. Raises storage.*, and what `work` raises."""
        written = False

        def watch(action: int, table: str, column: str | None) -> bool:
            nonlocal written
            written = written or not _is_book(action, table, column)
            return True

        def whole(unit: Unit, rows: int) -> None:
            if written and rows and not unit.entries:
                raise error("internal.bug", "A change that tells the audit log nothing was undone.")
            log.append(unit.connection, unit.entries)

        return self._write(actor, work, watch, whole)

    def keep_books(self, work: Callable[[Unit], T]) -> T:
        """What the audit log need not tell of: it can write to `BOOKS`, to what says when something was last
        used, and nowhere else (SQLite itself refuses). Raises storage.*, and what `work` raises."""
        return self._write(SYSTEM, work, _is_book, lambda _unit, _rows: None)

    def _write(
        self,
        actor: Actor,
        work: Callable[[Unit], T],
        allowed: Callable[[int, str, str | None], bool],
        whole: Callable[[Unit, int], None],
    ) -> T:
        """`allowed` is asked at each statement that writes, `whole` before the end, with the rows written."""

        def authorize(action: int, table: str | None, column: str | None, *_: object) -> int:
            if action in _WRITES and table is not None and not allowed(action, table, column):
                return sqlite3.SQLITE_DENY
            return sqlite3.SQLITE_OK

        try:
            with self._one_writer:
                with self._writes.connect() as connection, connection.begin():
                    driver = _driver(connection)
                    before = driver.total_changes
                    # Statements are compiled in this connection, which is of this transaction alone: all are
                    # seen.
                    driver.set_authorizer(authorize)
                    try:
                        unit = Unit(connection, self.now(), actor, self.beside)
                        result = work(unit)
                    finally:
                        driver.set_authorizer(None)
                    whole(unit, driver.total_changes - before)
                for follows in unit.after:
                    follows()
                return result
        except exc.DatabaseError as problem:
            raise storage_failure(problem) from None


def _is_book(action: int, table: str, column: str | None) -> bool:
    return table in BOOKS or (action == sqlite3.SQLITE_UPDATE and (table, column) in _NOTES)


def _driver(connection: Connection) -> sqlite3.Connection:
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver
