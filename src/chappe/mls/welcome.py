"""GroupInfo, Welcome and what they hold (RFC 9420 section 12.4.3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from chappe.mls.codec import Reader, opaque, optional, parse, u16, u32, vector
from chappe.mls.errors import InvalidMessage
from chappe.mls.group_context import GroupContext
from chappe.mls.key_schedule import welcome_secret
from chappe.mls.leaf_node import Extensions, encode_extensions, read_extensions
from chappe.mls.psks import PreSharedKeyID
from chappe.mls.suites import CipherSuite, HPKECiphertext

_LABEL = "Welcome"


@dataclass(frozen=True)
class GroupInfo:
    """`GroupInfo` (section 12.4.3.1)."""

    group_context: GroupContext
    extensions: Extensions
    confirmation_tag: bytes
    signer: int
    signature: bytes = b""

    @cached_property
    def to_be_signed(self) -> bytes:
        return (
            self.group_context.encoded
            + encode_extensions(self.extensions)
            + opaque(self.confirmation_tag)
            + u32(self.signer)
        )

    def encode(self) -> bytes:
        return self.to_be_signed + opaque(self.signature)

    @classmethod
    def read(cls, r: Reader) -> GroupInfo:
        return cls(GroupContext.read(r), read_extensions(r), r.opaque(), r.u32(), r.opaque())

    def signed(self, suite: CipherSuite, private: bytes) -> GroupInfo:
        signature = suite.sign_with_label(private, "GroupInfoTBS", self.to_be_signed)
        return GroupInfo(self.group_context, self.extensions, self.confirmation_tag, self.signer, signature)

    def signature_holds(self, suite: CipherSuite, public: bytes) -> bool:
        return suite.verify_with_label(public, "GroupInfoTBS", self.to_be_signed, self.signature)


@dataclass(frozen=True, slots=True)
class GroupSecrets:
    """What a joiner learns: the joiner secret, its path secret if there is one, and the PSKs needed."""

    joiner_secret: bytes = field(repr=False)
    path_secret: bytes | None = field(repr=False)
    psks: tuple[PreSharedKeyID, ...] = ()

    def encode(self) -> bytes:
        path = optional(None if self.path_secret is None else opaque(self.path_secret))
        return opaque(self.joiner_secret) + path + vector(p.encode() for p in self.psks)

    @classmethod
    def read(cls, r: Reader) -> GroupSecrets:
        return cls(r.opaque(), r.optional(Reader.opaque), r.vector(PreSharedKeyID.read))


@dataclass(frozen=True, slots=True)
class EncryptedGroupSecrets:
    new_member: bytes
    encrypted_group_secrets: HPKECiphertext

    def encode(self) -> bytes:
        return opaque(self.new_member) + self.encrypted_group_secrets.encode()

    @classmethod
    def read(cls, r: Reader) -> EncryptedGroupSecrets:
        return cls(r.opaque(), HPKECiphertext.read(r))


@dataclass(frozen=True, slots=True)
class Welcome:
    """`Welcome` (section 12.4.3.2)."""

    cipher_suite: int
    secrets: tuple[EncryptedGroupSecrets, ...]
    encrypted_group_info: bytes

    def encode(self) -> bytes:
        secrets = vector(s.encode() for s in self.secrets)
        return u16(self.cipher_suite) + secrets + opaque(self.encrypted_group_info)

    @classmethod
    def read(cls, r: Reader) -> Welcome:
        return cls(r.u16(), r.vector(EncryptedGroupSecrets.read), r.opaque())

    def open_secrets(self, suite: CipherSuite, ref: bytes, init_private: bytes) -> GroupSecrets:
        """The group secrets for the key package `ref`. Raises InvalidMessage, MalformedMessage."""
        entry = next((s for s in self.secrets if s.new_member == ref), None)
        if entry is None:
            raise InvalidMessage("the Welcome is not for this key package")
        data = suite.decrypt_with_label(
            init_private, _LABEL, self.encrypted_group_info, entry.encrypted_group_secrets
        )
        return parse(GroupSecrets.read, data)

    def open_group_info(self, suite: CipherSuite, joiner: bytes, psk: bytes) -> GroupInfo:
        """Raises InvalidMessage, MalformedMessage."""
        key, nonce = _welcome_key(suite, welcome_secret(suite, joiner, psk))
        return parse(GroupInfo.read, suite.open(key, nonce, b"", self.encrypted_group_info))


def make_welcome(
    suite: CipherSuite,
    info: GroupInfo,
    secret: bytes,
    joiners: list[tuple[bytes, bytes, GroupSecrets]],
) -> Welcome:
    """`secret` is the epoch's welcome secret; a joiner is (key package ref, init key, its secrets)."""
    key, nonce = _welcome_key(suite, secret)
    sealed_info = suite.seal(key, nonce, b"", info.encode())
    secrets = tuple(
        EncryptedGroupSecrets(
            ref, suite.encrypt_with_label(init_key, _LABEL, sealed_info, group_secrets.encode())
        )
        for ref, init_key, group_secrets in joiners
    )
    return Welcome(suite.id, secrets, sealed_info)


def _welcome_key(suite: CipherSuite, secret: bytes) -> tuple[bytes, bytes]:
    return (
        suite.expand_with_label(secret, "key", b"", suite.nk),
        suite.expand_with_label(secret, "nonce", b"", suite.nn),
    )
