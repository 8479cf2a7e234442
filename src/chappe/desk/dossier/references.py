"""Reference outputs: plaintext, key and ciphertext, as the running code gives them.

Who has the program, or any other implementation of the standards, computes the same. The desk has no engine
and no vault: the command line, which has both, computes them and hands them over.
"""

from __future__ import annotations

import msgspec


class Reference(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`code`: the function that computed it. `inputs` and `outputs`: names (en, fr) with hexadecimal. `text`:
    what it shows (en, fr)."""

    id: str
    title: tuple[str, str]
    text: tuple[str, str]
    code: str
    inputs: list[tuple[str, str, str]]
    outputs: list[tuple[str, str, str]]
