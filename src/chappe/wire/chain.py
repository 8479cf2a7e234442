"""What a message says of its place: the link before its content, and the history that it is of
(docs/protocol.md section 9.4, docs/decisions/0012).

A link counts the messages of one device in one conversation and holds the hash of the one before. It is
inside what MLS encrypts. What MLS authenticates in clear is `history`: the same for all messages of an epoch.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from chappe.wire.errors import ChappeError, error

VERSION: Final = 1
STREAM_BYTES: Final = 16
HASH_BYTES: Final = 32
HISTORY_BYTES: Final = 1 + HASH_BYTES
MAX_COUNT: Final = 2**53 - 1
START: Final = bytes(HASH_BYTES)
"""In place of the hash before a stream's first message."""
_HEAD: Final = 2
_LINK: Final = _HEAD + STREAM_BYTES + 8 + 8 + HASH_BYTES


class Kind(IntEnum):
    LOOSE = 0
    """Without a link: its loss means nothing."""
    LINKED = 1
    VOID = 2
    """In place of a message that the relay refused for good: the SHA-256 of what it held."""


@dataclass(frozen=True, slots=True)
class Link:
    """`counter`: from 1. `epoch`: in which it was made. `before`: the hash before it, or START."""

    stream: bytes
    counter: int
    epoch: int
    before: bytes

    def encode(self, kind: Kind = Kind.LINKED) -> bytes:
        numbers = self.counter.to_bytes(8, "big") + self.epoch.to_bytes(8, "big")
        return bytes((VERSION, kind)) + self.stream + numbers + self.before

    def hash(self, group: bytes, device: bytes, digest: bytes) -> bytes:
        """Of the message with this link. `digest`: its content's (`digest_of`)."""
        names = b"".join(len(name).to_bytes(2, "big") + name for name in (group, device))
        return hashlib.sha256(b"chappe chain v1" + names + self.encode() + digest).digest()


@dataclass(frozen=True, slots=True)
class Item:
    """What a device encrypts: `body` is a content, or of a void one the digest of what was to be."""

    kind: Kind
    link: Link | None
    body: bytes

    @property
    def digest(self) -> bytes:
        return self.body if self.kind is Kind.VOID else digest_of(self.body)


def loose(content: bytes) -> bytes:
    return bytes((VERSION, Kind.LOOSE)) + content


def digest_of(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def decode(data: bytes) -> Item:
    """Raises BadInput content.malformed."""
    if len(data) < _HEAD or data[0] != VERSION or data[1] not in tuple(Kind):
        raise _malformed()
    kind = Kind(data[1])
    if kind is Kind.LOOSE:
        return Item(kind, None, data[_HEAD:])
    link, body = read_link(data[:_LINK]), data[_LINK:]
    if kind is Kind.VOID and len(body) != HASH_BYTES:
        raise _malformed()
    return Item(kind, link, body)


def read_link(data: bytes) -> Link:
    """Raises content.malformed."""
    if len(data) != _LINK:
        raise _malformed()
    at = _HEAD + STREAM_BYTES
    counter, epoch = (int.from_bytes(data[start : start + 8], "big") for start in (at, at + 8))
    before = data[at + 16 :]
    if not 0 < counter <= MAX_COUNT or epoch > MAX_COUNT or (counter == 1) != (before == START):
        raise _malformed()
    return Link(data[_HEAD:at], counter, epoch, before)


def voided(encoded: bytes) -> bytes:
    """An encoded link as that of a void message."""
    return bytes((VERSION, Kind.VOID)) + encoded[_HEAD:]


def history(group: bytes, epoch: int, transcript: bytes) -> bytes:
    """The `authenticated_data` of an epoch's messages. `transcript`: its confirmed transcript hash."""
    names = b"".join(len(name).to_bytes(2, "big") + name for name in (group, transcript))
    digest = hashlib.sha256(b"chappe history v1" + epoch.to_bytes(8, "big") + names).digest()
    return bytes((VERSION,)) + digest


def is_history(data: bytes) -> bool:
    """Whether it has the form of one."""
    return len(data) == HISTORY_BYTES and data[0] == VERSION


def _malformed() -> ChappeError:
    return error("content.malformed")
