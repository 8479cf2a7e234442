"""One's own API tokens: `/tokens`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import FastAPI
from pydantic import Field

from chappe.desk import tokens
from chappe.desk.database import Unit
from chappe.desk.desk import Desk
from chappe.desk.gate import OnceKey, Who
from chappe.desk.models import Body, Id, Label, maybe_moment, moment, read_id, show_id
from chappe.desk.once import change_once
from chappe.desk.tokens import Token
from chappe.desk.who import Actor
from chappe.wire.errors import error

Scope = Annotated[str, Field(pattern=r"^[a-z]{1,20}:(read|write)$")]


class TokenView(Body):
    id: Id
    label: str
    scopes: list[str]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None
    used_at: datetime | None


class Tokens(Body):
    items: list[TokenView]


class NewToken(Body):
    """`account`: in whose name; only the command line beside the data says it, everybody else makes his own.
    `scopes`: what it may ask for, at most what the account's role may. `days`: how long it holds."""

    label: Label
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=20)]
    days: Annotated[int, Field(ge=1, le=tokens.MAX_DAYS)] = 90
    account: Id | None = None


class TokenMade(Body):
    """`secret` is shown once."""

    token: TokenView
    secret: str


def add_tokens(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/tokens", operation_id="tokens.list")
    def list_(who: Who, account: Id | None = None) -> Tokens:
        """One's own tokens, the newest first."""
        owner = _account_of(who, account)
        found = database.read(lambda connection: tokens.listed(connection, owner))
        return Tokens(items=[view(one) for one in found])

    @app.post("/tokens", operation_id="tokens.make", status_code=201)
    def make(body: NewToken, who: Who, once: OnceKey) -> TokenMade:
        """Make a token; it is shown once."""
        owner = _account_of(who, body.account)

        def work(unit: Unit) -> TokenMade:
            secret, token = tokens.make(unit, owner, body.label, body.scopes, body.days)
            return TokenMade(token=view(token), secret=secret)

        return change_once(database, who, once, TokenMade, work, shown_once=True)

    @app.post("/tokens/{token}/revoke", operation_id="tokens.revoke")
    def revoke(token: Id, who: Who, account: Id | None = None) -> TokenView:
        """Revoke a token for good."""
        owner, id_ = _account_of(who, account), read_id(token)
        return view(database.change(who, lambda unit: tokens.revoke(unit, owner, id_)))


def view(one: Token) -> TokenView:
    return TokenView(
        id=show_id(one.id),
        label=one.label,
        scopes=one.scopes,
        created_at=moment(one.created_at),
        expires_at=moment(one.expires_at),
        revoked_at=maybe_moment(one.revoked_at),
        used_at=maybe_moment(one.used_at),
    )


def _account_of(who: Actor, asked: str | None) -> bytes:
    """One's own; at the command line beside the data, whose it says. Raises desk.unknown, desk.malformed."""
    given = None if asked is None else read_id(asked)
    if who.kind != "console":
        if who.account is None or given not in (None, who.account):
            raise error("desk.unknown", "This account's tokens are not yours.")
        return who.account
    if given is None:
        raise error("desk.malformed", "Say which account's tokens.")
    return given
