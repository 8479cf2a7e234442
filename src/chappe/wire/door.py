"""The door between desk and relay: all that the operator's side may know of lines, or change about them.

The relay implements `Door` (chappe.relay.door); the desk is handed one. Nothing that goes through it is a
secret key, a contact, a message or a network address, and nothing erases. Times are whole Unix seconds,
ids 16 bytes.

What an organisation is not allowed to see is `organisation.unknown` or `line.unknown`, the same as what
is not there: a guessed id tells nothing.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, Protocol, TypeAlias

from msgspec import Meta

from chappe.wire.api import Body
from chappe.wire.terms import MAX_MONTHS, Stage

MAX_CODES: Final = 10_000
"""Of one batch."""
MAX_PAGE: Final = 200
MAX_RENEWED: Final = 1_000
"""Lines of one renewal."""

Id: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Months: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_MONTHS)]
Limit: TypeAlias = Annotated[int, Meta(ge=1, le=MAX_PAGE)]
Search: TypeAlias = Annotated[str, Meta(max_length=320)]

LineStage: TypeAlias = Literal["none", "active", "grace", "suspended", "closed"]
"""A `chappe.wire.terms.Stage`, or `none`: the line has no term and goes on. `closed` also where it was
erased."""
Order: TypeAlias = Literal["address", "ends"]


class Struct(Body, frozen=True):
    """The root of what goes through the door."""


class CodeBatch(Struct, frozen=True):
    """Codes to make. Each makes one line with a term of `months`, or renews one by as much.

    `batch`: random; one that was made is not made again. `seller`: None for the operator himself. `days`: how
    long a code holds. `organisation`: whose lines; None for lines of none.
    """

    batch: Id
    count: Annotated[int, Meta(ge=1, le=MAX_CODES)]
    months: Months
    days: Annotated[int, Meta(ge=1, le=3_650)]
    seller: Id | None = None
    organisation: Id | None = None


class MadeCodes(Struct, frozen=True):
    """The codes, in canonical form: the relay keeps their digests alone, so they are shown once.

    `fleet_key`: what an activation link of the organisation holds; empty for none.
    """

    batch: Id
    codes: list[str]
    fleet_key: bytes
    expires_at: Seconds

    def __repr__(self) -> str:
        return f"MadeCodes({len(self.codes)} codes)"


class BatchState(Struct, frozen=True):
    """What became of a batch; the numbers add up to what was made, but for codes forgotten a year after."""

    batch: Id
    used: int
    open: int
    expired: int
    voided: int


class TermView(Struct, frozen=True):
    """`months`: of what was paid last. Instants: the first at which the next stage holds."""

    last_day: str
    """ISO 8601, UTC."""
    months: int
    days_left: int
    ends: Seconds
    suspends: Seconds
    closes: Seconds
    forgotten: Seconds


class LineView(Struct, frozen=True):
    """A line as the operator may see it. `devices`: not signed out. `erased`: by an order of its customer."""

    line: Id
    organisation: Id | None
    address: str
    created_at: Seconds
    stage: LineStage
    term: TermView | None
    held: bool
    erased: bool
    devices: int


class LineQuery(Struct, frozen=True):
    """Which lines. `organisation` None: all; `of_none`: those of no organisation alone.

    `search`: a part of the address. `ends_before`: of lines whose term ends before. `after`: the last
    line of the page before. `order`: by address, or by the end of the term (those without one come last).
    """

    organisation: Id | None = None
    of_none: bool = False
    search: Search = ""
    stage: LineStage | None = None
    ends_before: Seconds | None = None
    order: Order = "address"
    after: Id | None = None
    limit: Limit = 50


class LinePage(Struct, frozen=True):
    """`total`: of the whole query."""

    lines: list[LineView]
    more: bool
    total: int


class DeviceView(Struct, frozen=True):
    device: Id
    created_at: Seconds
    signed_out_at: Seconds | None


class Renewal(Struct, frozen=True):
    """`months` more for one line. `ends`: of the term as whoever asks saw it; another one is
    `term.changed`, so
    that two people, or one double click, renew once. `by`: for the organisation's audit log."""

    line: Id
    organisation: Id | None
    months: Months
    ends: Seconds
    by: Literal["operator", "officer"]


class OrganisationView(Struct, frozen=True):
    """`lines`: that are open."""

    organisation: Id
    name: str
    created_at: Seconds
    lines: int
    officers: int


