"""Signing in and out, and what one signs in with: `/session`, `/passkeys`, `/recovery-codes`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import FastAPI, Request, Response
from pydantic import Field

from chappe.desk import accounts, passkeys, recovery, sessions
from chappe.desk.accounts import Account
from chappe.desk.database import Unit
from chappe.desk.desk import Desk
from chappe.desk.gate import Who, session_secret
from chappe.desk.models import Body, Id, Label, maybe_id, maybe_moment, moment
from chappe.desk.passkeys import Passkey
from chappe.desk.rights import operations_of
from chappe.desk.who import Actor, Role
from chappe.wire.api import to_base64
from chappe.wire.errors import error

Browsers = Annotated[dict[str, Any], Field(description="As the browser's toJSON() gives it.")]


class Link(Body):
    """The secret of a sign-in link: what stands after `#link=`."""

    secret: Annotated[str, Field(max_length=64)]


class RecoveryCode(Body):
    code: Annotated[str, Field(max_length=64)]


class Options(Body):
    """`publicKey` for `navigator.credentials`, in the form that `parse…OptionsFromJSON` takes."""

    public_key: dict[str, Any]


class Signature(Body):
    response: Browsers


class NewPasskey(Body):
    label: Label
    response: Browsers


class SessionView(Body):
    """`operations`: what this session, or token, may ask for. `enrolling`: make a passkey, then all is
    open."""

    account: Id | None
    role: Role
    name: str
    email: str
    language: str
    reseller: Id | None
    organisation: Id | None
    enrolling: bool
    recovery_codes: int
    operations: list[str]
    signed_in_at: datetime | None
    ends_at: datetime | None


class PasskeyView(Body):
    id: str
    label: str
    created_at: datetime
    used_at: datetime | None


class Passkeys(Body):
    items: list[PasskeyView]


class RecoveryCodes(Body):
    """Shown once: each is good for one sign-in."""

    codes: list[str]


class PasskeyMade(Body):
    """`recovery_codes`: the first ones of the account, shown once; none where it has some."""

    id: str
    recovery_codes: list[str]


def add_sessions(app: FastAPI, desk: Desk) -> None:
    _add_sign_in(app, desk)
    _add_passkeys(app, desk)
    database = desk.database

    @app.get("/session", operation_id="session.show")
    def show(who: Who) -> SessionView:
        """Who is signed in, and what for."""
        return _session(desk, who, _own(desk, who) if who.account else None)

    @app.delete("/session", operation_id="session.end", status_code=204)
    def end(who: Who, request: Request, response: Response) -> None:
        """Sign out."""
        secret, account = session_secret(request), _account_of(who)
        database.change(who, lambda unit: sessions.end(unit, secret or "", account))
        response.delete_cookie(sessions.COOKIE, path="/", secure=True, httponly=True, samesite="strict")

    @app.post("/recovery-codes", operation_id="recovery.renew", status_code=201)
    def renew(who: Who) -> RecoveryCodes:
        """Ten fresh recovery codes, shown once; those before hold no more."""
        account = _account_of(who)
        return RecoveryCodes(codes=database.change(who, lambda unit: recovery.renew(unit, account)))


def _add_sign_in(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.post("/session/link", operation_id="session.link")
    def by_link(body: Link, response: Response) -> SessionView:
        """Begin a session with a sign-in link, to make a passkey."""
        secret, account = sessions.by_link(database, body.secret)
        return _began(desk, response, secret, account, enrolling=True)

    @app.post("/session/recovery", operation_id="session.recovery")
    def by_recovery_code(body: RecoveryCode, response: Response) -> SessionView:
        """Begin a session with a recovery code, to make a passkey."""
        secret, account = sessions.by_recovery_code(database, body.code)
        return _began(desk, response, secret, account, enrolling=True)

    @app.post("/session/passkey/options", operation_id="session.passkey_options")
    def options() -> Options:
        """What the browser needs to sign in with a passkey."""
        return Options(public_key=desk.passkeys.begin_sign_in())

    @app.post("/session/passkey", operation_id="session.passkey")
    def by_passkey(body: Signature, response: Response) -> SessionView:
        """Sign in with a passkey."""
        account, passkey, counter = desk.passkeys.check_signed(body.response)

        def work(unit: Unit) -> str:
            passkeys.used(unit, passkey, counter)
            return sessions.begin(unit, account, how="passkey")

        secret = database.change(account.actor, work)
        return _began(desk, response, secret, account, enrolling=False)


def _add_passkeys(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/passkeys", operation_id="passkeys.list")
    def list_(who: Who) -> Passkeys:
        """One's own passkeys."""
        account = _account_of(who)
        found = database.read(lambda connection: passkeys.listed(connection, account))
        return Passkeys(items=[_passkey(one) for one in found])

    @app.post("/passkeys/options", operation_id="passkeys.options")
    def options(who: Who) -> Options:
        """What the browser needs to make a passkey."""
        return Options(public_key=desk.passkeys.begin_making(_own(desk, who)))

    @app.post("/passkeys", operation_id="passkeys.make", status_code=201)
    def make(body: NewPasskey, who: Who, response: Response) -> PasskeyMade:
        """Add a passkey. A session that began with a link or a code becomes a whole one."""
        account = _account_of(who)
        made = desk.passkeys.check_made(account, body.response)

        def work(unit: Unit) -> tuple[list[str], str | None]:
            passkeys.keep(unit, account, body.label, made)
            owner = accounts.find_open(unit.connection, account)
            codes = [] if owner.recovery_codes else recovery.renew(unit, account)
            if not who.enrolling:
                return codes, None
            # The secret changes with what the session may do; and whoever holds another one is out.
            sessions.end_others(unit, account)
            return codes, sessions.begin(unit, owner, how="passkey")

        codes, secret = database.change(who, work)
        if secret is not None:
            _set_cookie(response, secret)
        assert made.credential_data is not None
        return PasskeyMade(id=to_base64(made.credential_data.credential_id), recovery_codes=codes)

    @app.delete("/passkeys/{passkey}", operation_id="passkeys.remove", status_code=204)
    def remove(passkey: str, who: Who, request: Request) -> None:
        """Remove a passkey; the account's other sessions end."""
        account, id_ = _account_of(who), passkeys.read_passkey_id(passkey)

        def work(unit: Unit) -> None:
            passkeys.remove(unit, account, id_)
            sessions.end_others(unit, account, session_secret(request))

        database.change(who, work)


