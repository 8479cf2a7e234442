"""Sessions of people in a browser: a cookie whose SHA-256 is kept, 30 minutes idle, 12 hours at the most."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, delete, insert, select, update

from chappe.desk import accounts
from chappe.desk.accounts import Account
from chappe.desk.database import Database, Unit
from chappe.desk.secret import digest, new_secret, recovery_digest, well_formed
from chappe.desk.tables import recovery_codes, sessions, sign_in_links
from chappe.desk.who import Actor
from chappe.wire.errors import ChappeError, error

COOKIE: Final = "__Host-chappe_desk"
IDLE_SECONDS: Final = 30 * 60
LONGEST_SECONDS: Final = 12 * 3600
ENROLLING_SECONDS: Final = 15 * 60
"""How long a session lasts that began with a link or a recovery code: until a passkey is made."""
_TOUCH_SECONDS: Final = 60


def begin(unit: Unit, account: Account, *, how: str, enrolling: bool = False) -> str:
    """The secret for the cookie. `how`: passkey, link or recovery, for the log."""
    secret = new_secret()
    unit.connection.execute(
        insert(sessions).values(
            digest=digest("session", secret),
            account=account.id,
            enrolling=enrolling,
            signed_in_at=unit.now,
            seen_at=unit.now,
        )
    )
    unit.log(
        "account.signed_in",
        account.id,
        reseller=account.reseller,
        organisation=account.organisation,
        how=how,
    )
    return secret


def by_link(database: Database, secret: str) -> tuple[str, Account]:
    """Use a sign-in link up: a session that makes a passkey. Raises desk.bad_code."""
    if not well_formed(secret):
        raise error("desk.bad_code")

    def work(unit: Unit) -> tuple[str, Account]:
        used = unit.connection.execute(
            update(sign_in_links)
            .where(
                sign_in_links.c.digest == digest("link", secret),
                sign_in_links.c.used_at.is_(None),
                sign_in_links.c.expires_at > unit.now,
            )
            .values(used_at=unit.now)
            .returning(sign_in_links.c.account)
        ).scalar()
        return _enrol(unit, used, "link")

    return database.change(Actor("public"), work)


def by_recovery_code(database: Database, typed: str) -> tuple[str, Account]:
    """Use a recovery code up: a session that makes a passkey. Raises code.malformed, desk.bad_code."""
    wanted = recovery_digest(typed)

    def work(unit: Unit) -> tuple[str, Account]:
        used = unit.connection.execute(
            update(recovery_codes)
            .where(recovery_codes.c.digest == wanted, recovery_codes.c.used_at.is_(None))
            .values(used_at=unit.now)
            .returning(recovery_codes.c.account)
        ).scalar()
        began = _enrol(unit, used, "recovery")
        unit.log("recovery.used", began[1].id)
        return began

    return database.change(Actor("public"), work)


def find(database: Database, secret: str) -> Actor | None:
    """Whose session it is, seen now; None where there is none, or it is over."""
    if not well_formed(secret):
        return None
    key = digest("session", secret)
    now = database.now()

    def work(connection: Connection) -> tuple[Actor, int] | None:
        row = connection.execute(select(sessions).where(sessions.c.digest == key)).one_or_none()
        if row is None or _over(row.signed_in_at, row.seen_at, row.enrolling, now):
            return None
        try:
            account = accounts.find_open(connection, row.account)
        except ChappeError:
            return None
        actor = Actor(
            "account",
            account.role,
            account=account.id,
            reseller=account.reseller,
            organisation=account.organisation,
            enrolling=row.enrolling,
            signed_in_at=row.signed_in_at,
        )
        return actor, row.seen_at

    found = database.read(work)
    if found is None:
        return None
    if now - found[1] >= _TOUCH_SECONDS:
        database.keep_books(
            lambda unit: unit.connection.execute(
                update(sessions).where(sessions.c.digest == key).values(seen_at=now)
            )
        )
    return found[0]


def end(unit: Unit, secret: str, account: bytes) -> None:
    """Sign out."""
    unit.connection.execute(delete(sessions).where(sessions.c.digest == digest("session", secret)))
    unit.log("account.signed_out", account)


def end_others(unit: Unit, account: bytes, keep: str | None = None) -> None:
    """All sessions of an account but the one whose secret is given: after a passkey was taken away."""
    others = delete(sessions).where(sessions.c.account == account)
    if keep is not None:
        others = others.where(sessions.c.digest != digest("session", keep))
    unit.connection.execute(others)


def sweep(unit: Unit) -> None:
    """Drop those that are over."""
    unit.connection.execute(
        delete(sessions).where(
            (sessions.c.seen_at <= unit.now - IDLE_SECONDS)
            | (sessions.c.signed_in_at <= unit.now - LONGEST_SECONDS)
        )
    )


def _enrol(unit: Unit, account: bytes | None, how: str) -> tuple[str, Account]:
    if account is None:
        raise error("desk.bad_code")
    found = accounts.find_open(unit.connection, account)
    return begin(unit, found, how=how, enrolling=True), found


def _over(signed_in_at: int, seen_at: int, enrolling: bool, now: int) -> bool:
    longest = ENROLLING_SECONDS if enrolling else LONGEST_SECONDS
    return now - signed_in_at >= longest or now - seen_at >= IDLE_SECONDS
