"""The head of the transparency log that several gateways serve: one row, which never goes back.

The leader signs, writes it here in the session that holds the leader's lock, and only then to the folder. A
gateway that led before and wakes up again has lost that session, and writes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects.postgresql import insert

from chappe.relay.gateway_tables import log_heads
from chappe.wire.errors import error

_ROW: Final = 1


@dataclass(frozen=True, slots=True)
class Head:
    """`note`: signed, as it is served; `size`: entries that it is of."""

    size: int
    note: bytes


def find_head(connection: Connection) -> Head | None:
    row = connection.execute(
        select(log_heads.c.size, log_heads.c.note).where(log_heads.c.id == _ROW)
    ).one_or_none()
    return None if row is None else Head(row.size, row.note)


def record_head(connection: Connection, head: Head) -> None:
    """Raises storage.failed where a longer log was signed already."""
    before = connection.execute(
        select(log_heads.c.size).where(log_heads.c.id == _ROW).with_for_update()
    ).scalar()
    if before is not None and before > head.size:
        raise error("storage.failed", "Another gateway has signed a longer log.")
    values = {"size": head.size, "note": head.note}
    statement = insert(log_heads).values(id=_ROW, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=values))
