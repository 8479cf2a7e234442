"""The end of a line whose term is long over: first it is closed, and after its retention it is forgotten.

A line under legal hold is neither. One that an order erased, whole or in part, is never forgotten:
whoever comes with a copy of its phone is to be told to erase it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, select, update

from chappe.relay import audit, log_rows
from chappe.relay.fleet_rows import AnyRow, devices_of_lines, pieces
from chappe.relay.fleet_tables import enrolments, order_devices, postings, proposals, registers
from chappe.relay.mailroom import Mailroom
from chappe.relay.ports import Unit
from chappe.relay.storage import statements_of, upsert
from chappe.relay.tables import (
    attachment_use,
    codes,
    delivery_tokens,
    devices,
    given_addresses,
    gone_devices,
    key_packages,
    last_resort_packages,
    lines,
    mailboxes,
    push_subscriptions,
)
from chappe.relay.term_rows import given_digest
from chappe.wire.audit import AuditEntry
from chappe.wire.terms import CLOSED_AFTER_DAYS, FORGOTTEN_AFTER_DAYS

AT_ONCE: Final = 50
"""Lines of one transaction: the writer is never held for long."""
_DAY: Final = 24 * 3600
_ALL_OF_IT: Final = 2**62
"""Above every sequence of a mailbox."""


@dataclass(frozen=True, slots=True)
class Lapsed:
    """Lines that were closed just now, mailboxes of their devices; whether there is more to close."""

    lines: tuple[bytes, ...]
    mailboxes: tuple[int, ...]
    more: bool


@dataclass(frozen=True, slots=True)
class CloseLapsed:
    """Close lines that can be renewed no more. Gives `Lapsed`; repeat while `more`.

    Their devices are signed out for good, their mail is dropped. Their shares stay, so that who has the
    phone can still read what is on it, until the line is forgotten.
    """

    mailroom: Mailroom

    @property
    def weight(self) -> int:
        return 5_000

    def run(self, unit: Unit) -> Lapsed:
        found = unit.connection.execute(
            select(lines)
            .where(
                lines.c.term_ends <= unit.now - CLOSED_AFTER_DAYS * _DAY,
                lines.c.closed_at.is_(None),
                lines.c.held_at.is_(None),
            )
            .order_by(lines.c.term_ends)
            .limit(AT_ONCE)
        ).all()
        if not found:
            return Lapsed((), (), False)
        ids = [row.line for row in found]
        signed_out = [row for row in devices_of_lines(unit.connection, ids) if row.revoked_at is None]
        unit.connection.execute(
            update(lines).where(lines.c.line.in_(ids)).values(closed_at=unit.now, lapsed_at=unit.now)
        )
        _empty(unit, signed_out)
        for row in signed_out:
            self.mailroom.forget_device(row.device)
        _note(unit, found, "line.lapsed")
        ended = [row.device for row in signed_out]
        log_rows.append(unit, *log_rows.signed_out(unit.connection, unit.now, ended, None))
        boxes = tuple(row.mailbox for row in signed_out)
        return Lapsed(tuple(ids), boxes, len(found) == AT_ONCE)


def lines_to_forget(connection: Connection, now: int) -> list[AnyRow]:
    """Lines whose retention is over, `AT_ONCE` at most. The shares of their devices are destroyed before
    `ForgetLines`."""
    return list(
        connection.execute(
            select(lines).where(_forgettable(now)).order_by(lines.c.term_ends).limit(AT_ONCE)
        ).all()
    )


@dataclass(frozen=True, slots=True)
class ForgetLines:
    """Delete what the relay has of these lines, where it may still be deleted. Gives how many they were.

    What stays: that the address was given, and to which organisation; the bare ids of the devices; and the
    organisation's audit log.
    """

    lines: tuple[bytes, ...]
    mailroom: Mailroom

    @property
    def weight(self) -> int:
        return 5_000

    def run(self, unit: Unit) -> int:
        found: list[AnyRow] = []
        for piece in pieces(self.lines):
            wanted = select(lines).where(lines.c.line.in_(piece), _forgettable(unit.now))
            found += unit.connection.execute(wanted).all()
        gone = devices_of_lines(unit.connection, [row.line for row in found])
        _empty(unit, gone)
        _delete_devices(unit.connection, gone)
        _delete_lines(unit.connection, found)
        for row in gone:
            self.mailroom.forget_device(row.device)
        _note(unit, found, "line.forgotten")
        log_rows.append(unit, *log_rows.destroyed(unit.now, [row.device for row in gone]))
        return len(found)


def _forgettable(now: int) -> ColumnElement[bool]:
    """Not under hold, and no device of it is to be erased by order."""
    # By way of its devices: an order's are found by device.
    erased = (
        select(order_devices.c.device)
        .join(devices, devices.c.device == order_devices.c.device)
        .where(devices.c.line == lines.c.line, order_devices.c.doomed)
        .exists()
    )
    return (
        lines.c.lapsed_at.is_not(None)
        & (lines.c.lapsed_at <= now - (FORGOTTEN_AFTER_DAYS - CLOSED_AFTER_DAYS) * _DAY)
        & (lines.c.term_ends <= now - FORGOTTEN_AFTER_DAYS * _DAY)
        & lines.c.held_at.is_(None)
        & ~erased
    )


def _empty(unit: Unit, signed_out: Iterable[AnyRow]) -> None:
    """For good: no mail, no key packages, no knocking."""
    connection = unit.connection
    for piece in pieces(signed_out):
        ids, boxes = [row.device for row in piece], [row.mailbox for row in piece]
        connection.execute(
            update(devices)
            .where(devices.c.device.in_(ids), devices.c.revoked_at.is_(None))
            .values(revoked_at=unit.now)
        )
        statements_of(connection).acknowledge(connection, [(box, _ALL_OF_IT) for box in boxes])
        for table in (key_packages, last_resort_packages, push_subscriptions):
            connection.execute(delete(table).where(table.c.mailbox.in_(boxes)))


def _delete_devices(connection: Connection, gone: list[AnyRow]) -> None:
    for piece in pieces(gone):
        ids, boxes = [row.device for row in piece], [row.mailbox for row in piece]
        for table in (mailboxes, delivery_tokens):
            connection.execute(delete(table).where(table.c.mailbox.in_(boxes)))
        for table in (devices, registers, order_devices, postings, proposals):
            connection.execute(delete(table).where(table.c.device.in_(ids)))
        kept = upsert(connection, gone_devices).on_conflict_do_nothing()
        connection.execute(kept, [{"device": device} for device in ids])


def _delete_lines(connection: Connection, found: list[AnyRow]) -> None:
    for row in found:
        kept = upsert(connection, given_addresses).values(
            digest=given_digest(row.address), organisation=row.organisation
        )
        connection.execute(kept.on_conflict_do_nothing())
    for piece in pieces(row.line for row in found):
        connection.execute(delete(enrolments).where(enrolments.c.line.in_(piece)))
        connection.execute(delete(attachment_use).where(attachment_use.c.line.in_(piece)))
        connection.execute(update(codes).where(codes.c.renewed.in_(piece)).values(renewed=None))
        connection.execute(delete(lines).where(lines.c.line.in_(piece)))


def _note(unit: Unit, found: Iterable[AnyRow], what: str) -> None:
    for row in found:
        entry = AuditEntry(
            1, unit.now, "line.lapsed" if what == "line.lapsed" else "line.forgotten", line=row.line
        )
        audit.append(unit, row.organisation, entry)
