"""Fleet orders and their receipts (docs/protocol.md section 12).

An order is signed by an organisation's fleet key and by an officer, or by the identity key of the line
that it is about. It carries no reason, only a digest of it: members of conversations see orders, too, and the
reason is for the audit log and for whoever holds the phone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from chappe.wire.errors import error
from chappe.wire.rosters import (
    MAX_OFFICERS,
    Id16,
    Key32,
    OfficerSignature,
    Roster,
    Seconds,
    Signature,
    Strict,
    check_officers,
    needed_signatures,
    verify,
)

ORDER_CONTEXT: Final = b"chappe order v1"
REASON_CONTEXT: Final = b"chappe reason v1"
RECEIPT_CONTEXT: Final = b"chappe receipt v1"
UNLOCK_KEY_CONTEXT: Final = b"chappe unlock key v1"
REMOVAL_CONTEXT: Final = b"chappe removal v1"
"""Goes before an order's id in the authenticated data of the Remove proposals that carry it out."""

MAX_TARGETS: Final = 1000
MAX_ORDER: Final = 64 * 1024
MAX_REASON: Final = 500
MIN_TIMER: Final = 30
MAX_TIMER: Final = 366 * 24 * 3600
"""Seconds: what a policy may say of disappearing messages, where it says anything; the most that a
conversation's own timer may be."""
LINES_WITHOUT_A_SECOND: Final = 5
"""Lines that one officer may erase or revoke alone, in one order and in 24 hours."""

Kind: TypeAlias = Literal["erase", "revoke", "lock", "policy", "hold", "release"]
DESTROYING: Final = frozenset({"erase", "revoke"})
"""What empties a mailbox. `revoke` signs a device out for good and leaves what it holds; `erase` takes
that, too."""
ABOUT_LINES: Final = frozenset({"hold", "release"})
"""Orders that no phone carries out: legal hold, kept by the relay."""
OWNERS: Final = frozenset({"erase", "revoke", "lock"})
"""What a line's owner may order."""


Receipts: TypeAlias = Literal["free", "on", "off"]
RECEIPTS: Final[dict[str, Receipts]] = {"free": "free", "on": "on", "off": "off"}
Timer: TypeAlias = Annotated[int, Meta(ge=0, le=MAX_TIMER)]
"""Seconds until a message disappears after it was read; 0: none."""


class Target(Strict, frozen=True):
    """A device of a line, or all that it has (`device` None), which closes the line to erasing orders."""

    line: Id16
    device: Id16 | None = None


class FleetPolicy(Strict, frozen=True, omit_defaults=True):
    """The most that a phone may allow itself. Hours without the relay, seconds without use, digits of a PIN
    at least; `lock_on_hide`: it locks when it goes out of sight. `disappear_default`, `disappear_max`: the
    timer that its new conversations begin with, and the longest that it obeys, in seconds; 0 where nothing is
    ruled. `receipts`: whether it says what was read, where the person is not free to choose. What says
    nothing new is left out, so that a program which does not know the last ones yet obeys the others."""

    offline_hours: Annotated[int, Meta(ge=0, le=72)]
    idle_seconds: Annotated[int, Meta(ge=10, le=86_400)]
    pin_length: Annotated[int, Meta(ge=6, le=32)] = 6
    lock_on_hide: bool = False
    disappear_default: Timer = 0
    disappear_max: Timer = 0
    receipts: Receipts = "free"

    @property
    def is_sound(self) -> bool:
        """No timer so short that nobody can read, or too long, and none that begins beyond the maximum."""
        first, most = self.disappear_default, self.disappear_max
        fit = all(one == 0 or MIN_TIMER <= one <= MAX_TIMER for one in (first, most))
        return fit and not (most and first > most)

    @property
    def first_timer(self) -> int:
        """What a new conversation begins with: a maximum without a default is the default."""
        return self.disappear_default or self.disappear_max

    def timer(self, agreed: int) -> int:
        """What a device obeys where a conversation's members agreed on `agreed` (0: never)."""
        most = self.disappear_max
        return most if most and not 0 < agreed <= most else agreed


