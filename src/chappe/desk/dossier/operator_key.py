"""The operator's key: signs what is disclosed, so that nobody can pass a paper off as his. Made on first use.

`DATA_DIR/dossier/operator-key`: an Ed25519 seed, 32 bytes, for its owner alone. Give the public half to those
who receive papers, over a channel that they trust.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from chappe.desk.dossier.declared import FOLDER
from chappe.wire.api import from_base64, to_base64
from chappe.wire.durable import sync_folder
from chappe.wire.errors import ChappeError, error
from chappe.wire.sqlite import os_failure, prepare_folder

FILE: Final = "operator-key"
SEED_BYTES: Final = 32


class OperatorKey:
    """Its private half never shows."""

    def __init__(self, seed: bytes) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(seed)

    def __repr__(self) -> str:
        return "<OperatorKey>"

    @classmethod
    def of(cls, data_dir: Path) -> OperatorKey:
        """The directory's, made if there is none. Raises storage.*."""
        path = data_dir / FOLDER / FILE
        prepare_folder(data_dir)
        prepare_folder(path.parent)
        try:
            if not path.exists():
                _make(path)
            seed = path.read_bytes()
        except OSError as problem:
            raise os_failure(problem) from None
        if len(seed) != SEED_BYTES:
            raise error(
                "storage.failed", "The operator's key cannot be read; restore it from where it is kept."
            )
        return cls(seed)

    @property
    def public(self) -> str:
        """base64url, without padding."""
        return to_base64(self._private.public_key().public_bytes_raw())

    def sign(self, data: bytes) -> str:
        """base64url."""
        return to_base64(self._private.sign(data))


def known(data_dir: Path) -> str | None:
    """The public half, where there is a key."""
    return OperatorKey.of(data_dir).public if (data_dir / FOLDER / FILE).exists() else None


def holds(public: str, signature: str, data: bytes) -> bool:
    try:
        key = Ed25519PublicKey.from_public_bytes(from_base64(public, 32))
        key.verify(from_base64(signature, 64), data)
    except (InvalidSignature, ValueError, ChappeError):
        return False
    return True


def _make(path: Path) -> None:
    """Whole or not at all. Raises OSError."""
    descriptor, fresh = tempfile.mkstemp(prefix=f"{path.name}-", dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(Ed25519PrivateKey.generate().private_bytes_raw())
        file.flush()
        os.fsync(descriptor)
    try:
        # Two at once: the first one's stays.
        os.link(fresh, path)
    except FileExistsError:
        pass
    finally:
        os.unlink(fresh)
    sync_folder(path.parent)
