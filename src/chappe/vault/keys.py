"""From a PIN to keys. `r` is the device's secret, `s` the share, `a` the stretched PIN.

    a    = Argon2id(PIN as UTF-8, salt = SHA-256("salt" || r), 64 MiB, 3 passes, 1 lane, 32 bytes)
    auth = HKDF-SHA256(a || r,      info "auth")      what the share service compares
    KEK  = HKDF-SHA256(a || r || s, info "kek")       what wraps the vault key

HKDF has no salt. Neither r and the wrapped key without s, nor s and auth without r, tell whether a PIN is
right: that takes a try at the service, or both of them.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chappe.vault.pins import normalise
from chappe.wire.cryptology import ARGON2ID, GCM_NONCE_BYTES, GCM_TAG_BYTES, SECRET_BYTES, Argon2Cost
from chappe.wire.wiping import wipe

KEY_BYTES: Final = SECRET_BYTES
NONCE_BYTES: Final = GCM_NONCE_BYTES
WRAPPED_BYTES: Final = NONCE_BYTES + KEY_BYTES + GCM_TAG_BYTES
WRAP_CONTEXT: Final = b"chappe vault v1"
Cost = Argon2Cost
COST: Final = ARGON2ID


def stretch(pin: str, r: bytes, cost: Cost = COST) -> bytearray:
    """`a`; takes half a second and 64 MiB. The caller wipes it."""
    argon = Argon2id(
        salt=hashlib.sha256(b"salt" + r).digest(),
        length=KEY_BYTES,
        iterations=cost.passes,
        lanes=cost.lanes,
        memory_cost=cost.memory_kib,
    )
    made = argon.derive(normalise(pin).encode())
    a = bytearray(made)
    wipe(made)
    return a


def auth_of(a: bytes | bytearray, r: bytes) -> bytes:
    return derived(_joined(a, r), b"auth")


def kek_of(a: bytes | bytearray, r: bytes, s: bytes | bytearray) -> bytes:
    return derived(_joined(a, r, s), b"kek")


def offline_key_of(a: bytes | bytearray, r: bytes) -> bytes:
    return derived(_joined(a, r), b"offline")


def derived(secret: bytes | bytearray, info: bytes) -> bytes:
    """HKDF-SHA256 without a salt, 32 bytes. A bytearray is wiped."""
    try:
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(secret)
    finally:
        if isinstance(secret, bytearray):
            wipe(secret)


def _joined(*parts: bytes | bytearray) -> bytearray:
    joined = bytearray()
    for part in parts:
        joined += part
    return joined


def wrap(kek: bytes, key: bytes | bytearray, context: bytes) -> bytes:
    """A 32-byte key under another: nonce, then AES-256-GCM."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(kek).encrypt(nonce, key, context)


def unwrap(kek: bytes, wrapped: bytes, context: bytes) -> bytearray | None:
    """The key, or None where this key does not open it."""
    try:
        opened = AESGCM(kek).decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], context)
    except InvalidTag:
        return None
    key = bytearray(opened)
    wipe(opened)
    return key
