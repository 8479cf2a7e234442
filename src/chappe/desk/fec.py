"""The ledger as the French tax office asks for it: FEC, article A47 A-1 of the livre des procédures fiscales.

One line a posting, fields parted by bars, amounts in euros. A paper in another currency is written at the
rate that stands on its invoice, its payments and refunds too: what the bank made of it is the accountant's to
book (666, 766).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from chappe.desk import ledger
from chappe.desk.invoice import Invoice
from chappe.desk.ledger import ACCOUNTS, RECEIVABLE, SALES, Booking, Kind, Posting
from chappe.desk.ledger_tables import invoices, payments, refunds
from chappe.desk.money import EURO, decimal, euros

COLUMNS: Final = (
    "JournalCode|JournalLib|EcritureNum|EcritureDate|CompteNum|CompteLib|CompAuxNum|CompAuxLib|PieceRef|PieceDate"
    "|EcritureLib|Debit|Credit|EcritureLet|DateLet|ValidDate|Montantdevise|Idevise"
)
_JOURNALS: Final[dict[Kind, tuple[str, str]]] = {
    "sale": ("VE", "Ventes"),
    "credit": ("VE", "Ventes"),
    "payment": ("BQ", "Banque"),
    "refund": ("BQ", "Banque"),
}


def written(connection: Connection, names: dict[bytes, str]) -> Iterator[str]:
    """Its lines. `names`: of resellers, by id."""
    yield COLUMNS
    rates = _rates(connection)
    after = 0
    while page := ledger.read(connection, after=after):
        for booking in page:
            worth = _in_euros(booking, rates.get(booking.paper, 0))
            for posting, cents in zip(booking.postings, worth, strict=True):
                yield _line(booking, posting, cents, names)
        after = page[-1].number


def _rates(connection: Connection) -> dict[str, int]:
    """Millionths of a euro by paper, of those in another currency."""
    foreign = connection.execute(select(invoices.c.body).where(invoices.c.currency != EURO)).scalars()
    found = {one.number: one.rate for one in (msgspec.msgpack.decode(body, type=Invoice) for body in foreign)}
    for row in connection.execute(select(payments.c.payment, payments.c.invoice)):
        if row.invoice in found:
            found[row.payment.hex()] = found[row.invoice]
    for row in connection.execute(select(refunds.c.refund, refunds.c.credit_note)):
        if row.credit_note in found:
            found[row.refund.hex()] = found[row.credit_note]
    return found


def _in_euros(booking: Booking, rate: int) -> list[int] | list[None]:
    """Cents of each posting, which sum to zero as the postings do: what rounding leaves is the sale's, so
    that a payment in full settles. None of each where it is in euros, or has no rate (whose seller's country
    has another currency)."""
    if booking.currency == EURO or not rate:
        return [None] * len(booking.postings)
    cents = [euros(one.amount, booking.currency, rate) for one in booking.postings]
    at = next((place for place, one in enumerate(booking.postings) if one.account == SALES), 0)
    cents[at] -= sum(cents)
    return cents


def _line(booking: Booking, posting: Posting, cents: int | None, names: dict[bytes, str]) -> str:
    code, label = _JOURNALS[booking.kind]
    day = datetime.fromtimestamp(booking.at, UTC).strftime("%Y%m%d")
    name = _plain(names.get(booking.reseller, ""))
    owed = posting.account == RECEIVABLE
    amount, currency = (posting.amount, booking.currency) if cents is None else (cents, EURO)
    foreign = booking.currency != EURO
    return "|".join(
        (
            code,
            label,
            str(booking.number),
            day,
            posting.account,
            ACCOUNTS[posting.account],
            booking.reseller.hex()[:16] if owed else "",
            name if owed else "",
            booking.paper,
            day,
            f"{label} {name}".strip(),
            _comma(max(amount, 0), currency),
            _comma(max(-amount, 0), currency),
            "",
            "",
            day,
            _comma(abs(posting.amount), booking.currency) if foreign else "",
            booking.currency if foreign else "",
        )
    )


def _plain(text: str) -> str:
    """Without what parts fields or lines."""
    return " ".join(text.replace("|", " ").split())


def _comma(minor: int, currency: str) -> str:
    return str(decimal(minor, currency)).replace(".", ",")
