"""The record of subscribers: `/subscribers`. The operator's alone; every reading of one is in the audit
log."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from fastapi import FastAPI, Query
from pydantic import Field, StringConstraints

from chappe.desk import subscribers
from chappe.desk.desk import Desk
from chappe.desk.gate import OnceKey, Who
from chappe.desk.models import (
    MAX_LIMIT,
    Body,
    Country,
    Email,
    Id,
    Name,
    Page,
    Phone,
    Version,
    maybe_id,
    maybe_moment,
    moment,
    read_id,
    show_id,
    text,
)
from chappe.desk.once import change_once
from chappe.desk.subscribers import FIELDS, Subscriber

Kind = Literal["person", "company"]
Payment = Literal["card", "transfer", "direct_debit", "cheque", "cash", "invoice", "none", ""]
Birth = Annotated[str, StringConstraints(pattern=r"^([0-9]{4}-[0-9]{2}-[0-9]{2})?$")]
Contract = Annotated[str, text(64)]
Address = Annotated[str, StringConstraints(max_length=320, pattern=r"^[A-Za-z0-9._@-]*$")]


class Details(Body):
    """Who it is, or who acts for the company; `payment_reference` is never a card or account number."""

    kind: Kind = "person"
    company: Annotated[str, text(120)] = ""
    registration: Annotated[str, text(32)] = ""
    surname: Name
    given_name: Name
    born_on: Birth = ""
    born_at: Annotated[str, text(120)] = ""
    street: Annotated[str, text(200)] = ""
    postcode: Annotated[str, text(16)] = ""
    city: Annotated[str, text(80)] = ""
    country: Country = "FR"
    email: Email | Literal[""] = ""
    phone: Phone = ""
    address: Address = ""
    contract: Contract = ""
    payment: Payment = ""
    payment_reference: Annotated[str, text(64)] = ""


class NewSubscriber(Details):
    """`address`: of the line, which the relay need not have yet."""

    organisation: Id | None = None
    began_on: date | None = None


class Summary(Body):
    """Without who it is. `account_until`, `identity_until`: the first day on which what is kept for one year,
    and for five, is gone."""

    id: Id
    line: Id | None
    organisation: Id | None
    began_on: date
    ended_on: date | None
    account_until: date | None
    identity_until: date | None
    reduced_at: datetime | None
    version: int


class Whole(Summary):
    created_at: datetime
    kind: Kind
    company: str
    registration: str
    surname: str
    given_name: str
    born_on: str
    born_at: str
    street: str
    postcode: str
    city: str
    country: str
    email: str
    phone: str
    address: str
    contract: str
    payment: str
    payment_reference: str


class Change(Body):
    """What is not given stays as it is."""

    version: Version
    kind: Kind | None = None
    company: Annotated[str, text(120)] | None = None
    registration: Annotated[str, text(32)] | None = None
    surname: Name | None = None
    given_name: Name | None = None
    born_on: Birth | None = None
    born_at: Annotated[str, text(120)] | None = None
    street: Annotated[str, text(200)] | None = None
    postcode: Annotated[str, text(16)] | None = None
    city: Annotated[str, text(80)] | None = None
    country: Country | None = None
    email: Email | Literal[""] | None = None
    phone: Phone | None = None
    contract: Contract | None = None
    payment: Payment | None = None
    payment_reference: Annotated[str, text(64)] | None = None


class End(Body):
    version: Version
    on: Annotated[date, Field(description="The contract's last day.")]


def add_subscribers(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/subscribers", operation_id="subscribers.list")
    def list_(
        who: Who,
        after: Id | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
        organisation: Id | None = None,
        line: Id | None = None,
        address: Address = "",
    ) -> Page[Summary]:
        """Records, without who they are of; `address` is a line's, whole."""
        del who
        found = database.read(
            lambda connection: subscribers.listed(
                connection,
                after=None if after is None else read_id(after),
                limit=limit + 1,
                organisation=None if organisation is None else read_id(organisation),
                line=None if line is None else read_id(line),
                address=address.lower(),
            )
        )
        more = show_id(found[limit - 1].id) if len(found) > limit else None
        return Page(items=[Summary.model_validate(_summary(one)) for one in found[:limit]], next=more)

    @app.post("/subscribers", operation_id="subscribers.add", status_code=201)
    def add(body: NewSubscriber, who: Who, once: OnceKey) -> Summary:
        """File a record."""
        organisation = None if body.organisation is None else read_id(body.organisation)
        fields = body.model_dump(include=set(FIELDS))
        return change_once(
            database,
            who,
            once,
            Summary,
            lambda unit: Summary.model_validate(
                _summary(subscribers.file(unit, fields, organisation=organisation, began_on=body.began_on))
            ),
        )

    @app.get("/subscribers/{subscriber}", operation_id="subscribers.show")
    def show(subscriber: Id, who: Who) -> Whole:
        """One record, whole. The audit log tells who read it."""
        id_ = read_id(subscriber)
        return _whole(database.change(who, lambda unit: subscribers.read(unit, id_)))

    @app.patch("/subscribers/{subscriber}", operation_id="subscribers.change")
    def change(subscriber: Id, body: Change, who: Who) -> Whole:
        """Correct a record."""
        fields = body.model_dump(exclude={"version"}, exclude_none=True)
        id_ = read_id(subscriber)
        return _whole(database.change(who, lambda unit: subscribers.change(unit, id_, body.version, fields)))

    @app.post("/subscribers/{subscriber}/end", operation_id="subscribers.end")
    def end(subscriber: Id, body: End, who: Who) -> Summary:
        """The contract has ended: the retention dates count from that day."""
        id_ = read_id(subscriber)
        ended = database.change(who, lambda unit: subscribers.end(unit, id_, body.version, body.on))
        return Summary.model_validate(_summary(ended))


def _summary(one: Subscriber) -> dict[str, object]:
    return {
        "id": show_id(one.id),
        "line": maybe_id(one.line),
        "organisation": maybe_id(one.organisation),
        "began_on": one.began_on,
        "ended_on": one.ended_on,
        "account_until": one.account_until,
        "identity_until": one.identity_until,
        "reduced_at": maybe_moment(one.reduced_at),
        "version": one.version,
    }


def _whole(one: Subscriber) -> Whole:
    return Whole.model_validate(_summary(one) | {"created_at": moment(one.created_at)} | dict(one.fields))
