"""What officers, owners and locked phones ask of the relay about orders: `POST /v1/fleet` (section 12.5).

MessagePack, as on the socket: an envelope that says who asks and is signed, around one question; back comes
one answer. Whoever asks has no session: each request stands for itself.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from chappe.wire.enrolments import SignedEnrolment
from chappe.wire.errors import error
from chappe.wire.frames import GroupId, OrderFrame
from chappe.wire.orders import Kind, Reason, SignedOrder, SignedReceipt
from chappe.wire.rosters import (
    MAX_ROSTERS,
    Id16,
    Key32,
    OfficerSignature,
    Seconds,
    Signature,
    SignedRoster,
    verify,
)
from chappe.wire.signing import joined

MEDIA_TYPE: Final = "application/msgpack"
ASK_CONTEXT: Final = b"chappe fleet ask v1"
MAX_BODY: Final = 4 * 1024 * 1024
MAX_ASK: Final = MAX_BODY - 1024
CLOCK_SECONDS: Final = 600
"""How far the clock of who asks may be from the relay's."""
MAX_POSTINGS: Final = 1000
MAX_PROPOSALS: Final = 32
"""Of one conversation: one an epoch, from the one that it is in."""
PAGE: Final = 500


class Part(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A piece of an ask or an answer."""


# --- asks


class Ask(Part, tag_field="t", frozen=True):
    """The root of what can be asked."""


class Amend(Ask, tag="amend", frozen=True):
    """Officers: the next roster. Answered by `Ok`."""

    roster: SignedRoster


class Rosters(Ask, tag="rosters", frozen=True):
    """Officers and devices: all rosters of the organisation, for a device of a line of none an empty list.
    Answered by `RosterChain`."""


class Lines(Ask, tag="lines", frozen=True):
    """Officers: lines of the organisation after this line id, by id. Answered by `LineList`."""

    after: Annotated[bytes, Meta(max_length=16)] = b""


class Give(Ask, tag="give", frozen=True):
    """Officers and owners: an order. `conversations`: of an owner, the groups in which the device is.

    The same order again is answered again. Answered by `Given`.
    """

    order: SignedOrder
    reason: Reason
    conversations: Annotated[list[GroupId], Meta(max_length=MAX_POSTINGS)] = []


class Approve(Ask, tag="approve", frozen=True):
    """Officers: sign an order that waits for a second officer. Answered by `Given`."""

    order: Id16
    signature: OfficerSignature


class Status(Ask, tag="status", frozen=True):
    """Officers and owners: one order, or the newest. Answered by `Orders`."""

    order: Id16 | None = None


class Epochs(Ask, tag="epochs", frozen=True):
    """Officers: in which epoch these groups are. Answered by `EpochList`."""

    groups: Annotated[list[GroupId], Meta(max_length=MAX_POSTINGS)]


class Proposal(Part, frozen=True):
    """A Remove proposal of the fleet key for one epoch: an MLSMessage (PublicMessage)."""

    epoch: Annotated[int, Meta(ge=0, le=2**53)]
    message: Annotated[bytes, Meta(min_length=1, max_length=1024)]


class Posting(Part, frozen=True):
    """The proposals for one conversation."""

    group: GroupId
    proposals: Annotated[list[Proposal], Meta(max_length=MAX_PROPOSALS)] = []


class Post(Ask, tag="post", frozen=True):
    """Officers: removals of a device from its conversations, by an order that was given. `last`: these were
    all. Answered by `Ok`."""

    order: Id16
    device: Id16
    postings: Annotated[list[Posting], Meta(max_length=MAX_POSTINGS)]
    last: bool = True


class Audit(Ask, tag="audit", frozen=True):
    """Officers: the organisation's audit log from an index on. Answered by `AuditPage`."""

    start: Annotated[int, Meta(ge=0, le=2**53)] = 0


class Waiting(Ask, tag="waiting", frozen=True):
    """A device, also one that is locked or signed out: orders for it. Answered by `ForDevice`."""


class Report(Ask, tag="report", frozen=True):
    """A device: its receipt. It verifies by itself, and who erased its keys cannot sign any more: neither
    signature nor clock of the envelope is looked at. Answered by `Ok`."""

    receipt: SignedReceipt


class Salt(Ask, tag="salt", frozen=True):
    """Officers: under which salt a line of theirs stands in the transparency log. Answered by `LineSalt`."""

    line: Id16


class Enrol(Ask, tag="enrol", frozen=True):
    """Officers: let a new phone into a line that lost all of its own; signed by who asks, alone. The same
    again is answered again. Answered by `Enrolments`."""

    enrolment: SignedEnrolment
    reason: Reason


class ApproveEnrolment(Ask, tag="approve_enrolment", frozen=True):
    """Officers: be the second. From then on it is announced. Answered by `Enrolments`."""

    order: Id16
    signature: OfficerSignature


class Withdraw(Ask, tag="withdraw", frozen=True):
    """Officers, each alone, and devices of the line that are not signed out: that phone does not come.
    Answered by `Ok`."""

    order: Id16


class ShowEnrolments(Ask, tag="enrolments", frozen=True):
    """Officers: those of the organisation, the newest first; devices: those of the line that are still to
    come. Answered by `Enrolments`."""


AnyAsk: TypeAlias = (
    Amend
    | Rosters
    | Lines
    | Give
    | Approve
    | Status
    | Epochs
    | Post
    | Audit
    | Waiting
    | Report
    | Salt
    | Enrol
    | ApproveEnrolment
    | Withdraw
    | ShowEnrolments
)
_ENROLLING: Final = (Salt, Enrol, ApproveEnrolment, Withdraw, ShowEnrolments)
OFFICERS: Final = (Amend, Rosters, Lines, Give, Approve, Status, Epochs, Post, Audit, *_ENROLLING)
OWNERS: Final = (Give, Status)
DEVICES: Final = (Waiting, Report, Rosters, Withdraw, ShowEnrolments)
OPEN_DEVICES: Final = (Withdraw, ShowEnrolments)
"""What a device asks with its signature key alone: not while it is locked."""


# --- envelopes


class Envelope(Part, tag_field="t", frozen=True):
    """The root of who asks. `ask`: the MessagePack of an `Ask`; `at`: their clock."""


AskBytes: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=MAX_ASK)]


