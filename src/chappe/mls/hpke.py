"""The KEMs as HPKE uses them: key derivation and the wire form of keys (RFC 9180 section 4; X-Wing).

Encapsulation and the AEAD are `cryptography`'s HPKE; a key is bytes here, an object only inside a call.
"""

from __future__ import annotations

from typing import Any, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    Suite,
)
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand


class Kem(Protocol):
    """A KEM: `nenc` is the length of its output in bytes."""

    nenc: int

    def suite(self, kdf: KDF, aead: AEAD) -> Suite: ...
    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]: ...
    def public_of(self, private: bytes) -> bytes: ...
    def is_public_key(self, public: bytes) -> bool: ...
    def load_public(self, public: bytes) -> Any: ...
    def load_private(self, private: bytes) -> Any: ...


class X25519Kem:
    """DHKEM(X25519, HKDF-SHA256)."""

    nenc = 32
    _suite_id = b"KEM\x00\x20"

    def suite(self, kdf: KDF, aead: AEAD) -> Suite:
        return Suite(KEM.X25519, kdf, aead)

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """RFC 9180 section 7.1.3."""
        sha256 = hashes.SHA256()
        prk = HKDF.extract(sha256, None, b"HPKE-v1" + self._suite_id + b"dkp_prk" + ikm)
        info = (32).to_bytes(2, "big") + b"HPKE-v1" + self._suite_id + b"sk"
        private = HKDFExpand(sha256, 32, info).derive(prk)
        return private, self.public_of(private)

    def public_of(self, private: bytes) -> bytes:
        return self.load_private(private).public_key().public_bytes_raw()

    def is_public_key(self, public: bytes) -> bool:
        return len(public) == 32

    def load_public(self, public: bytes) -> X25519PublicKey:
        return X25519PublicKey.from_public_bytes(public)

    def load_private(self, private: bytes) -> X25519PrivateKey:
        return X25519PrivateKey.from_private_bytes(private)


class XWingKem:
    """X-Wing: ML-KEM-768 with X25519. A private key is its 32-byte seed."""

    nenc = 1120
    _npk_mlkem = 1184

    def suite(self, kdf: KDF, aead: AEAD) -> Suite:
        return Suite(KEM.MLKEM768_X25519, kdf, aead)

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """As `@hpke/hybridkem-x-wing` does: the seed is SHAKE-256 of the keying material."""
        private = _shake256(ikm, 32)
        return private, self.public_of(private)

    def public_of(self, private: bytes) -> bytes:
        mlkem, x25519 = self._halves(private)
        return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def is_public_key(self, public: bytes) -> bool:
        try:
            self.load_public(public)
        except ValueError:
            return False
        return True

    def load_public(self, public: bytes) -> MLKEM768X25519PublicKey:
        if len(public) != self._npk_mlkem + 32:
            raise ValueError("an X-Wing public key has 1216 bytes")
        mlkem = MLKEM768PublicKey.from_public_bytes(public[: self._npk_mlkem])
        return MLKEM768X25519PublicKey(mlkem, X25519PublicKey.from_public_bytes(public[self._npk_mlkem :]))

    def load_private(self, private: bytes) -> MLKEM768X25519PrivateKey:
        return MLKEM768X25519PrivateKey(*self._halves(private))

    def _halves(self, private: bytes) -> tuple[MLKEM768PrivateKey, X25519PrivateKey]:
        if len(private) != 32:
            raise ValueError("an X-Wing private key has 32 bytes")
        expanded = _shake256(private, 96)
        mlkem = MLKEM768PrivateKey.from_seed_bytes(expanded[:64])
        return mlkem, X25519PrivateKey.from_private_bytes(expanded[64:])


def _shake256(data: bytes, length: int) -> bytes:
    digest = hashes.Hash(hashes.SHAKE256(length))
    digest.update(data)
    return digest.finalize()
