"""What is inside a message: CBOR after draft-ietf-mimi-content (docs/protocol.md).

A message is an array of seven: salt, replaces, topic, expires, inReplyTo, extensions, body. Deletion is a
message that replaces another with nothing; a reaction is a part with disposition `reaction` in reply to
its target, and is taken back by replacing it with nothing. A file is an external part that names where its
ciphertext lies and how to open it; what it looks like before it is fetched travels in the extension MEDIA. A
receipt is a part of the type `application/mimi-message-status`. That somebody is typing is a part whose time
is over before it arrives: who does not know it drops it as a message that has disappeared.

A message's id is a hash over who sent it, where, and all of its bytes: nobody can make two messages with one
id, or change a message and keep its id.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, Final, Literal, TypeAlias

import cbor2

from chappe.wire.cryptology import AES_KEY_BYTES, GCM_NONCE_BYTES
from chappe.wire.delivery import TOKEN_BYTES
from chappe.wire.errors import ChappeError, error

MAX_CONTENT: Final = 1024 * 1024 - 16 * 1024
"""Largest encoded content in bytes: it fits a frame's payload, encrypted and padded."""
MAX_TEXT: Final = 64 * 1024
MAX_EMOJI: Final = 64
MAX_NAME: Final = 255
MAX_STATUSES: Final = 1000
MAX_DEPTH: Final = 8
SALT_BYTES: Final = 16
ID_BYTES: Final = 32
KEY_BYTES: Final = AES_KEY_BYTES
NONCE_BYTES: Final = GCM_NONCE_BYTES
HASH_BYTES: Final = 32
MAX_PREVIEW: Final = 6 * 1024
MAX_WAVEFORM: Final = 64
MAX_SIDE: Final = 65535
MAX_SECONDS: Final = 24 * 3600

TEXT_TYPE: Final = "text/plain;charset=utf-8"
STATUS_TYPE: Final = "application/mimi-message-status"
TYPING_TYPE: Final = "application/vnd.chappe.typing"
DELIVERY_TYPE: Final = "application/vnd.chappe.delivery"
MEDIA: Final = "chappe.media"
"""The extension that says more about a file."""
LOG: Final = "chappe.log"
"""The extension with the newest head of the transparency log that the sender has read: 8 bytes of size, the
root."""

_AES_256_GCM: Final = 2
_SHA_256: Final = 1
_EXTENSION_LIMIT: Final = 64
_NUMBER_BYTES: Final = 4


class Disposition(IntEnum):
    """What a part is for (draft-ietf-mimi-content section 5.2)."""

    UNSPECIFIED = 0
    RENDER = 1
    REACTION = 2
    ATTACHMENT = 7


class Cardinality(IntEnum):
    NULL = 0
    SINGLE = 1
    EXTERNAL = 2
    MULTI = 3


class Status(IntEnum):
    """What became of a message (draft-ietf-mimi-content section 7)."""

    DELIVERED = 1
    READ = 2


@dataclass(frozen=True, slots=True)
class Text:
    """Plain text, at most MAX_TEXT bytes of UTF-8."""

    text: str


@dataclass(frozen=True, slots=True)
class Reaction:
    """To the message in `in_reply_to`."""

    emoji: str


MediaKind: TypeAlias = Literal["file", "photo", "voice"]
_MEDIA_KINDS: Final[tuple[MediaKind, ...]] = ("file", "photo", "voice")


@dataclass(frozen=True, slots=True)
class Media:
    """What the sender says of a file. `width`, `height` in pixels and `seconds`: 0 where there are none.
    `waveform`: at most MAX_WAVEFORM loudnesses, a byte each. `preview`: a small picture of at most
    MAX_PREVIEW bytes, unchecked: JPEG, WebP or PNG if the sender is honest."""

    kind: MediaKind
    width: int = 0
    height: int = 0
    seconds: int = 0
    waveform: bytes = b""
    preview: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file: where its ciphertext is and how to open it (AES-256-GCM). `hash` is the ciphertext's SHA-256,
    `size` the file's own bytes, `filename` free of path separators and control characters."""

    url: str
    key: bytes = field(repr=False)
    nonce: bytes
    hash: bytes
    size: int
    content_type: str
    filename: str
    description: str = ""
    media: Media | None = None


