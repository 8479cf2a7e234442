"""What a phone shows: values without secrets, made from the store's rows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Contact:
    """A line that this one knows. `changed`: its identity key is not the one known; nothing is sent to it."""

    address: str
    line_id: bytes
    identity_key: bytes
    verified: bool
    changed: bool


@dataclass(frozen=True, slots=True)
class Conversation:
    """`kind`: direct or group. `members`: addresses, this line's too. `timer`: seconds, 0 for off."""

    id: bytes
    kind: str
    name: str
    timer: int
    members: tuple[str, ...]
    active: bool
    unread: int
    last_at: int


@dataclass(frozen=True, slots=True)
class SharedFile:
    """`size` in bytes of the file itself."""

    name: str
    size: int
    content_type: str


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """`kind`: text, file, deleted, unreadable, unknown. `state`: queued, sent, delivered, read, failed for
    own messages; received for others'. `at`, `expires_at`: Unix seconds."""

    id: bytes
    conversation: bytes
    sender: str
    mine: bool
    at: int
    kind: str
    text: str
    edited: bool
    reply_to: bytes | None
    reactions: tuple[tuple[str, str], ...]
    file: SharedFile | None
    state: str
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device of this line; `this` marks the one that asks."""

    device_id: bytes
    issued_at: int
    this: bool
