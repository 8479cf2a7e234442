"""What this device means to change in a conversation: kept until a commit that does it is accepted.

An intent says what, not how: after a lost race it is carried out again on the epoch that won.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import msgspec

from chappe.wire.errors import error


class Intent(msgspec.Struct, frozen=True, tag_field="kind", forbid_unknown_fields=True):
    """The root."""


class AddLine(Intent, frozen=True, tag="add"):
    """Let in all devices of a line that are not in. `packages`: key packages fetched for it."""

    address: str
    packages: tuple[bytes, ...] | None = None


class RemoveLine(Intent, frozen=True, tag="remove"):
    """Put out all devices of a line. `impostor`: the line is not who it says, and if it cannot be put out,
    this device goes."""

    address: str
    impostor: bool = False


class RemoveDevice(Intent, frozen=True, tag="remove_device"):
    """Put out a device, by a fleet order that was verified. `proposal`: the fleet key's, for one epoch."""

    device: bytes
    order: bytes
    proposal: bytes | None = None


class Describe(Intent, frozen=True, tag="describe"):
    """Give the conversation another name or timer."""

    name: str | None = None
    timer: int | None = None


class Refresh(Intent, frozen=True, tag="refresh"):
    """Renew this device's leaf."""


class Settle(Intent, frozen=True, tag="settle"):
    """Commit what others proposed."""


class Leave(Intent, frozen=True, tag="leave"):
    """Propose to put this line out. `epoch`: where that was said last; each epoch forgets it."""

    epoch: int = -1


AnyIntent: TypeAlias = AddLine | RemoveLine | RemoveDevice | Describe | Refresh | Settle | Leave

HOLDS_BACK: Final = ("add", "remove", "remove_device", "describe", "settle")
"""While one of these waits, messages wait too: they are for the members there will be."""


_decoder: msgspec.msgpack.Decoder[AnyIntent] = msgspec.msgpack.Decoder(AnyIntent)


def encode(intent: AnyIntent) -> bytes:
    return msgspec.msgpack.encode(intent)


def decode(data: bytes) -> AnyIntent:
    """From the store. Raises storage.failed for what is none."""
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("storage.failed", "A change that waited in the store cannot be read.") from None


def tag(intent: AnyIntent) -> str:
    return str(intent.__struct_config__.tag)
