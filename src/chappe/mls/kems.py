"""The KEMs of the suites: keys, their wire form, raw shared secrets (RFC 9180 section 4; X-Wing).

A key is bytes here, an object of `cryptography` only inside a call. Where `cryptography` has the KEM in its
own HPKE, `native` names it and the engine's seals go through that; the raw shared secret serves HPKE's
exporter, which it does not have, and X448, which its HPKE lacks.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x448 import X448PrivateKey, X448PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hpke import KEM, MLKEM768X25519PrivateKey, MLKEM768X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF, HKDFExpand


class Kem(Protocol):
    """`id` is HPKE's number of the KEM, `nenc` the bytes of its output.

    Keys go in and out in wire form. One that is no key raises ValueError.
    """

    @property
    def id(self) -> int: ...
    @property
    def nenc(self) -> int: ...
    @property
    def native(self) -> KEM | None: ...

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """DeriveKeyPair: private and public key."""

    def public_of(self, private: bytes) -> bytes: ...
    def load_public(self, public: bytes) -> Any: ...
    def load_private(self, private: bytes) -> Any: ...

    def check_public(self, public: bytes) -> None:
        """ValueError for what is no key, and for a key that nobody can encapsulate to."""

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        """A fresh shared secret, and the KEM output that carries it."""

    def decapsulate(self, private: bytes, output: bytes) -> bytes: ...


def labeled_extract(
    hash: hashes.HashAlgorithm, suite_id: bytes, salt: bytes, label: bytes, ikm: bytes
) -> bytes:
    """LabeledExtract (RFC 9180 section 4)."""
    return HKDF.extract(hash, salt or None, b"HPKE-v1" + suite_id + label + ikm)


def labeled_expand(
    hash: hashes.HashAlgorithm, suite_id: bytes, prk: bytes, label: bytes, info: bytes, length: int
) -> bytes:
    """LabeledExpand (RFC 9180 section 4)."""
    labeled = length.to_bytes(2, "big") + b"HPKE-v1" + suite_id + label + info
    return HKDFExpand(hash, length, labeled).derive(prk)


class _Curve(Protocol):
    """What DHKEM asks of a group. `order`: private keys are drawn below it; None where any bytes are one."""

    @property
    def size(self) -> int: ...
    @property
    def order(self) -> int | None: ...

    def generate(self) -> Any: ...
    def load_public(self, public: bytes) -> Any: ...
    def load_private(self, private: bytes) -> Any: ...
    def check_public(self, public: bytes) -> None: ...
    def encode(self, public: Any) -> bytes: ...
    def exchange(self, private: Any, public: Any) -> bytes:
        """ValueError where the result is zero (RFC 9180 section 7.1.4)."""


class _Montgomery:
    """X25519 or X448."""

    order = None

    def __init__(self, private: Any, public: Any, size: int) -> None:
        self._private, self._public, self.size = private, public, size
        self._probe = private.generate()

    def generate(self) -> Any:
        return self._private.generate()

    def load_public(self, public: bytes) -> Any:
        return self._public.from_public_bytes(public)

    def load_private(self, private: bytes) -> Any:
        return self._private.from_private_bytes(private)

    def check_public(self, public: bytes) -> None:
        """A point of low order loads, and every exchange with it is zero; any one exchange tells."""
        self._probe.exchange(self.load_public(public))

    def encode(self, public: Any) -> bytes:
        encoded: bytes = public.public_bytes_raw()
        return encoded

    def exchange(self, private: Any, public: Any) -> bytes:
        dh: bytes = private.exchange(public)
        return dh


class NistCurve:
    """P-256, P-384 or P-521. Points are uncompressed, private keys scalars of `size` bytes."""

    def __init__(self, curve: ec.EllipticCurve) -> None:
        self._curve, self.order = curve, curve.group_order
        self.size = (curve.key_size + 7) // 8

    def generate(self) -> ec.EllipticCurvePrivateKey:
        return ec.generate_private_key(self._curve)

    def load_public(self, public: bytes) -> ec.EllipticCurvePublicKey:
        if len(public) != 2 * self.size + 1 or public[0] != 4:
            raise ValueError("not an uncompressed point of the curve")
        return ec.EllipticCurvePublicKey.from_encoded_point(self._curve, public)

    def load_private(self, private: bytes) -> ec.EllipticCurvePrivateKey:
        """Shorter ones are taken: other libraries drop a scalar's leading zeros."""
        if len(private) > self.size:
            raise ValueError("a private key longer than the curve's")
        return ec.derive_private_key(int.from_bytes(private, "big"), self._curve)

    def check_public(self, public: bytes) -> None:
        """These curves have no point of low order: one that loads will do."""
        self.load_public(public)

    def encode(self, public: ec.EllipticCurvePublicKey) -> bytes:
        point = public.public_numbers()
        return b"\x04" + point.x.to_bytes(self.size, "big") + point.y.to_bytes(self.size, "big")

    def exchange(self, private: ec.EllipticCurvePrivateKey, public: ec.EllipticCurvePublicKey) -> bytes:
        return private.exchange(ec.ECDH(), public)


P256: Final = NistCurve(ec.SECP256R1())
P384: Final = NistCurve(ec.SECP384R1())
P521: Final = NistCurve(ec.SECP521R1())
_X25519: Final = _Montgomery(X25519PrivateKey, X25519PublicKey, 32)
_X448: Final = _Montgomery(X448PrivateKey, X448PublicKey, 56)


