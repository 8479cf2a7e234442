"""Who may do what: one table. Each route of the API names its operation; what is not here cannot be routed.

A row says which roles may, and which scope lets a token do it: None is none, whatever the token. What a
reseller or officer sees of others is not said here but in each room, which answers `desk.unknown`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chappe.desk.who import Actor, Role
from chappe.wire.errors import error

FRESH_SECONDS: Final = 15 * 60
"""How long after a sign-in what is `fresh` may be done."""
MAX_BODY: Final = 64 * 1024
MAX_SHEET: Final = 2 * 1024 * 1024

_OPERATOR: Final = frozenset({Role.OPERATOR})
_READERS: Final = frozenset({Role.OPERATOR, Role.AUDITOR})
_ALL: Final = frozenset(Role)
_CUSTOMERS: Final = frozenset({Role.OPERATOR, Role.AUDITOR, Role.OFFICER})
_RENEWERS: Final = frozenset({Role.OPERATOR, Role.OFFICER})
_SELLERS: Final = frozenset({Role.OPERATOR, Role.AUDITOR, Role.RESELLER})
_BUYERS: Final = frozenset({Role.OPERATOR, Role.RESELLER})


@dataclass(frozen=True, slots=True)
class Right:
    """`public`: nobody need sign in. `fresh`: only soon after a sign-in. `enrolling`: also in a session that
    began with a link or a recovery code. `anywhere`: without the check that the desk's own page asks, for
    what is public and sets no cookie. `costs`: of what a stranger may do at once, also where it turns out
    well. `max_body` in bytes."""

    roles: frozenset[Role]
    scope: str | None = None
    public: bool = False
    fresh: bool = False
    enrolling: bool = False
    anywhere: bool = False
    costs: bool = False
    max_body: int = MAX_BODY


_PUBLIC: Final = Right(frozenset(), public=True)

RIGHTS: Final[dict[str, Right]] = {
    # Sessions and what one signs in with: of oneself alone, never by a token.
    "session.link": _PUBLIC,
    "session.recovery": _PUBLIC,
    "session.passkey_options": Right(frozenset(), public=True, costs=True),
    "session.passkey": _PUBLIC,
    "session.show": Right(_ALL, scope="session:read", enrolling=True),
    "session.end": Right(_ALL, enrolling=True),
    "passkeys.list": Right(_ALL),
    "passkeys.options": Right(_ALL, enrolling=True, fresh=True),
    "passkeys.make": Right(_ALL, enrolling=True, fresh=True),
    "passkeys.remove": Right(_ALL, fresh=True),
    "recovery.renew": Right(_ALL, fresh=True),
    # API tokens: of oneself.
    "tokens.list": Right(_ALL),
    "tokens.make": Right(_ALL, fresh=True),
    "tokens.revoke": Right(_ALL),
    # Accounts.
    "accounts.list": Right(_READERS, scope="accounts:read"),
    "accounts.show": Right(_READERS, scope="accounts:read"),
    "accounts.open": Right(_OPERATOR, fresh=True),
    "accounts.change": Right(_OPERATOR, fresh=True),
    "accounts.close": Right(_OPERATOR, fresh=True),
    "accounts.link": Right(_OPERATOR, fresh=True),
    # The audit log: a reseller and an officer read what is theirs.
    "log.list": Right(_ALL, scope="log:read"),
    "log.head": Right(_READERS, scope="log:read"),
    "log.verify": Right(_READERS, scope="log:read"),
    "log.export": Right(_READERS, scope="log:read"),
    # Resellers.
    "register.show": Right(frozenset(), public=True, anywhere=True),
    "resellers.list": Right(_SELLERS, scope="resellers:read"),
    "resellers.show": Right(_SELLERS, scope="resellers:read"),
    "resellers.apply": Right(frozenset(), public=True, anywhere=True, costs=True),
    "resellers.add": Right(_OPERATOR, scope="resellers:write"),
    "resellers.change": Right(_OPERATOR, scope="resellers:write"),
    "resellers.accredit": Right(_OPERATOR, scope="resellers:write"),
    "resellers.suspend": Right(_OPERATOR, scope="resellers:write"),
    "resellers.resume": Right(_OPERATOR, scope="resellers:write"),
    "resellers.end": Right(_OPERATOR, scope="resellers:write"),
    # What is sold, and on what terms. A reseller orders, and sees its own orders and papers.
    "plans.list": Right(_SELLERS, scope="sales:read"),
    "plans.make": Right(_OPERATOR, scope="plans:write"),
    "plans.withdraw": Right(_OPERATOR, scope="plans:write"),
    "seller.show": Right(_READERS, scope="sales:read"),
    "seller.set": Right(_OPERATOR, scope="plans:write"),
    "trading.show": Right(_SELLERS, scope="sales:read"),
    "trading.set": Right(_OPERATOR, scope="plans:write"),
    "orders.list": Right(_SELLERS, scope="sales:read"),
    "orders.show": Right(_SELLERS, scope="sales:read"),
    "orders.codes": Right(_SELLERS, scope="sales:read"),
    "orders.make": Right(_BUYERS, scope="orders:write"),
    "orders.remake": Right(_BUYERS, scope="orders:write"),
    "orders.cancel": Right(_OPERATOR, scope="orders:write"),
    "invoices.list": Right(_SELLERS, scope="sales:read"),
    "invoices.show": Right(_SELLERS, scope="sales:read"),
    "invoices.pdf": Right(_SELLERS, scope="sales:read"),
    "payments.list": Right(_SELLERS, scope="sales:read"),
    "payments.note": Right(_OPERATOR, scope="payments:write"),
    "refunds.list": Right(_SELLERS, scope="sales:read"),
    "refunds.note": Right(_OPERATOR, scope="payments:write"),
    "rates.list": Right(_SELLERS, scope="sales:read"),
    "rates.set": Right(_OPERATOR, scope="plans:write"),
    "ledger.list": Right(_READERS, scope="ledger:read"),
    "ledger.check": Right(_READERS, scope="ledger:read"),
    "ledger.export": Right(_READERS, scope="ledger:read"),
    "numbers.show": Right(_READERS, scope="ledger:read"),
    "numbers.lost": Right(_OPERATOR, fresh=True),
    "numbers.misdated": Right(_OPERATOR, fresh=True),
    "sales.show": Right(_SELLERS, scope="sales:read"),
    # Lines: an officer sees and renews the organisation's. A reseller sees none.
    "overview.show": Right(_CUSTOMERS, scope="lines:read"),
    "organisations.list": Right(_CUSTOMERS, scope="lines:read"),
    "lines.list": Right(_CUSTOMERS, scope="lines:read"),
    "lines.show": Right(_CUSTOMERS, scope="lines:read"),
    "lines.devices": Right(_CUSTOMERS, scope="lines:read"),
    "lines.export": Right(_CUSTOMERS, scope="lines:read"),
    "lines.renew": Right(_OPERATOR, scope="lines:write"),
    "lines.renew_by_code": Right(_RENEWERS, scope="lines:write"),
    "lines.transfer": Right(_RENEWERS, scope="lines:write"),
    "lines.import": Right(_OPERATOR, scope="lines:write", max_body=MAX_SHEET),
    # The clock that terms and retention follow.
    "clock.show": Right(_READERS, scope="lines:read"),
    "clock.confirm": Right(_OPERATOR, fresh=True),
    # The record of subscribers.
    "subscribers.list": Right(_OPERATOR, scope="subscribers:read"),
    "subscribers.show": Right(_OPERATOR, scope="subscribers:read"),
    "subscribers.add": Right(_OPERATOR, scope="subscribers:write"),
    "subscribers.change": Right(_OPERATOR, scope="subscribers:write"),
    "subscribers.end": Right(_OPERATOR, scope="subscribers:write"),
}

SCOPES: Final = frozenset(right.scope for right in RIGHTS.values() if right.scope is not None)
"""All that a token may be given."""


def scopes_of(role: Role) -> frozenset[str]:
    """What a token of an account of this role may be given."""
    return frozenset(
        right.scope for right in RIGHTS.values() if right.scope is not None and role in right.roles
    )


def operations_of(actor: Actor) -> list[str]:
    """What the actor may ask for, sorted."""
    return sorted(name for name, right in RIGHTS.items() if not right.public and _permits(right, actor))


def permit(operation: str, actor: Actor, now: int) -> None:
    """Raises desk.signed_out (nobody is signed in), desk.forbidden, desk.sign_in_again. KeyError for an
    operation that is not in the table: a mistake of ours."""
    right = RIGHTS[operation]
    if right.public:
        return
    if actor.kind == "public":
        raise error("desk.signed_out")
    if actor.enrolling and not right.enrolling:
        raise error("desk.forbidden", "Make a passkey first; then sign in with it.")
    if not _permits(right, actor):
        raise error("desk.forbidden")
    if right.fresh and actor.kind == "account" and now - actor.signed_in_at > FRESH_SECONDS:
        raise error("desk.sign_in_again")


def _permits(right: Right, actor: Actor) -> bool:
    if actor.role not in right.roles or (actor.enrolling and not right.enrolling):
        return False
    return actor.kind != "token" or (right.scope is not None and right.scope in (actor.scopes or ()))