class ByOfficer(Envelope, tag="officer", frozen=True):
    organisation: Id16
    officer: Id16
    at: Seconds
    ask: AskBytes
    signature: Signature


class ByOwner(Envelope, tag="owner", frozen=True):
    """`signature` by the line's identity key."""

    line: Id16
    at: Seconds
    ask: AskBytes
    signature: Signature


class ByDevice(Envelope, tag="device", frozen=True):
    """`signature` by the device's signature key, or by the key that signs its guesses."""

    device: Id16
    key: Literal["device", "unlock"]
    at: Seconds
    ask: AskBytes
    signature: Signature


AnyEnvelope: TypeAlias = ByOfficer | ByOwner | ByDevice


# --- answers


class Answer(Part, tag_field="t", frozen=True):
    """The root of the answers. A refusal is a JSON `Failure`, as everywhere on HTTP."""


class Ok(Answer, tag="ok", frozen=True):
    pass


class RosterChain(Answer, tag="roster_chain", frozen=True):
    rosters: Annotated[list[SignedRoster], Meta(max_length=MAX_ROSTERS)]


class DeviceOfLine(Part, frozen=True):
    """`order`: the one that signed it out for good, if one did."""

    device: Id16
    certificate: bytes
    created_at: Seconds
    revoked_at: Seconds | None = None
    order: Id16 | None = None


class LineOf(Part, frozen=True):
    """A line of the organisation. `held_at`: since when it is under legal hold. `closed_at`: since when
    erased."""

    line: Id16
    address: str
    identity_key: bytes
    created_at: Seconds
    held_at: Seconds | None
    closed_at: Seconds | None
    devices: list[DeviceOfLine]


class LineList(Answer, tag="line_list", frozen=True):
    lines: list[LineOf]
    more: bool


class Place(Part, frozen=True):
    """A device that an order reached: the register that it sealed to the officers, if it left one."""

    device: Id16
    line: Id16
    register: bytes | None = None


class Given(Answer, tag="given", frozen=True):
    """`awaiting`: a second officer must approve; nothing was done yet. `unreadable`: no share of it is
    released any more; else the share service did not answer, and the relay goes on asking it."""

    order: Id16
    awaiting: bool
    unreadable: bool
    places: list[Place]


class DeviceStages(Part, frozen=True):
    """What became of an order at one device. Times in Unix seconds; None: not yet.

    `conversations`: in how many the device was, None while nobody has told; `removed`: from how many it is
    gone.
    """

    device: Id16
    line: Id16
    address: str
    ordered_at: Seconds
    unreadable_at: Seconds | None
    conversations: int | None
    removed: int
    removed_at: Seconds | None
    done_at: Seconds | None
    receipt: SignedReceipt | None
    certificate: bytes
    unlock_key: bytes | None
    unlock_proof: bytes | None


class OrderStatus(Part, frozen=True):
    order: SignedOrder
    kind: Kind
    reason: Reason
    ordered_at: Seconds
    awaiting: bool
    devices: list[DeviceStages]


class Orders(Answer, tag="orders", frozen=True):
    orders: list[OrderStatus]


