"""Drop what has expired, a piece at a time so that the writer is never held for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select

from chappe.relay import mailbox_sql
from chappe.relay.ports import Unit
from chappe.relay.tables import attachment_use, attachments, codes, entries, key_packages, payloads, sent_ids
from chappe.relay.usecases.attachments import DAY
from chappe.relay.usecases.key_packages import REMEMBER_TAKEN_SECONDS

PIECE: Final = 500
KEEP_USED_CODES_SECONDS: Final = 365 * DAY


@dataclass(frozen=True, slots=True)
class Swept:
    """What one piece dropped: attachments whose files are to be deleted, and whether there is more."""

    attachments: tuple[bytes, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class Sweep:
    """One piece of dropping what is older than `keep_seconds`. Gives `Swept`; repeat while `more`."""

    keep_seconds: int

    @property
    def weight(self) -> int:
        return 1_000

    def run(self, unit: Unit) -> Swept:
        more = self._mail(unit)
        more |= self._ids(unit)
        gone = self._attachments(unit)
        self._small_things(unit)
        return Swept(tuple(gone), more or len(gone) == PIECE)

    def _mail(self, unit: Unit) -> bool:
        """Entries expire with their payload: as if acknowledged up to there."""
        connection, before = unit.connection, unit.now - self.keep_seconds
        old = [
            row.payload
            for row in connection.execute(
                # Payload numbers grow with time, so the oldest come first without an index on time.
                select(payloads.c.payload, payloads.c.at).order_by(payloads.c.payload).limit(PIECE)
            )
            if row.at <= before
        ]
        if not old:
            return False
        upto: dict[int, int] = {}
        for row in connection.execute(
            select(entries.c.mailbox, entries.c.sequence).where(entries.c.at <= before).limit(PIECE * 20)
        ):
            upto[row.mailbox] = max(row.sequence, upto.get(row.mailbox, 0))
        mailbox_sql.acknowledge(connection, list(upto.items()))
        return bool(upto)

    def _ids(self, unit: Unit) -> bool:
        piece = (
            select(sent_ids.c.mailbox, sent_ids.c.id)
            .where(sent_ids.c.expires <= unit.now)
            .order_by(sent_ids.c.expires)
            .limit(PIECE)
        )
        rows = unit.connection.execute(piece).all()
        for mailbox, id_ in rows:
            unit.connection.execute(
                delete(sent_ids).where(sent_ids.c.mailbox == mailbox, sent_ids.c.id == id_)
            )
        return len(rows) == PIECE

    def _attachments(self, unit: Unit) -> list[bytes]:
        rows = list(
            unit.connection.execute(
                select(attachments.c.attachment).where(attachments.c.expires <= unit.now).limit(PIECE)
            ).scalars()
        )
        if rows:
            unit.connection.execute(delete(attachments).where(attachments.c.attachment.in_(rows)))
        return rows

    def _small_things(self, unit: Unit) -> None:
        now, connection = unit.now, unit.connection
        connection.execute(
            delete(attachment_use).where(attachment_use.c.day <= (now - self.keep_seconds) // DAY)
        )
        connection.execute(
            delete(key_packages).where(key_packages.c.taken_at <= now - REMEMBER_TAKEN_SECONDS)
        )
        connection.execute(
            delete(codes).where(
                (codes.c.used_at <= now - KEEP_USED_CODES_SECONDS)
                | (codes.c.used_at.is_(None) & (codes.c.expires_at <= now - KEEP_USED_CODES_SECONDS))
            )
        )
