"""Overwriting secrets in memory.

Python frees memory without overwriting it, and its `bytes` and `str` cannot be changed by the language: they
are overwritten here through the address that CPython's `id` is, where its layout is the one expected. What
libraries copy on the way is theirs to overwrite.
"""

from __future__ import annotations

import ctypes
import sys
from typing import Final

_BYTES_HEADER: Final = sys.getsizeof(b"") - 1
_TEXT_HEADER: Final = sys.getsizeof("") - 1
_SHARED: Final = 1
"""Values of so many bytes or fewer are shared by the whole interpreter."""


def _layout_is_as_expected() -> bool:
    data, text = bytes(range(1, 33)), "".join(map(chr, range(33, 65)))
    return (
        ctypes.string_at(id(data) + _BYTES_HEADER, len(data)) == data
        and ctypes.string_at(id(text) + _TEXT_HEADER, len(text)) == text.encode()
    )


_CAN_REACH: Final = sys.implementation.name == "cpython" and _layout_is_as_expected()


def wipe(*secrets: bytearray | bytes | str | None) -> None:
    """Overwrite with zeros. Only for values that nobody else holds: a `bytes` or a `str` changes for all.

    Text that is not ASCII is left alone.
    """
    for secret in secrets:
        if isinstance(secret, bytearray):
            secret[:] = bytes(len(secret))
        elif secret is not None and len(secret) > _SHARED and _CAN_REACH:
            _overwrite(secret)


def _overwrite(secret: bytes | str) -> None:
    if isinstance(secret, bytes):
        ctypes.memset(id(secret) + _BYTES_HEADER, 0, len(secret))
    elif secret.isascii():
        ctypes.memset(id(secret) + _TEXT_HEADER, 0, len(secret))
