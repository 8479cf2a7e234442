"""Where the relay keeps its tables: SQLite in the data directory (default), or PostgreSQL.

The use cases are written in SQLAlchemy Core and run on both. What differs is behind `Database` (engines, what
a transaction begins with) and `Statements` (the hot path). See docs/decisions/0015-postgresql.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from sqlalchemy import Connection, Engine, Table, exc
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from chappe.relay.failures import storage_failure
from chappe.relay.storage import sqlite_mail
from chappe.relay.storage.sqlite import SqliteDatabase, has_moved_out
from chappe.wire.errors import error

if TYPE_CHECKING:
    from chappe.relay.config import Settings

Upsert = Any
"""SQLAlchemy's `Insert` of either dialect: both have `on_conflict_do_nothing` and `on_conflict_do_update`."""


class Database(Protocol):
    """Holds no connection itself, and may be used in any thread."""

    @property
    def shared(self) -> bool:
        """Whether other relay processes may write to it at the same time: what is remembered of it holds
        for one transaction."""

    @property
    def readers(self) -> int:
        """How many threads read beside the writer."""

    def upgrade(self) -> None:
        """Make the tables, or bring them up to date; once, whoever asks at once. Refuses a database that
        does not keep what it says it keeps. Raises storage.*."""

    def engine(self, *, writes: bool) -> Engine:
        """An engine without a pool: the caller keeps one connection per thread. Without `writes`, a
        transaction sees the tables as of one moment."""

    def begin(self, connection: Connection, *, alone: bool) -> None:
        """Right after a writing transaction has begun. `alone`: nobody else writes until it ends; without,
        others may send and acknowledge beside it."""


class Statements(Protocol):
    """The hot path, each for many rows at once. Gives and takes what the tables have."""

    def lock(self, connection: Connection, mailboxes: set[int]) -> None:
        """Until the transaction ends nobody else files into these, nor takes out of them."""

    def acknowledge(self, connection: Connection, upto: list[tuple[int, int]]) -> None:
        """Delete entries up to a sequence in each of the mailboxes, and payloads that no mailbox holds."""

    def find_ids(self, connection: Connection, ids: list[bytes]) -> dict[bytes, tuple[bytes, int]]:
        """Of these ids, those used before: their (digest, expires)."""

    def find_tokens(
        self, connection: Connection, mailboxes: list[int]
    ) -> Iterator[tuple[int, bytes, bytes | None, int | None]]:
        """(mailbox, digest, the digest before, until when that holds) of those that have a delivery token."""

    def find_mailboxes(self, connection: Connection, devices: list[bytes]) -> Iterator[tuple[bytes, int]]:
        """(device, mailbox) of those that are here; 0 in place of the mailbox of one that is revoked, or was
        forgotten with its line."""

    def load_boxes(
        self, connection: Connection, mailboxes: list[int]
    ) -> Iterator[tuple[int, int, int, int, int]]:
        """(mailbox, last sequence given, bytes ever put in, gone sequence, gone bytes)."""

    def gone(self, connection: Connection, mailbox: int) -> tuple[int, int]:
        """The last sequence that is gone from a mailbox, and the bytes gone with it."""

    def payload_numbers(self, connection: Connection, wanted: int) -> Iterator[int]:
        """Numbers for new payloads, without end; about so many are wanted."""

    def insert_ids(self, connection: Connection, rows: list[tuple[bytes, bytes, int]]) -> None:
        """(id, digest, expires)."""

    def insert_payloads(self, connection: Connection, rows: list[tuple[int, int, bytes]]) -> None:
        """(payload, at, data)."""

    def insert_shares(self, connection: Connection, rows: list[tuple[int, int]]) -> None:
        """(payload, mailboxes left)."""

    def insert_entries(
        self, connection: Connection, rows: list[tuple[int, int, bytes, int, int, int]]
    ) -> None:
        """(mailbox, sequence, envelope, payload, total bytes, at)."""

    def page(
        self, connection: Connection, mailbox: int, after: int, *, newer_than: int, items: int, size: int
    ) -> tuple[list[tuple[int, bytes, bytes, int]], bool]:
        """(sequence, envelope, data, at) of a mailbox above `after`, oldest first: at most `items`, and about
        `size` bytes. True if there is no more after them."""


_SQLITE_MAIL: Statements = sqlite_mail


def statements_of(connection: Connection) -> Statements:
    """Those of the connection's dialect."""
    if connection.dialect.name == "sqlite":
        return _SQLITE_MAIL
    from chappe.relay.storage import postgres_mail

    found: Statements = postgres_mail
    return found


def upsert(connection: Connection, table: Table) -> Upsert:
    """An INSERT that may say what to do about a row that is there."""
    return sqlite_insert(table) if connection.dialect.name == "sqlite" else postgresql_insert(table)


def open_database(settings: Settings) -> Database:
    """The one that the settings name. Raises usage.invalid for an address that is none, or where the relay
    of this data directory keeps its tables elsewhere."""
    if settings.database_url is not None:
        # Only here: who has SQLite need not load the driver.
        from chappe.relay.storage.postgres import PostgresDatabase

        return PostgresDatabase(settings.database_url.get_secret_value(), settings.data_dir)
    if has_moved_out(settings.data_dir):
        raise error(
            "usage.invalid",
            "This relay keeps its tables in PostgreSQL: give its address in CHAPPE_DATABASE_URL.",
        )
    return SqliteDatabase(settings.database)


@contextmanager
def change(database: Database) -> Iterator[Connection]:
    """A transaction of a command, beside running relays or without one. Raises storage.*."""
    with _transaction(database, writes=True) as connection:
        database.begin(connection, alone=True)
        yield connection


@contextmanager
def look(database: Database) -> Iterator[Connection]:
    """A transaction that reads. Raises storage.*."""
    with _transaction(database, writes=False) as connection:
        yield connection


@contextmanager
def _transaction(database: Database, *, writes: bool) -> Iterator[Connection]:
    engine = database.engine(writes=writes)
    try:
        with engine.connect() as connection, connection.begin():
            yield connection
    except exc.DBAPIError as problem:
        raise storage_failure(problem) from None
    finally:
        engine.dispose()
