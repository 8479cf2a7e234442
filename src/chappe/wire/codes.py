"""Activation codes: 75 random bits that a person can read out over a telephone.

Fifteen characters of Crockford's base 32 and one check character, shown `XXXX-XXXX-XXXX-XXXX`. The check
character makes the sum of `alpha^i * x_i` over GF(32) zero: every single wrong character, and every two
characters that changed places, are found before a request is made. The relay keeps only `digest(code)`.
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

from chappe.wire.cryptology import CODE_BITS
from chappe.wire.errors import error

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 16
DIGEST_CONTEXT: Final = b"chappe code v1"

_VALUES: Final = {char: value for value, char in enumerate(ALPHABET)} | {"O": 0, "I": 1, "L": 1}
_SKIPPED: Final = frozenset("- \t\r\n\u00a0\u2010\u2011\u2012\u2013\u2014")
_MAX_TEXT: Final = 64


def new(random_bits: int | None = None) -> str:
    """A fresh code in its canonical form: 16 characters without dashes.

    `random_bits`: the 75 bits to use instead of the system's generator, for tests.
    """
    bits = secrets.randbits(CODE_BITS) if random_bits is None else random_bits
    if not 0 <= bits < 1 << CODE_BITS:
        raise ValueError("an activation code has 75 bits")
    data = [(bits >> shift) & 31 for shift in range(70, -1, -5)]
    return "".join(ALPHABET[value] for value in [*data, _check(data)])


def show(code: str) -> str:
    """A canonical code in groups of four, as it is printed."""
    return "-".join(code[start : start + 4] for start in range(0, LENGTH, 4))


def parse(text: str) -> str:
    """The canonical form of what a person typed: any case, spaces, dashes, O for 0, I or L for 1.

    Raises BadInput code.malformed for another length, another character or a wrong check character.
    """
    if len(text) > _MAX_TEXT:
        raise error("code.malformed")
    try:
        values = [_VALUES[char] for char in text.upper() if char not in _SKIPPED]
    except KeyError:
        raise error("code.malformed") from None
    if len(values) != LENGTH or _check(values[:-1]) != values[-1]:
        raise error("code.malformed")
    return "".join(ALPHABET[value] for value in values)


def digest(code: str) -> bytes:
    """What the relay stores in place of a canonical code: SHA-256(context || 16 characters)."""
    return hashlib.sha256(DIGEST_CONTEXT + code.encode("ascii")).digest()


def _check(data: list[int]) -> int:
    """The value that makes Horner's sum over GF(32) zero when it stands last."""
    total = 0
    for value in data:
        total = _times_alpha(total) ^ value
    return _times_alpha(total)


def _times_alpha(value: int) -> int:
    """Multiply by x in GF(2)[x] / (x^5 + x^2 + 1); x generates all 31 units."""
    value <<= 1
    return value ^ 0b100101 if value & 0b100000 else value
