"""Unlocking: what a locked phone and the share service say to each other (docs/protocol.md section 11).

The phone keeps `r`, the share service the share `s`; neither alone, and no guess at the PIN without a try
that the service counts, opens the vault. What the phone says is sealed to the service's key (HPKE, X-Wing):
whoever ends the TLS connection learns neither share nor guess.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeAlias, TypeVar

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from msgspec import Meta

from chappe.wire.cryptology import GCM_NONCE_BYTES, MLKEM_PUBLIC_BYTES, MLKEM_SEED_BYTES, XWING_PUBLIC_BYTES
from chappe.wire.errors import error
from chappe.wire.signing import joined

TRIES: Final = 10
"""Guesses at a PIN; the last wrong one destroys the share."""
WAITS: Final = (0, 0, 0, 60, 300, 900, 3600, 3 * 3600, 8 * 3600)
"""Seconds to wait after the first, second, … wrong guess in a row, before the next is looked at."""
CHALLENGE_SECONDS: Final = 60

PUBLIC_KEY_BYTES: Final = XWING_PUBLIC_BYTES
PRIVATE_KEY_BYTES: Final = 96
_MLKEM_PUBLIC: Final = MLKEM_PUBLIC_BYTES
_MLKEM_SEED: Final = MLKEM_SEED_BYTES
_ANSWER_BYTES: Final = 128
"""Every answer is padded to this, so that its length does not tell what it says."""

ENROL_CONTEXT: Final = b"chappe enrol v1"
UNLOCK_CONTEXT: Final = b"chappe unlock v1"
SHARE_CONTEXT: Final = b"share"

_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM)

Bytes16: TypeAlias = Annotated[bytes, Meta(min_length=16, max_length=16)]
Bytes32: TypeAlias = Annotated[bytes, Meta(min_length=32, max_length=32)]
Bytes64: TypeAlias = Annotated[bytes, Meta(min_length=64, max_length=64)]


class _Sealed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The root of what is sealed. Its values never show."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


class Enrolment(_Sealed, frozen=True):
    """What the service keeps of a device: the key that signs guesses, what proves a right one, the share."""

    device: Bytes16
    unlock_key: Bytes32
    auth: Bytes32
    share: Bytes32


class Guess(_Sealed, frozen=True):
    """One try. `signature` is the unlock key's over `guess_bytes(...)`; `answer_key` seals the answer."""

    device: Bytes16
    challenge: Bytes32
    auth: Bytes32
    answer_key: Bytes32
    signature: Bytes64


class Answer(_Sealed, frozen=True):
    """What came of a guess.

    `open`: right, here is the share. `wrong`: not right; `tries` are left, the next after `wait` seconds.
    `wait`: not looked at, too early. `gone`: there is no share any more.
    """

    status: Literal["open", "wrong", "wait", "gone"]
    share: Bytes32 | None = None
    tries: Annotated[int, Meta(ge=0, le=TRIES)] = 0
    wait: Annotated[int, Meta(ge=0, le=2**31)] = 0


T = TypeVar("T", Enrolment, Guess)


