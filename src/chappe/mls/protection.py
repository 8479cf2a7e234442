"""Message protection: signing, the membership tag, and encryption (RFC 9420 sections 6.1 to 6.3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chappe.mls.codec import Reader, opaque, parse, u16, u32
from chappe.mls.errors import InvalidMessage, MalformedMessage
from chappe.mls.framing import (
    AuthData,
    AuthenticatedContent,
    Body,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    WireFormat,
    encode_body,
    read_body,
)
from chappe.mls.secret_tree import MessageKey, RatchetType, SecretTree, sender_data_key
from chappe.mls.suites import CipherSuite, Random

_LABEL = "FramedContentTBS"


def sign_content(
    suite: CipherSuite, private: bytes, wire_format: WireFormat, content: FramedContent, context: bytes
) -> AuthData:
    """The signature over `content`; the confirmation tag of a commit is added later, from the new epoch."""
    return AuthData(suite.sign_with_label(private, _LABEL, content.to_be_signed(wire_format, context)))


def signature_holds(suite: CipherSuite, public: bytes, message: AuthenticatedContent, context: bytes) -> bool:
    content = message.content.to_be_signed(message.wire_format, context)
    return suite.verify_with_label(public, _LABEL, content, message.auth.signature)


def protect_public(
    suite: CipherSuite, membership_key: bytes, message: AuthenticatedContent, context: bytes
) -> PublicMessage:
    """Raises InvalidMessage for application data, which is never sent in the clear (section 6.2)."""
    if message.content.content_type is ContentType.APPLICATION:
        raise InvalidMessage("application data is never sent as a PublicMessage")
    tag = None
    if message.content.sender.is_member:
        tag = suite.mac(membership_key, message.to_be_maced(context))
    return PublicMessage(message.content, message.auth, tag)


def unprotect_public(
    suite: CipherSuite, membership_key: bytes, message: PublicMessage, context: bytes
) -> AuthenticatedContent:
    """Raises InvalidMessage. The signature remains for the caller to check."""
    out = AuthenticatedContent(WireFormat.PUBLIC_MESSAGE, message.content, message.auth)
    if message.content.content_type is ContentType.APPLICATION:
        raise InvalidMessage("application data came as a PublicMessage")
    if message.content.sender.is_member and not suite.check_mac(
        membership_key, out.to_be_maced(context), message.membership_tag or b""
    ):
        raise InvalidMessage("the membership tag does not hold")
    return out


@dataclass(frozen=True, slots=True)
class SenderData:
    """`SenderData` (section 6.3.2)."""

    leaf_index: int
    generation: int
    reuse_guard: bytes

    def encode(self) -> bytes:
        return u32(self.leaf_index) + u32(self.generation) + self.reuse_guard

    @classmethod
    def read(cls, r: Reader) -> SenderData:
        return cls(r.u32(), r.u32(), r.take(4))


def ratchet_for(kind: ContentType) -> RatchetType:
    return RatchetType.APPLICATION if kind is ContentType.APPLICATION else RatchetType.HANDSHAKE


def protect_private(
    suite: CipherSuite,
    secrets: SecretTree,
    sender_data_secret: bytes,
    message: AuthenticatedContent,
    *,
    padding: int,
    random: Random,
) -> tuple[SecretTree, PrivateMessage]:
    """Encrypt with the sender's next key; `padding` zero bytes are added inside (section 6.3.1)."""
    content = message.content
    if not content.sender.is_member:
        raise InvalidMessage("only a member sends PrivateMessages")
    kind, leaf = ratchet_for(content.content_type), content.sender.index
    after, key = secrets.take(leaf, kind, secrets.next_generation(leaf, kind))
    frame = PrivateMessage(
        content.group_id, content.epoch, content.content_type, content.authenticated_data, b"", b""
    )
    guard = random(4)
    plaintext = encode_body(content.body) + message.auth.encode() + bytes(padding)
    ciphertext = suite.seal(key.key, _guarded(key, guard), frame.content_aad(), plaintext)
    data_key, data_nonce = sender_data_key(suite, sender_data_secret, ciphertext)
    sender_data = SenderData(leaf, key.generation, guard).encode()
    sealed = suite.seal(data_key, data_nonce, frame.sender_data_aad(), sender_data)
    return after, PrivateMessage(
        frame.group_id, frame.epoch, frame.content_type, frame.authenticated_data, sealed, ciphertext
    )


def unprotect_private(
    suite: CipherSuite,
    secrets: SecretTree,
    sender_data_secret: bytes,
    message: PrivateMessage,
    is_member: Callable[[int], bool],
) -> tuple[SecretTree, AuthenticatedContent]:
    """Raises InvalidMessage, MalformedMessage, AlreadyConsumed. The signature remains to be checked.

    `is_member(leaf)` keeps a forged leaf index from touching the tree.
    """
    data_key, data_nonce = sender_data_key(suite, sender_data_secret, message.ciphertext)
    opened = suite.open(data_key, data_nonce, message.sender_data_aad(), message.encrypted_sender_data)
    sender = parse(SenderData.read, opened)
    if not is_member(sender.leaf_index):
        raise InvalidMessage("the sender is no member")
    after, key = secrets.take(sender.leaf_index, ratchet_for(message.content_type), sender.generation)
    nonce = _guarded(key, sender.reuse_guard)
    plaintext = suite.open(key.key, nonce, message.content_aad(), message.ciphertext)
    body, auth = _read_content(message.content_type, plaintext)
    content = FramedContent(
        message.group_id, message.epoch, Sender.member(sender.leaf_index), message.authenticated_data, body
    )
    return after, AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, content, auth)


def _read_content(kind: ContentType, plaintext: bytes) -> tuple[Body, AuthData]:
    """PrivateMessageContent; the padding must be all zero (section 6.3.1)."""
    r = Reader(plaintext)
    body, auth = read_body(kind, r), AuthData.read(kind, r)
    if plaintext.count(0, r.pos) != len(plaintext) - r.pos:
        raise MalformedMessage("the padding is not zero")
    return body, auth


def _guarded(key: MessageKey, guard: bytes) -> bytes:
    """The nonce with its first four bytes XORed by the reuse guard (section 6.3.1)."""
    return bytes(a ^ b for a, b in zip(key.nonce, guard, strict=False)) + key.nonce[4:]


def confirmed_transcript_hash(suite: CipherSuite, interim: bytes, commit: AuthenticatedContent) -> bytes:
    """Section 8.2: `interim` is the last epoch's interim transcript hash."""
    tail = u16(commit.wire_format) + commit.content.encoded + opaque(commit.auth.signature)
    return suite.hash(interim + tail)


def interim_transcript_hash(suite: CipherSuite, confirmed: bytes, confirmation_tag: bytes) -> bytes:
    """Section 8.2."""
    return suite.hash(confirmed + opaque(confirmation_tag))