@dataclass(frozen=True, slots=True)
class Deleted:
    """The message in `replaces` is taken back: a text, a file, or a reaction."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of messages, by their ids."""

    statuses: tuple[tuple[bytes, Status], ...]


@dataclass(frozen=True, slots=True)
class Typing:
    """Its sender is typing. Nothing of it is stored. It expires at TYPING_EXPIRY, and at no other time."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """The delivery token of the device that says it (`chappe.wire.delivery`). The highest `number` of a
    device counts, from 0 to 2^32 - 1. It is no message, and expires as Typing does."""

    number: int
    token: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Unknown:
    """Well formed, but of a kind that this version cannot show."""

    content_type: str


Body: TypeAlias = Text | Reaction | Attachment | Deleted | Receipt | Typing | Delivery | Unknown


@dataclass(frozen=True, slots=True)
class Expiry:
    """`seconds` from when it is read if `relative`, else Unix seconds."""

    relative: bool
    seconds: int


TYPING_EXPIRY: Final = Expiry(False, 0)


@dataclass(frozen=True, slots=True)
class LogHead:
    """A head of the relay's transparency log: so many entries, and the tree's root (32 bytes)."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Message:
    """One content. `salt` is 16 random bytes; ids are 32. `log`: what its sender has read."""

    salt: bytes
    body: Body
    replaces: bytes | None = None
    in_reply_to: bytes | None = None
    expires: Expiry | None = None
    topic: bytes = b""
    log: LogHead | None = None


def encode(message: Message) -> bytes:
    """The CBOR of a message. Raises BadInput content.malformed for what `decode` would refuse."""
    expires = None if message.expires is None else [message.expires.relative, message.expires.seconds]
    array: list[Any] = [
        message.salt,
        message.replaces,
        message.topic,
        expires,
        message.in_reply_to,
        _encode_extensions(message.body, message.log),
        _encode_part(message.body),
    ]
    data = cbor2.dumps(array, canonical=True)
    decode(data)
    return data


def decode(data: bytes) -> Message:
    """One message that fills `data`. Raises BadInput content.malformed."""
    if len(data) > MAX_CONTENT:
        raise _malformed()
    array = load_item(data)
    if not isinstance(array, list) or len(array) != 7:
        raise _malformed()
    salt, replaces, topic, expires, in_reply_to, extensions, part = array
    _check_extensions(extensions)
    body = _decode_part(part)
    if isinstance(body, Attachment):
        body = replace(body, media=_decode_media(extensions.get(MEDIA)))
    message = Message(
        _bytes(salt, SALT_BYTES),
        body,
        _id_or_none(replaces),
        _id_or_none(in_reply_to),
        _expiry(expires),
        _topic(topic),
        _decode_log(extensions.get(LOG)),
    )
    _check_sense(message)
    return message


def message_id(sender: str, room: str, data: bytes) -> bytes:
    """The id of an encoded message: 0x01 and 31 bytes of a SHA-256 (draft-ietf-mimi-content section 3.3).

    `sender` and `room` are URIs; each goes in with its length, so that no two triples hash alike.
    """
    digest = hashlib.sha256()
    for text in (sender.encode(), room.encode()):
        digest.update(len(text).to_bytes(2, "big") + text)
    digest.update(data)
    return b"\x01" + digest.digest()[:31]


def sender_uri(address: str) -> str:
    """The URI of a line."""
    return f"mimi://{address.partition('@')[2]}/u/{address.partition('@')[0]}"


