"""What a scenario is made of. Nothing here knows an engine: a name that starts with "ts" is a client of
ts-mls, any other one of the Python engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from tests.interop.driver import ProposalKind


@dataclass(frozen=True, slots=True)
class Wish:
    """One proposal. `who`: whom to add or remove, or which PSK; nobody for an update."""

    kind: ProposalKind
    who: str = ""


@dataclass(frozen=True, slots=True)
class Propose:
    """By reference: everybody hears it, somebody commits it."""

    by: str
    wish: Wish
    public: bool


@dataclass(frozen=True, slots=True)
class Commit:
    """`wishes` by value, what is pending by reference. `path` False: none unless one is needed; for ts-mls it
    is not looked at."""

    by: str
    wishes: tuple[Wish, ...]
    public: bool = False
    path: bool = True


@dataclass(frozen=True, slots=True)
class ComeIn:
    """An external commit from the GroupInfo of `informer`. `resync`: by one who is a member."""

    by: str
    informer: str
    resync: bool
    psks: tuple[str, ...] = ()


Attempt: TypeAlias = Commit | ComeIn


@dataclass(frozen=True, slots=True)
class Begin:
    """Commits made in the same epoch, before anybody has one of them."""

    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class Land:
    """The attempt of `winner` is accepted, the others are dropped. `joiners` come in by its Welcome;
    `members` are all who are in the group then."""

    winner: str
    joiners: tuple[str, ...]
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Send:
    """An application message, in nobody's hands yet."""

    number: int
    by: str
    size: int
    padding: int


@dataclass(frozen=True, slots=True)
class Hand:
    """`to` gets the message and opens it, if `why` is empty or says when; else refuses it for that reason."""

    number: int
    to: str
    opens: bool
    why: str


Step: TypeAlias = Propose | Begin | Land | Send | Hand


@dataclass(frozen=True, slots=True)
class Scenario:
    """`founder` is alone at first; `psks` are known to all clients."""

    seed: int
    suite: int
    founder: str
    psks: tuple[str, ...]
    steps: tuple[Step, ...]
