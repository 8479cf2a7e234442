"""What goes over `POST /v1/deliver` (docs/protocol.md section 6.8): messages of nobody, and their answers.

MessagePack, as the frames are. Nothing in it says who sends: a message is let in by its recipients' delivery
tokens, which they handed out inside their conversations.
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Final, TypeAlias

import msgspec
from msgspec import Meta

from chappe.wire.errors import error
from chappe.wire.frames import MAX_RECIPIENTS, Hash32, Id16, Payload, Seconds

MEDIA_TYPE: Final = "application/msgpack"
MAX_BODY: Final = 2_560 * 1024
"""One message of the largest payload to the most recipients, or many small ones."""
MAX_MESSAGES: Final = 64
TOKEN_BYTES: Final = 32
TOKEN_CONTEXT: Final = b"chappe delivery v1"

Recipient: TypeAlias = tuple[Id16, Hash32]
"""A device, and its delivery token."""


class Sealed(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """One payload for several mailboxes, stored once. The same id again is answered again, also if it was
    said as a `send` frame."""

    id: Id16
    to: Annotated[list[Recipient], Meta(min_length=1, max_length=MAX_RECIPIENTS)]
    payload: Payload

    def __repr__(self) -> str:
        return f"<Sealed of {len(self.payload)} bytes for {len(self.to)}>"


class Deliver(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The request: messages in the order in which they are to be stored. Each is taken or turned away for
    itself."""

    messages: Annotated[list[Sealed], Meta(min_length=1, max_length=MAX_MESSAGES)]


class Taken(msgspec.Struct, tag_field="t", tag="accepted", forbid_unknown_fields=True, frozen=True):
    """The message is durable, in every recipient's mailbox; kept until `expires`."""

    id: Id16
    expires: Seconds


class Turned(msgspec.Struct, tag_field="t", tag="refused", forbid_unknown_fields=True, frozen=True):
    """Nothing of the message was taken. `stale`: the recipients whose token does not hold."""

    id: Id16
    code: str
    message: str
    stale: Annotated[list[Id16], Meta(max_length=MAX_RECIPIENTS)] = []


class Delivered(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """The answer: one for each message, in their order."""

    answers: list[Taken | Turned]


_UNDECODABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_request: msgspec.msgpack.Decoder[Deliver] = msgspec.msgpack.Decoder(Deliver)
_answer: msgspec.msgpack.Decoder[Delivered] = msgspec.msgpack.Decoder(Delivered)


def encode(body: Deliver | Delivered) -> bytes:
    return msgspec.msgpack.encode(body)


def decode_request(data: bytes) -> Deliver:
    """Raises BadInput http.malformed."""
    try:
        return _request.decode(data)
    except _UNDECODABLE:
        raise error("http.malformed") from None


def decode_answer(data: bytes) -> Delivered:
    """Raises BadInput http.malformed."""
    try:
        return _answer.decode(data)
    except _UNDECODABLE:
        raise error("http.malformed") from None


def token_digest(token: bytes) -> bytes:
    """What the relay keeps of a delivery token: 32 bytes."""
    return hashlib.sha256(TOKEN_CONTEXT + token).digest()
