"""The device certificate: who a device is, vouched for by its line's identity key (docs/protocol.md).

It is the identity in the `basic` credential of every MLS leaf, and what the relay keeps of a device. Its
form is MLS's TLS presentation (RFC 9420 section 2.1), strictly read: one value has one encoding.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, replace
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chappe.wire.errors import error

CONTEXT: Final = b"chappe device certificate v1"
MAX_BYTES: Final = 1024
ID_BYTES: Final = 16
KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,31}")
_HOST: Final = re.compile(
    r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*"
)


def check_address(text: str) -> str:
    """`name@host` in its one spelling: lower case, no spaces around. Raises BadInput address.malformed."""
    if len(text) > 320:
        raise error("address.malformed")
    name, at, host = text.strip().lower().partition("@")
    if not at or not _NAME.fullmatch(name) or not _HOST.fullmatch(host):
        raise error("address.malformed")
    return f"{name}@{host}"


@dataclass(frozen=True, slots=True)
class DeviceCertificate:
    """`issued_at` in Unix seconds; ids 16 bytes, keys 32 (Ed25519), signature 64, by the identity key.

    `fleet_key`: the key of the organisation that the line says it is of; empty where it is of none.
    """

    line_id: bytes
    address: str
    device_id: bytes
    signature_key: bytes
    identity_key: bytes
    fleet_key: bytes
    issued_at: int
    signature: bytes

    def to_bytes(self) -> bytes:
        """At most MAX_BYTES."""
        return self._signed_part() + _opaque(self.signature)

    @classmethod
    def from_bytes(cls, data: bytes) -> DeviceCertificate:
        """The certificate that fills `data`; its signature is not checked yet.

        Raises CryptoFailure certificate.invalid.
        """
        if len(data) > MAX_BYTES:
            raise error("certificate.invalid")
        reader = _Reader(bytes(data))
        line_id = reader.take(ID_BYTES)
        address = reader.opaque()
        device_id = reader.take(ID_BYTES)
        signature_key, identity_key, fleet_key = reader.opaque(), reader.opaque(), reader.opaque()
        issued_at = int.from_bytes(reader.take(8), "big")
        signature = reader.opaque()
        fits = len(signature_key) == len(identity_key) == KEY_BYTES and len(signature) == SIGNATURE_BYTES
        if not reader.at_end or not fits or len(fleet_key) not in (0, KEY_BYTES) or issued_at > 2**53:
            raise error("certificate.invalid")
        keys = signature_key, identity_key, fleet_key
        return cls(line_id, _address(address), device_id, *keys, issued_at, signature)

    def verify(self) -> None:
        """Raises CryptoFailure certificate.invalid unless the identity key signed it."""
        try:
            Ed25519PublicKey.from_public_bytes(self.identity_key).verify(
                self.signature, _opaque(CONTEXT) + self._signed_part()
            )
        except (InvalidSignature, ValueError):
            raise error("certificate.invalid") from None

    def _signed_part(self) -> bytes:
        return b"".join(
            (
                self.line_id,
                _opaque(self.address.encode()),
                self.device_id,
                _opaque(self.signature_key),
                _opaque(self.identity_key),
                _opaque(self.fleet_key),
                self.issued_at.to_bytes(8, "big"),
            )
        )


def issue(
    identity: Ed25519PrivateKey,
    *,
    line_id: bytes,
    address: str,
    device_id: bytes,
    signature_key: bytes,
    issued_at: int,
    fleet_key: bytes = b"",
) -> DeviceCertificate:
    """A certificate signed by the line's identity key."""
    unsigned = DeviceCertificate(
        line_id,
        check_address(address),
        device_id,
        signature_key,
        identity.public_key().public_bytes_raw(),
        fleet_key,
        issued_at,
        b"",
    )
    return replace(unsigned, signature=identity.sign(_opaque(CONTEXT) + unsigned._signed_part()))


def safety_number(identity_a: bytes, line_a: bytes, identity_b: bytes, line_b: bytes) -> str:
    """Sixty digits in twelve groups, the same for both people, over both identity keys and line ids.

    Signal's numeric fingerprint: 5,200 rounds of SHA-512 and thirty digits a side, the smaller side first.
    """
    halves = sorted((_fingerprint(identity_a, line_a), _fingerprint(identity_b, line_b)))
    digits = "".join(halves)
    return " ".join(digits[start : start + 5] for start in range(0, 60, 5))


_ROUNDS: Final = 5_200
_FINGERPRINT_VERSION: Final = b"\x00\x00"


def _fingerprint(identity_key: bytes, line_id: bytes) -> str:
    digest = _FINGERPRINT_VERSION + identity_key + line_id
    for _ in range(_ROUNDS):
        digest = hashlib.sha512(digest + identity_key).digest()
    fives = (digest[start : start + 5] for start in range(0, 30, 5))
    return "".join(f"{int.from_bytes(five, 'big') % 100_000:05d}" for five in fives)


def _address(data: bytes) -> str:
    """The address as the certificate spells it, which must be its one spelling."""
    try:
        text = data.decode("ascii")
    except UnicodeDecodeError:
        raise error("certificate.invalid") from None
    name, _, host = text.partition("@")
    if not _NAME.fullmatch(name) or not _HOST.fullmatch(host):
        raise error("certificate.invalid")
    return text


def _opaque(data: bytes) -> bytes:
    """`opaque data<V>`, up to 16,383 bytes (RFC 9420 section 2.1.2)."""
    length = len(data)
    return (bytes((length,)) if length < 0x40 else (length | 0x4000).to_bytes(2, "big")) + data


class _Reader:
    """A cursor that raises certificate.invalid past the end and for lengths not minimally encoded."""

    __slots__ = ("_at", "_data")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        return self._at == len(self._data)

    def take(self, length: int) -> bytes:
        piece = self._data[self._at : self._at + length]
        if len(piece) != length:
            raise error("certificate.invalid")
        self._at += length
        return piece

    def opaque(self) -> bytes:
        first = self.take(1)[0]
        if first < 0x40:
            return self.take(first)
        length = (first & 0x3F) << 8 | self.take(1)[0]
        if first >= 0x80 or length < 0x40:
            raise error("certificate.invalid")
        return self.take(length)
