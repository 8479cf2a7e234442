"""The cipher suites and the labelled operations built on them (RFC 9420 sections 5.1, 5.2 and 17.1).

Every primitive is `cryptography`'s. What is written here is labels, lengths and the choice of primitive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import constant_time, hashes, hmac
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from chappe.mls.codec import Reader, opaque, u16, u32
from chappe.mls.errors import InvalidMessage, UnsupportedSuite
from chappe.mls.hpke import Kem, X25519Kem, XWingKem

Random = Callable[[int], bytes]

X25519_AES128 = 0x0001
X25519_CHACHA20 = 0x0003
XWING_AES256 = 0xF00D
"""MLS_256_XWING_AES256GCM_SHA512_Ed25519, a private-use code point until one is registered."""

_LABEL = b"MLS 1.0 "


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An HPKE key pair in wire form. The private half never shows."""

    private: bytes = field(repr=False)
    public: bytes


@dataclass(frozen=True, slots=True)
class SignatureKey:
    """An Ed25519 key: 32-byte seed and 32-byte public key. The private half never shows."""

    private: bytes = field(repr=False)
    public: bytes

    @classmethod
    def from_private(cls, private: bytes) -> SignatureKey:
        """The pair of a 32-byte seed."""
        public = Ed25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        return cls(private, public)


@dataclass(frozen=True, slots=True)
class HPKECiphertext:
    """`struct { opaque kem_output<V>; opaque ciphertext<V>; }` (RFC 9420 section 7.6)."""

    kem_output: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        return opaque(self.kem_output) + opaque(self.ciphertext)

    @classmethod
    def read(cls, r: Reader) -> HPKECiphertext:
        return cls(r.opaque(), r.opaque())


