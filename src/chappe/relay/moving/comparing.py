"""One table made the same in the target as in the source.

copy          the first time: all rows, with progress that outlives a kill
refresh       while the relay runs: what is another is made the same; where a unique index is in the way,
              it waits for the end
settle_drop   while the relay stands still: what is another goes, in all tables; then
settle_add    what is missing comes, so that no index is in the way
digest        of the target, to be held against the source's
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec
import psycopg
from sqlalchemy import Connection, Table, delete, exc, tuple_

from chappe.relay.moving.plan import KEYS, Key, Row, between, key_of, pieces, with_keys
from chappe.relay.moving.progress import Progress
from chappe.wire.errors import error

Tell: TypeAlias = Callable[[str, int], None]
"""Is told a table's name and how many of its rows are through."""
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Side:
    """How many rows a table has on one side, and their SHA-256 in the order of their keys."""

    rows: int
    digest: bytes


class Summing:
    def __init__(self) -> None:
        self._sum = hashlib.sha256()
        self._rows = 0

    def take(self, rows: list[Row]) -> None:
        for row in rows:
            data = _encoder.encode(row)
            self._sum.update(len(data).to_bytes(8, "big") + data)
        self._rows += len(rows)

    def side(self) -> Side:
        return Side(self._rows, self._sum.digest())


def copy(source: Connection, target: Connection, table: Table, progress: Progress, tell: Tell) -> None:
    """From where an earlier attempt was cut off. Raises what the drivers raise."""
    with target.begin():
        after, rows, done = progress.of(target, table.name)
    if done:
        return
    for piece in pieces(source, table, after):
        rows += len(piece)
        with target.begin():
            # Where a row that came meanwhile is in the way of an index, the end settles it.
            _try(target, table, piece)
            progress.note(target, table.name, key_of(table, piece[-1]), rows, done=False)
        tell(table.name, rows)
    with target.begin():
        progress.note(target, table.name, None, rows, done=True)


def refresh(source: Connection, target: Connection, table: Table, tell: Tell) -> int:
    """Gives how many rows were another, were missing or were too many."""
    changed = 0
    for after, upto, piece in _spans(source, table):
        with target.begin():
            old, new = _differences(table, piece, between(target, table, after, upto))
            if old or new:
                changed += max(len(old), len(new))
                with target.begin_nested() as savepoint:
                    _drop(target, table, old)
                    if not _try(target, table, new):
                        savepoint.rollback()
        tell(table.name, len(piece))
    return changed


def settle_drop(
    source: Connection, target: Connection, table: Table, tell: Tell
) -> tuple[Side, list[list[Key]]]:
    """Take out of the target what is another there, or too much. Gives the source's side, and the rows that
    are to come. The relay stands still."""
    summing = Summing()
    coming: list[list[Key]] = []
    for after, upto, piece in _spans(source, table):
        summing.take(piece)
        with target.begin():
            old, new = _differences(table, piece, between(target, table, after, upto))
            _drop(target, table, old)
        if new:
            coming.append([key_of(table, row) for row in new])
        tell(table.name, len(piece))
    return summing.side(), coming


def settle_add(source: Connection, target: Connection, table: Table, coming: list[list[Key]]) -> None:
    """Bring the rows with these keys."""
    for keys in coming:
        with source.begin():
            rows = with_keys(source, table, keys)
        with target.begin():
            _add(target, table, rows)


def digest(target: Connection, table: Table) -> Side:
    summing = Summing()
    for piece in pieces(target, table, None):
        summing.take(piece)
    return summing.side()


def check(table: Table, ours: Side, theirs: Side) -> None:
    """Raises storage.failed where the two sides are not the same."""
    if ours != theirs:
        raise error(
            "storage.failed",
            f"The table {table.name} is not the same on both sides ({ours.rows} rows and {theirs.rows}): "
            "another program writes to one of them. Nothing was switched over.",
        )


def _spans(source: Connection, table: Table) -> Iterator[tuple[Key | None, Key | None, list[Row]]]:
    """(after, up to, rows): spans of keys that cover all that there may be, the last one without end."""
    after: Key | None = None
    before: list[Row] | None = None
    for piece in pieces(source, table, None):
        if before is not None:
            upto = key_of(table, before[-1])
            yield after, upto, before
            after = upto
        before = piece
    yield after, None, before or []


def _differences(table: Table, wanted: list[Row], there: list[Row]) -> tuple[list[Key], list[Row]]:
    """Keys of what must go from `there`, and rows that must come."""
    ours = {key_of(table, row): row for row in wanted}
    theirs = {key_of(table, row): row for row in there}
    old = [key for key, row in theirs.items() if ours.get(key) != row]
    new = [row for key, row in ours.items() if theirs.get(key) != row]
    return old, new


def _drop(target: Connection, table: Table, keys: list[Key]) -> None:
    columns = tuple_(*table.primary_key.columns)
    for start in range(0, len(keys), KEYS):
        target.execute(delete(table).where(columns.in_(keys[start : start + KEYS])))


def _try(target: Connection, table: Table, rows: list[Row]) -> bool:
    """False where a unique index is in the way; nothing is added then."""
    try:
        with target.begin_nested():
            _add(target, table, rows)
    except (exc.IntegrityError, psycopg.errors.IntegrityError):
        return False
    return True


def _add(target: Connection, table: Table, rows: list[Row]) -> None:
    if not rows:
        return
    driver: Any = target.connection.dbapi_connection
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    with driver.cursor() as cursor, cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copying:
        for row in rows:
            copying.write_row(row)