class StageCounts(Struct, frozen=True):
    """Lines by stage, and those whose term ends within so many days."""

    none: int = 0
    active: int = 0
    grace: int = 0
    suspended: int = 0
    closed: int = 0
    within_30_days: int = 0
    within_7_days: int = 0


class ErasureCounts(Struct, frozen=True):
    """Devices of erase orders, each by the furthest stage that it reached; orders that wait for an
    officer."""

    awaiting: int = 0
    ordered: int = 0
    unreadable: int = 0
    removed: int = 0
    erased: int = 0


class Load(Struct, frozen=True):
    """The relay now. `waiting_bytes`: of requests that wait for the disk. `mail`: envelopes in all
    mailboxes."""

    sockets: int
    waiting_bytes: int
    devices: int
    mail: int
    attachment_bytes: int


class UnlockCounts(Struct, frozen=True):
    """Devices that have a share; whose last PIN was wrong; whose share ten wrong ones destroyed. A share
    service that runs alone answers GET /v1/shares/counts with it."""

    devices: int
    failing: int
    worn_out: int


class Overview(Struct, frozen=True):
    """`load` and `unlocks`: of the whole relay, and so None for an organisation; where it is not running; and
    `unlocks` where its share service does not answer."""

    at: Seconds
    lines: StageCounts
    erasures: ErasureCounts
    load: Load | None
    unlocks: UnlockCounts | None


class AuditView(Struct, frozen=True):
    """Entries (chappe.wire.audit) from an index on, and size and root of the whole log."""

    start: int
    entries: list[bytes]
    size: int
    root: bytes


class DeviceStage(Struct, frozen=True):
    """How far an order came on a device. `conversations`: in how many it was, None while nobody has told;
    `removed`: from how many it is gone. `reported`: its receipt is there."""

    device: Id
    line: Id
    address: str
    ordered_at: Seconds
    unreadable_at: Seconds | None
    conversations: int | None
    removed: int
    removed_at: Seconds | None
    done_at: Seconds | None
    reported: bool


class OrderView(Struct, frozen=True):
    """A fleet order as its organisation's console shows it. `officers`: who signed it."""

    order: Id
    kind: str
    reason: str
    given_at: Seconds
    awaiting: bool
    officers: list[bytes]
    devices: list[DeviceStage]


class Door(Protocol):
    """All raise storage.* where the relay's store fails."""

    async def make_codes(self, batch: CodeBatch) -> MadeCodes:
        """Raises id.reused (the batch is there), code.withheld (its seller), organisation.unknown."""

    async def void_codes(self, batch: bytes) -> int:
        """Codes of a batch that were not used can be no more; gives how many there were."""

    async def batch(self, batch: bytes) -> BatchState:
        """All zero for one that is not there."""

    async def allow_seller(self, seller: bytes) -> None:
        """Its codes activate, and renew, from now on: also those made before."""

    async def withhold_seller(self, seller: bytes) -> None:
        """Its codes do nothing until it is allowed again. A seller that was never allowed is withheld."""

    async def allowed_sellers(self) -> list[bytes]:
        """Whose codes do something now, in no order."""

    async def lines(self, query: LineQuery) -> LinePage: ...

    async def line(self, line: bytes, organisation: bytes | None = None) -> LineView:
        """`organisation`: who asks; None for the operator. Raises line.unknown."""

    async def devices(self, line: bytes, organisation: bytes | None = None) -> list[DeviceView]:
        """Raises line.unknown."""

    async def taken_addresses(self, addresses: list[str]) -> list[str]:
        """Those of at most `MAX_RENEWED` addresses that no new line can have."""

    async def renew(self, renewals: list[Renewal]) -> list[LineView]:
        """All or none. Raises line.unknown, term.changed, term.none, term.closed, term.too_long."""

    async def renew_with_code(self, line: bytes, organisation: bytes | None, code: str) -> LineView:
        """As the line's phone does. Raises line.unknown, code.*, term.*."""

    async def organisations(self) -> list[OrganisationView]: ...

    async def overview(self, organisation: bytes | None = None) -> Overview: ...

    async def audit(self, organisation: bytes, start: int, limit: int) -> AuditView:
        """Raises organisation.unknown."""

    async def orders(self, organisation: bytes, order: bytes | None = None) -> list[OrderView]:
        """The newest, or that one alone. Raises order.unknown."""


def stage_of(stage: Stage) -> LineStage:
    """The word that the door has for a term's stage."""
    return stage.value
