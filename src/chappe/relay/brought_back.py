"""A database that was brought back from a copy (`chappe restore`): its phones know more than it does.

For a while the relay therefore does not insist on what it may have forgotten: a device in a conversation that
it does not know, an epoch that it has not seen.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, select

from chappe.relay.tables import groups
from chappe.wire.errors import error

RESERVED: Final = bytes(16)
"""How the ids of rows among the groups begin that are no groups: no device may move them."""
NO_GROUP: Final = RESERVED + bytes(16)
"""The row under this id says when the database was brought back (`moved_at`)."""
SECONDS: Final = 30 * 24 * 3600
"""As long as a message waits. Who takes part in a conversation at all moves it within a week."""


def mark(connection: Connection, now: int) -> None:
    connection.execute(delete(groups).where(groups.c.group_id == NO_GROUP))
    connection.execute(insert(groups).values(group_id=NO_GROUP, epoch=0, lock=bytes(32), moved_at=now))


def is_reserved(group: bytes) -> bool:
    return group.startswith(RESERVED)


def mark_roster(connection: Connection, organisation: bytes, version: int) -> None:
    """The log knows a newer roster of an organisation than the database has: this version."""
    forget_roster(connection, organisation)
    connection.execute(
        insert(groups).values(group_id=RESERVED + organisation, epoch=version, lock=bytes(32), moved_at=0)
    )


def newer_roster(connection: Connection, organisation: bytes) -> int | None:
    """The version that the log knows, until officers have given it again."""
    version: int | None = connection.execute(
        select(groups.c.epoch).where(groups.c.group_id == RESERVED + organisation)
    ).scalar()
    return version


def forget_roster(connection: Connection, organisation: bytes) -> None:
    connection.execute(delete(groups).where(groups.c.group_id == RESERVED + organisation))


def check_roster(connection: Connection, organisation: bytes) -> None:
    """Raises roster.invalid: who was removed from the roster since the copy must not order by the old one."""
    if newer_roster(connection, organisation) is not None:
        raise error(
            "roster.invalid",
            "This relay was brought back from a copy that lacks your newest roster: `chappe fleet officer "
            "list` of an officer who is on both gives it again.",
        )


def when(connection: Connection, now: int) -> int | None:
    """Unix seconds; None where it was never brought back, or longer ago than `SECONDS`."""
    at: int | None = connection.execute(
        select(groups.c.moved_at).where(groups.c.group_id == NO_GROUP)
    ).scalar()
    return at if at is not None and now < at + SECONDS else None