@dataclass(frozen=True, slots=True)
class ServiceKey:
    """The share service's X-Wing key pair. `private`: 64 bytes of ML-KEM seed, then 32 of X25519."""

    private: bytes = field(repr=False)

    @classmethod
    def generate(cls) -> ServiceKey:
        return cls(secrets.token_bytes(PRIVATE_KEY_BYTES))

    @property
    def public(self) -> bytes:
        mlkem, x25519 = self._halves()
        return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def open_enrolment(self, sealed: bytes) -> Enrolment:
        """Raises unlock.malformed."""
        return self._open(sealed, ENROL_CONTEXT, Enrolment)

    def open_guess(self, sealed: bytes) -> Guess:
        """Raises unlock.malformed. The signature remains to be checked."""
        return self._open(sealed, UNLOCK_CONTEXT, Guess)

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Raises ValueError or InvalidTag."""
        return _SUITE.decrypt(sealed, MLKEM768X25519PrivateKey(*self._halves()), context)

    def _open(self, sealed: bytes, context: bytes, kind: type[T]) -> T:
        try:
            opened = self.open(sealed, context)
            return msgspec.msgpack.decode(opened, type=kind)
        except (InvalidTag, ValueError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise error("unlock.malformed") from None

    def _halves(self) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        seed, scalar = self.private[:_MLKEM_SEED], self.private[_MLKEM_SEED:]
        return MLKEM768PrivateKey.from_seed_bytes(seed), X25519PrivateKey.from_private_bytes(scalar)


def seal_enrolment(service: bytes, enrolment: Enrolment) -> bytes:
    """For the service with that public key. Raises unlock.malformed for a key that is none."""
    return _seal(service, ENROL_CONTEXT, enrolment)


def seal_guess(service: bytes, guess: Guess) -> bytes:
    """As `seal_enrolment`."""
    return _seal(service, UNLOCK_CONTEXT, guess)


def seal_to(public: bytes, context: bytes, content: bytes) -> bytes:
    """HPKE to an X-Wing public key, `context` as its info. Raises ValueError for a key that is none."""
    if len(public) != PUBLIC_KEY_BYTES:
        raise ValueError("an X-Wing public key has 1216 bytes")
    key = MLKEM768X25519PublicKey(
        MLKEM768PublicKey.from_public_bytes(public[:_MLKEM_PUBLIC]),
        X25519PublicKey.from_public_bytes(public[_MLKEM_PUBLIC:]),
    )
    return _SUITE.encrypt(content, key, context)


def open_sealed(private: bytes, context: bytes, sealed: bytes) -> bytes:
    """What `seal_to` sealed. Raises ValueError, InvalidTag."""
    return ServiceKey(private).open(sealed, context)


def _seal(service: bytes, context: bytes, content: _Sealed) -> bytes:
    try:
        return seal_to(service, context, msgspec.msgpack.encode(content))
    except ValueError:
        raise error(
            "unlock.malformed", "The share service's key is no key; do not trust this relay."
        ) from None


def make_guess(unlock_private: bytes, device: bytes, challenge: bytes, auth: bytes) -> Guess:
    """A signed guess with a fresh answer key."""
    answer_key = secrets.token_bytes(32)
    signed = guess_bytes(device, challenge, auth, answer_key)
    signature = Ed25519PrivateKey.from_private_bytes(unlock_private).sign(signed)
    return Guess(device, challenge, auth, answer_key, signature)


def check_guess(guess: Guess, unlock_key: bytes) -> None:
    """Raises unlock.bad_signature."""
    signed = guess_bytes(guess.device, guess.challenge, guess.auth, guess.answer_key)
    try:
        Ed25519PublicKey.from_public_bytes(unlock_key).verify(guess.signature, signed)
    except (InvalidSignature, ValueError):
        raise error("unlock.bad_signature") from None


def guess_bytes(device: bytes, challenge: bytes, auth: bytes, answer_key: bytes) -> bytes:
    """What the unlock key signs."""
    return joined(UNLOCK_CONTEXT, device, challenge, auth, answer_key)


def seal_answer(answer_key: bytes, answer: Answer) -> bytes:
    """The answer to a guess, always of one length. A key seals one answer: the nonce is zero."""
    encoded = msgspec.msgpack.encode(answer)
    padded = len(encoded).to_bytes(2, "big") + encoded.ljust(_ANSWER_BYTES - 2, b"\0")
    return AESGCM(answer_key).encrypt(bytes(GCM_NONCE_BYTES), padded, UNLOCK_CONTEXT)


def open_answer(answer_key: bytes, sealed: bytes) -> Answer:
    """Raises unlock.malformed."""
    try:
        padded = AESGCM(answer_key).decrypt(bytes(GCM_NONCE_BYTES), sealed, UNLOCK_CONTEXT)
        length = int.from_bytes(padded[:2], "big")
        return msgspec.msgpack.decode(padded[2 : 2 + length], type=Answer)
    except (InvalidTag, ValueError, msgspec.MsgspecError, UnicodeDecodeError):
        raise error("unlock.malformed") from None


def share_commitment(device: bytes, share: bytes) -> bytes:
    """What the phone keeps of its share: enough to know it, and nothing a PIN can be checked against."""
    return hashlib.sha256(SHARE_CONTEXT + device + share).digest()
