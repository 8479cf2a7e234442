"""The epoch key: all shares are wrapped under it, and a share is destroyed by destroying the key.

The file has two places for a key, 4,096 bytes apart, and never changes its size. To change keys, the next one
is written into the free place, the database is re-wrapped in one transaction that names the key in force, and
the old place is overwritten. A crash leaves two keys, and the database says which one counts.

Two places in one file rather than a second file and a rename: the old bytes are overwritten where they are,
no crash can leave a second file behind, and a full disk does not matter. An all-zero place is empty.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from chappe.relay.shares import disk
from chappe.wire.cryptology import AES_KEY_BYTES, GCM_NONCE_BYTES, GCM_TAG_BYTES
from chappe.wire.errors import ChappeError, error
from chappe.wire.wiping import wipe

KEY_BYTES: Final = AES_KEY_BYTES
ID_BYTES: Final = 16
PLACE_BYTES: Final = 4_096
FILE_BYTES: Final = 2 * PLACE_BYTES
NONCE_BYTES: Final = GCM_NONCE_BYTES
SECRETS_BYTES: Final = 64
"""`auth || share`, what a row wraps."""
WRAPPED_BYTES: Final = NONCE_BYTES + SECRETS_BYTES + GCM_TAG_BYTES
_ID_CONTEXT: Final = b"chappe epoch v1"
_WRAP_CONTEXT: Final = b"chappe share v1"


class EpochKey:
    """One key. Holds its bytes in a buffer of its own, which `forget` overwrites."""

    __slots__ = ("_key", "id")

    def __init__(self, key: bytearray) -> None:
        self._key = key
        # The name of a key is a hash of it, so that a name cannot stand over another key.
        digest = hashlib.sha256(_ID_CONTEXT)
        digest.update(key)
        self.id = digest.digest()[:ID_BYTES]

    def __repr__(self) -> str:
        return "<EpochKey>"

    def wrap(self, device: bytes, unlock_key: bytes, clear: bytearray) -> bytes:
        """`auth || share`, for a row of this device and this key that signs its guesses."""
        wrapped = bytearray(WRAPPED_BYTES)
        wrapped[:NONCE_BYTES] = nonce = os.urandom(NONCE_BYTES)
        with memoryview(wrapped) as view:
            AESGCM(self._key).encrypt_into(nonce, clear, self._bound(device, unlock_key), view[NONCE_BYTES:])
        return bytes(wrapped)

    def unwrap(self, device: bytes, unlock_key: bytes, wrapped: bytes, into: bytearray) -> None:
        """Raises storage.failed for a row that was changed, or is of another device or epoch."""
        nonce, sealed = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        try:
            AESGCM(self._key).decrypt_into(nonce, sealed, self._bound(device, unlock_key), into)
        except (InvalidTag, ValueError):
            raise error("storage.failed", "A row of the share store is damaged; nothing was done.") from None

    def write_to(self, path: Path, place: int) -> None:
        """Raises OSError."""
        disk.overwrite(path, place * PLACE_BYTES, self._key)

    def forget(self) -> None:
        wipe(self._key)

    def _bound(self, device: bytes, unlock_key: bytes) -> bytes:
        return b"".join((_WRAP_CONTEXT, device, self.id, unlock_key))


class EpochFile:
    """The keys that the file holds: one, or two while a change is under way."""

    def __init__(self, path: Path) -> None:
        """Raises OSError."""
        self._path = path
        self._places: list[EpochKey | None] = [None, None]
        whole = bytearray(FILE_BYTES)
        try:
            disk.read_into(path, whole)
            for place in (0, 1):
                key = whole[place * PLACE_BYTES : place * PLACE_BYTES + KEY_BYTES]
                self._places[place] = EpochKey(key) if any(key) else None
        finally:
            wipe(whole)

    @classmethod
    def create(cls, path: Path) -> None:
        """A new file with a new key. Raises OSError."""
        whole = bytearray(FILE_BYTES)
        key = secrets.token_bytes(KEY_BYTES)
        try:
            whole[:KEY_BYTES] = key
            disk.create(path, whole)
        finally:
            wipe(key, whole)

    @property
    def unsettled(self) -> bool:
        """A change of keys was begun and is not finished."""
        return None not in self._places

    def first(self) -> EpochKey:
        """The key of a file that was just made. Raises shares.rolled_back where there is none."""
        for key in self._places:
            if key is not None:
                return key
        raise _gone()

    def key(self, id_: bytes) -> EpochKey:
        """The key of that name. Raises shares.rolled_back where it is gone: the database is an old one."""
        for key in self._places:
            if key is not None and key.id == id_:
                return key
        raise _gone()

    def begin(self) -> EpochKey:
        """Make the next key and write it into the free place, durably. Raises OSError."""
        assert not self.unsettled
        place = self._places.index(None)
        fresh = secrets.token_bytes(KEY_BYTES)
        key = EpochKey(bytearray(fresh))
        wipe(fresh)
        # Known before it is written: should writing fail half-way, `settle` overwrites the place.
        self._places[place] = key
        key.write_to(self._path, place)
        return key

    def settle(self, id_: bytes) -> None:
        """Keep the key of that name alone, and overwrite the other in the file and in memory. Only after the
        database that names it is durable. Raises OSError, shares.rolled_back."""
        self.key(id_)
        for place, key in enumerate(self._places):
            if key is not None and key.id != id_:
                disk.overwrite(self._path, place * PLACE_BYTES, bytes(PLACE_BYTES))
                key.forget()
                self._places[place] = None

    def forget(self) -> None:
        """The service ends: leave no key in memory."""
        for key in self._places:
            if key is not None:
                key.forget()
        self._places = [None, None]


def _gone() -> ChappeError:
    return error(
        "shares.rolled_back",
        "The share store is older than its key: it was brought back from a copy, and opens nothing. "
        "Run `chappe shares reset`; each device then sets its PIN anew, from an unlocked phone.",
    )
