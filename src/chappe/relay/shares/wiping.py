"""Overwriting secrets in memory.

Python frees memory without overwriting it, and `bytes` cannot be changed by the language. What is freed here
has been overwritten first, through the address that CPython's `id` is.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Final

# A `bytes` object is its header, its bytes and one zero: __basicsize__ counts the header and that zero.
_HEADER: Final = bytes.__basicsize__ - 1


def _overwrite(value: bytes) -> None:
    ctypes.memset(id(value) + _HEADER, 0, len(value))


def _leave(_value: bytes) -> None:
    """Where the layout is another, nothing is touched."""


def _layout_is_as_expected() -> bool:
    sample = bytes(range(1, 33))
    return ctypes.string_at(id(sample) + _HEADER, len(sample)) == sample


_overwrite_bytes: Final[Callable[[bytes], None]] = _overwrite if _layout_is_as_expected() else _leave


def wipe(*values: bytes | bytearray | None) -> None:
    """Overwrite them with zeros. Only for values that nobody else holds: a `bytes` changes for all.

    Those of one byte or none are shared by the whole interpreter and left alone.
    """
    for value in values:
        if isinstance(value, bytearray):
            value[:] = bytes(len(value))
        elif value is not None and len(value) > 1:
            _overwrite_bytes(value)