def _began(desk: Desk, response: Response, secret: str, account: Account, *, enrolling: bool) -> SessionView:
    _set_cookie(response, secret)
    actor = Actor(
        "account",
        account.role,
        account=account.id,
        reseller=account.reseller,
        organisation=account.organisation,
        enrolling=enrolling,
        signed_in_at=desk.database.now(),
    )
    return _session(desk, actor, account)


def _set_cookie(response: Response, secret: str) -> None:
    """Until the browser ends: the desk itself says when it is over."""
    response.set_cookie(sessions.COOKIE, secret, path="/", secure=True, httponly=True, samesite="strict")


def _session(desk: Desk, who: Actor, account: Account | None) -> SessionView:
    assert who.role is not None
    begun = who.signed_in_at or None
    longest = sessions.ENROLLING_SECONDS if who.enrolling else sessions.LONGEST_SECONDS
    return SessionView(
        account=maybe_id(who.account),
        role=who.role,
        name=account.name if account else "",
        email=account.email if account else "",
        language=account.language if account else "en",
        reseller=maybe_id(who.reseller),
        organisation=maybe_id(who.organisation),
        enrolling=who.enrolling,
        recovery_codes=account.recovery_codes if account else 0,
        operations=operations_of(who),
        signed_in_at=maybe_moment(begun),
        ends_at=None if begun is None else moment(begun + longest),
    )


def _account_of(who: Actor) -> bytes:
    """Raises desk.forbidden for who has none: the command line beside the data."""
    if who.account is None:
        raise error("desk.forbidden", "This is for accounts; the command line beside the data has none.")
    return who.account


def _own(desk: Desk, who: Actor) -> Account:
    account = _account_of(who)
    return desk.database.read(lambda connection: accounts.find_open(connection, account))


def _passkey(one: Passkey) -> PasskeyView:
    return PasskeyView(
        id=to_base64(one.id),
        label=one.label,
        created_at=moment(one.created_at),
        used_at=maybe_moment(one.used_at),
    )
