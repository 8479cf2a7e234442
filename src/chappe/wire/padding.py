"""How much padding a message gets, so that its size tells little: to 256 bytes, then PADMÉ.

PADMÉ (Nikitin et al., "Reducing Metadata Leakage from Encrypted Files and Communication with PURBs", PETS
2019, section 4) keeps as many leading bits of the length as the length's own length has bits: at most 12 %
is added, and lengths fall into O(log log L) bits of classes.
"""

from __future__ import annotations

from typing import Final

LEAST: Final = 256


def padded_length(length: int) -> int:
    """The length that `length` bytes are padded to; both in bytes. Raises ValueError if negative."""
    if length < 0:
        raise ValueError("a length is not negative")
    if length <= LEAST:
        return LEAST
    exponent = length.bit_length() - 1
    low_bits = exponent - exponent.bit_length()
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def padding_for(length: int) -> int:
    """Bytes to add to `length` bytes."""
    return padded_length(length) - length