class EpochOf(Part, frozen=True):
    group: bytes
    epoch: int | None


class EpochList(Answer, tag="epoch_list", frozen=True):
    epochs: list[EpochOf]


class AuditPage(Answer, tag="audit_page", frozen=True):
    """`entries` from `start` on; `root`: of the log's `size` entries (chappe.tlog)."""

    start: int
    entries: list[bytes]
    size: int
    root: bytes


class ForDevice(Answer, tag="for_device", frozen=True):
    orders: list[OrderFrame]


class LineSalt(Answer, tag="line_salt", frozen=True):
    line: Id16
    salt: Key32


class EnrolmentStatus(Part, frozen=True):
    """Unix seconds; None: not yet, or never. `announced_at`: when a second officer had signed."""

    enrolment: SignedEnrolment
    reason: Reason
    given_at: Seconds
    announced_at: Seconds | None
    added_at: Seconds | None
    withdrawn_at: Seconds | None


class Enrolments(Answer, tag="enrolments", frozen=True):
    enrolments: list[EnrolmentStatus]


AnyAnswer: TypeAlias = (
    Ok | RosterChain | LineList | Given | Orders | EpochList | AuditPage | ForDevice | LineSalt | Enrolments
)

_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_asks: msgspec.msgpack.Decoder[AnyAsk] = msgspec.msgpack.Decoder(AnyAsk)
_envelopes: msgspec.msgpack.Decoder[AnyEnvelope] = msgspec.msgpack.Decoder(AnyEnvelope)
_answers: msgspec.msgpack.Decoder[AnyAnswer] = msgspec.msgpack.Decoder(AnyAnswer)


def encode(part: Part) -> bytes:
    """The MessagePack of an envelope, an ask or an answer."""
    return msgspec.msgpack.encode(part)


def decode_envelope(data: bytes) -> AnyEnvelope:
    """Raises BadInput http.malformed."""
    try:
        return _envelopes.decode(data)
    except _UNDECODABLE:
        raise error("http.malformed") from None


def decode_ask(envelope: AnyEnvelope) -> AnyAsk:
    """The question, if who asks may ask it. Raises BadInput http.malformed."""
    allowed = {ByOfficer: OFFICERS, ByOwner: OWNERS, ByDevice: DEVICES}[type(envelope)]
    try:
        ask = _asks.decode(envelope.ask)
    except _UNDECODABLE:
        raise error("http.malformed") from None
    if not isinstance(ask, allowed):
        raise error("http.malformed")
    return ask


def decode_answer(data: bytes) -> AnyAnswer:
    """Raises BadInput http.malformed."""
    try:
        return _answers.decode(data)
    except _UNDECODABLE:
        raise error("http.malformed") from None


def ask_bytes(server: str, who: bytes, at: int, ask: bytes) -> bytes:
    """What is signed. `who`: organisation and officer id, line id or device id."""
    return joined(ASK_CONTEXT, server.encode(), who, at.to_bytes(8, "big"), hashlib.sha256(ask).digest())


def by_officer(
    server: str, organisation: bytes, officer: bytes, key: Ed25519PrivateKey, at: int, ask: Ask
) -> ByOfficer:
    body = encode(ask)
    who = organisation + officer
    return ByOfficer(organisation, officer, at, body, key.sign(ask_bytes(server, who, at, body)))


def by_owner(server: str, line: bytes, identity: Ed25519PrivateKey, at: int, ask: Ask) -> ByOwner:
    body = encode(ask)
    return ByOwner(line, at, body, identity.sign(ask_bytes(server, line, at, body)))


def by_device(
    server: str, device: bytes, kind: Literal["device", "unlock"], key: Ed25519PrivateKey, at: int, ask: Ask
) -> ByDevice:
    body = encode(ask)
    return ByDevice(device, kind, at, body, key.sign(ask_bytes(server, device, at, body)))


def unsigned_report(device: bytes, receipt: SignedReceipt) -> ByDevice:
    """A receipt on its way, by whoever carries it."""
    return ByDevice(device, "device", 0, encode(Report(receipt)), bytes(64))


def check_envelope(envelope: AnyEnvelope, key: bytes, server: str, now: int) -> None:
    """`key`: of who asks, as the relay has it. Raises order.stale, order.forged."""
    signed = ask_bytes(server, _who(envelope), envelope.at, envelope.ask)
    verify(key, envelope.signature, signed, "order.forged")
    if abs(envelope.at - now) > CLOCK_SECONDS:
        raise error("order.stale")


def _who(envelope: AnyEnvelope) -> bytes:
    if isinstance(envelope, ByOfficer):
        return envelope.organisation + envelope.officer
    return envelope.line if isinstance(envelope, ByOwner) else envelope.device
