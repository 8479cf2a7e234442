"""One device's conversation with the relay, sans-I/O: frames and outcomes in, actions out.

    GREETED --SignIn--> CHECKING --device found, signature holds--> OPEN --an order signs it out--+
                           |                                                                   v
                           +--signature holds, signed out before--------------------------> SIGNED_OUT
       CHECKING or OPEN --the line's term is long over--> SUSPENDED
       SIGNED_OUT, SUSPENDED --no order waits, or a receipt of each is here, or it takes too long--> CLOSED
       any phase --refused before OPEN, superseded, unfit WebSocket--> CLOSED

SIGNED_OUT and SUSPENDED say `order` frames and nothing else, and take `report` and nothing else.
SUSPENDED says `term` before them.

The shell (socket.py) carries the actions out and never decides anything itself.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chappe.relay.delivery import PAGE_ITEMS, Delivery
from chappe.relay.limits import Allowance
from chappe.relay.ports import Arrival, DeviceRecord, Found, Outcome, Reported, Stored
from chappe.relay.reader import Page
from chappe.wire import frames
from chappe.wire.errors import ChappeError, error
from chappe.wire.orders import read_order

MAX_IN_FLIGHT: Final = 1_024
MAX_IN_FLIGHT_BYTES: Final = 4 * 1024 * 1024
"""Requests of one device that wait for the store; beyond, its socket is not read."""
LOOKUP_WEIGHT: Final = 16 * 1024
LOOKUP_WITH_PACKAGES_WEIGHT: Final = 256 * 1024
"""A lookup counts with what its answer may hold: some forty bytes ask for more than a mebibyte."""
MAX_BEFORE_SIGN_IN: Final = 1_024
"""Bytes of a WebSocket message before sign-in."""


class Phase(Enum):
    GREETED = "greeted"
    CHECKING = "checking"
    OPEN = "open"
    SIGNED_OUT = "signed out"
    SUSPENDED = "suspended"
    CLOSED = "closed"


LEAVING: Final = frozenset({Phase.SIGNED_OUT, Phase.SUSPENDED})
"""Phases in which a device carries orders out, says so, and goes."""
OUT_OF_TERM: Final = frozenset({"suspended", "closed"})
"""Stages of a term in which a line has no place at the relay."""


@dataclass(frozen=True, slots=True)
class Say:
    """Send these bytes as one binary WebSocket message. `refused`: the code, where it refuses something."""

    data: bytes
    refused: str | None = None


@dataclass(frozen=True, slots=True)
class Identify:
    """Find the device and hand its record (or None) to `Session.identified`."""

    device: bytes


@dataclass(frozen=True, slots=True)
class Open:
    """The device has shown who it is: let its arrivals come here, and no more to an older socket of it."""

    record: DeviceRecord


@dataclass(frozen=True, slots=True)
class Ask:
    """Carry out the request and hand the outcome to `Session.answered`, in the order asked; an `Enrol`
    whenever the share service has answered."""

    frame: Request
    weight: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Delete the mailbox up to `sequence`, `count` envelopes."""

    sequence: int
    count: int


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Read the mailbox after a sequence and hand the page to `Session.page_read`."""

    after: int
    items: int
    size: int


@dataclass(frozen=True, slots=True)
class ReadOrders:
    """Read the fleet orders that wait for this device and hand them to `Session.orders_read`."""


@dataclass(frozen=True, slots=True)
class Pause:
    """Read nothing of this socket for a moment: it asks faster than it may."""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Close the WebSocket with this code (RFC 6455 section 7.4)."""

    code: int


Request: TypeAlias = (
    frames.Send
    | frames.Commit
    | frames.PublishKeyPackages
    | frames.Lookup
    | frames.NewAttachment
    | frames.Enrol
    | frames.Report
    | frames.Register
    | frames.Watch
    | frames.Settled
    | frames.Subscribe
    | frames.LeaveToken
)
Action: TypeAlias = Say | Identify | Open | Ask | Acknowledge | ReadPage | ReadOrders | Pause | HangUp

