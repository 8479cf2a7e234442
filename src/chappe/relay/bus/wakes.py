"""What gateways say to each other, as bytes: a kind, and a number at most. No payload, no device, no address.

    to a mailbox   0x01 sequence (8 bytes)   mail up to there
                   0x02                      look at its device
                   0x03                      is its device there? answered 0x01, or 0x00
    to all         0x11                      terms
                   0x12 mailbox (8 bytes)    its push subscription
                   0x13                      the transparency log has grown
                   0x14 mailbox (8 bytes)    its device came, or went
                   0x15 group (16 to 32)     a removal was posted for it
                   0x16                      something was lost: look at everything
                   0x17 digest (32 bytes)    this attachment is uploaded elsewhere

Whatever is not exactly one of these is nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, TypeAlias

MAIL: Final = 0x01
CHANGED: Final = 0x02
ASK: Final = 0x03
HERE: Final = b"\x01"
NOT_HERE: Final = b"\x00"
MAX_WAKE: Final = 33
_NUMBER: Final = 8
_LARGEST: Final = 2**63 - 1
_NARROW: Final = 16
_WIDE: Final = 32


class Kind(IntEnum):
    TERMS = 0x11
    SUBSCRIPTION = 0x12
    LOG = 0x13
    MOVED = 0x14
    POSTED = 0x15
    MISSED = 0x16
    UPLOAD = 0x17


_NUMBERED: Final = frozenset({Kind.SUBSCRIPTION, Kind.MOVED})
_NAMED: Final = frozenset({Kind.POSTED, Kind.UPLOAD})


@dataclass(frozen=True, slots=True)
class Notice:
    """Said to all gateways. `mailbox`: of SUBSCRIPTION and MOVED; `name`: 16 to 32 bytes of the others."""

    kind: Kind
    mailbox: int = 0
    name: bytes = b""


ToMailbox: TypeAlias = tuple[int, int]
"""(MAIL, sequence), (CHANGED, 0) or (ASK, 0)."""


def encode_mail(sequence: int) -> bytes:
    return bytes((MAIL,)) + sequence.to_bytes(_NUMBER, "big")


def decode_to_mailbox(data: bytes) -> ToMailbox | None:
    """None for what is no wake of a mailbox."""
    if len(data) == 1 and data[0] in (CHANGED, ASK):
        return data[0], 0
    if len(data) == 1 + _NUMBER and data[0] == MAIL:
        sequence = int.from_bytes(data[1:], "big")
        return (MAIL, sequence) if 0 < sequence <= _LARGEST else None
    return None


def encode_notice(notice: Notice) -> bytes:
    kind = bytes((notice.kind,))
    if notice.kind in _NUMBERED:
        return kind + notice.mailbox.to_bytes(_NUMBER, "big")
    return kind + notice.name if notice.kind in _NAMED else kind


def decode_notice(data: bytes) -> Notice | None:
    """None for what is no notice."""
    try:
        kind = Kind(data[0])
    except (IndexError, ValueError):
        return None
    rest = data[1:]
    if kind in _NUMBERED:
        mailbox = int.from_bytes(rest, "big")
        fits = len(rest) == _NUMBER and 0 < mailbox <= _LARGEST
        return Notice(kind, mailbox=mailbox) if fits else None
    if kind in _NAMED:
        return Notice(kind, name=bytes(rest)) if _NARROW <= len(rest) <= _WIDE else None
    return None if rest else Notice(kind)
