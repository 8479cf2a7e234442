"""What stands in the database, in all: how many and how much, never whose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Table, func, select

from chappe.relay.tables import attachments, devices, entries, groups, lines, mailboxes


@dataclass(frozen=True, slots=True)
class Totals:
    """Bytes in bytes. `waiting_*`: in all mailboxes together."""

    lines: int
    devices: int
    groups: int
    waiting_items: int
    waiting_bytes: int
    attachments: int
    attachment_bytes: int


def count(connection: Connection) -> Totals:
    """A seek for each mailbox, not a look at each of its entries: what waits follows from the last."""
    last = select(func.max(entries.c.sequence)).where(entries.c.mailbox == mailboxes.c.mailbox)
    ends = select(
        mailboxes.c.mailbox,
        mailboxes.c.gone_sequence,
        mailboxes.c.gone_bytes,
        last.scalar_subquery().label("last"),
    ).subquery()
    found = connection.execute(
        select(
            func.coalesce(func.sum(ends.c.last - ends.c.gone_sequence), 0),
            func.coalesce(func.sum(entries.c.total_bytes - ends.c.gone_bytes), 0),
        )
        .select_from(ends)
        .join(entries, (entries.c.mailbox == ends.c.mailbox) & (entries.c.sequence == ends.c.last))
    ).one()
    files = connection.execute(
        select(func.count(), func.coalesce(func.sum(attachments.c.received), 0)).select_from(attachments)
    ).one()
    return Totals(
        lines=_rows(connection, lines),
        devices=_rows(connection, devices),
        groups=_rows(connection, groups),
        waiting_items=int(found[0]),
        waiting_bytes=int(found[1]),
        attachments=int(files[0]),
        attachment_bytes=int(files[1]),
    )


def _rows(connection: Connection, table: Table) -> int:
    return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


KEEP_SECONDS: Final = 60.0
"""How long totals are told without counting anew: they cost a look at every mailbox."""