def room_uri(server: str, group: bytes) -> str:
    """The URI of a conversation."""
    return f"mimi://{server}/r/{group.hex()}"


def safe_name(name: str) -> str:
    """A file name that names a file in its folder and nothing else, at most MAX_NAME bytes of UTF-8."""
    kept = "".join(c for c in name if c.isprintable() and c not in '/\\:*?"<>|\u202e\u202d\u2066\u2067\u2068')
    kept = kept.strip(" .")
    while len(kept.encode()) > MAX_NAME:
        stem, dot, suffix = kept.rpartition(".")
        kept = f"{stem[:-1]}{dot}{suffix}" if dot and len(suffix) < 16 and stem else kept[:-1]
    return kept or "file"


# --- parts ------------------------------------------------------------------------------------------


def _encode_part(body: Body) -> list[Any]:
    if isinstance(body, Text):
        return [Disposition.RENDER, "", Cardinality.SINGLE, TEXT_TYPE, body.text.encode()]
    if isinstance(body, Reaction):
        return [Disposition.REACTION, "", Cardinality.SINGLE, TEXT_TYPE, body.emoji.encode()]
    if isinstance(body, Deleted):
        return [Disposition.UNSPECIFIED, "", Cardinality.NULL]
    if isinstance(body, Receipt):
        statuses = cbor2.dumps([[i, int(s)] for i, s in body.statuses], canonical=True)
        return [Disposition.UNSPECIFIED, "", Cardinality.SINGLE, STATUS_TYPE, statuses]
    if isinstance(body, Typing):
        return [Disposition.UNSPECIFIED, "", Cardinality.SINGLE, TYPING_TYPE, b""]
    if isinstance(body, Delivery):
        data = body.number.to_bytes(_NUMBER_BYTES, "big") + body.token
        return [Disposition.UNSPECIFIED, "", Cardinality.SINGLE, DELIVERY_TYPE, data]
    if isinstance(body, Attachment):
        return [
            Disposition.ATTACHMENT,
            "",
            Cardinality.EXTERNAL,
            body.content_type,
            body.url,
            0,
            body.size,
            _AES_256_GCM,
            body.key,
            body.nonce,
            b"",
            _SHA_256,
            body.hash,
            body.description,
            body.filename,
        ]
    raise _malformed()


def _decode_part(part: object) -> Body:
    if not isinstance(part, list) or len(part) < 3:
        raise _malformed()
    disposition, language, cardinality = _uint(part[0], 255), _text(part[1], 64), _uint(part[2], 255)
    del language
    if cardinality == Cardinality.NULL and len(part) == 3:
        return Deleted()
    if cardinality == Cardinality.SINGLE and len(part) == 5:
        return _decode_single(disposition, _text(part[3], 255), part[4])
    if cardinality == Cardinality.EXTERNAL and len(part) == 15:
        return _decode_external(part)
    if cardinality == Cardinality.MULTI and len(part) == 5 and isinstance(part[4], list):
        return Unknown("multipart")
    raise _malformed()


def _decode_single(disposition: int, content_type: str, data: object) -> Body:
    if not isinstance(data, bytes):
        raise _malformed()
    if content_type == STATUS_TYPE:
        return _decode_receipt(data)
    if content_type == TYPING_TYPE:
        return _decode_typing(data)
    if content_type == DELIVERY_TYPE:
        return _decode_delivery(data)
    plain = content_type.replace(" ", "").lower() in (TEXT_TYPE, "text/plain")
    if not plain or disposition not in (Disposition.RENDER, Disposition.REACTION):
        return Unknown(content_type)
    if len(data) > (MAX_EMOJI if disposition == Disposition.REACTION else MAX_TEXT):
        raise _malformed()
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise _malformed() from None
    if disposition == Disposition.RENDER:
        return Text(text)
    if not text or any(ord(c) < 0x20 or 0x7F <= ord(c) < 0xA0 for c in text):
        raise _malformed()
    return Reaction(text)


