"""The ledger: every sale, credit, payment and refund as a booking whose debits and credits sum to zero.

Accounts are those of the French chart (PCG). A booking is written in the transaction of the paper that it is
of, and never changed. `check` adds everything up anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from sqlalchemy import Connection, func, insert, select

from chappe.desk.ledger_tables import bookings, postings
from chappe.wire.errors import error

Kind: TypeAlias = Literal["sale", "credit", "payment", "refund"]

RECEIVABLE: Final = "411"
SALES: Final = "706"
VAT: Final = "44571"
BANK: Final = "512"
ACCOUNTS: Final = {
    RECEIVABLE: "Clients",
    SALES: "Prestations de services",
    VAT: "TVA collectée",
    BANK: "Banque",
}


@dataclass(frozen=True, slots=True)
class Posting:
    """`amount` in minor units: a debit is above zero, a credit below."""

    account: str
    amount: int


@dataclass(frozen=True, slots=True)
class Booking:
    """One entry of the ledger, as it is kept."""

    number: int
    at: int
    kind: Kind
    paper: str
    reseller: bytes
    currency: str
    postings: tuple[Posting, ...]


def sale(net: int, vat: int) -> list[Posting]:
    """What an invoice books: the customer owes all of it."""
    return _without_zero([Posting(RECEIVABLE, net + vat), Posting(SALES, -net), Posting(VAT, -vat)])


def credit(net: int, vat: int) -> list[Posting]:
    """What a credit note books: the sale, the other way round."""
    return [Posting(one.account, -one.amount) for one in sale(net, vat)]


def payment(amount: int) -> list[Posting]:
    """What came in at the bank."""
    return _without_zero([Posting(BANK, amount), Posting(RECEIVABLE, -amount)])


def refund(amount: int) -> list[Posting]:
    """What was paid back at the bank."""
    return [Posting(one.account, -one.amount) for one in payment(amount)]


def book(
    connection: Connection,
    now: int,
    kind: Kind,
    *,
    paper: str,
    reseller: bytes,
    currency: str,
    lines: Sequence[Posting],
) -> int:
    """Write a booking; gives its number. The same paper is booked once: a second time is an IntegrityError.

    Raises internal.bug if it does not balance: nothing is written then.
    """
    unknown = [one.account for one in lines if one.account not in ACCOUNTS]
    if unknown or not lines or sum(one.amount for one in lines) != 0:
        raise error("internal.bug", "A booking does not balance; nothing was written.")
    number = (connection.execute(select(func.max(bookings.c.booking))).scalar() or 0) + 1
    connection.execute(
        insert(bookings).values(
            booking=number, at=now, kind=kind, paper=paper, reseller=reseller, currency=currency
        )
    )
    rows = [
        {"booking": number, "position": position, "account": one.account, "amount": one.amount}
        for position, one in enumerate(lines)
    ]
    connection.execute(insert(postings), rows)
    return number


def balances(connection: Connection, reseller: bytes | None = None) -> dict[tuple[str, str], int]:
    """What stands on each account, by (account, currency); of one reseller, or of all."""
    query = (
        select(postings.c.account, bookings.c.currency, func.sum(postings.c.amount))
        .join(bookings, bookings.c.booking == postings.c.booking)
        .group_by(postings.c.account, bookings.c.currency)
    )
    if reseller is not None:
        query = query.where(bookings.c.reseller == reseller)
    return {(account, currency): int(amount) for account, currency, amount in connection.execute(query)}


def read(
    connection: Connection, *, after: int = 0, limit: int = 200, before_at: int = 2**62
) -> list[Booking]:
    """Bookings in their order, those above number `after`."""
    rows = connection.execute(
        select(bookings)
        .where(bookings.c.booking > after, bookings.c.at < before_at)
        .order_by(bookings.c.booking)
        .limit(limit)
    ).all()
    lines: dict[int, list[Posting]] = {row.booking: [] for row in rows}
    for line in connection.execute(
        select(postings)
        .where(postings.c.booking.in_(list(lines)))
        .order_by(postings.c.booking, postings.c.position)
    ):
        lines[line.booking].append(Posting(line.account, line.amount))
    return [
        Booking(
            row.booking, row.at, row.kind, row.paper, row.reseller, row.currency, tuple(lines[row.booking])
        )
        for row in rows
    ]


def check(connection: Connection) -> int:
    """Add everything up anew; gives how many bookings there are. Raises storage.failed if one is missing or
    does not balance."""
    count, last = connection.execute(select(func.count(), func.max(bookings.c.booking))).one()
    uneven = connection.execute(
        select(postings.c.booking).group_by(postings.c.booking).having(func.sum(postings.c.amount) != 0)
    ).first()
    empty = connection.execute(
        select(bookings.c.booking).where(bookings.c.booking.not_in(select(postings.c.booking)))
    ).first()
    stray = connection.execute(
        select(postings.c.booking).where(postings.c.booking.not_in(select(bookings.c.booking)))
    ).first()
    if count != (last or 0) or uneven or empty or stray:
        raise error("storage.failed", "The ledger does not add up: somebody wrote in the database by hand.")
    return int(count)


def _without_zero(lines: list[Posting]) -> list[Posting]:
    return [one for one in lines if one.amount]
