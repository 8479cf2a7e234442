"""A message shown to the organisation's officers, with what proves who said it (docs/protocol.md section 15).

file = "chappe report v1\\n" || HPKE to the roster's `seal_key` (info: the same) of
       length (4 bytes) || MessagePack of a SignedReport || zeros to whole kibibytes
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta

from chappe.wire.content import MAX_CONTENT
from chappe.wire.errors import error
from chappe.wire.rosters import Id16, Key32, Seconds, Signature, Strict, verify
from chappe.wire.unlock import open_sealed, seal_to

MAGIC: Final = b"chappe report v1\n"
SUFFIX: Final = ".chappe-report"
MAX_EXHIBITS: Final = 2
MAX_REASON: Final = 2000
MAX_FILE: Final = 2 * MAX_CONTENT + 64 * 1024
_CONTEXT: Final = b"chappe report v1"
_STEP: Final = 1024

CertificateBytes: TypeAlias = Annotated[bytes, Meta(min_length=1, max_length=1024)]


class Exhibit(Strict, frozen=True):
    """One message as its sender's device signed it. `signed`: MLS's FramedContentTBS; `certificate`: of that
    device; `at`: when the relay took it in, as the reporter's device was told: nobody signed that."""

    signed: Annotated[bytes, Meta(min_length=1, max_length=MAX_CONTENT + 16 * 1024)]
    signature: Signature
    certificate: CertificateBytes
    at: Seconds


class Report(Strict, frozen=True):
    """`conversation`, `fleet_key`: whose officers it is for. `reporter`: certificate of the device that makes
    it. `exhibits`: the message as it was first, and as it was edited last."""

    version: Literal[1]
    id: Id16
    server: Annotated[str, Meta(min_length=1, max_length=253)]
    fleet_key: Key32
    conversation: Annotated[bytes, Meta(min_length=16, max_length=32)]
    reporter: CertificateBytes
    made_at: Seconds
    reason: Annotated[str, Meta(min_length=1, max_length=MAX_REASON)]
    exhibits: Annotated[list[Exhibit], Meta(min_length=1, max_length=MAX_EXHIBITS)]


class SignedReport(Strict, frozen=True):
    """`body`: the MessagePack of a `Report`, as the reporter's device signed it."""

    body: Annotated[bytes, Meta(min_length=1, max_length=MAX_FILE)]
    signature: Signature


def report_bytes(body: bytes) -> bytes:
    """What the reporter's device signs."""
    return _CONTEXT + b"\0" + hashlib.sha256(body).digest()


def sign_report(report: Report, device_key: Ed25519PrivateKey) -> SignedReport:
    body = msgspec.msgpack.encode(report)
    return SignedReport(body, device_key.sign(report_bytes(body)))


def read_report(signed: SignedReport) -> Report:
    """Raises content.malformed. The signature is checked by `check_signature`."""
    try:
        return msgspec.msgpack.decode(signed.body, type=Report)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("content.malformed", "That is not a report of this version.") from None


def check_signature(signed: SignedReport, device_key: bytes) -> None:
    """Raises certificate.invalid."""
    verify(device_key, signed.signature, report_bytes(signed.body), "certificate.invalid")


def seal_report(seal_key: bytes, signed: SignedReport) -> bytes:
    """The file. Raises roster.invalid for a key that is none."""
    encoded = msgspec.msgpack.encode(signed)
    size = -(-(len(encoded) + 4) // _STEP) * _STEP
    padded = (len(encoded).to_bytes(4, "big") + encoded).ljust(size, b"\0")
    try:
        return MAGIC + seal_to(seal_key, _CONTEXT, padded)
    except ValueError:
        raise error("roster.invalid") from None


def open_report(seal_private: bytes, data: bytes) -> SignedReport:
    """Raises content.malformed for what is no report, or is for other officers."""
    if not data.startswith(MAGIC) or len(data) > MAX_FILE:
        raise error("content.malformed", "That is not a report.")
    try:
        padded = open_sealed(seal_private, _CONTEXT, data[len(MAGIC) :])
        length = int.from_bytes(padded[:4], "big")
        return msgspec.msgpack.decode(padded[4 : 4 + length], type=SignedReport)
    except (InvalidTag, ValueError, msgspec.MsgspecError, RecursionError):
        raise error(
            "content.malformed", "The report does not open: it is damaged, or for other officers."
        ) from None
