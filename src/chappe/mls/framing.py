"""Framing: content, its signature, and the messages that carry it (RFC 9420 section 6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import TypeAlias

from chappe.mls.codec import Reader, opaque, parse, u8, u16, u32, u64
from chappe.mls.errors import MalformedMessage
from chappe.mls.key_package import KeyPackage
from chappe.mls.leaf_node import MLS10
from chappe.mls.proposals import Commit, Proposal, encode_proposal, read_proposal
from chappe.mls.welcome import GroupInfo, Welcome


class WireFormat(IntEnum):
    PUBLIC_MESSAGE = 1
    PRIVATE_MESSAGE = 2
    WELCOME = 3
    GROUP_INFO = 4
    KEY_PACKAGE = 5


class ContentType(IntEnum):
    APPLICATION = 1
    PROPOSAL = 2
    COMMIT = 3


class SenderType(IntEnum):
    MEMBER = 1
    EXTERNAL = 2
    NEW_MEMBER_PROPOSAL = 3
    NEW_MEMBER_COMMIT = 4


def _enum(kind: type[IntEnum], value: int) -> IntEnum:
    try:
        return kind(value)
    except ValueError:
        raise MalformedMessage(f"unknown {kind.__name__} {value}") from None


def read_content_type(r: Reader) -> ContentType:
    return ContentType(_enum(ContentType, r.u8()))


@dataclass(frozen=True, slots=True)
class Sender:
    """`index` is a leaf index (member) or an index into `external_senders` (external)."""

    type: SenderType
    index: int = 0

    @classmethod
    def member(cls, leaf_index: int) -> Sender:
        return cls(SenderType.MEMBER, leaf_index)

    @property
    def is_member(self) -> bool:
        return self.type is SenderType.MEMBER

    def encode(self) -> bytes:
        if self.type in (SenderType.MEMBER, SenderType.EXTERNAL):
            return u8(self.type) + u32(self.index)
        return u8(self.type)

    @classmethod
    def read(cls, r: Reader) -> Sender:
        kind = SenderType(_enum(SenderType, r.u8()))
        return cls(kind, r.u32() if kind in (SenderType.MEMBER, SenderType.EXTERNAL) else 0)


Body: TypeAlias = bytes | Proposal | Commit


def encode_body(body: Body) -> bytes:
    if isinstance(body, bytes):
        return opaque(body)
    return body.encode() if isinstance(body, Commit) else encode_proposal(body)


def read_body(kind: ContentType, r: Reader) -> Body:
    if kind is ContentType.APPLICATION:
        return r.opaque()
    return Commit.read(r) if kind is ContentType.COMMIT else read_proposal(r)


def body_type(body: Body) -> ContentType:
    if isinstance(body, bytes):
        return ContentType.APPLICATION
    return ContentType.COMMIT if isinstance(body, Commit) else ContentType.PROPOSAL


@dataclass(frozen=True)
class FramedContent:
    """`FramedContent` (section 6). `body`: application bytes, a proposal or a commit."""

    group_id: bytes
    epoch: int
    sender: Sender
    authenticated_data: bytes
    body: Body

    @property
    def content_type(self) -> ContentType:
        return body_type(self.body)

    @cached_property
    def encoded(self) -> bytes:
        return (
            opaque(self.group_id)
            + u64(self.epoch)
            + self.sender.encode()
            + opaque(self.authenticated_data)
            + u8(self.content_type)
            + encode_body(self.body)
        )

    @classmethod
    def read(cls, r: Reader) -> FramedContent:
        group_id, epoch, sender, aad = r.opaque(), r.u64(), Sender.read(r), r.opaque()
        return cls(group_id, epoch, sender, aad, read_body(read_content_type(r), r))

    def to_be_signed(self, wire_format: WireFormat, context: bytes) -> bytes:
        """FramedContentTBS; `context` is the encoded GroupContext (section 6.1)."""
        head = u16(MLS10) + u16(wire_format) + self.encoded
        if self.sender.type in (SenderType.MEMBER, SenderType.NEW_MEMBER_COMMIT):
            return head + context
        return head


@dataclass(frozen=True, slots=True)
class AuthData:
    """`FramedContentAuthData`: the confirmation tag stands for commits only."""

    signature: bytes
    confirmation_tag: bytes | None = None

    def encode(self) -> bytes:
        tag = b"" if self.confirmation_tag is None else opaque(self.confirmation_tag)
        return opaque(self.signature) + tag

    @classmethod
    def read(cls, kind: ContentType, r: Reader) -> AuthData:
        return cls(r.opaque(), r.opaque() if kind is ContentType.COMMIT else None)


@dataclass(frozen=True, slots=True)
class AuthenticatedContent:
    """Content with its wire format and signature (section 6.1)."""

    wire_format: WireFormat
    content: FramedContent
    auth: AuthData

    def encode(self) -> bytes:
        return u16(self.wire_format) + self.content.encoded + self.auth.encode()

    @classmethod
    def read(cls, r: Reader) -> AuthenticatedContent:
        wire_format = WireFormat(_enum(WireFormat, r.u16()))
        content = FramedContent.read(r)
        return cls(wire_format, content, AuthData.read(content.content_type, r))

    def to_be_maced(self, context: bytes) -> bytes:
        """AuthenticatedContentTBM (section 6.2)."""
        return self.content.to_be_signed(self.wire_format, context) + self.auth.encode()


@dataclass(frozen=True, slots=True)
class PublicMessage:
    """Signed but not encrypted; members also prove membership by a tag (section 6.2)."""

    content: FramedContent
    auth: AuthData
    membership_tag: bytes | None = None

    def encode(self) -> bytes:
        tag = b"" if self.membership_tag is None else opaque(self.membership_tag)
        return self.content.encoded + self.auth.encode() + tag

    @classmethod
    def read(cls, r: Reader) -> PublicMessage:
        content = FramedContent.read(r)
        auth = AuthData.read(content.content_type, r)
        return cls(content, auth, r.opaque() if content.sender.is_member else None)


@dataclass(frozen=True, slots=True)
class PrivateMessage:
    """Signed and encrypted (section 6.3)."""

    group_id: bytes
    epoch: int
    content_type: ContentType
    authenticated_data: bytes
    encrypted_sender_data: bytes
    ciphertext: bytes

    def encode(self) -> bytes:
        return self.content_aad() + opaque(self.encrypted_sender_data) + opaque(self.ciphertext)

    @classmethod
    def read(cls, r: Reader) -> PrivateMessage:
        return cls(r.opaque(), r.u64(), read_content_type(r), r.opaque(), r.opaque(), r.opaque())

    def content_aad(self) -> bytes:
        """PrivateContentAAD."""
        return self.sender_data_aad() + opaque(self.authenticated_data)

    def sender_data_aad(self) -> bytes:
        return opaque(self.group_id) + u64(self.epoch) + u8(self.content_type)


MessageBody: TypeAlias = PublicMessage | PrivateMessage | Welcome | GroupInfo | KeyPackage

_FORMATS: dict[type, WireFormat] = {
    PublicMessage: WireFormat.PUBLIC_MESSAGE,
    PrivateMessage: WireFormat.PRIVATE_MESSAGE,
    Welcome: WireFormat.WELCOME,
    GroupInfo: WireFormat.GROUP_INFO,
    KeyPackage: WireFormat.KEY_PACKAGE,
}


def encode_message(body: MessageBody) -> bytes:
    """MLSMessage (section 6)."""
    return u16(MLS10) + u16(_FORMATS[type(body)]) + body.encode()


def _read_message(r: Reader) -> MessageBody:
    if r.u16() != MLS10:
        raise MalformedMessage("message of another MLS version")
    wire_format = r.u16()
    for kind, number in _FORMATS.items():
        if number == wire_format:
            body: MessageBody = kind.read(r)  # type: ignore[attr-defined]
            return body
    raise MalformedMessage(f"unknown wire format {wire_format}")


def parse_message(data: bytes) -> MessageBody:
    """One MLSMessage that fills `data`. Raises MalformedMessage."""
    return parse(_read_message, data)


@dataclass(frozen=True, slots=True)
class Peeked:
    """What shows of a message without opening it; None where its kind has no such field."""

    wire_format: WireFormat
    group_id: bytes | None = None
    epoch: int | None = None
    content_type: ContentType | None = None
    authenticated_data: bytes = b""


def peek(data: bytes) -> Peeked:
    """Raises MalformedMessage. Decrypts and checks nothing."""
    body = parse_message(data)
    wire_format = _FORMATS[type(body)]
    if isinstance(body, PrivateMessage):
        return Peeked(wire_format, body.group_id, body.epoch, body.content_type, body.authenticated_data)
    if isinstance(body, PublicMessage):
        return Peeked(wire_format, body.content.group_id, body.content.epoch, body.content.content_type)
    return Peeked(wire_format)