def _decode_receipt(data: bytes) -> Receipt:
    found = load_item(data)
    if not isinstance(found, list) or not 0 < len(found) <= MAX_STATUSES:
        raise _malformed()
    statuses: list[tuple[bytes, Status]] = []
    for pair in found:
        if not isinstance(pair, list) or len(pair) != 2:
            raise _malformed()
        number = _uint(pair[1], 255)
        if number in (Status.DELIVERED, Status.READ):
            statuses.append((_bytes(pair[0], ID_BYTES), Status(number)))
        else:
            _bytes(pair[0], ID_BYTES)
    return Receipt(tuple(statuses))


def _decode_typing(data: bytes) -> Typing:
    if data:
        raise _malformed()
    return Typing()


def _decode_delivery(data: bytes) -> Delivery:
    if len(data) != _NUMBER_BYTES + TOKEN_BYTES:
        raise _malformed()
    return Delivery(int.from_bytes(data[:_NUMBER_BYTES], "big"), data[_NUMBER_BYTES:])


def _decode_external(part: list[Any]) -> Body:
    content_type, url, expires = _text(part[3], 255), _text(part[4], 2048), _uint(part[5], 2**53)
    size, algorithm = _uint(part[6], 2**53), _uint(part[7], 65535)
    key, nonce, aad = part[8], part[9], part[10]
    hash_algorithm, digest = _uint(part[11], 255), part[12]
    description, filename = _text(part[13], MAX_TEXT), _text(part[14], 4 * MAX_NAME)
    if not all(isinstance(b, bytes) and len(b) <= 255 for b in (key, nonce, aad, digest)):
        raise _malformed()
    if algorithm != _AES_256_GCM or hash_algorithm != _SHA_256 or aad != b"" or expires != 0:
        return Unknown(content_type)
    return Attachment(
        url,
        _bytes(key, KEY_BYTES),
        _bytes(nonce, NONCE_BYTES),
        _bytes(digest, HASH_BYTES),
        size,
        content_type,
        safe_name(filename),
        description,
    )


def _encode_extensions(body: Body, log: LogHead | None) -> dict[str, Any]:
    """Raises content.malformed for what a receiver would pass over."""
    found: dict[str, Any] = {}
    if log is not None:
        found[LOG] = log.size.to_bytes(8, "big") + log.root
        if _decode_log(found[LOG]) != log:
            raise _malformed()
    if isinstance(body, Attachment) and body.media is not None:
        found[MEDIA] = _encode_media(body.media)
    return found


def _decode_log(value: object) -> LogHead | None:
    """None for what does not fit: the message is as good without it."""
    if not isinstance(value, bytes) or len(value) != 8 + HASH_BYTES:
        return None
    size = int.from_bytes(value[:8], "big")
    return LogHead(size, value[8:]) if 0 < size <= 2**53 else None


def _encode_media(m: Media) -> list[Any]:
    value = [_MEDIA_KINDS.index(m.kind), m.width, m.height, m.seconds, m.waveform, m.preview]
    if _decode_media(value) is None:
        raise _malformed()
    return value


def _decode_media(value: object) -> Media | None:
    """None for what does not fit: the file is as good without it."""
    if not isinstance(value, list) or len(value) != 6:
        return None
    kind, width, height, seconds, waveform, preview = value
    bounds = ((kind, len(_MEDIA_KINDS) - 1), (width, MAX_SIDE), (height, MAX_SIDE), (seconds, MAX_SECONDS))
    if any(type(number) is not int or not 0 <= number <= most for number, most in bounds):
        return None
    for data, most in ((waveform, MAX_WAVEFORM), (preview, MAX_PREVIEW)):
        if not isinstance(data, bytes) or len(data) > most:
            return None
    return Media(_MEDIA_KINDS[kind], width, height, seconds, waveform, preview)


