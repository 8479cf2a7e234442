"""What is sold and on what terms: `/plans`, `/seller`, `/resellers/{reseller}/terms`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Query
from pydantic import Field, StringConstraints

from chappe.desk import plans, resellers, trading
from chappe.desk.desk import Desk
from chappe.desk.gate import OnceKey, Who
from chappe.desk.invoice import Party, Treatment
from chappe.desk.models import (
    Body,
    Country,
    Email,
    Id,
    Label,
    Name,
    Page,
    Version,
    maybe_moment,
    moment,
    read_id,
    show_id,
    text,
)
from chappe.desk.money import CURRENCIES, MAX_AMOUNT, MAX_VAT
from chappe.desk.once import change_once
from chappe.desk.plans import Plan
from chappe.desk.routes_resellers import may_see
from chappe.desk.trading import MAX_PAYMENT_DAYS, Seller, Terms
from chappe.wire.terms import MAX_MONTHS

Amount = Annotated[int, Field(ge=0, le=MAX_AMOUNT, description="In whole minor units: cents.")]
Currency = Annotated[str, StringConstraints(pattern=f"^({'|'.join(CURRENCIES)})$")]
Rate = Annotated[int, Field(ge=0, le=MAX_VAT, description="In basis points: 2000 is 20 %.")]
# Of what may not have been set: 0 says that nothing was.
Before = Annotated[int, Field(ge=0, le=2**31 - 1, description="As it was read; 0 where nothing was set.")]


class NewPlan(Body):
    """The price of one line for one term, without VAT. It never changes: withdraw the plan, make another."""

    name: Label
    months: Annotated[int, Field(ge=1, le=MAX_MONTHS)] = 6
    unit_net: Amount
    currency: Currency = "EUR"
    vat_rate: Rate = 2000


class PlanView(NewPlan):
    id: Id
    created_at: datetime
    withdrawn_at: datetime | None
    version: int


class Withdrawal(Body):
    version: Version


class SellerBody(Body):
    """The operator, as he stands on invoices. `registration`: the SIREN in France."""

    name: Name
    street: Annotated[str, text(200)]
    postcode: Annotated[str, text(16)] = ""
    city: Annotated[str, text(80)]
    country: Country
    registration: Annotated[str, StringConstraints(max_length=32)] = ""
    vat_number: Annotated[str, StringConstraints(max_length=20)] = ""
    email: Email | str = ""
    iban: Annotated[str, StringConstraints(max_length=42)] = ""
    version: Before


class TermsBody(Body):
    """How a reseller is invoiced. `exemption`: why VAT is not charged, which the invoice says."""

    treatment: Treatment = "standard"
    exemption: Annotated[str, text(200)] = ""
    payment_days: Annotated[int, Field(ge=0, le=MAX_PAYMENT_DAYS)] = 30
    version: Before


def add_plans(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/plans", operation_id="plans.list")
    def list_(withdrawn: Annotated[bool, Query()] = False) -> Page[PlanView]:
        """What is sold, by name; with `withdrawn`, also what was."""
        found = database.read(lambda connection: plans.known(connection, withdrawn=withdrawn))
        return Page(items=[view(one) for one in found], next=None)

    @app.post("/plans", operation_id="plans.make", status_code=201)
    def make(body: NewPlan, who: Who, once: OnceKey) -> PlanView:
        """Put a plan on sale."""
        fields = body.model_dump()
        return change_once(database, who, once, PlanView, lambda unit: view(plans.make(unit, **fields)))

    @app.post("/plans/{plan}/withdraw", operation_id="plans.withdraw")
    def withdraw(plan: Id, body: Withdrawal, who: Who) -> PlanView:
        """Sell it no more. What was sold goes on."""
        id_ = read_id(plan)
        return view(database.change(who, lambda unit: plans.withdraw(unit, id_, body.version)))

    _add_seller(app, desk)


def _add_seller(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/seller", operation_id="seller.show")
    def show_seller() -> SellerBody:
        """Who sells, on invoices."""
        return _seller(database.read(trading.seller))

    @app.put("/seller", operation_id="seller.set")
    def set_seller(body: SellerBody, who: Who) -> SellerBody:
        """Say who sells. Invoices that were issued stay as they are."""
        party = Party(
            body.name,
            body.street,
            body.postcode,
            body.city,
            body.country,
            body.vat_number,
            body.registration,
            body.email,
        )
        return _seller(
            database.change(who, lambda unit: trading.set_seller(unit, party, body.iban, body.version))
        )

    @app.get("/resellers/{reseller}/terms", operation_id="trading.show")
    def show_terms(reseller: Id, who: Who) -> TermsBody:
        """How a reseller is invoiced."""
        id_ = may_see(who, read_id(reseller))

        def read(connection: Any) -> Terms:
            resellers.find(connection, id_, database.now())
            return trading.terms_of(connection, id_)

        return _terms(database.read(read))

    @app.put("/resellers/{reseller}/terms", operation_id="trading.set")
    def set_terms(reseller: Id, body: TermsBody, who: Who) -> TermsBody:
        """Agree on something else. What was ordered stays as it was invoiced."""
        id_ = read_id(reseller)
        wanted = Terms(body.treatment, body.exemption, body.payment_days, body.version)

        def work(unit: Any) -> Terms:
            resellers.find(unit.connection, id_, unit.now)
            return trading.set_terms(unit, id_, wanted)

        return _terms(database.change(who, work))


def view(plan: Plan) -> PlanView:
    return PlanView(
        id=show_id(plan.id),
        name=plan.name,
        months=plan.months,
        unit_net=plan.unit_net,
        currency=plan.currency,
        vat_rate=plan.vat_rate,
        created_at=moment(plan.created_at),
        withdrawn_at=maybe_moment(plan.withdrawn_at),
        version=plan.version,
    )


def _seller(one: Seller) -> SellerBody:
    party = one.party
    return SellerBody(
        name=party.name,
        street=party.street,
        postcode=party.postcode,
        city=party.city,
        country=party.country,
        registration=party.legal_id,
        vat_number=party.vat_number,
        email=party.email,
        iban=one.iban,
        version=one.version,
    )


def _terms(one: Terms) -> TermsBody:
    return TermsBody(
        treatment=one.treatment,
        exemption=one.exemption,
        payment_days=one.payment_days,
        version=one.version,
    )
