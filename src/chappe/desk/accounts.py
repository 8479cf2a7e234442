"""Accounts: who may sign in at the desk, as what, and of which reseller or organisation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, delete, exc, func, insert, select, update

from chappe.desk.database import Unit
from chappe.desk.ids import new_id
from chappe.desk.secret import digest, new_secret
from chappe.desk.tables import (
    accounts,
    passkeys,
    recovery_codes,
    resellers,
    sessions,
    sign_in_links,
    tokens,
)
from chappe.desk.who import Actor, Role
from chappe.wire.errors import error

LINK_SECONDS: Final = 24 * 3600
"""How long a sign-in link holds."""
FORGET_SECONDS: Final = 365 * 24 * 3600
"""How long after it is closed an account keeps its name and e-mail address."""


@dataclass(frozen=True, slots=True)
class Account:
    """As the table has it. `passkeys`, `recovery_codes`: how many there are to sign in with."""

    id: bytes
    role: Role
    name: str
    email: str
    language: str
    reseller: bytes | None
    organisation: bytes | None
    created_at: int
    closed_at: int | None
    version: int
    passkeys: int
    recovery_codes: int

    @property
    def actor(self) -> Actor:
        """Itself, as who does something."""
        return Actor(
            "account", self.role, account=self.id, reseller=self.reseller, organisation=self.organisation
        )


@dataclass(frozen=True, slots=True)
class NewAccount:
    role: Role
    name: str
    email: str
    language: str
    reseller: bytes | None = None
    organisation: bytes | None = None


def open_account(unit: Unit, wanted: NewAccount) -> Account:
    """Raises desk.exists (an open account has that e-mail address), desk.unknown (no such reseller),
    desk.malformed (a role without its reseller or organisation, or one with what is not its own)."""
    if (wanted.role is Role.RESELLER) != (wanted.reseller is not None):
        raise error("desk.malformed", "A reseller's account names its reseller, and no other account one.")
    if (wanted.role is Role.OFFICER) != (wanted.organisation is not None):
        raise error(
            "desk.malformed", "An officer's account names its organisation, and no other account one."
        )
    if wanted.reseller is not None and not _has_reseller(unit.connection, wanted.reseller):
        raise error("desk.unknown", "No reseller has this id.")
    id_ = new_id()
    row = {
        "account": id_,
        "role": wanted.role.value,
        "name": wanted.name,
        "email": wanted.email.lower(),
        "language": wanted.language,
        "reseller": wanted.reseller,
        "organisation": wanted.organisation,
        "created_at": unit.now,
        "version": 1,
    }
    try:
        unit.connection.execute(insert(accounts).values(row))
    except exc.IntegrityError:
        raise _email_taken() from None
    unit.log(
        "account.opened",
        id_,
        reseller=wanted.reseller,
        organisation=wanted.organisation,
        role=wanted.role.value,
    )
    return find(unit.connection, id_)


def find(connection: Connection, id_: bytes) -> Account:
    """Open or closed. Raises desk.unknown."""
    row = connection.execute(_all().where(accounts.c.account == id_)).one_or_none()
    if row is None:
        raise error("desk.unknown", "No account has this id.")
    return _account(row)


def find_open(connection: Connection, id_: bytes) -> Account:
    """Raises desk.unknown also for one that is closed."""
    found = find(connection, id_)
    if found.closed_at is not None:
        raise error("desk.unknown", "No open account has this id.")
    return found


def listed(
    connection: Connection, *, after: bytes | None, limit: int, role: Role | None = None, closed: bool = False
) -> list[Account]:
    """By id. `closed`: those as well."""
    statement = _all().order_by(accounts.c.account).limit(limit)
    if after is not None:
        statement = statement.where(accounts.c.account > after)
    if role is not None:
        statement = statement.where(accounts.c.role == role.value)
    if not closed:
        statement = statement.where(accounts.c.closed_at.is_(None))
    return [_account(row) for row in connection.execute(statement)]


def change(unit: Unit, id_: bytes, version: int, **fields: str) -> Account:
    """`fields`: of name, email, language. Raises desk.unknown, desk.changed, desk.exists."""
    before = find_open(unit.connection, id_)
    values = {name: value.lower() if name == "email" else value for name, value in fields.items()}
    try:
        _update(unit, before, version, values)
    except exc.IntegrityError:
        raise _email_taken() from None
    unit.log(
        "account.changed",
        id_,
        reseller=before.reseller,
        organisation=before.organisation,
        fields=" ".join(sorted(fields)),
    )
    return find(unit.connection, id_)


def close(unit: Unit, id_: bytes, version: int) -> Account:
    """For good: it signs in no more, its sessions end, its tokens are revoked. Raises desk.unknown,
    desk.changed, desk.not_now for the last operator."""
    before = find_open(unit.connection, id_)
    if before.role is Role.OPERATOR and _operators(unit.connection) == 1:
        raise error("desk.not_now", "This is the last operator's account; open another one first.")
    _update(unit, before, version, {"closed_at": unit.now})
    for table in (sessions, passkeys, recovery_codes, sign_in_links):
        unit.connection.execute(delete(table).where(table.c.account == id_))
    unit.connection.execute(
        update(tokens)
        .where(tokens.c.account == id_, tokens.c.revoked_at.is_(None))
        .values(revoked_at=unit.now)
    )
    unit.log("account.closed", id_, reseller=before.reseller, organisation=before.organisation)
    return find(unit.connection, id_)


def make_link(unit: Unit, id_: bytes) -> str:
    """A secret that begins one session in which a passkey is made; those before it end. Raises
    desk.unknown."""
    account = find_open(unit.connection, id_)
    secret = new_secret()
    unit.connection.execute(delete(sign_in_links).where(sign_in_links.c.account == id_))
    unit.connection.execute(
        insert(sign_in_links).values(
            digest=digest("link", secret),
            account=id_,
            created_at=unit.now,
            expires_at=unit.now + LINK_SECONDS,
        )
    )
    unit.log("account.link_made", id_, reseller=account.reseller, organisation=account.organisation)
    return secret


def forget_closed(unit: Unit) -> int:
    """Take name and address off accounts that were closed a year ago; how many."""
    old = (accounts.c.closed_at <= unit.now - FORGET_SECONDS) & (accounts.c.email != "")
    ids = unit.connection.execute(select(accounts.c.account).where(old)).scalars().all()
    for id_ in ids:
        unit.connection.execute(update(accounts).where(accounts.c.account == id_).values(name="", email=""))
        unit.log("account.changed", id_, fields="forgotten")
    return len(ids)


def _update(unit: Unit, before: Account, version: int, values: Mapping[str, object]) -> None:
    changed = unit.connection.execute(
        update(accounts)
        .where(accounts.c.account == before.id, accounts.c.version == version)
        .values(version=version + 1, **values)
    )
    if changed.rowcount != 1:
        raise error("desk.changed")


def _operators(connection: Connection) -> int:
    return connection.execute(
        select(func.count())
        .select_from(accounts)
        .where(accounts.c.role == Role.OPERATOR.value, accounts.c.closed_at.is_(None))
    ).scalar_one()


def _has_reseller(connection: Connection, id_: bytes) -> bool:
    found = connection.execute(select(resellers.c.reseller).where(resellers.c.reseller == id_)).scalar()
    return found is not None


def _all() -> Select[Any]:
    keys = select(func.count()).select_from(passkeys).where(passkeys.c.account == accounts.c.account)
    codes = (
        select(func.count())
        .select_from(recovery_codes)
        .where(recovery_codes.c.account == accounts.c.account, recovery_codes.c.used_at.is_(None))
    )
    return select(
        accounts,
        keys.scalar_subquery().label("passkeys"),
        codes.scalar_subquery().label("recovery_codes"),
    )


def _account(row: Row[Any]) -> Account:
    return Account(
        row.account,
        Role(row.role),
        row.name,
        row.email,
        row.language,
        row.reseller,
        row.organisation,
        row.created_at,
        row.closed_at,
        row.version,
        row.passkeys,
        row.recovery_codes,
    )


def _email_taken() -> Exception:
    return error("desk.exists", "An account with this e-mail address is open already.")