class CipherSuite:
    """One suite: sizes and operations. Values are shared: get one with `cipher_suite(id)`."""

    def __init__(
        self,
        id: int,
        name: str,
        hash: hashes.HashAlgorithm,
        kem: Kem,
        aead: Any,
        nk: int,
        kdf: KDF,
        hpke: AEAD,
    ) -> None:
        self.id = id
        self.name = name
        self.nh = hash.digest_size
        self.nk = nk
        self.nn = 12
        self.nt = 16
        self._hash = hash
        self._kem = kem
        self._aead = aead
        self._hpke = kem.suite(kdf, hpke)

    def __repr__(self) -> str:
        return f"<CipherSuite 0x{self.id:04X} {self.name}>"

    # Hash and key derivation ------------------------------------------------------------------------

    def hash(self, data: bytes) -> bytes:
        digest = hashes.Hash(self._hash)
        digest.update(data)
        return digest.finalize()

    def mac(self, key: bytes, data: bytes) -> bytes:
        mac = hmac.HMAC(key, self._hash)
        mac.update(data)
        return mac.finalize()

    def check_mac(self, key: bytes, data: bytes, tag: bytes) -> bool:
        """Compare in constant time."""
        return constant_time.bytes_eq(self.mac(key, data), tag)

    def extract(self, salt: bytes, ikm: bytes) -> bytes:
        """KDF.Extract."""
        return HKDF.extract(self._hash, salt or None, ikm)

    def expand_with_label(self, secret: bytes, label: str, context: bytes, length: int) -> bytes:
        """ExpandWithLabel (section 8)."""
        info = u16(length) + opaque(_LABEL + label.encode()) + opaque(context)
        return HKDFExpand(self._hash, length, info).derive(secret)

    def derive_secret(self, secret: bytes, label: str) -> bytes:
        """DeriveSecret (section 8)."""
        return self.expand_with_label(secret, label, b"", self.nh)

    def derive_tree_secret(self, secret: bytes, label: str, generation: int, length: int) -> bytes:
        """DeriveTreeSecret (section 9)."""
        return self.expand_with_label(secret, label, u32(generation), length)

    def ref_hash(self, label: str, value: bytes) -> bytes:
        """RefHash (section 5.2); `label` is the whole label."""
        return self.hash(opaque(label.encode()) + opaque(value))

    # AEAD -------------------------------------------------------------------------------------------

    def seal(self, key: bytes, nonce: bytes, aad: bytes, plaintext: bytes) -> bytes:
        sealed: bytes = self._aead(key).encrypt(nonce, plaintext, aad)
        return sealed

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Raises InvalidMessage."""
        try:
            opened: bytes = self._aead(key).decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError):
            raise InvalidMessage("the AEAD tag does not hold") from None
        return opened

    # Signatures -------------------------------------------------------------------------------------

    def generate_signature_key(self) -> SignatureKey:
        return SignatureKey.from_private(Ed25519PrivateKey.generate().private_bytes_raw())

    def sign_with_label(self, private: bytes, label: str, content: bytes) -> bytes:
        """SignWithLabel (section 5.1.2)."""
        return Ed25519PrivateKey.from_private_bytes(private).sign(_signed(label, content))

    def verify_with_label(self, public: bytes, label: str, content: bytes, signature: bytes) -> bool:
        """VerifyWithLabel (section 5.1.2); False for a key that is no key."""
        try:
            Ed25519PublicKey.from_public_bytes(public).verify(signature, _signed(label, content))
        except (InvalidSignature, ValueError):
            return False
        return True

    def is_signature_key(self, public: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(public)
        except ValueError:
            return False
        return True

    # Public-key encryption --------------------------------------------------------------------------

    def generate_key_pair(self, random: Random) -> KeyPair:
        return self.derive_key_pair(random(self.nh))

    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """KEM.DeriveKeyPair."""
        return KeyPair(*self._kem.derive_key_pair(ikm))

    def public_of(self, private: bytes) -> bytes:
        """The public key of an HPKE private key in wire form. Raises InvalidMessage."""
        return self._kem.public_of(private)

    def is_public_key(self, public: bytes) -> bool:
        return self._kem.is_public_key(public)

    def encrypt_with_label(
        self, public: bytes, label: str, context: bytes, plaintext: bytes
    ) -> HPKECiphertext:
        """EncryptWithLabel (section 5.1.3). Raises InvalidMessage for an unusable key."""
        info = opaque(_LABEL + label.encode()) + opaque(context)
        try:
            sealed = self._hpke.encrypt(plaintext, self._kem.load_public(public), info)
        except ValueError:
            raise InvalidMessage("the HPKE public key cannot be used") from None
        return HPKECiphertext(sealed[: self._kem.nenc], sealed[self._kem.nenc :])

    def decrypt_with_label(self, private: bytes, label: str, context: bytes, sealed: HPKECiphertext) -> bytes:
        """DecryptWithLabel (section 5.1.3). Raises InvalidMessage."""
        if len(sealed.kem_output) != self._kem.nenc:
            raise InvalidMessage("the KEM output has a wrong length")
        info = opaque(_LABEL + label.encode()) + opaque(context)
        try:
            return self._hpke.decrypt(
                sealed.kem_output + sealed.ciphertext, self._kem.load_private(private), info
            )
        except (InvalidTag, ValueError):
            raise InvalidMessage("the HPKE ciphertext does not open") from None


def _signed(label: str, content: bytes) -> bytes:
    return opaque(_LABEL + label.encode()) + opaque(content)


IMPLEMENTED = (X25519_AES128, X25519_CHACHA20, XWING_AES256)


@lru_cache
def cipher_suite(id: int) -> CipherSuite:
    """The suite with this code point. Raises UnsupportedSuite."""
    sha256, sha512 = hashes.SHA256(), hashes.SHA512()
    if id == X25519_AES128:
        name = "MLS_128_DHKEMX25519_AES128GCM_SHA256_Ed25519"
        return CipherSuite(id, name, sha256, X25519Kem(), AESGCM, 16, KDF.HKDF_SHA256, AEAD.AES_128_GCM)
    if id == X25519_CHACHA20:
        name = "MLS_128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519"
        aead = AEAD.CHACHA20_POLY1305
        return CipherSuite(id, name, sha256, X25519Kem(), ChaCha20Poly1305, 32, KDF.HKDF_SHA256, aead)
    if id == XWING_AES256:
        name = "MLS_256_XWING_AES256GCM_SHA512_Ed25519"
        return CipherSuite(id, name, sha512, XWingKem(), AESGCM, 32, KDF.HKDF_SHA512, AEAD.AES_256_GCM)
    raise UnsupportedSuite(f"cipher suite 0x{id:04X} is not implemented")
