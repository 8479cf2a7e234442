"""A device's register: in which conversations it is, sealed to its organisation's officers (section 12.4).

The relay keeps it unread and hands it out with an order that removes the device. It names groups by their
random ids and says nothing of who else is in them.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from cryptography.exceptions import InvalidTag
from msgspec import Meta

from chappe.wire.errors import error
from chappe.wire.frames import MAX_WATCHED, GroupId
from chappe.wire.unlock import open_sealed, seal_to

REGISTER_CONTEXT: Final = b"chappe register v1"
_STEP: Final = 1024


class Membership(msgspec.Struct, forbid_unknown_fields=True, frozen=True, array_like=True):
    """`leaf`: the device's place in the group's tree. `sender`: that of its organisation's fleet key in the
    group's `external_senders`, where keys are added at the end and never moved."""

    group: GroupId
    leaf: Annotated[int, Meta(ge=0, le=2**32 - 1)]
    sender: Annotated[int, Meta(ge=0, le=2**16 - 1)]


class Memberships(msgspec.Struct, forbid_unknown_fields=True, frozen=True, array_like=True):
    places: Annotated[list[Membership], Meta(max_length=MAX_WATCHED)]


def seal_register(seal_key: bytes, device: bytes, places: list[Membership]) -> bytes:
    """Padded to whole kibibytes before it is sealed. Raises roster.invalid for a key that is none."""
    encoded = msgspec.msgpack.encode(Memberships(places[: MAX_WATCHED // 4]))
    size = -(-(len(encoded) + 4) // _STEP) * _STEP
    padded = (len(encoded).to_bytes(4, "big") + encoded).ljust(size, b"\0")
    try:
        return seal_to(seal_key, REGISTER_CONTEXT + device, padded)
    except ValueError:
        raise error("roster.invalid") from None


def open_register(seal_private: bytes, device: bytes, sealed: bytes) -> list[Membership]:
    """Raises CryptoFailure roster.invalid for what does not open or cannot be read."""
    try:
        padded = open_sealed(seal_private, REGISTER_CONTEXT + device, sealed)
        length = int.from_bytes(padded[:4], "big")
        return msgspec.msgpack.decode(padded[4 : 4 + length], type=Memberships).places
    except (InvalidTag, ValueError, msgspec.MsgspecError, RecursionError):
        raise error("roster.invalid", "The device's register does not open.") from None
