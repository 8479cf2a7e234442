"""The whole way of a relay from SQLite to PostgreSQL.

    copy, once, in pieces          the relay runs          cut off: goes on where it was
    refresh, until it stands still the relay runs
    the relay is stopped           by its operator: its data directory's lock is free
    settle, check, switch over     nobody writes           cut off: done again, from the check on

"Online" therefore means: the relay stands still for the last part alone, which reads all rows once on each
side and writes what changed since the last refresh.
"""

from __future__ import annotations

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, exc, select, text

from chappe.relay import migrations
from chappe.relay.failures import storage_failure
from chappe.relay.moving import comparing
from chappe.relay.moving.plan import all_tables
from chappe.relay.moving.progress import Progress
from chappe.relay.starting import alone_in
from chappe.relay.storage.postgres import PostgresDatabase, set_numbers
from chappe.relay.storage.sqlite import ELSEWHERE, SqliteDatabase
from chappe.relay.tables import log_entries
from chappe.wire.durable import sync_folder
from chappe.wire.errors import ChappeError, error
from chappe.wire.sqlite import os_failure

MOVED: Final = "relay.db.moved"
"""What the SQLite database is called afterwards. It is kept: delete it when you like."""
LOOK_SECONDS: Final = 0.2
REFRESH_SECONDS: Final = 10.0
"""How often what changed is copied once more while the relay is waited for."""


@dataclass(frozen=True, slots=True)
class Moved:
    """`still`: seconds for which the relay stood still, from its lock on."""

    rows: dict[str, int]
    went_on: bool
    still: float


@dataclass(frozen=True, slots=True)
class Teller:
    """Who hears how far it is. `waits`: all is copied, and the relay is to be stopped now."""

    rows: Callable[[str, int], None] = lambda _name, _rows: None
    step: Callable[[str], None] = lambda _step: None
    waits: Callable[[], None] = lambda: None


def move(data_dir: Path, url: str, tell: Teller, *, wait: bool = True) -> Moved:
    """Raises storage.missing (no SQLite relay here), storage.exists (the target is not empty), storage.locked
    (without `wait`, where the relay runs), storage.*, usage.invalid."""
    path = data_dir / "relay.db"
    database = PostgresDatabase(url, data_dir)
    if not path.exists() and (data_dir / MOVED).exists():
        # Cut off at the very end.
        with _engine(database) as engine, engine.connect() as target, target.begin():
            Progress().end(target)
        return Moved({}, went_on=True, still=0.0)
    if not path.exists():
        raise error("storage.missing", "There is no relay.db in this directory; check --from.")
    _check_schema(path)
    progress = Progress()
    with (
        _engine(SqliteDatabase(path), writes=False) as old,
        _engine(database) as new,
        old.connect() as source,
        new.connect() as target,
    ):
        with target.begin():
            went_on = progress.begin(target, _mark(source))
        for table in all_tables():
            tell.step(table.name)
            comparing.copy(source, target, table, progress, tell.rows)
        with _wait(data_dir, source, target, tell, wait=wait) as began:
            with _nobody_writes(path):
                rows = _settle(path, source, target, tell)
            source.close()
            _switch(data_dir, target, progress)
            return Moved(rows, went_on, time.monotonic() - began)


@contextmanager
def _wait(
    data_dir: Path, source: Connection, target: Connection, tell: Teller, *, wait: bool
) -> Iterator[float]:
    """Refresh until the relay's lock is free, and hold it. Gives when that was."""
    told, refreshed = False, 0.0
    while True:
        try:
            with alone_in(data_dir):
                yield time.monotonic()
                return
        except ChappeError as problem:
            if problem.code != "storage.locked":
                raise
        now = time.monotonic()
        if not refreshed or now - refreshed > REFRESH_SECONDS:
            for table in all_tables():
                comparing.refresh(source, target, table, lambda _name, _rows: None)
            refreshed = time.monotonic()
        if not wait:
            raise error(
                "storage.locked", "All is copied while the relay runs. Stop it, and give this command again."
            )
        if not told:
            tell.waits()
            told = True
        time.sleep(LOOK_SECONDS)


@contextmanager
def _nobody_writes(path: Path) -> Iterator[None]:
    """Nor any command beside the relay: it waits, or is refused."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=10)) as connection:
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.Error as problem:
            raise storage_failure(problem) from None
        yield
        connection.execute("ROLLBACK")


def _settle(path: Path, source: Connection, target: Connection, tell: Teller) -> dict[str, int]:
    """Make both sides the same, and make sure of it. Gives the rows of each table."""
    tell.step("settle")
    sides, coming = {}, {}
    for table in all_tables():
        sides[table.name], coming[table.name] = comparing.settle_drop(source, target, table, tell.rows)
    for table in all_tables():
        comparing.settle_add(source, target, table, coming[table.name])
    tell.step("check")
    for table in all_tables():
        comparing.check(table, sides[table.name], comparing.digest(target, table))
    with target.begin():
        set_numbers(target)
        # A mailbox's number is never given twice, also where its device is gone.
        target.execute(
            text(
                "SELECT setval('mailboxes_mailbox_seq', greatest(:last, "
                "(SELECT last_value FROM mailboxes_mailbox_seq)))"
            ),
            {"last": max(1, _last_mailbox(path))},
        )
    return {name: side.rows for name, side in sides.items()}


def _switch(data_dir: Path, target: Connection, progress: Progress) -> None:
    """From here on the relay is the one on PostgreSQL. The old database goes out of the way first, so that
    there is no moment at which both could be used."""
    path = data_dir / "relay.db"
    try:
        with closing(sqlite3.connect(path)) as last:
            last.execute("PRAGMA journal_mode=DELETE")
        (data_dir / ELSEWHERE).write_text("The tables of this relay are in PostgreSQL.\n")
        path.replace(data_dir / MOVED)
        sync_folder(data_dir)
    except (OSError, sqlite3.Error) as problem:
        raise os_failure(problem) if isinstance(problem, OSError) else storage_failure(problem) from None
    with target.begin():
        progress.end(target)


def _check_schema(path: Path) -> None:
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.Error as problem:
            raise storage_failure(problem) from None
    if row is None or row[0] != migrations.HEAD:
        raise error(
            "storage.failed",
            "The relay's database is of another version: start this relay on it once, then move it.",
        )


def _mark(source: Connection) -> bytes:
    """What this relay's database is known by: the first entry of its transparency log."""
    with source.begin():
        first: bytes | None = source.execute(
            select(log_entries.c.entry).order_by(log_entries.c.number).limit(1)
        ).scalar()
    return hashlib.sha256(b"chappe moving v1" + (first or b"")).digest()


def _last_mailbox(path: Path) -> int:
    """The highest number that SQLite ever gave."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        row = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'mailboxes'").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _engine(database: PostgresDatabase | SqliteDatabase, *, writes: bool = True) -> Iterator[Engine]:
    engine = database.engine(writes=writes)
    try:
        yield engine
    except exc.DBAPIError as problem:
        raise storage_failure(problem) from None
    finally:
        engine.dispose()