class DhKem:
    """DHKEM over a curve (RFC 9180 section 4.1)."""

    def __init__(self, id: int, curve: _Curve, hash: hashes.HashAlgorithm, native: KEM | None) -> None:
        self.id, self.native = id, native
        self._curve, self._hash = curve, hash
        self._suite_id = b"KEM" + id.to_bytes(2, "big")
        self.nenc = curve.size if curve.order is None else 2 * curve.size + 1
        self.load_public, self.load_private = curve.load_public, curve.load_private
        self.check_public = curve.check_public

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """RFC 9180 section 7.1.3."""
        prk = labeled_extract(self._hash, self._suite_id, b"", b"dkp_prk", ikm)
        private = self._candidate(prk) if self._curve.order else self._expand(prk, b"sk", b"")
        return private, self.public_of(private)

    def _candidate(self, prk: bytes) -> bytes:
        """The first of 256 candidates that is a scalar of the curve."""
        assert self._curve.order is not None
        spare = 8 * self._curve.size - self._curve.order.bit_length()
        for counter in range(256):
            drawn = self._expand(prk, b"candidate", bytes([counter]))
            private = bytes([drawn[0] & (0xFF >> spare)]) + drawn[1:]
            if 0 < int.from_bytes(private, "big") < self._curve.order:
                return private
        raise ValueError("no private key follows from this keying material")

    def _expand(self, prk: bytes, label: bytes, info: bytes) -> bytes:
        return labeled_expand(self._hash, self._suite_id, prk, label, info, self._curve.size)

    def public_of(self, private: bytes) -> bytes:
        return self._curve.encode(self.load_private(private).public_key())

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        ephemeral, theirs = self._curve.generate(), self.load_public(public)
        output = self._curve.encode(ephemeral.public_key())
        return self._shared(self._curve.exchange(ephemeral, theirs), output + public), output

    def decapsulate(self, private: bytes, output: bytes) -> bytes:
        own = self.load_private(private)
        dh = self._curve.exchange(own, self.load_public(output))
        return self._shared(dh, output + self._curve.encode(own.public_key()))

    def _shared(self, dh: bytes, context: bytes) -> bytes:
        prk = labeled_extract(self._hash, self._suite_id, b"", b"eae_prk", dh)
        size = self._hash.digest_size
        return labeled_expand(self._hash, self._suite_id, prk, b"shared_secret", context, size)


class XWingKem:
    """X-Wing: ML-KEM-768 with X25519 (draft-connolly-cfrg-xwing-kem). A private key is its 32-byte seed."""

    id = 0x647A
    nenc = 1120
    native = KEM.MLKEM768_X25519
    _mlkem_public, _mlkem_output = 1184, 1088
    _label = b"\\.//^\\"

    def derive_key_pair(self, ikm: bytes) -> tuple[bytes, bytes]:
        """As `@hpke/hybridkem-x-wing` does: the seed is SHAKE-256 of the keying material."""
        private = _shake256(ikm, 32)
        return private, self.public_of(private)

    def public_of(self, private: bytes) -> bytes:
        mlkem, x25519 = self._halves(private)
        return mlkem.public_key().public_bytes_raw() + x25519.public_key().public_bytes_raw()

    def load_public(self, public: bytes) -> MLKEM768X25519PublicKey:
        return MLKEM768X25519PublicKey(*self._public_halves(public))

    def load_private(self, private: bytes) -> MLKEM768X25519PrivateKey:
        return MLKEM768X25519PrivateKey(*self._halves(private))

    def check_public(self, public: bytes) -> None:
        self._public_halves(public)
        _X25519.check_public(public[self._mlkem_public :])

    def encapsulate(self, public: bytes) -> tuple[bytes, bytes]:
        mlkem, x25519 = self._public_halves(public)
        ephemeral = X25519PrivateKey.generate()
        secret, output = mlkem.encapsulate()
        share = ephemeral.public_key().public_bytes_raw()
        combined = self._combine(secret, ephemeral.exchange(x25519), share, public[self._mlkem_public :])
        return combined, output + share

    def decapsulate(self, private: bytes, output: bytes) -> bytes:
        if len(output) != self.nenc:
            raise ValueError("an X-Wing output has 1120 bytes")
        mlkem, x25519 = self._halves(private)
        secret, share = mlkem.decapsulate(output[: self._mlkem_output]), output[self._mlkem_output :]
        dh = x25519.exchange(X25519PublicKey.from_public_bytes(share))
        return self._combine(secret, dh, share, x25519.public_key().public_bytes_raw())

    def _combine(self, mlkem_secret: bytes, dh: bytes, share: bytes, x25519_public: bytes) -> bytes:
        """Section 5.3 of the draft."""
        digest = hashes.Hash(hashes.SHA3_256())
        digest.update(mlkem_secret + dh + share + x25519_public + self._label)
        return digest.finalize()

    def _public_halves(self, public: bytes) -> tuple[MLKEM768PublicKey, X25519PublicKey]:
        if len(public) != self._mlkem_public + 32:
            raise ValueError("an X-Wing public key has 1216 bytes")
        mlkem = MLKEM768PublicKey.from_public_bytes(public[: self._mlkem_public])
        return mlkem, X25519PublicKey.from_public_bytes(public[self._mlkem_public :])

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


X25519: Final = DhKem(0x0020, _X25519, hashes.SHA256(), KEM.X25519)
X448: Final = DhKem(0x0021, _X448, hashes.SHA512(), None)
DH_P256: Final = DhKem(0x0010, P256, hashes.SHA256(), KEM.P256)
DH_P384: Final = DhKem(0x0011, P384, hashes.SHA384(), KEM.P384)
DH_P521: Final = DhKem(0x0012, P521, hashes.SHA512(), KEM.P521)
X_WING: Final = XWingKem()
