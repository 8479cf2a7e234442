"""Drop what has expired, a piece at a time so that the writer is never held for long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, exists, select, tuple_, update

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
WALKED_AT_ONCE: Final = 1_000
"""Mailboxes that one piece looks at."""
MAILBOXES_AT_ONCE: Final = 20
"""Of them, those with expired mail."""
KEEP_USED_CODES_SECONDS: Final = 365 * DAY


@dataclass(frozen=True, slots=True)
class Swept:
    """What one piece dropped: attachments whose files are to be deleted; whether there is more, and after
    which mailbox."""

    attachments: tuple[bytes, ...]
    more: bool
    after: int


@dataclass(frozen=True, slots=True)
class Sweep:
    """One piece of dropping what is older than `keep_seconds`. Gives `Swept`; repeat while `more`, with its
    `after`. A piece costs what it drops and WALKED_AT_ONCE seeks, however much there is."""

    keep_seconds: int
    after: int = 0

    @property
    def weight(self) -> int:
        return 1_000

    def run(self, unit: Unit) -> Swept:
        after, more = self._walk(unit)
        more |= self._ids(unit)
        gone = self._attachments(unit)
        more |= len(gone) == PIECE
        more |= self._key_packages(unit)
        more |= self._codes(unit)
        more |= self._fleet(unit)
        forget_old(unit)
        return Swept(tuple(gone), more, after)

    # --- what hangs on a mailbox: a walk over them, where an index on time would be one more write for
    # every message

    def _walk(self, unit: Unit) -> tuple[int, bool]:
        """Up to which mailbox all is dropped, and whether there are more."""
        walked = list(
            unit.connection.execute(
                select(mailboxes.c.mailbox)
                .where(mailboxes.c.mailbox > self.after)
                .order_by(mailboxes.c.mailbox)
                .limit(WALKED_AT_ONCE)
            ).scalars()
        )
        if not walked:
            return self.after, False
        last = self._mail(unit, walked[-1])
        self._of_devices(unit, last)
        return last, last < walked[-1] or len(walked) == WALKED_AT_ONCE

    def _mail(self, unit: Unit, last: int) -> int:
        """Drop expired mail up to this mailbox; gives up to which one none is left. Entries expire with their
        payload: as if acknowledged up to there."""
        connection, before = unit.connection, unit.now - self.keep_seconds
        # Payload numbers grow with time: one row tells whether there is anything to look for.
        oldest = connection.execute(select(payloads.c.at).order_by(payloads.c.payload).limit(1)).scalar()
        if oldest is None or oldest > before:
            return last
        stale = self._stale(unit, last, before)
        upto = []
        for mailbox in stale:
            sequence, whole = self._expired_upto(unit, mailbox, before)
            upto.append((mailbox, sequence))
            if not whole:
                last = mailbox - 1
                break
        if upto:
            statements_of(connection).acknowledge(connection, upto)
        return min(last, stale[-1]) if len(stale) == MAILBOXES_AT_ONCE else last

    def _stale(self, unit: Unit, last: int, before: int) -> list[int]:
        """Mailboxes whose first entry has expired, in their order: one seek each."""
        first = (
            select(entries.c.at)
            .where(entries.c.mailbox == mailboxes.c.mailbox)
            .order_by(entries.c.sequence)
            .limit(1)
            .scalar_subquery()
        )
        statement = (
            select(mailboxes.c.mailbox)
            .where(mailboxes.c.mailbox > self.after, mailboxes.c.mailbox <= last, first <= before)
            .order_by(mailboxes.c.mailbox)
            .limit(MAILBOXES_AT_ONCE)
        )
        return list(unit.connection.execute(statement).scalars())

    def _expired_upto(self, unit: Unit, mailbox: int, before: int) -> tuple[int, bool]:
        """The last of the expired entries that the mailbox begins with, PIECE of them at most; whether these
        are all."""
        statement = (
            select(entries.c.sequence, entries.c.at)
            .where(entries.c.mailbox == mailbox)
            .order_by(entries.c.sequence)
            .limit(PIECE)
        )
        last, found = 0, unit.connection.execute(statement).all()
        for sequence, at in found:
            if at > before:
                return last, True
            last = sequence
        return last, len(found) < PIECE

    def _of_devices(self, unit: Unit, last: int) -> None:
        """Delivery tokens that hold no longer, room used on days gone by, registers of devices long signed
        out."""
        connection, before = unit.connection, unit.now - self.keep_seconds
        connection.execute(
            update(delivery_tokens)
            .where(
                delivery_tokens.c.mailbox > self.after,
                delivery_tokens.c.mailbox <= last,
                delivery_tokens.c.before_until <= unit.now,
            )
            .values(before=None, before_until=None)
        )
        here = (devices.c.mailbox > self.after) & (devices.c.mailbox <= last)
        connection.execute(
            delete(attachment_use).where(
                attachment_use.c.line.in_(select(devices.c.line).where(here)),
                attachment_use.c.day <= before // DAY,
            )
        )
        gone = select(devices.c.device).where(here, devices.c.revoked_at <= before)
        connection.execute(delete(registers).where(registers.c.device.in_(gone)))

    # --- what has an index on time

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

    def _key_packages(self, unit: Unit) -> bool:
        key = tuple_(key_packages.c.mailbox, key_packages.c.digest)
        piece = (
            select(key_packages.c.mailbox, key_packages.c.digest)
            .where(key_packages.c.taken_at <= unit.now - REMEMBER_TAKEN_SECONDS)
            .limit(PIECE)
        )
        return unit.connection.execute(delete(key_packages).where(key.in_(piece))).rowcount == PIECE

    def _codes(self, unit: Unit) -> bool:
        before, more = unit.now - KEEP_USED_CODES_SECONDS, False
        unused = codes.c.used_at.is_(None) & (codes.c.expires_at <= before)
        for old in (codes.c.used_at <= before, unused):
            piece = select(codes.c.digest).where(old).limit(PIECE)
            more |= unit.connection.execute(delete(codes).where(codes.c.digest.in_(piece))).rowcount == PIECE
        return more

    def _fleet(self, unit: Unit) -> bool:
        """Orders that nobody approved, and proposals that nobody took. Orders that were carried out stay, as
        the audit log does."""
        connection, before = unit.connection, unit.now - self.keep_seconds
        waiting = connection.execute(
            select(orders.c.order_id, orders.c.organisation, orders.c.kind)
            .where(orders.c.executed_at.is_(None), orders.c.given_at <= unit.now - AWAIT_SECONDS)
            .limit(PIECE)
        ).all()
        for row in waiting:
            connection.execute(delete(orders).where(orders.c.order_id == row.order_id))
            entry = AuditEntry(1, unit.now, "order.lapsed", order=row.order_id, kind=row.kind)
            audit.append(unit, row.organisation, entry)
        enrol.lapse(unit)
        old = exists().where(orders.c.order_id == proposals.c.order_id, orders.c.executed_at <= before)
        connection.execute(delete(proposals).where(old))
        return len(waiting) == PIECE
