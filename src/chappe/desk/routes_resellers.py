"""Resellers: `/applications` for anybody, `/resellers` for who is signed in, `/register` of the
accredited."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from pydantic import Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from chappe.desk import register, resellers
from chappe.desk.database import Unit
from chappe.desk.desk import Desk
from chappe.desk.gate import OnceKey, Who
from chappe.desk.models import (
    MAX_LIMIT,
    Body,
    Country,
    Email,
    Id,
    Language,
    Name,
    Page,
    Phone,
    Reason,
    Version,
    maybe_moment,
    moment,
    read_id,
    show_id,
    text,
)
from chappe.desk.once import change_once
from chappe.desk.register import RegisterView
from chappe.desk.resellers import FIELDS, Particulars, Reseller, Standing
from chappe.desk.who import Actor, Role
from chappe.wire.errors import error

Registration = Annotated[str, StringConstraints(min_length=2, max_length=32, pattern=r"^[A-Za-z0-9 ./-]+$")]
VatNumber = Annotated[str, StringConstraints(max_length=20, pattern=r"^[A-Za-z0-9 .-]*$")]
Website = Annotated[
    str, StringConstraints(max_length=200, pattern=r"^(https://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[!-~]*)?)?$")
]
Contract = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./_-]{0,63}$")]


class Application(Body):
    """`registration`: at the country's register of companies, the SIREN in France. `vat_number` and
    `trade_name` may be empty. The contact is shown on no public page."""

    name: Annotated[Name, Field(description="As it is registered.")]
    trade_name: Annotated[str, text(120)] = ""
    country: Country
    registration: Registration
    vat_number: VatNumber = ""
    street: Annotated[str, text(200)]
    postcode: Annotated[str, text(16)]
    city: Annotated[str, text(80)]
    website: Website = ""
    contact_name: Name
    contact_email: Email
    contact_phone: Phone = ""
    language: Language = "fr"


class Received(Body):
    """The same whether or not the company is known already."""

    received: bool = True


class ResellerView(Body):
    """`reason`: of the suspension, or the end. The last day of the accreditation is included. The contact
    is empty a year after the end."""

    id: Id
    name: str
    trade_name: str
    country: str
    registration: str
    vat_number: str
    street: str
    postcode: str
    city: str
    website: str
    contact_name: str
    contact_email: str
    contact_phone: str
    language: str
    standing: Standing
    applied_at: datetime
    accredited_from: date | None
    accredited_until: date | None
    contract: str | None
    suspended_at: datetime | None
    ended_at: datetime | None
    reason: str
    version: int


class ResellerChange(Body):
    """What is not given stays as it is."""

    version: Version
    name: Name | None = None
    trade_name: Annotated[str, text(120)] | None = None
    country: Country | None = None
    registration: Registration | None = None
    vat_number: VatNumber | None = None
    street: Annotated[str, text(200)] | None = None
    postcode: Annotated[str, text(16)] | None = None
    city: Annotated[str, text(80)] | None = None
    website: Website | None = None
    contact_name: Name | None = None
    contact_email: Email | None = None
    contact_phone: Phone | None = None
    language: Language | None = None


class Accreditation(Body):
    """Both days are included."""

    version: Version
    first: date
    last: date
    contract: Annotated[Contract, Field(description="The contract's reference.")]


class Decision(Body):
    """`reason`: the reseller reads it, and the audit log keeps it."""

    version: Version
    reason: Reason


class Resumption(Body):
    version: Version


def add_resellers(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.post("/applications", operation_id="resellers.apply", status_code=202)
    def apply(body: Application, who: Who, request: Request) -> Received:
        """Apply to become a reseller. The operator reads it and answers the contact."""
        desk.applicants.spend(request.client.host if request.client else "")
        database.change(who, lambda unit: resellers.apply_publicly(unit, _particulars(body)))
        return Received()

    @app.get("/register", operation_id="register.show")
    def show_register() -> RegisterView:
        """The resellers that are accredited today, for everybody; also at `/register`, for people."""
        return register.view(desk)

    @app.get("/resellers", operation_id="resellers.list")
    def list_(
        who: Who,
        after: Id | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
        standing: Standing | None = None,
        search: Annotated[str, Query(max_length=120)] = "",
    ) -> Page[ResellerView]:
        """By name. A reseller sees itself."""
        start = None if after is None else read_id(after)
        if start is not None:
            may_see(who, start)
        found = database.read(
            lambda connection: resellers.listed(
                connection,
                database.now(),
                after=start,
                limit=limit + 1,
                standing=standing,
                search=search,
                only=None if who.sees_all else (who.reseller or b""),
            )
        )
        more = show_id(found[limit - 1].id) if len(found) > limit else None
        return Page(items=[view(one) for one in found[:limit]], next=more)

    @app.post("/resellers", operation_id="resellers.add", status_code=201)
    def add(body: Application, who: Who, once: OnceKey) -> ResellerView:
        """File an application that came on paper."""
        return change_once(
            database, who, once, ResellerView, lambda unit: view(resellers.apply(unit, _particulars(body)))
        )

    @app.get("/resellers/{reseller}", operation_id="resellers.show")
    def show(reseller: Id, who: Who) -> ResellerView:
        """One reseller."""
        id_ = may_see(who, read_id(reseller))
        return view(database.read(lambda connection: resellers.find(connection, id_, database.now())))

    @app.patch("/resellers/{reseller}", operation_id="resellers.change")
    def change(reseller: Id, body: ResellerChange, who: Who) -> ResellerView:
        """Change its particulars."""
        fields: dict[str, str] = body.model_dump(exclude={"version"}, exclude_none=True)
        if not fields:
            raise error("desk.malformed", "Say what is to be changed.")
        id_ = read_id(reseller)
        return view(database.change(who, lambda unit: resellers.change(unit, id_, body.version, fields)))

    _add_decisions(app, desk)


def _add_decisions(app: FastAPI, desk: Desk) -> None:
    async def decide(who: Actor, work: Any) -> ResellerView:
        """Change what is decided, then tell the relay whose codes activate."""
        decided: Reseller = await run_in_threadpool(desk.database.change, who, work)
        await desk.tell_sellers()
        return view(decided)

    @app.post("/resellers/{reseller}/accredit", operation_id="resellers.accredit")
    async def accredit(reseller: Id, body: Accreditation, who: Who) -> ResellerView:
        """Accredit it from a day to a day; again for another period."""
        id_ = read_id(reseller)

        def work(unit: Unit) -> Reseller:
            return resellers.accredit(unit, id_, body.version, body.first, body.last, body.contract)

        return await decide(who, work)

    @app.post("/resellers/{reseller}/suspend", operation_id="resellers.suspend")
    async def suspend(reseller: Id, body: Decision, who: Who) -> ResellerView:
        """Suspend it: its codes activate no more until it is resumed."""
        id_ = read_id(reseller)
        return await decide(who, lambda unit: resellers.suspend(unit, id_, body.version, body.reason))

    @app.post("/resellers/{reseller}/resume", operation_id="resellers.resume")
    async def resume(reseller: Id, body: Resumption, who: Who) -> ResellerView:
        """Lift the suspension."""
        id_ = read_id(reseller)
        return await decide(who, lambda unit: resellers.resume(unit, id_, body.version))

    @app.post("/resellers/{reseller}/end", operation_id="resellers.end")
    async def end(reseller: Id, body: Decision, who: Who) -> ResellerView:
        """Turn an application down, or end an accreditation, for good."""
        id_ = read_id(reseller)
        return await decide(who, lambda unit: resellers.end(unit, id_, body.version, body.reason))


def view(one: Reseller) -> ResellerView:
    return ResellerView(
        id=show_id(one.id),
        **{name: getattr(one.particulars, name) for name in FIELDS},
        standing=one.standing,
        applied_at=moment(one.applied_at),
        accredited_from=one.accredited_from,
        accredited_until=one.accredited_until,
        contract=one.contract,
        suspended_at=maybe_moment(one.suspended_at),
        ended_at=maybe_moment(one.ended_at),
        reason=one.reason,
        version=one.version,
    )


def _particulars(body: Application) -> Particulars:
    return Particulars(**{name: getattr(body, name) for name in FIELDS})


def may_see(who: Actor, reseller: bytes) -> bytes:
    """Raises desk.unknown, the same as for what is not there."""
    if not who.sees_all and (who.role is not Role.RESELLER or who.reseller != reseller):
        raise error("desk.unknown", "No reseller has this id.")
    return reseller
