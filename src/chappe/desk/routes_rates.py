"""What other currencies are worth in euros: `/rates`."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Annotated

from fastapi import FastAPI
from pydantic import StringConstraints

from chappe.desk import rates
from chappe.desk.desk import Desk
from chappe.desk.gate import Who
from chappe.desk.models import Body, Page
from chappe.desk.rates import Rate
from chappe.desk.routes_plans import Before, Currency

Exchange = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,5}(\.[0-9]{1,6})?$")]


class NewRate(Body):
    """`rate`: euros for one unit, as 1.1532; of one of the last seven days."""

    rate: Exchange
    day: date
    version: Before


class RateView(NewRate):
    currency: str


def add_rates(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/rates", operation_id="rates.list")
    def list_() -> Page[RateView]:
        """The newest of each currency that one was given of."""
        return Page(items=[_view(one) for one in database.read(rates.known)], next=None)

    @app.put("/rates/{currency}", operation_id="rates.set")
    def set_rate(currency: Currency, body: NewRate, who: Who) -> RateView:
        """Give one: invoices in that currency say their VAT in euros by it. Those before stay as they are."""
        millionths = int(Decimal(body.rate).scaleb(6))
        wanted = Rate(currency, millionths, body.day, body.version)
        return _view(database.change(who, lambda unit: rates.set_rate(unit, wanted)))


def _view(one: Rate) -> RateView:
    return RateView(
        currency=one.currency,
        rate=f"{Decimal(one.millionths).scaleb(-6):f}",
        day=one.day,
        version=one.version,
    )
