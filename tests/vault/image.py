"""What a thief has who copied a profile's folder: all its bytes, and how to look for a secret in them."""

from __future__ import annotations

import base64
from pathlib import Path


def image(home: Path) -> dict[str, bytes]:
    return {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}


def spellings(secret: bytes) -> list[bytes]:
    """Raw, in hex, in base64 of both alphabets and at every offset."""
    found = [secret, secret.hex().encode(), secret.hex().upper().encode()]
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        # Without the ends, which depend on what stands around.
        found += [encode(bytes(shift) + secret)[4:40] for shift in range(3)]
    return found


def holds(files: dict[str, bytes], secret: bytes) -> list[str]:
    """The files in which the secret, or half of it, stands in any spelling."""
    parts = [secret, secret[: len(secret) // 2], secret[len(secret) // 2 :]]
    wanted = [spelling for part in parts[:1] for spelling in spellings(part)] + parts[1:]
    return [name for name, data in files.items() if any(spelling in data for spelling in wanted)]


def windows(files: dict[str, bytes], size: int = 32) -> set[bytes]:
    """Every run of so many bytes: what a thief may take for a key or a share."""
    return {data[at : at + size] for data in files.values() for at in range(len(data) - size + 1)}
