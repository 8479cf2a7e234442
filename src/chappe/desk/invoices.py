"""Invoices and credit notes as they are issued: numbered without holes, booked, kept as they were printed.

A number is taken in the transaction that writes the paper and books it: an order that fails takes none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, func, insert, select

from chappe.desk import ledger, numbers
from chappe.desk.database import Unit
from chappe.desk.invoice import Invoice, Kind, Line, Party, Treatment
from chappe.desk.invoice_words import terms
from chappe.desk.ledger_tables import invoices as table
from chappe.desk.ledger_tables import payments, refunds
from chappe.desk.money import Language
from chappe.wire.errors import error
from chappe.wire.terms import utc_date

MAX_PAGE: Final = 200


@dataclass(frozen=True, slots=True)
class Draft:
    """What an invoice is about; the rest is filled in when it is issued. `payment_days` from today."""

    kind: Kind
    reseller: bytes
    batch: bytes
    seller: Party
    buyer: Party
    lines: tuple[Line, ...]
    currency: str
    language: Language
    treatment: Treatment
    exemption: str
    payment_days: int
    reference: str
    iban: str
    refers_to: str = ""
    rate: int = 0
    rate_day: date | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """An invoice as it is kept, and whose it is."""

    invoice: Invoice
    reseller: bytes
    batch: bytes
    language: Language


def issue(unit: Unit, draft: Draft) -> Invoice:
    """Number it, keep it, book it, log it. Raises desk.not_now where it can have no number now."""
    today = utc_date(unit.now)
    year, sequence = numbers.following(unit)
    invoice = Invoice(
        number=numbers.shown(year, sequence),
        kind=draft.kind,
        issued=today,
        due=today + timedelta(days=draft.payment_days),
        seller=draft.seller,
        buyer=draft.buyer,
        lines=draft.lines,
        currency=draft.currency,
        treatment=draft.treatment,
        exemption=draft.exemption,
        refers_to=draft.refers_to,
        reference=draft.reference,
        iban=draft.iban,
        terms=terms(draft.language),
        rate=draft.rate,
        rate_day=draft.rate_day,
    )
    unit.connection.execute(insert(table).values(_row(invoice, draft) | {"year": year, "sequence": sequence}))
    _book(unit, invoice, draft.reseller)
    unit.log(
        "invoice.issued" if draft.kind == "invoice" else "invoice.credited",
        draft.batch,
        reseller=draft.reseller,
        number=invoice.number,
        gross=invoice.gross,
        currency=invoice.currency,
    )
    return invoice


def find(connection: Connection, number: str, reseller: bytes | None = None) -> Issued:
    """`reseller`: who asks; None for whoever sees all. Raises desk.unknown."""
    row = connection.execute(select(table).where(table.c.number == number)).one_or_none()
    if row is None or (reseller is not None and row.reseller != reseller):
        raise error("desk.unknown")
    return _issued(row)


def page(
    connection: Connection, *, reseller: bytes | None = None, before: str | None = None, limit: int = 50
) -> list[Issued]:
    """The newest first; `before`: the last number of the page before."""
    query = select(table).order_by(table.c.year.desc(), table.c.sequence.desc()).limit(min(limit, MAX_PAGE))
    if reseller is not None:
        query = query.where(table.c.reseller == reseller)
    if before is not None:
        year, _, sequence = before.partition("-")
        if not (year.isdecimal() and sequence.isdecimal()):
            raise error("desk.malformed", "That is no invoice number.")
        place = (int(year), int(sequence))
        query = query.where(
            (table.c.year < place[0]) | ((table.c.year == place[0]) & (table.c.sequence < place[1]))
        )
    return [_issued(row) for row in connection.execute(query)]


def owed(connection: Connection, numbers: Sequence[str]) -> dict[str, int]:
    """What is still to be paid of each: gross and refunds, less credit notes and payments."""
    due: dict[str, int] = dict.fromkeys(numbers, 0)
    rows = connection.execute(
        select(table.c.number, table.c.net + table.c.vat).where(
            table.c.number.in_(numbers), table.c.kind == "invoice"
        )
    )
    for number, gross in rows:
        due[number] += gross
    credits = connection.execute(
        select(table.c.refers_to, func.sum(table.c.net + table.c.vat))
        .where(table.c.refers_to.in_(numbers))
        .group_by(table.c.refers_to)
    )
    paid = connection.execute(
        select(payments.c.invoice, func.sum(payments.c.amount))
        .where(payments.c.invoice.in_(numbers))
        .group_by(payments.c.invoice)
    )
    for number, amount in (*credits, *paid):
        due[number] -= amount
    back = connection.execute(
        select(refunds.c.invoice, func.sum(refunds.c.amount))
        .where(refunds.c.invoice.in_(numbers))
        .group_by(refunds.c.invoice)
    )
    for number, amount in back:
        due[number] += amount
    return due


def _book(unit: Unit, invoice: Invoice, reseller: bytes) -> None:
    sold = invoice.kind == "invoice"
    lines = (ledger.sale if sold else ledger.credit)(invoice.net, invoice.vat_total)
    if not lines:
        return  # Given away: there is nothing to book.
    ledger.book(
        unit.connection,
        unit.now,
        "sale" if sold else "credit",
        paper=invoice.number,
        reseller=reseller,
        currency=invoice.currency,
        lines=lines,
    )


def _row(invoice: Invoice, draft: Draft) -> dict[str, object]:
    return {
        "number": invoice.number,
        "kind": invoice.kind,
        "reseller": draft.reseller,
        "batch": draft.batch,
        "refers_to": invoice.refers_to or None,
        "issued": invoice.issued.isoformat(),
        "due": invoice.due.isoformat(),
        "currency": invoice.currency,
        "net": invoice.net,
        "vat": invoice.vat_total,
        "language": draft.language,
        "body": msgspec.msgpack.encode(invoice),
    }


def _issued(row: Row[Any]) -> Issued:
    return Issued(msgspec.msgpack.decode(row.body, type=Invoice), row.reseller, row.batch, row.language)
