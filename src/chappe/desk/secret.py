"""Secrets that the desk hands out: 32 random bytes as base64url, or a code to type; kept as SHA-256 alone.

They are random and long, so a plain hash is enough: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Final

from chappe.wire import codes

_FORM: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)

TOKEN_PREFIX: Final = "chd_"  # noqa: S105 - what a token begins with, so that a scanner of leaks finds it


def new_secret() -> str:
    """43 characters."""
    return secrets.token_urlsafe(32)


def digest(context: str, secret: str) -> bytes:
    """32 bytes. `context` keeps a secret of one kind from being taken for another."""
    return hashlib.sha256(f"chappe desk {context} v1\0{secret}".encode()).digest()


def well_formed(secret: str) -> bool:
    """Whether it is worth looking for."""
    return _FORM.fullmatch(secret) is not None


def recovery_digest(typed: str) -> bytes:
    """Of a recovery code as a person types it. Raises code.malformed."""
    return digest("recovery", codes.parse(typed))
