"""The tables as they are, read without a way to write: for what an operator asks beside the relay."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from sqlalchemy import Connection, inspect, text

from chappe.relay.config import Settings
from chappe.relay.schema import metadata
from chappe.relay.storage import look, open_database
from chappe.relay.tables import lines
from chappe.wire.errors import error
from chappe.wire.stored import StoredTable, read_only, tables_in

Rows: TypeAlias = list[dict[str, Any]]
Values: TypeAlias = Sequence[Any] | Mapping[str, Any]

# Importing them has put all tables there.
assert lines.metadata is metadata


class Reading(Protocol):
    """One transaction."""

    def rows(self, statement: str, values: Values = ()) -> Rows:
        """Values stand for question marks, or for `:names`. Columns are as SQLite gives them: truth is 0 or
        1. Raises what the driver raises."""


class SqliteReading:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Values = ()) -> Rows:
        return [dict(row) for row in self._connection.execute(statement, values)]


class PostgresReading:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def rows(self, statement: str, values: Values = ()) -> Rows:
        if isinstance(values, Mapping):
            found = self._connection.execute(text(statement), dict(values))
        else:
            found = self._connection.exec_driver_sql(statement.replace("?", "%s"), tuple(values))
        return [{name: _plain(value) for name, value in row.items()} for row in found.mappings()]


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, bool) else value


@contextmanager
def reading(settings: Settings) -> Iterator[Reading]:
    """Of the database that the settings name. Raises storage.missing, storage.*."""
    database = open_database(settings)
    if not database.shared:
        with read_only(settings.database) as connection:
            yield SqliteReading(connection)
        return
    with look(database) as shared:
        if not inspect(shared).has_table(lines.name):
            raise error("storage.missing", "There is nothing in this database yet; run `chappe serve` first.")
        yield PostgresReading(shared)


def all_tables(settings: Settings, *, count: bool) -> tuple[StoredTable, ...]:
    """Of that database; where there is none yet, what this version would make. Raises storage.*."""
    database = open_database(settings)
    if not database.shared:
        return tables_in(settings.database, metadata, count=count)
    with look(database) as connection:
        present = inspect(connection)
        return tuple(
            StoredTable(
                name,
                tuple((column["name"], str(column["type"])) for column in present.get_columns(name)),
                _count(connection, name) if count else None,
            )
            for name in sorted(present.get_table_names())
        )


def _count(connection: Connection, name: str) -> int:
    quoted = connection.dialect.identifier_preparer.quote(name)
    return int(connection.exec_driver_sql(f"SELECT count(*) FROM {quoted}").scalar_one())  # noqa: S608