# --- pieces -----------------------------------------------------------------------------------------


def _check_sense(message: Message) -> None:
    """What the kinds ask for beyond their form."""
    body = message.body
    if isinstance(body, Deleted) and message.replaces is None:
        raise _malformed()
    if isinstance(body, Reaction) and (message.in_reply_to is None or message.replaces is not None):
        raise _malformed()
    if isinstance(body, Receipt) and (message.replaces is not None or message.expires is not None):
        raise _malformed()
    if isinstance(body, Typing | Delivery):
        places = (message.replaces, message.in_reply_to, message.expires)
        if places != (None, None, TYPING_EXPIRY):
            raise _malformed()


def load_item(data: bytes) -> object:
    """The one CBOR item in `data`: no tags, nothing after it, nothing nested deeper than MAX_DEPTH.
    Raises content.malformed."""
    _check_untagged(data)
    stream = io.BytesIO(data)
    try:
        found = cbor2.CBORDecoder(
            stream,
            max_depth=MAX_DEPTH,
            allow_indefinite=False,
            allow_duplicate_keys=False,
        ).decode()
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError, MemoryError, RecursionError):
        raise _malformed() from None
    if stream.tell() != len(data):
        raise _malformed()
    _check_plain(found, MAX_DEPTH)
    return found


_ARGUMENT_BYTES: Final = {24: 1, 25: 2, 26: 4, 27: 8}


def _check_untagged(data: bytes) -> None:
    """Refuse any tag before cbor2 sees it: its tag_hook is not asked about those that it knows itself.

    Of those, shared references (28, 29) let some hundred bytes stand for more items than can be counted. The
    heads of all items follow one another, however they are nested; where they are not well formed this may
    lose its way, but there cbor2 stops.
    """
    at = 0
    while at < len(data):
        major, short = data[at] >> 5, data[at] & 0x1F
        if major == 6:
            raise _malformed()
        start = at + 1
        at = start + _ARGUMENT_BYTES.get(short, 0)
        if major in (2, 3):
            at += int.from_bytes(data[start:at], "big") if at > start else short


def _check_plain(item: object, depth: int) -> None:
    """Only what the draft uses: whole numbers, byte and text strings, arrays, maps, booleans, null."""
    if depth == 0:
        raise _malformed()
    if isinstance(item, list):
        for inner in item:
            _check_plain(inner, depth - 1)
    elif isinstance(item, dict):
        for key, value in item.items():
            _check_plain(key, depth - 1)
            _check_plain(value, depth - 1)
    elif item is not None and type(item) not in (int, bytes, str, bool):
        raise _malformed()


def _check_extensions(extensions: object) -> None:
    """A map whose keys are whole numbers or short texts; what is unknown in it is passed over."""
    if not isinstance(extensions, dict) or len(extensions) > _EXTENSION_LIMIT:
        raise _malformed()
    for key in extensions:
        if isinstance(key, bool) or not isinstance(key, int | str):
            raise _malformed()


def _bytes(value: object, length: int) -> bytes:
    if not isinstance(value, bytes) or len(value) != length:
        raise _malformed()
    return value


def _id_or_none(value: object) -> bytes | None:
    return None if value is None else _bytes(value, ID_BYTES)


def _topic(value: object) -> bytes:
    if not isinstance(value, bytes) or len(value) > 255:
        raise _malformed()
    return value


def _uint(value: object, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise _malformed()
    return value


def _text(value: object, most: int) -> str:
    if not isinstance(value, str) or len(value.encode(errors="replace")) > most:
        raise _malformed()
    return value


def _expiry(value: object) -> Expiry | None:
    if value is None:
        return None
    if not isinstance(value, list) or len(value) != 2 or type(value[0]) is not bool:
        raise _malformed()
    return Expiry(value[0], _uint(value[1], 2**53))


def _malformed() -> ChappeError:
    return error("content.malformed")
