"""The signature schemes of the suites: keys and signatures in MLS's wire form (RFC 9420 section 5.1.2).

Ed25519 and Ed448 keys are raw; ECDSA's public key is an uncompressed point, its private key a scalar, its
signature DER. ECDSA signs deterministically (RFC 6979): a bad random number would give the key away.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chappe.mls.kems import P256, P384, P521, NistCurve


@dataclass(frozen=True, slots=True)
class SignatureKey:
    """A signature key pair in wire form. The private half never shows."""

    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def from_private(cls, private: bytes) -> SignatureKey:
        """The Ed25519 pair of a 32-byte seed. For another scheme ask its suite: `suite.signature_key`."""
        return cls(private, ED25519.public_of(private))


class Scheme(Protocol):
    """A signature scheme. A private key that is none raises ValueError; a public one never verifies."""

    def generate(self) -> bytes: ...
    def public_of(self, private: bytes) -> bytes: ...
    def is_public_key(self, public: bytes) -> bool: ...
    def sign(self, private: bytes, message: bytes) -> bytes: ...
    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool: ...


class _EdDSA:
    def __init__(self, private: Any, public: Any) -> None:
        self._private, self._public = private, public

    def generate(self) -> bytes:
        seed: bytes = self._private.generate().private_bytes_raw()
        return seed

    def public_of(self, private: bytes) -> bytes:
        public: bytes = self._private.from_private_bytes(private).public_key().public_bytes_raw()
        return public

    def is_public_key(self, public: bytes) -> bool:
        try:
            self._public.from_public_bytes(public)
        except ValueError:
            return False
        return True

    def sign(self, private: bytes, message: bytes) -> bytes:
        signature: bytes = self._private.from_private_bytes(private).sign(message)
        return signature

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        try:
            self._public.from_public_bytes(public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class _ECDSA:
    def __init__(self, curve: NistCurve, hash: hashes.HashAlgorithm) -> None:
        self._curve, self._hash = curve, hash

    def generate(self) -> bytes:
        scalar = self._curve.generate().private_numbers().private_value
        return scalar.to_bytes(self._curve.size, "big")

    def public_of(self, private: bytes) -> bytes:
        return self._curve.encode(self._curve.load_private(private).public_key())

    def is_public_key(self, public: bytes) -> bool:
        try:
            self._curve.load_public(public)
        except ValueError:
            return False
        return True

    def sign(self, private: bytes, message: bytes) -> bytes:
        return self._curve.load_private(private).sign(
            message, ec.ECDSA(self._hash, deterministic_signing=True)
        )

    def verify(self, public: bytes, message: bytes, signature: bytes) -> bool:
        try:
            self._curve.load_public(public).verify(signature, message, ec.ECDSA(self._hash))
        except (InvalidSignature, ValueError):
            return False
        return True


ED25519: Final = _EdDSA(Ed25519PrivateKey, Ed25519PublicKey)
ED448: Final = _EdDSA(Ed448PrivateKey, Ed448PublicKey)
ECDSA_P256: Final = _ECDSA(P256, hashes.SHA256())
ECDSA_P384: Final = _ECDSA(P384, hashes.SHA384())
ECDSA_P521: Final = _ECDSA(P521, hashes.SHA512())
