"""An authenticator in software: what a phone or a security key answers in the two ceremonies of WebAuthn
level 3.

Built from the specification with `cbor2` and `cryptography`, not with the library that the desk checks it
with.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import struct
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Authenticator:
    """One key, of one account. `origin` is the page's, as its browser tells; tests change what they want to
    lie about."""

    origin: str
    rp_id: str
    algorithm: int = -7
    flags: int = PRESENT | VERIFIED
    counter: int = 0
    step: int = 1
    cross_origin: bool = False
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user: bytes = b""

    def __post_init__(self) -> None:
        self._ec = ec.generate_private_key(ec.SECP256R1())
        self._ed = Ed25519PrivateKey.generate()

    def create(self, options: dict[str, Any], kind: str = "webauthn.create") -> dict[str, Any]:
        """`navigator.credentials.create(...)`, then `toJSON()`."""
        self.user = unb64(options["user"]["id"])
        self.counter += self.step
        credential = bytes(16) + struct.pack(">H", len(self.id)) + self.id + cbor2.dumps(self._cose())
        data = self._data(ATTESTED) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        client = self._client(kind, options["challenge"])
        return self._answer({"clientDataJSON": b64(client), "attestationObject": b64(attestation)})

    def get(self, options: dict[str, Any], kind: str = "webauthn.get") -> dict[str, Any]:
        """`navigator.credentials.get(...)`, then `toJSON()`."""
        self.counter += self.step
        data, client = self._data(0), self._client(kind, options["challenge"])
        signature = self._sign(data + hashlib.sha256(client).digest())
        return self._answer(
            {
                "clientDataJSON": b64(client),
                "authenticatorData": b64(data),
                "signature": b64(signature),
                "userHandle": b64(self.user),
            }
        )

    def _data(self, more: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + struct.pack(
            ">BI", self.flags | more, self.counter
        )

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps(
            {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": self.cross_origin}
        ).encode()

    def _answer(self, response: dict[str, str]) -> dict[str, Any]:
        return {
            "id": b64(self.id),
            "rawId": b64(self.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "clientExtensionResults": {},
            "response": response,
        }

    def _sign(self, message: bytes) -> bytes:
        if self.algorithm == -8:
            return self._ed.sign(message)
        return self._ec.sign(message, ec.ECDSA(hashes.SHA256()))

    def _cose(self) -> dict[int, Any]:
        """COSE_Key (RFC 9052 section 7)."""
        if self.algorithm == -8:
            raw = self._ed.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
            return {1: 1, 3: -8, -1: 6, -2: raw}
        numbers = self._ec.public_key().public_numbers()
        return {
            1: 2,
            3: self.algorithm,
            -1: 1,
            -2: numbers.x.to_bytes(32, "big"),
            -3: numbers.y.to_bytes(32, "big"),
        }
