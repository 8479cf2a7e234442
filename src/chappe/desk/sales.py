"""Figures of what was sold: by reseller and month, from the ledger, which is what was really booked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy import ColumnElement, Connection, case, func, select

from chappe.desk.ledger import SALES, VAT
from chappe.desk.ledger_tables import batches, bookings, postings

Key: TypeAlias = tuple[str, bytes, str]
"""Month, reseller, currency."""


@dataclass(frozen=True, slots=True)
class Sold:
    """Of one reseller in one month (`2026-11`, UTC) and currency. Net and VAT in minor units, less what was
    credited in that month; `codes`: ordered in it, with those that were taken back later."""

    month: str
    reseller: bytes
    currency: str
    net: int
    vat: int
    codes: int


def by_month(connection: Connection, since: int, *, reseller: bytes | None = None) -> list[Sold]:
    """From `since` (Unix seconds) on, oldest first."""
    month = func.strftime("%Y-%m", bookings.c.at, "unixepoch")
    query = (
        select(
            month.label("month"),
            bookings.c.reseller,
            bookings.c.currency,
            _of_account(SALES).label("net"),
            _of_account(VAT).label("vat"),
        )
        .join(postings, postings.c.booking == bookings.c.booking)
        .where(bookings.c.at >= since, bookings.c.kind.in_(("sale", "credit")))
        .group_by(month, bookings.c.reseller, bookings.c.currency)
    )
    if reseller is not None:
        query = query.where(bookings.c.reseller == reseller)
    booked: dict[Key, tuple[int, int]] = {
        (row.month, row.reseller, row.currency): (int(row.net), int(row.vat))
        for row in connection.execute(query)
    }
    codes = _codes(connection, since, reseller)
    # What was given away is ordered, and not booked.
    return [Sold(*key, *booked.get(key, (0, 0)), codes.get(key, 0)) for key in sorted(booked | codes)]


def _of_account(account: str) -> ColumnElement[int]:
    # What is earned stands on the credit side, below zero.
    return func.sum(case((postings.c.account == account, -postings.c.amount), else_=0))


def _codes(connection: Connection, since: int, reseller: bytes | None) -> dict[Key, int]:
    month = func.strftime("%Y-%m", batches.c.ordered_at, "unixepoch")
    query = (
        select(month, batches.c.reseller, batches.c.currency, func.sum(batches.c.quantity))
        .where(batches.c.ordered_at >= since)
        .group_by(month, batches.c.reseller, batches.c.currency)
    )
    if reseller is not None:
        query = query.where(batches.c.reseller == reseller)
    rows: Sequence[tuple[str, bytes, str, int]] = connection.execute(query).all()
    return {(month_, whose, currency): int(count) for month_, whose, currency, count in rows}