class Order(Strict, frozen=True):
    """`organisation`: 16 bytes, or empty in an order of the line's owner. `reason_digest`: `Reason.digest()`.

    A policy without targets is for every line of the organisation, now and later.
    """

    version: Literal[1]
    id: Id16
    kind: Kind
    server: Annotated[str, Meta(min_length=1, max_length=253)]
    organisation: Annotated[bytes, Meta(max_length=16)]
    targets: Annotated[list[Target], Meta(max_length=MAX_TARGETS)]
    issued_at: Seconds
    reason_digest: Key32
    policy: FleetPolicy | None = None

    def covers(self, line: bytes, device: bytes) -> bool:
        """Whether it is about this device, if that is of the organisation."""
        return self.for_all or any(
            target.line == line and target.device in (None, device) for target in self.targets
        )

    @property
    def for_all(self) -> bool:
        return self.kind == "policy" and not self.targets

    @property
    def lines(self) -> frozenset[bytes]:
        return frozenset(target.line for target in self.targets)

    @property
    def needs_two(self) -> bool:
        """Whether its contents alone ask for two officers. The relay asks for them in other cases, too."""
        many = self.kind in DESTROYING and len(self.lines) > LINES_WITHOUT_A_SECOND
        return bool(self.organisation) and (many or self.kind == "release")


class SignedOrder(Strict, frozen=True):
    """`body`: the MessagePack of an `Order`, as it was signed. Fleet key and officers, or the owner."""

    body: Annotated[bytes, Meta(min_length=1, max_length=MAX_ORDER)]
    fleet_signature: Signature | None = None
    officers: Annotated[list[OfficerSignature], Meta(max_length=MAX_OFFICERS)] = []  # noqa: RUF012
    owner_signature: Signature | None = None


class Reason(Strict, frozen=True):
    """Why. The salt keeps those who see the digest from trying out reasons."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]
    salt: Id16

    def digest(self) -> bytes:
        """What the order carries: SHA-256(context || salt || text)."""
        return hashlib.sha256(REASON_CONTEXT + self.salt + self.text.encode()).digest()


class Receipt(Strict, frozen=True):
    """What a device did about an order. `at`: its own clock, Unix seconds."""

    version: Literal[1]
    order: Id16
    device: Id16
    outcome: Literal["erased", "revoked", "locked", "policy"]
    at: Seconds


class SignedReceipt(Strict, frozen=True):
    """`key`: the device's signature key, or the key that signs its guesses where the vault was locked."""

    body: Annotated[bytes, Meta(min_length=1, max_length=512)]
    key: Literal["device", "unlock"]
    signature: Signature


OUTCOMES: Final[dict[str, str]] = {
    "erase": "erased",
    "revoke": "revoked",
    "lock": "locked",
    "policy": "policy",
}


@dataclass(frozen=True, slots=True)
class Verified:
    """An order whose signatures hold, and the officers who signed it (none where the owner did)."""

    order: Order
    officers: tuple[bytes, ...]

    @property
    def complete(self) -> bool:
        """Signed by as many as its contents ask for."""
        return not self.order.needs_two or len(self.officers) >= 2


def read_order(signed: SignedOrder) -> Order:
    """Its contents; nothing is verified. Raises BadInput order.malformed."""
    try:
        order = msgspec.msgpack.decode(signed.body, type=Order)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("order.malformed") from None
    by_officers = len(order.organisation) == 16
    if (order.organisation and not by_officers) or (order.kind == "policy") != (order.policy is not None):
        raise error("order.malformed")
    if order.policy is not None and not order.policy.is_sound:
        raise error("order.malformed")
    if not by_officers and (order.kind not in OWNERS or len(order.lines) != 1):
        raise error("order.malformed")
    if order.kind in ABOUT_LINES and any(target.device for target in order.targets):
        raise error("order.malformed")
    if len(set(order.targets)) != len(order.targets) or not (order.targets or order.for_all):
        raise error("order.malformed")
    return order


def order_bytes(body: bytes) -> bytes:
    """What is signed."""
    return ORDER_CONTEXT + b"\0" + hashlib.sha256(body).digest()


