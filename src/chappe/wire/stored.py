"""A store as it is: tables, columns and rows of a database file, read without a way to write.

`chappe.wire.kept` has the reasons; this has the facts. Used by relay and desk for the inventory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData, create_engine

from chappe.wire.errors import error
from chappe.wire.kept import Kept, Words
from chappe.wire.sqlite import storage_failure


@dataclass(frozen=True, slots=True)
class StoredTable:
    """`columns`: name and type, as the database has them. `rows`: None where there is no database yet."""

    name: str
    columns: tuple[tuple[str, str], ...]
    rows: int | None


@dataclass(frozen=True, slots=True)
class Store:
    """A database with the reasons of who keeps it. `file`: from the data directory."""

    name: Words
    file: str
    tables: tuple[StoredTable, ...]
    kept: Mapping[str, Kept]


@contextmanager
def read_only(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that cannot write, in one transaction. Raises storage.missing, storage.*."""
    if not path.exists():
        raise error("storage.missing", f"There is no {path.name} here yet; run `chappe serve` first.")
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
        try:
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA query_only=ON")
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
    except sqlite3.Error as problem:
        raise storage_failure(problem) from None


def tables_of(connection: sqlite3.Connection, *, count: bool = True) -> tuple[StoredTable, ...]:
    """What the database really has, by name; SQLite's own tables are left out."""
    names = connection.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
    )
    return tuple(_table(connection, str(row[0]), count) for row in names.fetchall())


def _table(connection: sqlite3.Connection, name: str, count: bool) -> StoredTable:
    quoted = '"' + name.replace('"', '""') + '"'
    columns = connection.execute(f"PRAGMA table_info({quoted})").fetchall()
    rows = None
    if count:
        rows = int(connection.execute(f"SELECT count(*) FROM {quoted}").fetchone()[0])  # noqa: S608
    return StoredTable(name, tuple((str(one[1]), str(one[2])) for one in columns), rows)


def tables_in(path: Path, metadata: MetaData, *, count: bool = True) -> tuple[StoredTable, ...]:
    """Of the file; where there is none yet, what this version would make. Raises storage.*."""
    if path.exists():
        with read_only(path) as connection:
            return tables_of(connection, count=count)
    engine = create_engine("sqlite://")
    try:
        with engine.connect() as made:
            metadata.create_all(made)
            driver = made.connection.dbapi_connection
            assert isinstance(driver, sqlite3.Connection)
            return tables_of(driver, count=False)
    finally:
        engine.dispose()
