"""One device's conversation with the relay, sans-I/O: frames and outcomes in, actions out.

    GREETED --SignIn--> CHECKING --device found, signature holds--> OPEN
       any phase --refused before OPEN, superseded, unfit WebSocket--> CLOSED

The shell (socket.py) carries the actions out and never decides anything itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chappe.relay.delivery import PAGE_ITEMS, Delivery
from chappe.relay.limits import Allowance
from chappe.relay.ports import Arrival, DeviceRecord, Outcome, Stored
from chappe.relay.reader import Page
from chappe.wire import frames
from chappe.wire.errors import ChappeError, error

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
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Say:
    """Send these bytes as one binary WebSocket message."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Identify:
    """Find the device and hand its record (or None) to `Session.identified`."""

    device: bytes


@dataclass(frozen=True, slots=True)
class Open:
    """The device is signed in: let its arrivals come here, and no more to an older socket of it."""

    record: DeviceRecord


@dataclass(frozen=True, slots=True)
class Ask:
    """Carry out the request and hand the outcome to `Session.answered`, in the order asked; an `Enrol`
    whenever the share service has answered."""

    frame: Request
    weight: int


@dataclass(frozen=True, slots=True)
class Acknowledge:
    """Delete the mailbox up to `sequence`."""

    sequence: int


@dataclass(frozen=True, slots=True)
class ReadPage:
    """Read the mailbox after a sequence and hand the page to `Session.page_read`."""

    after: int
    items: int
    size: int


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
)
Action: TypeAlias = Say | Identify | Open | Ask | Acknowledge | ReadPage | HangUp

POLICY_VIOLATION: Final = 1008
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
        self.phase = Phase.GREETED
        self.record: DeviceRecord | None = None

    def greeting(self, time: int) -> Say:
        """The relay's first word; `time` is Unix seconds."""
        return Say(frames.encode(frames.Hello(self._nonce, self._server, time)))

    @property
    def wants_more(self) -> bool:
        """False while so much waits for the store that the socket should not be read."""
        return self._in_flight < MAX_IN_FLIGHT and self._in_flight_bytes < MAX_IN_FLIGHT_BYTES

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
            return self._refuse(getattr(frame, "ref", None), refusal)

    def _take(self, frame: frames.FromDevice, size: int, now: float) -> list[Action]:
        if isinstance(frame, frames.SignIn):
            if self.phase is not Phase.GREETED:
                raise error("frame.unexpected")
            self.phase, self._sign_in = Phase.CHECKING, frame
            return [Identify(frame.device)]
        if self.phase is not Phase.OPEN or self._delivery is None or self._allowed is None:
            raise error("signin.required")
        if isinstance(frame, frames.Ack):
            news = self._delivery.acknowledge(frame.sequence)
            return [Acknowledge(frame.sequence), *self._next_page()] if news else []
        if isinstance(frame, (frames.Report, frames.Register, frames.Watch, frames.Settled)):
            raise error("frame.unexpected")
        if isinstance(frame, frames.Lookup):
            self._allowed.spend(now)
            size += LOOKUP_WITH_PACKAGES_WEIGHT if frame.key_packages else LOOKUP_WEIGHT
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
        self.phase, self.record = Phase.OPEN, record
        self._allowed = self._lookups(record)
        self._delivery = Delivery(record.gone_sequence)
        welcome = frames.Welcome(record.key_packages, record.last_resort, record.newest)
        return [Open(record), Say(frames.encode(welcome)), *self._next_page()]

    def answered(self, ask: Ask, outcome: Outcome) -> list[Action]:
        """The outcome of an `Ask`."""
        self._in_flight -= 1
        self._in_flight_bytes -= ask.weight
        if self.phase is not Phase.OPEN:
            return []
        frame = ask.frame
        if isinstance(outcome, ChappeError):
            return self._refuse(frame.ref, outcome)
        if isinstance(outcome, Stored) and isinstance(frame, (frames.Send, frames.Commit)):
            return [Say(frames.encode(frames.Accepted(frame.ref, frame.id, outcome.expires)))]
        if isinstance(outcome, (frames.Line, frames.Ticket)):
            return [Say(frames.encode(outcome))]
        return [Say(frames.encode(frames.Done(frame.ref)))]

    def arrived(self, arrival: Arrival, sequence: int) -> list[Action]:
        """An envelope for this device became durable."""
        if self._delivery is None or self.phase is not Phase.OPEN:
            return []
        if self._delivery.offer(sequence, len(arrival.payload)):
            return [_deliver(sequence, arrival.id, arrival.payload, arrival.at)]
        return self._next_page()

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
        if self.phase is not Phase.OPEN:
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
    return Say(frames.encode(frames.Refusal(ref, refusal.code, refusal.message)))


def _check_sign_in(record: DeviceRecord | None, signature: bytes, signed: bytes) -> None:
    if record is None:
        raise error("signin.unknown_device")
    try:
        Ed25519PublicKey.from_public_bytes(record.signature_key).verify(signature, signed)
    except (InvalidSignature, ValueError):
        raise error("signin.bad_signature") from None
    if record.revoked:
        raise error("signin.revoked")