def sign_as_officer(
    order: Order, fleet: Ed25519PrivateKey, officer: bytes, key: Ed25519PrivateKey
) -> SignedOrder:
    """An officer's order; another officer may approve it (`approve`)."""
    body = msgspec.msgpack.encode(order)
    signed = order_bytes(body)
    return SignedOrder(body, fleet.sign(signed), [OfficerSignature(officer, key.sign(signed))])


def approve(signed: SignedOrder, officer: bytes, key: Ed25519PrivateKey) -> OfficerSignature:
    """A second officer's signature over the same order."""
    return OfficerSignature(officer, key.sign(order_bytes(signed.body)))


def sign_as_owner(order: Order, identity: Ed25519PrivateKey) -> SignedOrder:
    """An order of the line's owner, by the line's identity key."""
    body = msgspec.msgpack.encode(order)
    return SignedOrder(body, owner_signature=identity.sign(order_bytes(body)))


def check_officers_order(signed: SignedOrder, roster: Roster, server: str) -> Verified:
    """An order of this organisation for this relay. Raises order.malformed, order.forged.

    `roster` comes from `check_chain`. Whether enough officers signed remains to be asked (`complete`).
    Signatures of those who are no officers any more count for nothing, and do not spoil the others: an order
    outlives who gave it if another officer signs it, too.
    """
    order = read_order(signed)
    ours = order.organisation == roster.organisation and order.server == server
    if not ours or signed.fleet_signature is None or signed.owner_signature is not None:
        raise error("order.forged")
    signed_bytes = order_bytes(signed.body)
    verify(roster.fleet_key, signed.fleet_signature, signed_bytes, "order.forged")
    officers = check_officers(roster, signed.officers, signed_bytes, "order.forged", gone=True)
    if not officers:
        raise error("order.forged")
    return Verified(order, officers)


def check_owners_order(signed: SignedOrder, line: bytes, identity_key: bytes, server: str) -> Verified:
    """An order about `line` by its owner. Raises order.malformed, order.forged."""
    order = read_order(signed)
    ours = not order.organisation and order.lines == {line} and order.server == server
    if not ours or signed.owner_signature is None or signed.fleet_signature is not None or signed.officers:
        raise error("order.forged")
    verify(identity_key, signed.owner_signature, order_bytes(signed.body), "order.forged")
    return Verified(order, ())


def sign_receipt(
    receipt: Receipt, key: Literal["device", "unlock"], private: Ed25519PrivateKey
) -> SignedReceipt:
    """`private`: the key that `key` names."""
    body = msgspec.msgpack.encode(receipt)
    return SignedReceipt(body, key, private.sign(_receipt_bytes(body)))


def check_receipt(signed: SignedReceipt, *, signature_key: bytes, unlock_key: bytes | None) -> Receipt:
    """`signature_key` as in the device's certificate; `unlock_key` as the device vouched for it.

    Raises CryptoFailure receipt.invalid.
    """
    key = signature_key if signed.key == "device" else unlock_key
    if key is None:
        raise error("receipt.invalid")
    verify(key, signed.signature, _receipt_bytes(signed.body), "receipt.invalid")
    try:
        return msgspec.msgpack.decode(signed.body, type=Receipt)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("receipt.invalid") from None


def _receipt_bytes(body: bytes) -> bytes:
    return RECEIPT_CONTEXT + b"\0" + hashlib.sha256(body).digest()


def unlock_key_bytes(device: bytes, unlock_key: bytes) -> bytes:
    """What a device's signature key signs to vouch for the key that signs its guesses."""
    return UNLOCK_KEY_CONTEXT + b"\0" + device + unlock_key


def enough_officers(verified: Verified, roster: Roster, two: bool) -> bool:
    """Whether as many officers signed as must; `two`: the relay's own rules ask for two."""
    asked = 2 if two or verified.order.needs_two else 1
    # An organisation with one officer cannot do what takes two: it appoints a second first.
    return len(verified.officers) >= asked and needed_signatures(roster) >= asked
