"""Opening and sealing as `chappe.wire.unlock` does it, leaving no second copy of a secret in memory.

The wire's own functions drop the opened text and the text to be sealed without overwriting them, which is
right for a phone and wrong here: the share would be found in a memory image of the service after it was
destroyed. Tests hold both to the same bytes.
"""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, MLKEM768X25519PrivateKey, Suite

from chappe.wire import unlock
from chappe.wire.cryptology import GCM_NONCE_BYTES, MLKEM_SEED_BYTES
from chappe.wire.errors import error
from chappe.wire.wiping import wipe

_SUITE: Final = Suite(KEM.MLKEM768_X25519, KDF.HKDF_SHA512, AEAD.AES_256_GCM)
_MLKEM_SEED: Final = MLKEM_SEED_BYTES
_ANSWER_BYTES: Final = 128
_encoder: Final = msgspec.msgpack.Encoder()

T = TypeVar("T", unlock.Enrolment, unlock.Guess)


class Opener:
    """Opens what is sealed to the service. Whoever gets an opened structure wipes it."""

    def __init__(self, key: unlock.ServiceKey) -> None:
        self.public: Final = key.public
        self._private = MLKEM768X25519PrivateKey(
            MLKEM768PrivateKey.from_seed_bytes(key.private[:_MLKEM_SEED]),
            X25519PrivateKey.from_private_bytes(key.private[_MLKEM_SEED:]),
        )

    def enrolment(self, sealed: bytes) -> unlock.Enrolment:
        """Raises unlock.malformed."""
        return self._open(sealed, unlock.ENROL_CONTEXT, unlock.Enrolment)

    def guess(self, sealed: bytes) -> unlock.Guess:
        """Raises unlock.malformed. The signature remains to be checked."""
        return self._open(sealed, unlock.UNLOCK_CONTEXT, unlock.Guess)

    def _open(self, sealed: bytes, context: bytes, kind: type[T]) -> T:
        opened: bytes | None = None
        try:
            opened = _SUITE.decrypt(sealed, self._private, context)
            return msgspec.msgpack.decode(opened, type=kind)
        except (InvalidTag, ValueError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise error("unlock.malformed") from None
        finally:
            wipe(opened)


def seal_answer(answer_key: bytes, answer: unlock.Answer) -> bytes:
    """As `unlock.seal_answer`."""
    encoded = bytearray(_ANSWER_BYTES)
    padded = bytearray(_ANSWER_BYTES)
    try:
        # Into a buffer that is large enough: one that grew would leave its first place unwiped.
        _encoder.encode_into(answer, encoded)
        padded[:2] = len(encoded).to_bytes(2, "big")
        padded[2 : 2 + len(encoded)] = encoded
        return AESGCM(answer_key).encrypt(bytes(GCM_NONCE_BYTES), padded, unlock.UNLOCK_CONTEXT)
    finally:
        wipe(encoded, padded)
