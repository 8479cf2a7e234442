"""The head: the number of the last durable change, signed, outside the database.

A database brought back from a copy has a smaller number than the head, and is not opened: it would give back
tries that were used. The head is 72 bytes in one sector, written where it is: no rename can fail for want of
room, and a sector is written whole.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from chappe.relay.shares import disk
from chappe.wire.errors import ChappeError, error

CONTEXT: Final = b"chappe shares head v1"
_BYTES: Final = 8 + 64


def rolled_back() -> ChappeError:
    """shares.rolled_back, with what it means."""
    return error(
        "shares.rolled_back",
        "The share store is older than the state it last signed: it was brought back from a copy, which "
        "would give back used tries. Run `chappe shares reset`; each device then sets its PIN anew, from "
        "an unlocked phone.",
    )


class Head:
    """`number` is what the file says."""

    def __init__(self, path: Path, private: bytes) -> None:
        """`private` is the service's key. Raises OSError; shares.rolled_back if it is not signed."""
        self._path = path
        self._signer = _signer(private)
        data = bytearray(_BYTES)
        if disk.read_into(path, data) != _BYTES:
            raise rolled_back()
        number, signature = bytes(data[:8]), bytes(data[8:])
        try:
            self._signer.public_key().verify(signature, CONTEXT + number)
        except InvalidSignature:
            raise rolled_back() from None
        self.number = int.from_bytes(number, "big")

    @classmethod
    def create(cls, path: Path, private: bytes) -> None:
        """A head that says 0. Raises OSError."""
        disk.create(path, _signed(_signer(private), 0))

    def write(self, number: int) -> None:
        """Durable when it returns. Raises OSError; `number` is then as it was."""
        disk.overwrite(self._path, 0, _signed(self._signer, number))
        self.number = number


def _signer(private: bytes) -> Ed25519PrivateKey:
    seed = HKDF(hashes.SHA256(), 32, salt=None, info=CONTEXT).derive(private)
    return Ed25519PrivateKey.from_private_bytes(seed)


def _signed(signer: Ed25519PrivateKey, number: int) -> bytes:
    encoded = number.to_bytes(8, "big")
    return encoded + signer.sign(CONTEXT + encoded)
