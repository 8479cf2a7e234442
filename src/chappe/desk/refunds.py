"""Refunds: what was paid back at the bank, because a credit note took back what had been paid."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, exc, func, insert, select

from chappe.desk import ledger
from chappe.desk.database import Unit
from chappe.desk.ids import new_id
from chappe.desk.invoices import find, owed
from chappe.desk.ledger_tables import refunds as table
from chappe.desk.money import decimal
from chappe.desk.payments import checked_reference
from chappe.wire.errors import error
from chappe.wire.terms import utc_date


@dataclass(frozen=True, slots=True)
class Refund:
    """`amount` in minor units. `reference`: what the bank calls it; one refund has it alone."""

    id: bytes
    credit_note: str
    invoice: str
    reseller: bytes
    amount: int
    currency: str
    paid: str
    reference: str


def record(unit: Unit, number: str, *, amount: int, paid: date, reference: str) -> Refund:
    """Note what was paid back for a credit note, and book it.

    Raises desk.unknown; desk.malformed for an amount or a day that cannot be, or where it is no credit note;
    desk.exists where the bank's reference was noted before; desk.not_now for more than was paid too much.
    """
    issued = find(unit.connection, number)
    note, reference = issued.invoice, checked_reference(reference)
    if note.kind != "credit_note" or not amount >= 1:
        raise error("desk.malformed", "A refund is of a credit note, and more than nothing.")
    if not note.issued <= paid <= utc_date(unit.now):
        raise error("desk.malformed", "A refund comes after its credit note, and not in the future.")
    most = _most(unit.connection, number, note.refers_to, note.gross)
    if amount > most:
        shown = f"{decimal(most, note.currency)} {note.currency}"
        raise error("desk.not_now", f"Only {shown} of this credit note were paid before and not paid back.")
    refund = Refund(
        new_id(),
        number,
        note.refers_to,
        issued.reseller,
        amount,
        note.currency,
        paid.isoformat(),
        reference,
    )
    _write(unit, refund)
    return refund


def of_credit_note(connection: Connection, number: str) -> list[Refund]:
    """In the order in which they were noted."""
    rows = connection.execute(select(table).where(table.c.credit_note == number).order_by(table.c.at))
    return [
        Refund(
            row.refund,
            row.credit_note,
            row.invoice,
            row.reseller,
            row.amount,
            row.currency,
            row.paid,
            row.reference,
        )
        for row in rows
    ]


def _most(connection: Connection, number: str, invoice: str, gross: int) -> int:
    """What may still be paid back for it."""
    before = connection.execute(
        select(func.coalesce(func.sum(table.c.amount), 0)).where(table.c.credit_note == number)
    ).scalar_one()
    return max(0, min(gross - int(before), -owed(connection, [invoice])[invoice]))


def _write(unit: Unit, refund: Refund) -> None:
    try:
        unit.connection.execute(
            insert(table).values(
                refund=refund.id,
                credit_note=refund.credit_note,
                invoice=refund.invoice,
                reseller=refund.reseller,
                amount=refund.amount,
                currency=refund.currency,
                paid=refund.paid,
                reference=refund.reference,
                at=unit.now,
            )
        )
    except exc.IntegrityError:
        raise error("desk.exists", "A refund with this reference is noted already.") from None
    ledger.book(
        unit.connection,
        unit.now,
        "refund",
        paper=refund.id.hex(),
        reseller=refund.reseller,
        currency=refund.currency,
        lines=ledger.refund(refund.amount),
    )
    unit.log(
        "payment.refunded",
        refund.id,
        reseller=refund.reseller,
        number=refund.credit_note,
        amount=refund.amount,
        currency=refund.currency,
    )
