"""What a relay's database must do once when it is brought back from a copy, whatever came since.

Phones know more than the copy: how far they have read, which key packages were used, in which epoch a
conversation is. Each of these would lose something in silence, so each is settled here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, select, update

from chappe.relay import brought_back
from chappe.relay.tables import attachments, entries, key_packages, mailboxes

STEP: Final = 2**32
"""How far the sequences of each mailbox go ahead. More than a mailbox takes between two backups, and far from
the 2^53 that a phone counts to: two million restores."""


@dataclass(frozen=True, slots=True)
class Settled:
    """`waiting`: envelopes that wait in the copy. `attachments`: that are gone, since their files are not
    here."""

    mailboxes: int
    waiting: int
    attachments: int


def settle(connection: Connection, now: int, has_file: Callable[[bytes, int], bool]) -> Settled:
    """In the transaction of `connection`. `has_file`: whether so many bytes of an attachment are here."""
    waiting = connection.execute(select(func.count()).select_from(entries)).scalar_one()
    boxes = _step_ahead(connection)
    # Those that were taken since would be given out once more: to a phone that has their keys no longer,
    # which
    # would miss a conversation in silence. Phones leave new ones as soon as they come; until then there is
    # the last resort.
    connection.execute(delete(key_packages))
    # Conversations may be further than the copy knows, and have devices that it does not know.
    brought_back.mark(connection, now)
    gone = [
        row.attachment
        for row in connection.execute(select(attachments.c.attachment, attachments.c.received)).all()
        if not has_file(row.attachment, row.received)
    ]
    for start in range(0, len(gone), 500):
        connection.execute(delete(attachments).where(attachments.c.attachment.in_(gone[start : start + 500])))
    return Settled(boxes, waiting, len(gone))


def _step_ahead(connection: Connection) -> int:
    """The next sequence of each mailbox is one that no phone has seen: who has read up to 120 would else take
    the new envelopes up to 120 for old ones. What waits keeps its sequence, so that who has it knows it."""
    last = (
        select(func.max(entries.c.sequence)).where(entries.c.mailbox == mailboxes.c.mailbox).scalar_subquery()
    )
    connection.execute(update(mailboxes).where(last > mailboxes.c.gone_sequence).values(gone_sequence=last))
    return connection.execute(
        update(mailboxes).values(gone_sequence=mailboxes.c.gone_sequence + STEP)
    ).rowcount
