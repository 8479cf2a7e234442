"""What is signed, as bytes: one way to put parts together, for all that is signed on the wire."""

from __future__ import annotations


def joined(*parts: bytes) -> bytes:
    """The parts, each with a 2-byte big-endian length, so that no two lists give the same bytes."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)
