"""A line that lost every phone: two officers let a new one in, after a day (docs/protocol.md section 12.7).

The order holds the new phone's certificate, whole, with the line's new identity key in it. An officer's
signature is over what the transparency log will announce of it, the order's digest among it: who reads the
log checks the officers without ever seeing the order, and a signature is good for that one order alone.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from chappe.wire import log_entries as log
from chappe.wire.certificate import MAX_BYTES, DeviceCertificate
from chappe.wire.errors import error
from chappe.wire.rosters import (
    MAX_OFFICERS,
    Id16,
    Key32,
    OfficerSignature,
    Roster,
    Seconds,
    Strict,
    check_officers,
)

MAX_ENROLMENT: Final = 2 * 1024
Fields: TypeAlias = dict[str, Any]


class Enrolment(Strict, frozen=True):
    """The order. `certificate`: of the new phone. `salt`: of the line, in the transparency log. `former_key`:
    the line's identity key as the officers knew it, which the new one takes the place of."""

    version: Literal[1]
    id: Id16
    server: Annotated[str, Meta(min_length=1, max_length=253)]
    organisation: Id16
    certificate: Annotated[bytes, Meta(min_length=1, max_length=MAX_BYTES)]
    salt: Key32
    former_key: Key32
    issued_at: Seconds
    reason_digest: Key32


class SignedEnrolment(Strict, frozen=True):
    """`body`: the MessagePack of an `Enrolment`."""

    body: Annotated[bytes, Meta(min_length=1, max_length=MAX_ENROLMENT)]
    officers: Annotated[list[OfficerSignature], Meta(max_length=MAX_OFFICERS)]


@dataclass(frozen=True, slots=True)
class Read:
    """An enrolment whose certificate holds. `digest`: SHA-256 of its body."""

    order: Enrolment
    certificate: DeviceCertificate
    digest: bytes

    @property
    def announced(self) -> Fields:
        """Of the entry `device.announced`, and what officers sign."""
        certificate = self.certificate
        return {
            "line": log.line_commitment(self.order.salt, certificate.line_id, certificate.address),
            "device": log.device_hash(certificate.device_id),
            "certificate": log.certificate_hash(self.order.certificate),
            "signature_key": certificate.signature_key,
            "identity_key": certificate.identity_key,
            "order": self.digest,
        }

    @property
    def signed_bytes(self) -> bytes:
        return log.announcement_bytes(**self.announced)


def read(body: bytes) -> Read:
    """No signature is checked but the certificate's own. Raises order.malformed, certificate.invalid."""
    try:
        order = msgspec.msgpack.decode(body, type=Enrolment)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("order.malformed") from None
    if msgspec.msgpack.encode(order) != body:
        raise error("order.malformed")
    certificate = DeviceCertificate.from_bytes(order.certificate)
    certificate.verify()
    if certificate.identity_key == order.former_key:
        raise error(
            "certificate.invalid",
            "That phone has the line's identity key: link it from the line's other one.",
        )
    if certificate.address.partition("@")[2] != order.server:
        raise error("certificate.invalid", "That phone's address is of another relay.")
    return Read(order, certificate, hashlib.sha256(body).digest())


def sign(body: bytes, officer: bytes, key: Ed25519PrivateKey) -> OfficerSignature:
    """As the first officer or the second. Raises as `read`."""
    return OfficerSignature(officer, key.sign(read(body).signed_bytes))


def check(signed: SignedEnrolment, roster: Roster, server: str) -> tuple[Read, tuple[bytes, ...]]:
    """Of this organisation, for this relay; and the officers who signed, without those who have left.
    Raises order.malformed, order.forged, certificate.invalid."""
    found = read(signed.body)
    if (found.order.organisation, found.order.server) != (roster.organisation, server):
        raise error("order.forged")
    if found.certificate.fleet_key != roster.fleet_key:
        raise error("certificate.invalid", "That phone is of another organisation.")
    return found, check_officers(roster, signed.officers, found.signed_bytes, "order.forged", gone=True)
