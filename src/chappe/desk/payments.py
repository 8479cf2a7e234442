"""Payments: what came in at the bank for an invoice. Written once; what is paid back after a credit note is a
refund (`chappe.desk.refunds`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Connection, exc, insert, select

from chappe.desk import ledger
from chappe.desk.database import Unit
from chappe.desk.ids import new_id
from chappe.desk.invoices import find, owed
from chappe.desk.ledger_tables import payments as table
from chappe.desk.money import decimal
from chappe.wire.errors import error
from chappe.wire.terms import utc_date


@dataclass(frozen=True, slots=True)
class Payment:
    """`amount` in minor units. `reference`: what the bank calls it; one payment has it alone."""

    id: bytes
    invoice: str
    reseller: bytes
    amount: int
    currency: str
    received: str
    reference: str


def record(unit: Unit, number: str, *, amount: int, received: date, reference: str) -> Payment:
    """Note what came in for an invoice, and book it.

    Raises desk.unknown; desk.malformed for an amount or a day that cannot be; desk.exists where the bank's
    reference was noted before; desk.not_now for more than is owed.
    """
    issued = find(unit.connection, number)
    reference = checked_reference(reference)
    if not issued.invoice.issued <= received <= utc_date(unit.now):
        raise error("desk.malformed", "A payment comes after its invoice, and not in the future.")
    left = owed(unit.connection, [number])[number]
    if issued.invoice.kind != "invoice" or not amount >= 1:
        raise error("desk.malformed", "A payment is of an invoice, and more than nothing.")
    if amount > left:
        most = decimal(left, issued.invoice.currency)
        raise error("desk.not_now", f"Only {most} {issued.invoice.currency} of this invoice are owed.")
    payment = Payment(
        new_id(),
        number,
        issued.reseller,
        amount,
        issued.invoice.currency,
        received.isoformat(),
        reference,
    )
    _write(unit, payment)
    return payment


def checked_reference(text: str) -> str:
    """Raises desk.malformed."""
    reference = " ".join(text.split())
    if not 1 <= len(reference) <= 80 or not reference.isprintable():
        raise error("desk.malformed", "A payment has the bank's reference, of 1 to 80 letters.")
    return reference


def of_invoice(connection: Connection, number: str) -> list[Payment]:
    """In the order in which they were noted."""
    rows = connection.execute(select(table).where(table.c.invoice == number).order_by(table.c.at))
    return [
        Payment(row.payment, row.invoice, row.reseller, row.amount, row.currency, row.received, row.reference)
        for row in rows
    ]


def _write(unit: Unit, payment: Payment) -> None:
    try:
        unit.connection.execute(
            insert(table).values(
                payment=payment.id,
                invoice=payment.invoice,
                reseller=payment.reseller,
                amount=payment.amount,
                currency=payment.currency,
                received=payment.received,
                reference=payment.reference,
                at=unit.now,
            )
        )
    except exc.IntegrityError:
        raise error("desk.exists", "A payment with this reference is noted already.") from None
    ledger.book(
        unit.connection,
        unit.now,
        "payment",
        paper=payment.id.hex(),
        reseller=payment.reseller,
        currency=payment.currency,
        lines=ledger.payment(payment.amount),
    )
    unit.log(
        "payment.noted",
        payment.id,
        reseller=payment.reseller,
        number=payment.invoice,
        amount=payment.amount,
        currency=payment.currency,
    )
