"""Who does something at the desk: an account, a token in its name, the command line beside the data, the
desk."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal, TypeAlias


class Role(StrEnum):
    """What an account is for. Nobody of these reads a message, and none but officers erases."""

    OPERATOR = "operator"
    AUDITOR = "auditor"
    RESELLER = "reseller"
    OFFICER = "officer"


Kind: TypeAlias = Literal["account", "token", "console", "system", "public"]


@dataclass(frozen=True, slots=True)
class Actor:
    """`account`: whose session it is, or in whose name the token acts. `scopes`: of a token; None is all that
    the role may. `reseller`, `organisation`: the one that the account is of, 16 bytes; it sees no other's.

    `enrolling`: the session may make a passkey and nothing else. `signed_in_at`: when the session began.
    """

    kind: Kind
    role: Role | None = None
    account: bytes | None = None
    token: bytes | None = None
    scopes: frozenset[str] | None = None
    reseller: bytes | None = None
    organisation: bytes | None = None
    enrolling: bool = False
    signed_in_at: int = 0

    @property
    def sees_all(self) -> bool:
        """Of every reseller and organisation."""
        return self.role in (Role.OPERATOR, Role.AUDITOR)


CONSOLE: Final = Actor("console", Role.OPERATOR)
"""Who can write to the data directory and uses `chappe desk` there: the operator, without an account."""
SYSTEM: Final = Actor("system")
"""The desk itself: what it does when a date has come."""
PUBLIC: Final = Actor("public")
"""Anybody: nobody signed in."""
