"""The `Range` header (RFC 9110 section 14.2): one span of bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from chappe.wire.errors import error

_ONE_SPAN: Final = re.compile(r"bytes=[ \t]*([0-9]{0,15})-([0-9]{0,15})[ \t]*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes `first` to `last`, both included."""

    first: int
    last: int


def parse_range(header: str | None, size: int) -> Span | None:
    """The span asked for, cut to what is there; None where the whole is to be sent.

    A unit other than bytes is passed over, as section 14.2 says. Raises attachment.bad_range for more than
    one span, for what is no span, and for one that lies outside.
    """
    if header is None or not header.strip().lower().startswith("bytes"):
        return None
    match = _ONE_SPAN.fullmatch(header.strip())
    if match is None or match.group(1) == match.group(2) == "":
        raise error("attachment.bad_range")
    first, last = match.groups()
    if first == "":
        count = int(last)
        if count == 0:
            raise error("attachment.bad_range")
        return Span(max(0, size - count), size - 1)
    start, end = int(first), size - 1 if last == "" else min(int(last), size - 1)
    if start > end:
        raise error("attachment.bad_range")
    return Span(start, end)
