"""The tables that move, and their rows in order of their keys, in pieces: the same order on both databases
(keys are numbers, and bytes that are compared as bytes)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from sqlalchemy import ColumnElement, Connection, Table, and_, select, tuple_

from chappe.relay import tables as tables  # so that `metadata` is whole
from chappe.relay.schema import metadata

PIECE_ROWS: Final = 2_000
KEYS: Final = 500
"""In one statement."""
PIECE_BYTES: Final = 8 * 1024 * 1024

Row: TypeAlias = tuple[Any, ...]
Key: TypeAlias = tuple[Any, ...]


def all_tables() -> list[Table]:
    """In an order that is the same each time."""
    return sorted(metadata.tables.values(), key=lambda table: table.name)


def key_places(table: Table) -> list[int]:
    """Where the columns of the key stand in a row."""
    places = [place for place, column in enumerate(table.columns) if column.primary_key]
    assert places, table.name
    return places


def key_of(table: Table, row: Row) -> Key:
    return tuple(row[place] for place in key_places(table))


def pieces(connection: Connection, table: Table, after: Key | None) -> Iterator[list[Row]]:
    """Whole rows with keys above `after`, in pieces of a bounded size. One piece is of one moment; the next
    may be of a later one."""
    while True:
        with connection.begin():
            piece = _piece(connection, table, after)
        if not piece:
            return
        yield piece
        after = key_of(table, piece[-1])


def between(connection: Connection, table: Table, after: Key | None, upto: Key | None) -> list[Row]:
    """Whole rows with keys above `after`, up to and with `upto` (None: without end)."""
    statement = select(table).order_by(*table.primary_key.columns).where(_within(table, after, upto))
    return [tuple(row) for row in connection.execute(statement)]


def with_keys(connection: Connection, table: Table, keys: list[Key]) -> list[Row]:
    """Whole rows."""
    columns = tuple_(*table.primary_key.columns)
    found: list[Row] = []
    for start in range(0, len(keys), KEYS):
        wanted = select(table).where(columns.in_(keys[start : start + KEYS]))
        found += [tuple(row) for row in connection.execute(wanted)]
    return found


def _piece(connection: Connection, table: Table, after: Key | None) -> list[Row]:
    keys = table.primary_key.columns
    statement = select(table).order_by(*keys).where(_within(table, after, None)).limit(PIECE_ROWS)
    piece: list[Row] = []
    size = 0
    with connection.execute(statement) as found:
        for row in found:
            piece.append(tuple(row))
            size += sum(len(value) for value in row if isinstance(value, (bytes, str)))
            if size >= PIECE_BYTES:
                break
    return piece


def _within(table: Table, after: Key | None, upto: Key | None) -> ColumnElement[bool]:
    keys = tuple_(*table.primary_key.columns)
    bounds = []
    if after is not None:
        bounds.append(keys > after)
    if upto is not None:
        bounds.append(keys <= upto)
    return and_(True, *bounds)
