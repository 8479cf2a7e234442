"""Accounts of operators, auditors, resellers and officers: `/accounts`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI, Query
from starlette.concurrency import run_in_threadpool

from chappe.desk import accounts
from chappe.desk.accounts import Account, NewAccount
from chappe.desk.database import Unit
from chappe.desk.desk import Desk
from chappe.desk.gate import OnceKey, Who
from chappe.desk.models import (
    MAX_LIMIT,
    Body,
    Email,
    Id,
    Language,
    Name,
    Page,
    Version,
    maybe_id,
    maybe_moment,
    moment,
    read_id,
    show_id,
)
from chappe.desk.once import change_once
from chappe.desk.who import Role
from chappe.wire.errors import error


class AccountView(Body):
    """`passkeys`, `recovery_codes`: how many it has to sign in with."""

    id: Id
    role: Role
    name: str
    email: str
    language: str
    reseller: Id | None
    organisation: Id | None
    created_at: datetime
    closed_at: datetime | None
    version: int
    passkeys: int
    recovery_codes: int


class AccountOpening(Body):
    """`reseller` for a reseller's account, `organisation` for an officer's; neither for the others."""

    role: Role
    name: Name
    email: Email
    language: Language = "fr"
    reseller: Id | None = None
    organisation: Id | None = None


class AccountChange(Body):
    """What is not given stays as it is."""

    version: Version
    name: Name | None = None
    email: Email | None = None
    language: Language | None = None


class AccountClosing(Body):
    version: Version


class AccountOpened(Body):
    """`link` begins the first session, to make a passkey: shown once, for 24 hours. Hand it to its person
    over a channel that you trust."""

    account: AccountView
    link: str


class SignInLink(Body):
    """Shown once; holds for 24 hours; those before hold no more."""

    link: str


def add_accounts(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/accounts", operation_id="accounts.list")
    def list_(
        after: Id | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
        role: Role | None = None,
        closed: bool = False,
    ) -> Page[AccountView]:
        """Accounts by id; `closed` shows closed ones as well."""
        start = None if after is None else read_id(after)
        found = database.read(
            lambda connection: accounts.listed(
                connection, after=start, limit=limit + 1, role=role, closed=closed
            )
        )
        more = show_id(found[limit - 1].id) if len(found) > limit else None
        return Page(items=[view(one) for one in found[:limit]], next=more)

    @app.get("/accounts/{account}", operation_id="accounts.show")
    def show(account: Id) -> AccountView:
        """One account."""
        id_ = read_id(account)
        return view(database.read(lambda connection: accounts.find(connection, id_)))

    @app.post("/accounts", operation_id="accounts.open", status_code=201)
    async def open_(body: AccountOpening, who: Who, once: OnceKey) -> AccountOpened:
        """Open an account; its person signs in with the link."""
        wanted = NewAccount(
            body.role,
            body.name,
            body.email,
            body.language,
            _given(body.reseller),
            _given(body.organisation),
        )

        def work(unit: Unit) -> AccountOpened:
            opened = accounts.open_account(unit, wanted)
            return AccountOpened(account=view(opened), link=link(accounts.make_link(unit, opened.id)))

        await _check_organisation(desk, wanted.organisation)
        return await run_in_threadpool(change_once, database, who, once, AccountOpened, work, shown_once=True)

    @app.patch("/accounts/{account}", operation_id="accounts.change")
    def change(account: Id, body: AccountChange, who: Who) -> AccountView:
        """Change name, e-mail address or language. A role never changes: open another account."""
        fields = body.model_dump(exclude={"version"}, exclude_none=True)
        if not fields:
            raise error("desk.malformed", "Say what is to be changed.")
        id_ = read_id(account)
        return view(database.change(who, lambda unit: accounts.change(unit, id_, body.version, **fields)))

    @app.post("/accounts/{account}/close", operation_id="accounts.close")
    def close(account: Id, body: AccountClosing, who: Who) -> AccountView:
        """Close an account for good: sessions, passkeys and tokens end with it."""
        id_ = read_id(account)
        return view(database.change(who, lambda unit: accounts.close(unit, id_, body.version)))

    @app.post("/accounts/{account}/link", operation_id="accounts.link", status_code=201)
    def make_link(account: Id, who: Who) -> SignInLink:
        """A fresh sign-in link, for who has lost passkeys and recovery codes."""
        id_ = read_id(account)
        return SignInLink(link=link(database.change(who, lambda unit: accounts.make_link(unit, id_))))

    def link(secret: str) -> str:
        # After the #, so that no server and no proxy is told.
        return f"{desk.settings.origin}/console/#link={secret}"


async def _check_organisation(desk: Desk, wanted: bytes | None) -> None:
    """Raises desk.unknown for one that the relay does not have; without a relay beside it nobody can tell."""
    if wanted is None or desk.relay is None:
        return
    known = await desk.relay.organisations()
    if all(one.organisation != wanted for one in known):
        raise error("desk.unknown", "No organisation of this relay has this id.")


def view(one: Account) -> AccountView:
    return AccountView(
        id=show_id(one.id),
        role=one.role,
        name=one.name,
        email=one.email,
        language=one.language,
        reseller=maybe_id(one.reseller),
        organisation=maybe_id(one.organisation),
        created_at=moment(one.created_at),
        closed_at=maybe_moment(one.closed_at),
        version=one.version,
        passkeys=one.passkeys,
        recovery_codes=one.recovery_codes,
    )


def _given(id_: str | None) -> bytes | None:
    return None if id_ is None else read_id(id_)
