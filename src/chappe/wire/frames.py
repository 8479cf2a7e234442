"""The frames of the socket `/v1/socket`, subprotocol `chappe.v1` (docs/protocol.md).

One WebSocket binary message holds one frame: a MessagePack map whose `t` names the type. Unknown
fields, unknown types, wrong types and wrong lengths are refused; the limits stand in one place, below.
A device's requests carry `ref`, a number of its own choosing that the answer repeats.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias, get_args

import msgspec
from msgspec import Meta

from chappe.wire.errors import ChappeError, error
from chappe.wire.orders import Reason, SignedOrder, SignedReceipt
from chappe.wire.rosters import MAX_ROSTERS, SignedRoster
from chappe.wire.signing import joined

SUBPROTOCOL = "chappe.v1"
SIGN_IN_CONTEXT = b"chappe socket v1"

MAX_FRAME = 8 * 1024 * 1024
MAX_PAYLOAD = 1024 * 1024
MAX_COMMIT = 4 * 1024 * 1024
MAX_RECIPIENTS = 20_000
MAX_KEY_PACKAGES = 200
MAX_DEVICES = 100
"""Of a line: a `Line` with a key package for each still fits a frame."""
MAX_KEY_PACKAGE = 16 * 1024
MAX_ENROLMENT = 4_096
MAX_REGISTER = 128 * 1024
MAX_WATCHED = 10_000
MAX_SETTLED = 64
MAX_ENDPOINT = 1024
MAILBOX_SECONDS = 30 * 24 * 3600
"""What nobody fetches for this long is dropped; `Accepted.expires` says when, in Unix seconds."""

Ref: TypeAlias = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Sequence: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Epoch: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Seconds: TypeAlias = Annotated[int, Meta(ge=0, le=2**53)]
Id16: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]
Hash32: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Signature: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]
GroupId: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=32)]
Payload: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=MAX_PAYLOAD)]
CommitPayload: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=MAX_COMMIT)]
KeyPackage: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=MAX_KEY_PACKAGE)]
SealedEnrolment: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=MAX_ENROLMENT)]
Address: TypeAlias = Annotated[str, Meta(min_length=3, max_length=320)]
Certificate: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=1024)]
TermStage: TypeAlias = Literal["active", "grace", "suspended", "closed"]
Recipients: TypeAlias = Annotated[list[Id16], Meta(max_length=MAX_RECIPIENTS)]


class Frame(msgspec.Struct, tag_field="t", forbid_unknown_fields=True, frozen=True):
    """The root of every frame."""


# --- from the relay ---------------------------------------------------------------------------------


class Hello(Frame, tag="hello", frozen=True):
    """First word of the relay. The device signs `sign_in_bytes(server, nonce)`."""

    nonce: Hash32
    server: str
    time: Seconds


class Welcome(Frame, tag="welcome", frozen=True):
    """Signed in. `key_packages`: one-time key packages left for this device on the relay. `newest`: the
    sequence of the mailbox's last envelope ever; who has it has read all that waited."""

    key_packages: int
    last_resort: bool
    newest: Sequence = 0


class Accepted(Frame, tag="accepted", frozen=True):
    """The `Send` or `Commit` with this id is durable; kept for recipients until `expires`."""

    ref: Ref
    id: Id16
    expires: Seconds


class Done(Frame, tag="done", frozen=True):
    """A request that has no other answer was carried out and is durable."""

    ref: Ref


class Refusal(Frame, tag="refused", frozen=True):
    """A request was refused and changed nothing. `ref` is None where none could be read."""

    ref: Ref | None
    code: str
    message: str


class Deliver(Frame, tag="deliver", frozen=True):
    """One envelope of the device's mailbox. `sequence` only grows; `at` is when the relay took it."""

    sequence: Sequence
    id: Id16
    payload: CommitPayload
    at: Seconds


