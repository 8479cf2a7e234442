"""The keys of signed notes: Ed25519 (C2SP signed-note), and cosignatures with Ed25519 or ML-DSA-44 (C2SP
tlog-cosignature).

A key is known by its name and its id, four bytes of a hash over name, kind and public key. The id only
finds the key; that the signature holds is what counts. A log signs with the kinds 0x01 and 0x06, a witness
with 0x04 or 0x06.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import Malformed, OutOfRange, WrongSignature
from chappe.tlog.merkle import MAX_SIZE
from chappe.tlog.text import from_base64, to_base64

ID_SIZE: Final = 4
TIME_SIZE: Final = 8
_MAX_NAME: Final = 255  # What `cosigned_message` has room for.
_SUBTREE: Final = b"subtree/v1\n\x00"


class Kind(IntEnum):
    """The signature type byte of C2SP signed-note."""

    ED25519 = 0x01
    COSIGNATURE_ED25519 = 0x04
    COSIGNATURE_ML_DSA_44 = 0x06

    @property
    def timed(self) -> bool:
        """Whether a signature carries the time it was made."""
        return self is not Kind.ED25519


_KEY_SIZE: Final = {Kind.ED25519: 32, Kind.COSIGNATURE_ED25519: 32, Kind.COSIGNATURE_ML_DSA_44: 1312}
_SIGNATURE_SIZE: Final = {Kind.ED25519: 64, Kind.COSIGNATURE_ED25519: 64, Kind.COSIGNATURE_ML_DSA_44: 2420}


def check_name(name: str) -> str:
    """`name` if a key may have it; raises Malformed: not empty, no space of any kind, no plus, no control."""
    if not name or any(char.isspace() or char == "+" or char < " " for char in name):
        raise Malformed("a key name is not empty and has no spaces, plus or control characters")
    return name


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key with the name and the kind of signature that it is trusted for."""

    name: str
    kind: Kind
    public: bytes

    def __post_init__(self) -> None:
        if len(check_name(self.name).encode()) > _MAX_NAME:
            raise Malformed("a key name has at most 255 bytes")
        if len(self.public) != _KEY_SIZE[self.kind]:
            raise Malformed("the public key has not the length of its kind")

    @property
    def id(self) -> bytes:
        """SHA-256(name ‖ newline ‖ kind ‖ public key), the first 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.kind]) + self.public).digest()[
            :ID_SIZE
        ]

    def __str__(self) -> str:
        """The vkey: name, id in hexadecimal, and base64 of kind and public key, with plus between."""
        return f"{self.name}+{self.id.hex()}+{to_base64(bytes([self.kind]) + self.public)}"

    @classmethod
    def parse(cls, text: str) -> VerifierKey:
        """The key that a vkey names; raises Malformed, also if the id is not the key's own."""
        name, _, rest = text.partition("+")
        _, plus, encoded = rest.partition("+")
        data = from_base64(encoded)
        try:
            kind = Kind(data[0])
        except (IndexError, ValueError) as error:
            raise Malformed("a vkey of a kind that is not used here") from error
        key = cls(name, kind, data[1:])
        if not plus or str(key) != text:
            raise Malformed("the id in a vkey is not that of its name and key")
        return key

    def verify(self, text: str, signature: bytes) -> int | None:
        """The time, in seconds since 1970, that the signature over the note text says; None for a plain one.

        `signature` is what follows the id. A time of 0 says nothing about when. Raises WrongSignature, or
        Malformed if a cosignature is over a text that is no checkpoint.
        """
        at, bare = None, signature
        if self.kind.timed:
            at, bare = int.from_bytes(signature[:TIME_SIZE], "big"), signature[TIME_SIZE:]
        if len(bare) != _SIGNATURE_SIZE[self.kind] or (at is not None and at > MAX_SIZE):
            raise WrongSignature("a signature has not the form of its kind")
        try:
            _public(self).verify(bare, signed_message(self, text, at))
        except InvalidSignature as error:
            raise WrongSignature("a signature by a known key does not hold") from error
        return at


def _public(key: VerifierKey) -> Ed25519PublicKey | MLDSA44PublicKey:
    if key.kind is Kind.COSIGNATURE_ML_DSA_44:
        return MLDSA44PublicKey.from_public_bytes(key.public)
    return Ed25519PublicKey.from_public_bytes(key.public)


def signed_message(key: VerifierKey, text: str, at: int | None) -> bytes:
    """The bytes that a signature of this key's kind is over. Raises Malformed as `verify` does."""
    if key.kind is Kind.ED25519:
        return text.encode()
    if at is None or not 0 <= at <= MAX_SIZE:
        raise OutOfRange("a cosignature needs a time, in seconds from 0 to 2^63 - 1")
    checkpoint = Checkpoint.parse(text)
    if key.kind is Kind.COSIGNATURE_ED25519:
        return f"cosignature/v1\ntime {at}\n{text}".encode()
    return cosigned_message(key.name, at, checkpoint.origin, 0, checkpoint.size, checkpoint.root)


def cosigned_message(name: str, at: int, origin: str, start: int, end: int, head: bytes) -> bytes:
    """`cosigned_message` of tlog-cosignature: over the leaves [start, end) with the head `head`."""
    names = [each.encode() for each in (name, origin)]
    if any(not 1 <= len(each) <= _MAX_NAME for each in names):
        raise Malformed("the name of a cosigned log is 1 to 255 bytes")
    cosigner, log = (bytes([len(each)]) + each for each in names)
    when, first, last = (each.to_bytes(8, "big") for each in (at, start, end))
    return _SUBTREE + cosigner + when + log + first + last + head


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key with its name and kind. What it signs, and when, is the caller's to decide."""

    key: VerifierKey
    _private: Ed25519PrivateKey | MLDSA44PrivateKey = field(repr=False)

    @classmethod
    def from_seed(cls, name: str, kind: Kind, seed: bytes) -> Signer:
        """The signer with the private key that the 32-byte seed makes; raises Malformed."""
        if len(seed) != 32:
            raise Malformed("a seed is 32 bytes")
        private: Ed25519PrivateKey | MLDSA44PrivateKey
        if kind is Kind.COSIGNATURE_ML_DSA_44:
            private = MLDSA44PrivateKey.from_seed_bytes(seed)
        else:
            private = Ed25519PrivateKey.from_private_bytes(seed)
        return cls(VerifierKey(name, kind, private.public_key().public_bytes_raw()), private)

    def sign(self, text: str, at: int | None = None) -> bytes:
        """The signature over a note text, without the id. `at` (seconds since 1970) is for cosignatures.

        Raises OutOfRange for a cosignature without a time, Malformed for one over a text that is no
        checkpoint.
        """
        bare = self._private.sign(signed_message(self.key, text, at))
        return bare if at is None or not self.key.kind.timed else at.to_bytes(TIME_SIZE, "big") + bare
