"""The two encodings that the log's text formats share, each with one spelling for a value."""

from __future__ import annotations

import base64
import binascii
import re

from chappe.tlog.errors import Malformed
from chappe.tlog.merkle import MAX_SIZE

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


def to_base64(data: bytes) -> str:
    """RFC 4648 section 4, with padding."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, length: int | None = None) -> bytes:
    """The bytes, `length` of them if it is given; raises Malformed for any other than the one spelling."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed("not base64") from error
    # Stray bits behind the last byte would make two texts of one value.
    if to_base64(data) != text:
        raise Malformed("not the canonical base64 of its bytes")
    if length is not None and len(data) != length:
        raise Malformed(f"not the base64 of {length} bytes")
    return data


def from_decimal(text: str) -> int:
    """A number from 0 to 2^63 - 1 in ASCII digits without leading zeros; raises Malformed."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAX_SIZE:
        raise Malformed("not a decimal number below 2^63 without leading zeros")
    return int(text)
