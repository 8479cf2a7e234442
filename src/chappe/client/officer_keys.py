"""An officer's keys, and the fleet's: each pair from one 32-byte seed (HKDF-SHA256 without a salt).

"chappe fleet signing v1"    32 bytes   Ed25519: the fleet key
"chappe fleet sealing v1"    96 bytes   X-Wing: what phones seal their registers to
"chappe officer signing v1"  32 bytes   Ed25519: the officer's own
"chappe officer sealing v1"  96 bytes   X-Wing: what the fleet's seed is sealed to on its way
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chappe.wire.cryptology import ED25519_KEY_BYTES
from chappe.wire.unlock import PRIVATE_KEY_BYTES, ServiceKey

SEED_BYTES: Final = ED25519_KEY_BYTES


@dataclass(frozen=True, slots=True)
class KeyPairs:
    """One signs, one opens what was sealed. Neither shows."""

    signing: Ed25519PrivateKey = field(repr=False)
    sealing: ServiceKey = field(repr=False)

    @property
    def public(self) -> bytes:
        """Ed25519, 32 bytes."""
        return self.signing.public_key().public_bytes_raw()

    @property
    def seal_key(self) -> bytes:
        """X-Wing, 1,216 bytes."""
        return self.sealing.public


def new_seed() -> bytes:
    return secrets.token_bytes(SEED_BYTES)


def fleet_keys(seed: bytes) -> KeyPairs:
    return _pairs(seed, b"chappe fleet")


def officer_keys(seed: bytes) -> KeyPairs:
    return _pairs(seed, b"chappe officer")


def _pairs(seed: bytes, whose: bytes) -> KeyPairs:
    signing = _derived(seed, whose + b" signing v1", 32)
    sealing = _derived(seed, whose + b" sealing v1", PRIVATE_KEY_BYTES)
    return KeyPairs(Ed25519PrivateKey.from_private_bytes(signing), ServiceKey(sealing))


def _derived(seed: bytes, info: bytes, length: int) -> bytes:
    return HKDF(algorithm=SHA256(), length=length, salt=None, info=info).derive(seed)