POLICY_VIOLATION: Final = 1008
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013


class Session:
    """`now` is steady seconds; `lookups` gives what a device may look up."""

    __slots__ = (
        "_allowed",
        "_delivery",
        "_in_flight",
        "_in_flight_bytes",
        "_lookups",
        "_nonce",
        "_server",
        "_sign_in",
        "_unreported",
        "phase",
        "record",
    )

    def __init__(self, server: str, nonce: bytes, lookups: Callable[[DeviceRecord], Allowance]) -> None:
        self._server = server
        self._nonce = nonce
        self._lookups = lookups
        self._allowed: Allowance | None = None
        self._sign_in: frames.SignIn | None = None
        self._delivery: Delivery | None = None
        self._in_flight = 0
        self._in_flight_bytes = 0
        # Of a device that is signed out: orders that it was handed, and has not answered.
        self._unreported: set[bytes] = set()
        self.phase = Phase.GREETED
        self.record: DeviceRecord | None = None

    def greeting(self, time: int) -> Say:
        """The relay's first word; `time` is Unix seconds."""
        return Say(frames.encode(frames.Hello(self._nonce, self._server, time)))

    @property
    def wants_more(self) -> bool:
        """False while so much waits for the store that the socket should not be read."""
        return self._in_flight < MAX_IN_FLIGHT and self._in_flight_bytes < MAX_IN_FLIGHT_BYTES

    @property
    def is_idle(self) -> bool:
        """Nothing that it asked is still to be answered."""
        return self._in_flight == 0

    @property
    def owed(self) -> int | None:
        """What the device acknowledged last, while it owes more; None if it owes nothing."""
        return None if self._delivery is None else self._delivery.owed

    # --- what comes from the device

    def receive(self, data: bytes, now: float) -> list[Action]:
        """One binary WebSocket message."""
        if self.phase is Phase.CLOSED:
            return []
        try:
            frame = frames.decode_from_device(data)
        except ChappeError as refusal:
            return self._refuse(frames.read_ref(data), refusal)
        try:
            return self._take(frame, len(data), now)
        except ChappeError as refusal:
            refused = self._refuse(getattr(frame, "ref", None), refusal)
            return [*refused, Pause()] if refusal.code == "limit.rate" else refused

    def _take(self, frame: frames.FromDevice, size: int, now: float) -> list[Action]:
        if isinstance(frame, frames.SignIn):
            if self.phase is not Phase.GREETED:
                raise error("frame.unexpected")
            self.phase, self._sign_in = Phase.CHECKING, frame
            return [Identify(frame.device)]
        if self.phase in LEAVING:
            return self._take_report(frame, size)
        if self.phase is not Phase.OPEN or self._delivery is None or self._allowed is None:
            raise error("signin.required")
        if isinstance(frame, frames.Ack):
            news = self._delivery.acknowledge(frame.sequence)
            return [Acknowledge(frame.sequence, news), *self._next_page()] if news else []
        if isinstance(frame, frames.Lookup):
            self._allowed.spend(now)
            size += LOOKUP_WITH_PACKAGES_WEIGHT if frame.key_packages else LOOKUP_WEIGHT
        return self._ask(frame, size)

    def _take_report(self, frame: frames.FromDevice, size: int) -> list[Action]:
        """What was on its way when the order came is refused, and does not end the socket."""
        if isinstance(frame, frames.Report):
            return self._ask(frame, size)
        if isinstance(frame, frames.Ack):
            return []
        raise self.farewell()

    def farewell(self) -> ChappeError:
        """Why a device may do no more than report."""
        closed = (
            self.record is not None and self.record.term is not None and self.record.term.stage == "closed"
        )
        if self.phase is Phase.SIGNED_OUT:
            return error("term.closed" if closed else "signin.revoked")
        return error("term.closed" if closed else "term.suspended")

    def _ask(self, frame: Request, size: int) -> list[Action]:
        self._in_flight += 1
        self._in_flight_bytes += size
        return [Ask(frame, size)]

    # --- what comes from the store

    def identified(self, record: DeviceRecord | None) -> list[Action]:
        """The answer to `Identify`: open, or refuse and hang up."""
        if self.phase is not Phase.CHECKING or self._sign_in is None:
            return []
        sign_in, self._sign_in = self._sign_in, None
        try:
            _check_sign_in(record, sign_in.signature, frames.sign_in_bytes(self._server, self._nonce))
        except ChappeError as refusal:
            return self._refuse(None, refusal)
        assert record is not None
        self._nonce = b""
        self.record = record
        term = [] if record.term is None else [Say(frames.encode(record.term))]
        if record.revoked:
            self.phase = Phase.SIGNED_OUT
            return [Open(record), *term, ReadOrders()]
        if record.term is not None and record.term.stage in OUT_OF_TERM:
            self.phase = Phase.SUSPENDED
            return [Open(record), *term, ReadOrders()]
        self.phase = Phase.OPEN
        self._allowed = self._lookups(record)
        self._delivery = Delivery(record.gone_sequence)
        welcome = frames.Welcome(record.key_packages, record.last_resort, record.newest)
        # Orders are read once it is open: one that comes in between is pushed.
        return [Open(record), Say(frames.encode(welcome)), *term, ReadOrders(), *self._next_page()]

    def term(self, term: frames.Term) -> list[Action]:
        """The line's term is another now, or has come to its next stage."""
        if self.record is None or self.phase not in (Phase.OPEN, Phase.SUSPENDED):
            return []
        self.record = dataclasses.replace(self.record, term=term)
        told = Say(frames.encode(term))
        over = term.stage in OUT_OF_TERM
        if self.phase is Phase.OPEN and over:
            self.phase, self._delivery = Phase.SUSPENDED, None
            return [told, ReadOrders()]
        if self.phase is Phase.SUSPENDED and not over:
            # It signs in anew, and has all that waits.
            self.phase = Phase.CLOSED
            return [told, HangUp(SERVICE_RESTART)]
        return [told]

    def orders_read(self, orders: list[frames.OrderFrame] | None) -> list[Action]:
        """The answer to `ReadOrders`; None if they could not be read: the device comes again."""
        if orders is None:
            return self.end(error("storage.failed"))
        if self.phase in LEAVING:
            return self._hand_out(orders)
        return self._say_all(orders)

    def ordered(self) -> list[Action]:
        """An order for this device is there."""
        return [ReadOrders()] if self.phase in (Phase.OPEN, Phase.SUSPENDED) else []

    def sign_out(self) -> list[Action]:
        """An order signed the device out: it hears of that, and of nothing else any more."""
        if self.phase not in (Phase.OPEN, Phase.SUSPENDED):
            return []
        self.phase, self._delivery = Phase.SIGNED_OUT, None
        return [ReadOrders()]

    def posted(self, posted: Sequence[frames.Posted]) -> list[Action]:
        """Removals in groups that it watches."""
        return self._say_all(posted)

    def _say_all(self, said: Sequence[frames.OrderFrame | frames.Posted]) -> list[Action]:
        if self.phase is not Phase.OPEN:
            return []
        return [Say(frames.encode(frame)) for frame in said]

    def _hand_out(self, orders: list[frames.OrderFrame]) -> list[Action]:
        if not orders:
            return self.end(self.farewell())
        self._unreported |= {read_order(frame.order).id for frame in orders}
        return [Say(frames.encode(frame)) for frame in orders]

    def answered(self, ask: Ask, outcome: Outcome) -> list[Action]:
        """The outcome of an `Ask`."""
        self._in_flight -= 1
        self._in_flight_bytes -= ask.weight
        frame = ask.frame
        reports = self.phase in LEAVING and isinstance(frame, frames.Report)
        if self.phase is not Phase.OPEN and not reports:
            return []
        if isinstance(outcome, ChappeError):
            return self._refuse(frame.ref, outcome)
        if isinstance(outcome, Stored) and isinstance(frame, (frames.Send, frames.Commit)):
            return [Say(frames.encode(frames.Accepted(frame.ref, frame.id, outcome.expires)))]
        if isinstance(outcome, (frames.Line, frames.Ticket)):
            return [Say(frames.encode(outcome))]
        done = Say(frames.encode(frames.Done(frame.ref)))
        if isinstance(outcome, Found):
            return [done, *self.posted(outcome.posted)]
        if reports and isinstance(outcome, Reported):
            self._unreported.discard(outcome.order)
            return [done] if self._unreported else [done, *self.end(self.farewell())]
        return [done]

    def arrived(self, arrival: Arrival, sequence: int) -> list[Action]:
        """An envelope for this device became durable."""
        if self._delivery is None or self.phase is not Phase.OPEN:
            return []
        if self._delivery.offer(sequence, len(arrival.payload)):
            return [_deliver(sequence, arrival.id, arrival.payload, arrival.at)]
        return self._next_page()

    def look(self) -> list[Action]:
        """Something may be in the mailbox that nobody told of."""
        if self._delivery is None or self.phase is not Phase.OPEN:
            return []
        self._delivery.look()
        return self._next_page()

    def noted(self, sequence: int) -> list[Action]:
        """Somebody says that there is mail up to this number, and may be wrong: the store knows."""
        if self._delivery is None or sequence <= self._delivery.pushed:
            return []
        return self.look()

    def page_read(self, page: Page | None) -> list[Action]:
        """The answer to `ReadPage`; None if it could not be read, which the shell tries again later."""
        if self._delivery is None or self.phase is not Phase.OPEN:
            return []
        if page is None:
            self._delivery.page_failed()
            return []
        sizes = ((envelope.sequence, len(envelope.payload)) for envelope in page.envelopes)
        count = self._delivery.page(sizes, complete=page.complete)
        actions: list[Action] = [
            _deliver(envelope.sequence, envelope.id, envelope.payload, envelope.at)
            for envelope in page.envelopes[:count]
        ]
        return actions + self._next_page()

    def read_again(self) -> list[Action]:
        """After a failed page: ask for it again."""
        return self._next_page() if self.phase is Phase.OPEN else []

    # --- endings

    def supersede(self) -> list[Action]:
        """The device signed in from elsewhere."""
        return self.end(error("signin.superseded"))

    def end(self, reason: ChappeError) -> list[Action]:
        """Tell the device why, and close."""
        if self.phase is Phase.CLOSED:
            return []
        self.phase = Phase.CLOSED
        passing = reason.code.startswith(("limit.", "storage."))
        code = TRY_AGAIN_LATER if passing else POLICY_VIOLATION
        return [_refusal(None, reason), HangUp(code)]

    def lost(self) -> None:
        """The socket is gone."""
        self.phase = Phase.CLOSED

    def _refuse(self, ref: int | None, refusal: ChappeError) -> list[Action]:
        """Say why; before sign-in, that is the end."""
        if self.phase is not Phase.OPEN and self.phase not in LEAVING:
            return self.end(refusal) if ref is None else [_refusal(ref, refusal), *self.end(refusal)[1:]]
        return [_refusal(ref, refusal)]

    def _next_page(self) -> list[Action]:
        delivery = self._delivery
        if delivery is None or not delivery.wants_page():
            return []
        return [ReadPage(delivery.pushed, PAGE_ITEMS, delivery.room)]


def _deliver(sequence: int, id_: bytes, payload: bytes, at: int) -> Say:
    return Say(frames.encode(frames.Deliver(sequence, id_, payload, at)))


def _refusal(ref: int | None, refusal: ChappeError) -> Say:
    return Say(frames.encode(frames.Refusal(ref, refusal.code, refusal.message)), refusal.code)


def _check_sign_in(record: DeviceRecord | None, signature: bytes, signed: bytes) -> None:
    if record is None:
        raise error("signin.unknown_device")
    try:
        Ed25519PublicKey.from_public_bytes(record.signature_key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise error("signin.bad_signature") from None
