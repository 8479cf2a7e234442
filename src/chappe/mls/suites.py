"""The cipher suites and the labelled operations built on them (RFC 9420 sections 5.1, 5.2 and 17.1).

Every primitive is `cryptography`'s. What is written here is labels, lengths and the choice of primitive.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import constant_time, hashes, hmac
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand

from chappe.mls import hpke, kems, signatures
from chappe.mls.codec import Reader, opaque, u16, u32
from chappe.mls.errors import InvalidMessage, UnsupportedSuite
from chappe.mls.signatures import SignatureKey

Random = Callable[[int], bytes]

X25519_AES128 = 0x0001
P256_AES128 = 0x0002
X25519_CHACHA20 = 0x0003
X448_AES256 = 0x0004
P521_AES256 = 0x0005
X448_CHACHA20 = 0x0006
P384_AES256 = 0x0007
XWING_AES256 = 0xF00D
"""MLS_256_XWING_AES256GCM_SHA512_Ed25519, a private-use code point until one is registered."""

_LABEL = b"MLS 1.0 "


@dataclass(frozen=True, slots=True)
class KeyPair:
    """An HPKE key pair in wire form. The private half never shows."""

    private: bytes = field(repr=False)
    public: bytes


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
        kem: kems.Kem,
        aead: hpke.Aead,
        hash: hashes.HashAlgorithm,
        scheme: signatures.Scheme,
    ) -> None:
        self.id = id
        self.name = name
        self.nh = hash.digest_size
        self.nk = aead.nk
        self.nn = 12
        self._hash = hash
        self._kem = kem
        self._cipher = aead.cipher
        self._scheme = scheme
        self._hpke = hpke.Hpke(kem, hash, aead)

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
        sealed: bytes = self._cipher(key).encrypt(nonce, plaintext, aad)
        return sealed

    def open(self, key: bytes, nonce: bytes, aad: bytes, ciphertext: bytes) -> bytes:
        """Raises InvalidMessage."""
        try:
            opened: bytes = self._cipher(key).decrypt(nonce, ciphertext, aad)
        except (InvalidTag, ValueError):
            raise InvalidMessage("the AEAD tag does not hold") from None
        return opened

    # Signatures -------------------------------------------------------------------------------------

    def generate_signature_key(self) -> SignatureKey:
        return self.signature_key(self._scheme.generate())

    def signature_key(self, private: bytes) -> SignatureKey:
        """The pair of a private key in wire form. Raises ValueError for one that is none."""
        return SignatureKey(private, self._scheme.public_of(private))

    def sign_with_label(self, private: bytes, label: str, content: bytes) -> bytes:
        """SignWithLabel (section 5.1.2)."""
        return self._scheme.sign(private, _signed(label, content))

    def verify_with_label(self, public: bytes, label: str, content: bytes, signature: bytes) -> bool:
        """VerifyWithLabel (section 5.1.2); False for a key that is no key."""
        return self._scheme.verify(public, _signed(label, content), signature)

    def is_signature_key(self, public: bytes) -> bool:
        return self._scheme.is_public_key(public)

    # Public-key encryption --------------------------------------------------------------------------

    def generate_key_pair(self, random: Random) -> KeyPair:
        return self.derive_key_pair(random(self.nh))

    def derive_key_pair(self, ikm: bytes) -> KeyPair:
        """KEM.DeriveKeyPair."""
        return KeyPair(*self._kem.derive_key_pair(ikm))

    def public_of(self, private: bytes) -> bytes:
        """The public key of an HPKE private key in wire form. Raises ValueError for one that is none."""
        return self._kem.public_of(private)

    def is_public_key(self, public: bytes) -> bool:
        """Whether something can be sealed to it. Members who took another into the tree would be stuck."""
        try:
            self._kem.check_public(public)
        except ValueError:
            return False
        return True

    def encrypt_with_label(
        self, public: bytes, label: str, context: bytes, plaintext: bytes
    ) -> HPKECiphertext:
        """EncryptWithLabel (section 5.1.3). Raises InvalidMessage for an unusable key."""
        info = opaque(_LABEL + label.encode()) + opaque(context)
        try:
            return HPKECiphertext(*self._hpke.seal(public, info, plaintext))
        except ValueError:
            raise InvalidMessage("the HPKE public key cannot be used") from None

    def decrypt_with_label(self, private: bytes, label: str, context: bytes, sealed: HPKECiphertext) -> bytes:
        """DecryptWithLabel (section 5.1.3). Raises InvalidMessage."""
        info = opaque(_LABEL + label.encode()) + opaque(context)
        try:
            return self._hpke.open(private, sealed.kem_output, info, sealed.ciphertext)
        except ValueError:
            raise InvalidMessage("the HPKE ciphertext does not open") from None

    def external_init(self, external_pub: bytes) -> tuple[bytes, bytes]:
        """A KEM output, and the init secret that it carries to the members (section 8.3).
        Raises InvalidMessage for an unusable key."""
        try:
            return self._hpke.send_export(external_pub, b"", _EXTERNAL_INIT, self.nh)
        except ValueError:
            raise InvalidMessage("the group's external key cannot be used") from None

    def external_init_secret(self, external_private: bytes, kem_output: bytes) -> bytes:
        """The init secret that an external committer sent (section 8.3). Raises InvalidMessage."""
        try:
            return self._hpke.receive_export(external_private, kem_output, b"", _EXTERNAL_INIT, self.nh)
        except ValueError:
            raise InvalidMessage("the KEM output of the ExternalInit cannot be used") from None


_EXTERNAL_INIT = b"MLS 1.0 external init secret"


def _signed(label: str, content: bytes) -> bytes:
    return opaque(_LABEL + label.encode()) + opaque(content)


def _suites() -> dict[int, CipherSuite]:
    sha256, sha384, sha512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()
    aes128, aes256, chacha20 = hpke.AES_128_GCM, hpke.AES_256_GCM, hpke.CHACHA20_POLY1305
    ed25519, ed448 = signatures.ED25519, signatures.ED448
    rows: list[tuple[int, str, kems.Kem, hpke.Aead, hashes.HashAlgorithm, signatures.Scheme]] = [
        (X25519_AES128, "128_DHKEMX25519_AES128GCM_SHA256_Ed25519", kems.X25519, aes128, sha256, ed25519),
        (P256_AES128, "128_DHKEMP256_AES128GCM_SHA256_P256", kems.DH_P256, aes128, sha256,
         signatures.ECDSA_P256),
        (X25519_CHACHA20, "128_DHKEMX25519_CHACHA20POLY1305_SHA256_Ed25519", kems.X25519, chacha20, sha256,
         ed25519),
        (X448_AES256, "256_DHKEMX448_AES256GCM_SHA512_Ed448", kems.X448, aes256, sha512, ed448),
        (P521_AES256, "256_DHKEMP521_AES256GCM_SHA512_P521", kems.DH_P521, aes256, sha512,
         signatures.ECDSA_P521),
        (X448_CHACHA20, "256_DHKEMX448_CHACHA20POLY1305_SHA512_Ed448", kems.X448, chacha20, sha512, ed448),
        (P384_AES256, "256_DHKEMP384_AES256GCM_SHA384_P384", kems.DH_P384, aes256, sha384,
         signatures.ECDSA_P384),
        (XWING_AES256, "256_XWING_AES256GCM_SHA512_Ed25519", kems.X_WING, aes256, sha512, ed25519),
    ]  # fmt: skip
    return {id: CipherSuite(id, "MLS_" + name, *parts) for id, name, *parts in rows}  # type: ignore[arg-type]


_SUITES = _suites()
IMPLEMENTED = tuple(_SUITES)


def cipher_suite(id: int) -> CipherSuite:
    """The suite with this code point. Raises UnsupportedSuite."""
    if id not in _SUITES:
        raise UnsupportedSuite(f"cipher suite 0x{id:04X} is not implemented")
    return _SUITES[id]
