"""API tokens: `chd_` and 32 random bytes, kept hashed, with scopes and a last day; for programs.

A token acts in the name of the account that made it: never with more than its role's rights, and only as
long as the account is open.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, insert, select, update

from chappe.desk import accounts
from chappe.desk.database import Database, Unit
from chappe.desk.ids import new_id
from chappe.desk.rights import scopes_of
from chappe.desk.secret import TOKEN_PREFIX, digest, new_secret, well_formed
from chappe.desk.tables import tokens
from chappe.desk.who import Actor
from chappe.wire.errors import ChappeError, error

MAX_DAYS: Final = 365
MAX_TOKENS: Final = 50
"""Living ones of an account."""
_TOUCH_SECONDS: Final = 3600
_DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Token:
    id: bytes
    account: bytes
    label: str
    scopes: list[str]
    created_at: int
    expires_at: int
    revoked_at: int | None
    used_at: int | None


def make(unit: Unit, account: bytes, label: str, scopes: list[str], days: int) -> tuple[str, Token]:
    """The token, shown once. Raises desk.forbidden for a scope that the role does not have, desk.not_now for
    too many, desk.unknown for an account that is closed."""
    owner = accounts.find_open(unit.connection, account)
    wanted = sorted(set(scopes))
    if not set(wanted) <= scopes_of(owner.role):
        raise error("desk.forbidden", "A token has at most the scopes of its account's role.")
    living = [one for one in listed(unit.connection, account) if _holds(one, unit.now)]
    if len(living) >= MAX_TOKENS:
        raise error("desk.not_now", f"An account has at most {MAX_TOKENS} tokens; revoke one first.")
    secret = TOKEN_PREFIX + new_secret()
    id_ = new_id()
    unit.connection.execute(
        insert(tokens).values(
            token=id_,
            digest=digest("token", secret),
            account=account,
            label=label,
            scopes=" ".join(wanted),
            created_at=unit.now,
            expires_at=unit.now + days * _DAY,
        )
    )
    unit.log("token.made", id_, scopes=" ".join(wanted), days=days)
    return secret, _one(unit.connection, account, id_)


def listed(connection: Connection, account: bytes) -> list[Token]:
    """An account's, the newest first."""
    rows = connection.execute(
        select(tokens).where(tokens.c.account == account).order_by(tokens.c.created_at.desc(), tokens.c.token)
    )
    return [_token(row) for row in rows]


def revoke(unit: Unit, account: bytes, id_: bytes) -> Token:
    """The same again changes nothing. Raises desk.unknown."""
    if _one(unit.connection, account, id_).revoked_at is None:
        unit.connection.execute(update(tokens).where(tokens.c.token == id_).values(revoked_at=unit.now))
        unit.log("token.revoked", id_)
    return _one(unit.connection, account, id_)


def find(database: Database, secret: str) -> Actor | None:
    """In whose name it acts, with which scopes; None for one that holds no more, or never did."""
    if not secret.startswith(TOKEN_PREFIX) or not well_formed(secret.removeprefix(TOKEN_PREFIX)):
        return None
    now = database.now()

    def work(connection: Connection) -> tuple[Actor, Token] | None:
        row = connection.execute(
            select(tokens).where(tokens.c.digest == digest("token", secret))
        ).one_or_none()
        if row is None or not _holds(_token(row), now):
            return None
        try:
            owner = accounts.find_open(connection, row.account)
        except ChappeError:
            return None
        actor = Actor(
            "token",
            owner.role,
            account=owner.id,
            token=row.token,
            scopes=frozenset(row.scopes.split()),
            reseller=owner.reseller,
            organisation=owner.organisation,
        )
        return actor, _token(row)

    found = database.read(work)
    if found is None:
        return None
    actor, token = found
    if now - (token.used_at or 0) >= _TOUCH_SECONDS:
        database.keep_books(
            lambda unit: unit.connection.execute(
                update(tokens).where(tokens.c.token == token.id).values(used_at=now)
            )
        )
    return actor


def _holds(token: Token, now: int) -> bool:
    return token.revoked_at is None and now < token.expires_at


def _one(connection: Connection, account: bytes, id_: bytes) -> Token:
    row = connection.execute(
        select(tokens).where(tokens.c.token == id_, tokens.c.account == account)
    ).one_or_none()
    if row is None:
        raise error("desk.unknown", "This account has no token with this id.")
    return _token(row)


def _token(row: Row[Any]) -> Token:
    return Token(
        row.token,
        row.account,
        row.label,
        row.scopes.split(),
        row.created_at,
        row.expires_at,
        row.revoked_at,
        row.used_at,
    )
