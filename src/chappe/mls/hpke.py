"""HPKE's base mode as MLS uses it: one seal per key, and the exporter (RFC 9180 sections 5 and 6).

Seals go through `cryptography`'s HPKE wherever it has the KEM. The key schedule here serves the two things
that it lacks: the exporter, which external init needs, and DHKEM(X448).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305
from cryptography.hazmat.primitives.hpke import AEAD, KDF, Suite

from chappe.mls.kems import Kem, labeled_expand, labeled_extract

_MODE_BASE = b"\0"
_NONCE_BYTES = 12


@dataclass(frozen=True, slots=True)
class Aead:
    """An AEAD: HPKE's number, the bytes of its key, and `cryptography`'s class and HPKE name for it."""

    id: int
    nk: int
    cipher: Any
    native: AEAD


AES_128_GCM = Aead(1, 16, AESGCM, AEAD.AES_128_GCM)
AES_256_GCM = Aead(2, 32, AESGCM, AEAD.AES_256_GCM)
CHACHA20_POLY1305 = Aead(3, 32, ChaCha20Poly1305, AEAD.CHACHA20_POLY1305)

_KDFS = {
    "sha256": (1, KDF.HKDF_SHA256),
    "sha384": (2, KDF.HKDF_SHA384),
    "sha512": (3, KDF.HKDF_SHA512),
}


@dataclass(frozen=True, slots=True)
class Context:
    """What the key schedule gives (RFC 9180 section 5.1)."""

    key: bytes = field(repr=False)
    base_nonce: bytes = field(repr=False)
    exporter_secret: bytes = field(repr=False)


class Hpke:
    """Base mode of one HPKE suite. Bad keys and ciphertexts raise ValueError."""

    def __init__(self, kem: Kem, hash: hashes.HashAlgorithm, aead: Aead) -> None:
        kdf_id, kdf = _KDFS[hash.name]
        self.kem = kem
        self._hash, self._aead = hash, aead
        self._suite_id = b"HPKE" + b"".join(i.to_bytes(2, "big") for i in (kem.id, kdf_id, aead.id))
        self._native = Suite(kem.native, kdf, aead.native) if kem.native is not None else None

    def seal(self, public: bytes, info: bytes, plaintext: bytes) -> tuple[bytes, bytes]:
        """SealBase without associated data: KEM output and ciphertext."""
        nenc = self.kem.nenc
        if self._native is not None:
            sealed = self._native.encrypt(plaintext, self.kem.load_public(public), info)
            return sealed[:nenc], sealed[nenc:]
        shared, output = self.kem.encapsulate(public)
        context = self.schedule(shared, info)
        return output, self._aead.cipher(context.key).encrypt(context.base_nonce, plaintext, b"")

    def open(self, private: bytes, output: bytes, info: bytes, ciphertext: bytes) -> bytes:
        """OpenBase without associated data."""
        if len(output) != self.kem.nenc:
            raise ValueError("a KEM output of another length")
        try:
            if self._native is not None:
                return self._native.decrypt(output + ciphertext, self.kem.load_private(private), info)
            context = self.schedule(self.kem.decapsulate(private, output), info)
            opened: bytes = self._aead.cipher(context.key).decrypt(context.base_nonce, ciphertext, b"")
        except InvalidTag:
            raise ValueError("the ciphertext does not open") from None
        return opened

    def send_export(self, public: bytes, info: bytes, label: bytes, length: int) -> tuple[bytes, bytes]:
        """SendExportBase: KEM output, and a secret that only the private key's holder exports too."""
        shared, output = self.kem.encapsulate(public)
        return output, self.export(self.schedule(shared, info), label, length)

    def receive_export(self, private: bytes, output: bytes, info: bytes, label: bytes, length: int) -> bytes:
        """ReceiveExportBase."""
        if len(output) != self.kem.nenc:
            raise ValueError("a KEM output of another length")
        return self.export(self.schedule(self.kem.decapsulate(private, output), info), label, length)

    def schedule(self, shared_secret: bytes, info: bytes) -> Context:
        """KeySchedule in mode_base (section 5.1)."""
        context = (
            _MODE_BASE
            + labeled_extract(self._hash, self._suite_id, b"", b"psk_id_hash", b"")
            + labeled_extract(self._hash, self._suite_id, b"", b"info_hash", info)
        )
        secret = labeled_extract(self._hash, self._suite_id, shared_secret, b"secret", b"")

        def derive(label: bytes, length: int) -> bytes:
            return labeled_expand(self._hash, self._suite_id, secret, label, context, length)

        key, nonce = derive(b"key", self._aead.nk), derive(b"base_nonce", _NONCE_BYTES)
        return Context(key, nonce, derive(b"exp", self._hash.digest_size))

    def export(self, context: Context, label: bytes, length: int) -> bytes:
        """Context.Export (section 5.3)."""
        return labeled_expand(self._hash, self._suite_id, context.exporter_secret, b"sec", label, length)
