"""The lock of a group's epoch: members open it, the relay compares (docs/protocol.md section 8)."""

from __future__ import annotations

import hashlib
from typing import Final

_LOCK_CONTEXT: Final = b"chappe lock v1"


def lock_of(opener: bytes) -> bytes:
    """The lock that `opener` opens: SHA-256(context || opener)."""
    return hashlib.sha256(_LOCK_CONTEXT + opener).digest()
