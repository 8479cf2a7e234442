"""Ids of what the desk keeps: 16 random bytes, shown as base64url."""

from __future__ import annotations

import secrets
from typing import Final

_SIZE: Final = 16
# What base64url shows as a dash at the start: a command line would take it for an option.
_DASH: Final = 0b111110


def new_id() -> bytes:
    """Nobody's yet. Its first six bits are not those of a dash, so that it can be typed as an argument."""
    while True:
        id_ = secrets.token_bytes(_SIZE)
        if id_[0] >> 2 != _DASH:
            return id_
