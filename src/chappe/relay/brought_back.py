"""A database that was brought back from a copy (`chappe restore`): its phones know more than it does.

For a while the relay therefore does not insist on what it may have forgotten: a device in a conversation that
it does not know, an epoch that it has not seen.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, select

from chappe.relay.tables import groups

NO_GROUP: Final = bytes(32)
"""No group has this id: the row under it says when the database was brought back (`moved_at`)."""
SECONDS: Final = 30 * 24 * 3600
"""As long as a message waits. Who takes part in a conversation at all moves it within a week."""


def mark(connection: Connection, now: int) -> None:
    connection.execute(delete(groups).where(groups.c.group_id == NO_GROUP))
    connection.execute(insert(groups).values(group_id=NO_GROUP, epoch=0, lock=bytes(32), moved_at=now))


def when(connection: Connection, now: int) -> int | None:
    """Unix seconds; None where it was never brought back, or longer ago than `SECONDS`."""
    at: int | None = connection.execute(
        select(groups.c.moved_at).where(groups.c.group_id == NO_GROUP)
    ).scalar()
    return at if at is not None and now < at + SECONDS else None
