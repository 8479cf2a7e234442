"""Drop what has expired, a piece at a time so that the writer is never held for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, select, update

from chappe.relay import audit
from chappe.relay.fleet_tables import orders, proposals, registers
from chappe.relay.ports import Unit
from chappe.relay.storage import statements_of
from chappe.relay.tables import (
    attachment_use,
    attachments,
    codes,
    delivery_tokens,
    devices,
    entries,
    key_packages,
    mailboxes,
    payloads,
    sent_ids,
)
from chappe.relay.usecases import enrol
from chappe.relay.usecases.approve_order import AWAIT_SECONDS
from chappe.relay.usecases.attachments import DAY
from chappe.relay.usecases.key_packages import REMEMBER_TAKEN_SECONDS
from chappe.relay.usecases.meetings import forget_old
from chappe.wire.audit import AuditEntry

PIECE: Final = 500
MAILBOXES_AT_ONCE: Final = 20
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
        self._fleet(unit)
        return Swept(tuple(gone), more or len(gone) == PIECE)

    def _mail(self, unit: Unit) -> bool:
        """Entries expire with their payload: as if acknowledged up to there."""
        connection, before = unit.connection, unit.now - self.keep_seconds
        # Payload numbers grow with time: one row tells whether there is anything to look for.
        oldest = connection.execute(select(payloads.c.at).order_by(payloads.c.payload).limit(1)).scalar()
        if oldest is None or oldest > before:
            return False
        upto = [(mailbox, self._expired_upto(unit, mailbox, before)) for mailbox in self._stale(unit, before)]
        if upto:
            statements_of(connection).acknowledge(connection, upto)
        return bool(upto)

    def _stale(self, unit: Unit, before: int) -> list[int]:
        """Mailboxes whose first entry has expired: one seek each, where an index on time would be one more
        write for every message."""
        first = (
            select(entries.c.at)
            .where(entries.c.mailbox == mailboxes.c.mailbox)
            .order_by(entries.c.sequence)
            .limit(1)
            .scalar_subquery()
        )
        statement = select(mailboxes.c.mailbox).where(first <= before).limit(MAILBOXES_AT_ONCE)
        return list(unit.connection.execute(statement).scalars())

    def _expired_upto(self, unit: Unit, mailbox: int, before: int) -> int:
        """The last of the expired entries that the mailbox begins with, PIECE of them at most."""
        statement = (
            select(entries.c.sequence, entries.c.at)
            .where(entries.c.mailbox == mailbox)
            .order_by(entries.c.sequence)
            .limit(PIECE)
        )
        last = 0
        for sequence, at in unit.connection.execute(statement).all():
            if at > before:
                break
            last = sequence
        return last

    def _ids(self, unit: Unit) -> bool:
        piece = (
            select(sent_ids.c.id)
            .where(sent_ids.c.expires <= unit.now)
            .order_by(sent_ids.c.expires)
            .limit(PIECE)
        )
        return unit.connection.execute(delete(sent_ids).where(sent_ids.c.id.in_(piece))).rowcount == PIECE

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
        forget_old(unit)
        connection.execute(
            delete(attachment_use).where(attachment_use.c.day <= (now - self.keep_seconds) // DAY)
        )
        connection.execute(
            update(delivery_tokens)
            .where(delivery_tokens.c.before_until <= now)
            .values(before=None, before_until=None)
        )
        connection.execute(
            delete(key_packages).where(key_packages.c.taken_at <= now - REMEMBER_TAKEN_SECONDS)
        )
        # Of before it was kept to the day.
        connection.execute(
            update(codes)
            .where(codes.c.used_at % DAY != 0)
            .values(used_at=codes.c.used_at - codes.c.used_at % DAY)
        )
        connection.execute(
            delete(codes).where(
                (codes.c.used_at <= now - KEEP_USED_CODES_SECONDS)
                | (codes.c.used_at.is_(None) & (codes.c.expires_at <= now - KEEP_USED_CODES_SECONDS))
            )
        )

    def _fleet(self, unit: Unit) -> None:
        """Orders that nobody approved, proposals that nobody took, registers of devices long signed out.
        Orders that were carried out stay, as the audit log does."""
        connection, before = unit.connection, unit.now - self.keep_seconds
        for row in connection.execute(
            select(orders.c.order_id, orders.c.organisation, orders.c.kind)
            .where(orders.c.executed_at.is_(None), orders.c.given_at <= unit.now - AWAIT_SECONDS)
            .limit(PIECE)
        ).all():
            connection.execute(delete(orders).where(orders.c.order_id == row.order_id))
            entry = AuditEntry(1, unit.now, "order.lapsed", order=row.order_id, kind=row.kind)
            audit.append(unit, row.organisation, entry)
        enrol.lapse(unit)
        old = select(orders.c.order_id).where(orders.c.executed_at <= before)
        connection.execute(delete(proposals).where(proposals.c.order_id.in_(old)))
        gone = select(devices.c.device).where(devices.c.revoked_at <= before)
        connection.execute(delete(registers).where(registers.c.device.in_(gone)))