class DeviceEntry(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A device of a line, with its device certificate and, where asked for, a key package."""

    device: Id16
    certificate: Certificate
    key_package: KeyPackage | None = None


class Line(Frame, tag="line", frozen=True):
    """Answer to `Lookup`: a line and its devices that are not revoked. `salt`: of the line, in the
    transparency log (chappe.wire.log_entries.line_commitment)."""

    ref: Ref
    line: Id16
    address: Address
    identity_key: Hash32
    devices: list[DeviceEntry]
    salt: Hash32


class Ticket(Frame, tag="ticket", frozen=True):
    """Answer to `NewAttachment`: the attachment's id and the token that its upload asks for."""

    ref: Ref
    id: Hash32
    token: Hash32
    expires: Seconds


class Term(Frame, tag="term", frozen=True):
    """The line's term, after `Welcome` and whenever it changes; none of a line that has no term.

    Instants are the first at which the next stage holds (chappe.wire.terms). Of a line that is suspended it
    comes in place of `Welcome`.
    """

    stage: TermStage
    ends: Seconds
    suspends: Seconds
    closes: Seconds
    forgotten: Seconds


class OrderFrame(Frame, tag="order", frozen=True):
    """A fleet order for this device. One that is revoked is handed this, and nothing else.

    `rosters`: all of the organisation's, oldest first; none where the line's owner ordered.
    """

    order: SignedOrder
    rosters: Annotated[list[SignedRoster], Meta(max_length=MAX_ROSTERS)]
    reason: Reason


class Posted(Frame, tag="posted", frozen=True):
    """A device is to be removed from a watched group, by an order. `proposal`: the fleet key's, for
    `epoch`; None where there is none for the epoch that the group is in."""

    group: GroupId
    device: Id16
    order: SignedOrder
    rosters: Annotated[list[SignedRoster], Meta(max_length=MAX_ROSTERS)]
    epoch: Epoch
    proposal: Annotated[bytes, Meta(min_length=1, max_length=1024)] | None = None


# --- from a device ----------------------------------------------------------------------------------


class SignIn(Frame, tag="sign_in", frozen=True):
    device: Id16
    signature: Signature


class Send(Frame, tag="send", frozen=True):
    """One payload for several mailboxes, stored once. The same id again is answered again."""

    ref: Ref
    id: Id16
    to: Annotated[list[Id16], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    payload: Payload


class WelcomeFor(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A Welcome and the devices that it lets in: one MLS Welcome may serve several."""

    to: Annotated[list[Id16], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    payload: CommitPayload


class Commit(Frame, tag="commit", frozen=True):
    """Move a group by one epoch, all or nothing.

    `epoch` is the epoch it starts from; a group the relay does not know starts at epoch 0 and needs no
    opener that fits. `opener` opens the current lock: SHA-256("chappe lock v1" || opener) is the lock.
    `next_lock` closes epoch + 1. `to` gets `payload` (the commit), `welcomes` go to those joining.
    `settles`: orders whose removals from this group the commit carries out.
    Answered by `Accepted`, or refused with `commit.conflict`, `commit.bad_opener`, ….
    """

    ref: Ref
    id: Id16
    group: GroupId
    epoch: Epoch
    opener: Hash32
    next_lock: Hash32
    to: Recipients
    payload: CommitPayload
    welcomes: Annotated[list[WelcomeFor], Meta(max_length=256)] = []
    settles: Annotated[list[Id16], Meta(max_length=MAX_SETTLED)] = []


class Ack(Frame, tag="ack", frozen=True):
    """Everything up to and with `sequence` is durable on the device; the relay deletes it. No answer."""

    sequence: Sequence


class PublishKeyPackages(Frame, tag="publish", frozen=True):
    """Add one-time key packages and, if given, replace the last-resort one. Answered by `Done`."""

    ref: Ref
    one_time: Annotated[list[KeyPackage], Meta(max_length=MAX_KEY_PACKAGES)] = []
    last_resort: KeyPackage | None = None


class Lookup(Frame, tag="lookup", frozen=True):
    """Who has this address. With `key_packages`, takes one key package for each of its devices
    (of those in `devices` where given). Answered by `Line`."""

    ref: Ref
    address: Address
    key_packages: bool = False
    devices: Annotated[list[Id16], Meta(max_length=MAX_DEVICES)] | None = None


class NewAttachment(Frame, tag="attach", frozen=True):
    """Reserve room for `size` encrypted bytes. Answered by `Ticket`."""

    ref: Ref
    size: Annotated[int, Meta(ge=1, le=2**40)]


class Enrol(Frame, tag="enrol", frozen=True):
    """Leave this device's share with the share service, in place of the one before. `sealed` is to the
    service's key (`chappe.wire.unlock.seal_enrolment`). Answered by `Done`.

    `unlock_key`, optional: signs the device's guesses, and its receipts while it is locked; `unlock_proof`
    vouches for it, by the device's signature key (`chappe.wire.orders.unlock_key_bytes`).
    """

    ref: Ref
    sealed: SealedEnrolment
    unlock_key: Hash32 | None = None
    unlock_proof: Signature | None = None


class Report(Frame, tag="report", frozen=True):
    """The receipt of an order that was carried out. Answered by `Done`."""

    ref: Ref
    receipt: SignedReceipt


class Register(Frame, tag="register", frozen=True):
    """In which conversations this device is, sealed to its organisation's officers
    (`chappe.wire.registers`), in place of the one before. Answered by `Done`."""

    ref: Ref
    sealed: Annotated[bytes, Meta(min_length=1, max_length=MAX_REGISTER)]


class Watch(Frame, tag="watch", frozen=True):
    """From now on, on this socket: tell of removals that are posted for these groups, and of those that are
    there already. In place of what was watched before. Nothing of it is stored. Answered by `Done`."""

    ref: Ref
    groups: Annotated[list[GroupId], Meta(max_length=MAX_WATCHED)]


class Settled(Frame, tag="settled", frozen=True):
    """A posted removal has nothing to remove: the device is not in the group. `opener` of its present epoch
    shows that a member says so. Answered by `Done`."""

    ref: Ref
    group: GroupId
    epoch: Epoch
    opener: Hash32
    order: Id16
    device: Id16


class PushAddress(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """Where a browser is knocked for (RFC 8030) and its keys (RFC 8291)."""

    endpoint: Annotated[str, Meta(min_length=1, max_length=MAX_ENDPOINT)]
    p256dh: Annotated[bytes, Meta(min_length=65, max_length=65)]
    auth: Id16


class Subscribe(Frame, tag="subscribe", frozen=True):
    """Knock here when something comes while this device has no socket, in place of where before; None: no
    more. Answered by `Done`. Refused with http.malformed, limit.rate, signin.revoked."""

    ref: Ref
    push: PushAddress | None = None


class LeaveToken(Frame, tag="token", frozen=True):
    """From now on messages that show the delivery token of this digest (`chappe.wire.delivery`) come into
    this mailbox without a sign-in; those that show the one before, for `overlap` seconds more. The same again
    changes nothing. Answered by `Done`."""

    ref: Ref
    digest: Hash32
    overlap: Annotated[int, Meta(ge=0, le=MAILBOX_SECONDS)] = 0


FromRelay: TypeAlias = (
    Hello | Welcome | Accepted | Done | Refusal | Deliver | Line | Ticket | Term | OrderFrame | Posted
)
FromDevice: TypeAlias = (
    SignIn
    | Send
    | Commit
    | Ack
    | PublishKeyPackages
    | Lookup
    | NewAttachment
    | Enrol
    | Report
    | Register
    | Watch
    | Settled
    | Subscribe
    | LeaveToken
)

# msgspec lets the error of a field name that is not UTF-8 through as it is.
_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

_encoder = msgspec.msgpack.Encoder()
_from_relay: msgspec.msgpack.Decoder[FromRelay] = msgspec.msgpack.Decoder(FromRelay)
_from_device: msgspec.msgpack.Decoder[FromDevice] = msgspec.msgpack.Decoder(FromDevice)


class _Head(msgspec.Struct):
    """The two fields that a frame which did not decode may still show."""

    t: str | None = None
    ref: Ref | None = None


_head = msgspec.msgpack.Decoder(_Head)


def encode(frame: Frame) -> bytes:
    """The bytes of one frame."""
    return _encoder.encode(frame)


def decode_from_device(data: bytes) -> FromDevice:
    """One frame of a device. Raises BadInput: frame.oversized, .malformed, .unknown_type."""
    _check_size(data)
    try:
        return _from_device.decode(data)
    except _UNDECODABLE:
        raise _unfit(data, FromDevice) from None


def decode_from_relay(data: bytes) -> FromRelay:
    """One frame of the relay. Raises BadInput: frame.oversized, .malformed, .unknown_type."""
    _check_size(data)
    try:
        return _from_relay.decode(data)
    except _UNDECODABLE:
        raise _unfit(data, FromRelay) from None


def _check_size(data: bytes) -> None:
    if len(data) > MAX_FRAME:
        raise error("frame.oversized")


def _unfit(data: bytes, known: object) -> ChappeError:
    """Why a frame did not decode: its type is unknown, or it does not fit its type."""
    head = _read_head(data)
    tags = {frame.__struct_config__.tag for frame in get_args(known)}
    return error("frame.unknown_type" if head and head.t and head.t not in tags else "frame.malformed")


def _read_head(data: bytes) -> _Head | None:
    try:
        return _head.decode(data)
    except _UNDECODABLE:
        return None


def read_ref(data: bytes) -> int | None:
    """The `ref` of a frame that did not decode, so that its refusal can be matched; None if unreadable."""
    head = _read_head(data)
    return head.ref if head else None


def sign_in_bytes(server: str, nonce: bytes) -> bytes:
    """What a device signs to sign in: context, server name and nonce, each with a 2-byte length."""
    return joined(SIGN_IN_CONTEXT, server.encode(), nonce)
