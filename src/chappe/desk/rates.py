"""What a unit of another currency is worth in euros, as the operator gives it: the newest alone.

Whoever sells in another currency from a country of the euro says the VAT in euros all the same (article 230
of directive 2006/112/EC), at a rate of the day (article 91). The desk asks no server for it: the operator
gives the European Central Bank's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert as upsert

from chappe.desk.database import Unit
from chappe.desk.ledger_tables import rates as table
from chappe.desk.money import CURRENCIES, EURO
from chappe.wire.errors import error
from chappe.wire.terms import utc_date

_COUNTRIES: Final = "AT BE BG CY DE EE ES FI FR GR HR IE IT LT LU LV MC MT NL PT SI SK"
EURO_COUNTRIES: Final = frozenset(_COUNTRIES.split(" "))
MAX_AGE: Final = timedelta(days=7)
MAX_RATE: Final = 10_000 * 1_000_000


@dataclass(frozen=True, slots=True)
class Rate:
    """`millionths` of a euro for one unit, on `day`. `version` 0: none was given."""

    currency: str
    millionths: int
    day: date
    version: int


def set_rate(unit: Unit, wanted: Rate) -> Rate:
    """`wanted.version`: of what is replaced, 0 for the first. Raises desk.malformed, desk.changed."""
    if wanted.currency not in CURRENCIES or wanted.currency == EURO:
        raise error("desk.malformed", f"A rate is of one of {', '.join(CURRENCIES[1:])}.")
    if not 1 <= wanted.millionths <= MAX_RATE:
        raise error("desk.malformed", "A rate is what one unit is worth in euros, as 1.153200.")
    if not utc_date(unit.now) - MAX_AGE <= wanted.day <= utc_date(unit.now):
        raise error("desk.malformed", f"A rate is of one of the last {MAX_AGE.days} days.")
    before = find(unit.connection, wanted.currency)
    if (0 if before is None else before.version) != wanted.version:
        raise error("desk.changed")
    new = {
        "currency": wanted.currency,
        "rate": wanted.millionths,
        "day": wanted.day.isoformat(),
        "version": wanted.version + 1,
    }
    unit.connection.execute(
        upsert(table).values(new).on_conflict_do_update(index_elements=["currency"], set_=new)
    )
    unit.log("rate.set", currency=wanted.currency, millionths=wanted.millionths, day=wanted.day.isoformat())
    found = find(unit.connection, wanted.currency)
    assert found is not None
    return found


def find(connection: Connection, currency: str) -> Rate | None:
    return next((one for one in known(connection) if one.currency == currency), None)


def known(connection: Connection) -> list[Rate]:
    """By currency."""
    rows = connection.execute(select(table).order_by(table.c.currency))
    return [Rate(row.currency, row.rate, date.fromisoformat(row.day), row.version) for row in rows]


def needed(connection: Connection, currency: str, seller_country: str, today: date) -> Rate | None:
    """For an invoice of today; None where it needs none. Raises desk.not_now where none that is new enough
    was given."""
    if currency == EURO or seller_country not in EURO_COUNTRIES:
        return None
    found = find(connection, currency)
    if found is None or not today - MAX_AGE <= found.day <= today:
        raise error(
            "desk.not_now",
            f"Say what {currency} is worth in euros today: `chappe desk sale rate {currency} 1.1532`. "
            "The law has the VAT in euros on the invoice.",
        )
    return found
