"""What SQLite's statements of many rows are made of, and the database of `chappe.wire.sqlite`."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import Connection

from chappe.relay.failures import storage_failure
from chappe.wire.sqlite import open_engine, os_failure, prepare_folder

__all__ = [
    "chunks",
    "insert_rows",
    "open_engine",
    "os_failure",
    "prepare_folder",
    "storage_failure",
    "values",
]

# More variables than these in one statement are never bound (SQLite's default limit is 32,766).
MAX_VARIABLES: Final = 30_000


def values(rows: int, columns: int) -> str:
    """`(?,?),(?,?)`: many rows in one statement, because each statement lets go of the interpreter lock
    and waits to have it back."""
    row = "(" + ",".join("?" * columns) + ")"
    return ",".join([row] * rows)


def chunks(rows: list[tuple[Any, ...]], columns: int) -> list[list[tuple[Any, ...]]]:
    """`rows` in pieces of at most 512 whose lengths are powers of two: few different statements, so that
    SQLite's compiled ones are found again."""
    pieces: list[list[tuple[Any, ...]]] = []
    start, size = 0, 512
    while size * columns > MAX_VARIABLES:
        size //= 2
    while start < len(rows):
        while size > len(rows) - start:
            size //= 2
        pieces.append(rows[start : start + size])
        start += size
    return pieces


def insert_rows(connection: Connection, head: str, rows: list[tuple[Any, ...]], tail: str = "") -> None:
    """`head VALUES … tail` for all rows, in few statements."""
    if not rows:
        return
    columns = len(rows[0])
    for piece in chunks(rows, columns):
        flat = tuple(value for row in piece for value in row)
        connection.exec_driver_sql(f"{head} VALUES {values(len(piece), columns)}{tail}", flat)
