"""Orders of codes: `/orders`. Codes are shown once, in the answer to the order; then nobody has them here."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query
from pydantic import Field
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from chappe.desk import batches, resellers
from chappe.desk.batches import MAX_QUANTITY, Batch, Buyer
from chappe.desk.desk import Desk
from chappe.desk.gate import OnceKey, Who
from chappe.desk.invoice import Party
from chappe.desk.models import (
    MAX_LIMIT,
    Body,
    Id,
    Page,
    Version,
    maybe_id,
    maybe_moment,
    moment,
    read_id,
    show_id,
)
from chappe.desk.once import change_once
from chappe.desk.resellers import Standing
from chappe.desk.routes_plans import Amount, Currency, Rate
from chappe.desk.selling import Selling
from chappe.desk.who import Actor, Role
from chappe.wire.api import to_base64
from chappe.wire.door import BatchState, MadeCodes
from chappe.wire.errors import error


class NewOrder(Body):
    """`reseller`: who buys; left out where a reseller orders for itself. `organisation`: whose lines the
    codes make; left out for lines of none. For one that it has not sold to, the operator orders first."""

    plan: Id
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY)]
    reseller: Id | None = None
    organisation: Id | None = None


class OrderView(Body):
    """`reference` is what people call it. `made_at` null: the codes did not come; make them anew."""

    id: Id
    reference: str
    reseller: Id
    organisation: Id | None
    plan: Id
    months: int
    quantity: int
    unit_net: Amount
    currency: Currency
    vat_rate: Rate
    ordered_at: datetime
    invoice: str
    made_at: datetime | None
    cancelled_at: datetime | None
    version: int


class Codes(Body):
    """`fleet_key`: of the organisation (base64url, empty for none), for the operator alone. A reseller hands
    the codes to an officer, who makes links of them with the key in their own file."""

    order: OrderView
    codes: list[str]
    fleet_key: str
    expires_at: datetime


class CodeStates(Body):
    """What became of the codes of an order, whatever they were made as."""

    used: int
    open: int
    expired: int
    voided: int


class Change(Body):
    version: Version


def add_orders(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/orders", operation_id="orders.list")
    def list_(
        who: Who,
        after: Id | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
        reseller: Id | None = None,
    ) -> Page[OrderView]:
        """The newest first. A reseller sees its own."""
        mine = only_of(who, reseller)
        start = None if after is None else read_id(after)
        found = database.read(
            lambda connection: batches.page(connection, reseller=mine, after=start, limit=limit + 1)
        )
        more = show_id(found[limit - 1].id) if len(found) > limit else None
        return Page(items=[view(one) for one in found[:limit]], next=more)

    @app.post("/orders", operation_id="orders.make", status_code=201)
    async def make(body: NewOrder, who: Who, once: OnceKey) -> Codes:
        """Order codes. They are invoiced, made and shown, this once."""
        selling = Selling(database, desk.relay_door())
        organisation = None if body.organisation is None else read_id(body.organisation)
        reseller, plan = _buyer_id(who, body.reseller), read_id(body.plan)
        if organisation is not None and not who.sees_all:
            await run_in_threadpool(database.read, partial(_check_customer, reseller, organisation))
        await selling.check_organisation(organisation)

        def work(unit: Any) -> OrderView:
            return view(batches.order(unit, buyer(unit, reseller), plan, body.quantity, organisation))

        ordered = await run_in_threadpool(change_once, database, who, once, OrderView, work, shown_once=True)
        batch = await run_in_threadpool(
            database.read, lambda connection: batches.find(connection, read_id(ordered.id))
        )
        return _codes(who, *await selling.make(who, batch, body.quantity))

    @app.get("/orders/{order}", operation_id="orders.show")
    def show(order: Id, who: Who) -> OrderView:
        """One order."""
        id_, mine = read_id(order), only_of(who, None)
        return view(database.read(lambda connection: batches.find(connection, id_, mine)))

    _add_codes(app, desk)


def _add_codes(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    async def own(who: Actor, order: str) -> Batch:
        id_, mine = read_id(order), only_of(who, None)
        return await run_in_threadpool(database.read, lambda connection: batches.find(connection, id_, mine))

    @app.get("/orders/{order}/codes", operation_id="orders.codes")
    async def states(order: Id, who: Who) -> CodeStates:
        """How many of its codes were used. Never which, nor by whom."""
        state = await Selling(database, desk.relay_door()).state(await own(who, order))
        return _states(state)

    @app.post("/orders/{order}/remake", operation_id="orders.remake")
    async def remake(order: Id, body: Change, who: Who) -> Codes:
        """Codes in place of those that nobody used: for an answer that was lost, or codes that fell into
        wrong hands. The old ones do nothing any more. It costs nothing."""
        batch = await own(who, order)
        await run_in_threadpool(
            database.read, lambda connection: _check_accredited(connection, batch.reseller, database.now())
        )
        return _codes(who, *await Selling(database, desk.relay_door()).remake(who, batch.id, body.version))

    @app.post("/orders/{order}/cancel", operation_id="orders.cancel")
    async def cancel(order: Id, body: Change, who: Who) -> OrderView:
        """Take back the codes that nobody used, and credit them."""
        selling = Selling(database, desk.relay_door())
        return view(await selling.cancel(who, read_id(order), body.version))


def buyer(unit: Any, reseller: bytes) -> Buyer:
    """The reseller as it is invoiced. Raises desk.unknown; desk.not_now where it may not sell."""
    found = _check_accredited(unit.connection, reseller, unit.now)
    who = found.particulars
    party = Party(
        who.name,
        who.street,
        who.postcode,
        who.city,
        who.country,
        who.vat_number,
        who.registration,
        who.contact_email,
    )
    return Buyer(reseller, party, "en" if who.language == "en" else "fr")


def view(batch: Batch) -> OrderView:
    return OrderView(
        id=show_id(batch.id),
        reference=batch.reference,
        reseller=show_id(batch.reseller),
        organisation=maybe_id(batch.organisation),
        plan=show_id(batch.plan),
        months=batch.months,
        quantity=batch.quantity,
        unit_net=batch.unit_net,
        currency=batch.currency,
        vat_rate=batch.vat_rate,
        ordered_at=moment(batch.ordered_at),
        invoice=batch.invoice,
        made_at=maybe_moment(batch.made_at),
        cancelled_at=maybe_moment(batch.cancelled_at),
        version=batch.version,
    )


def _check_accredited(connection: Any, reseller: bytes, now: int) -> resellers.Reseller:
    found = resellers.find(connection, reseller, now)
    if found.standing is not Standing.ACCREDITED:
        raise error("desk.not_now", "This reseller is not accredited now; nothing is sold to it.")
    return found


def _check_customer(reseller: bytes, organisation: bytes, connection: Connection) -> None:
    """A reseller orders for an organisation that the operator ordered for in its name before: who knows an id
    puts no line among other people's colleagues, and does not hear whether there is such an organisation.
    Raises desk.unknown."""
    if not batches.sold_for(connection, reseller, organisation):
        raise error("desk.unknown", "For this organisation the operator makes your first order.")


def _codes(who: Actor, batch: Batch, made: MadeCodes) -> Codes:
    return Codes(
        order=view(batch),
        codes=made.codes,
        fleet_key=to_base64(made.fleet_key) if who.sees_all else "",
        expires_at=moment(made.expires_at),
    )


def _states(state: BatchState) -> CodeStates:
    return CodeStates(used=state.used, open=state.open, expired=state.expired, voided=state.voided)


def _buyer_id(who: Actor, given: str | None) -> bytes:
    mine = only_of(who, given)
    if mine is None:
        raise error("desk.malformed", "Say which reseller buys.")
    return mine


def only_of(who: Actor, given: str | None) -> bytes | None:
    """Whose the actor may see: one, or None for all. Raises desk.unknown for another's."""
    wanted = None if given is None else read_id(given)
    if who.sees_all:
        return wanted
    if who.role is not Role.RESELLER or who.reseller is None or wanted not in (None, who.reseller):
        raise error("desk.unknown")
    return who.reseller
