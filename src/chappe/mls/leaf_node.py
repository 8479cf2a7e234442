"""Credentials, capabilities, extensions and the leaf node (RFC 9420 sections 5.3, 7.2, 13)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum
from functools import cached_property, lru_cache

from chappe.mls.codec import Reader, opaque, parse, u8, u16, u32, u64, vector
from chappe.mls.errors import MalformedMessage
from chappe.mls.suites import CipherSuite

MLS10 = 1


class CredentialType(IntEnum):
    BASIC = 1
    X509 = 2


class ExtensionType(IntEnum):
    APPLICATION_ID = 1
    RATCHET_TREE = 2
    REQUIRED_CAPABILITIES = 3
    EXTERNAL_PUB = 4
    EXTERNAL_SENDERS = 5
    LAST_RESORT = 10


DEFAULT_EXTENSIONS = frozenset(range(1, 6))
"""Extension types that need not be listed in capabilities (section 7.2)."""
DEFAULT_PROPOSALS = frozenset(range(1, 8))


@dataclass(frozen=True, slots=True)
class Credential:
    """`identity` is the basic credential's, or the encoded certificate chain of an X.509 one."""

    type: int
    identity: bytes

    @classmethod
    def basic(cls, identity: bytes) -> Credential:
        return cls(CredentialType.BASIC, identity)

    def encode(self) -> bytes:
        return u16(self.type) + opaque(self.identity)

    @classmethod
    def read(cls, r: Reader) -> Credential:
        type_ = r.u16()
        if type_ not in (CredentialType.BASIC, CredentialType.X509):
            raise MalformedMessage(f"credential type {type_} has no known form")
        return cls(type_, r.opaque())


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension in wire form; whoever knows `type` reads `data`."""

    type: int
    data: bytes

    def encode(self) -> bytes:
        return u16(self.type) + opaque(self.data)

    @classmethod
    def read(cls, r: Reader) -> Extension:
        return cls(r.u16(), r.opaque())


Extensions = tuple[Extension, ...]


def encode_extensions(extensions: Extensions) -> bytes:
    return vector(e.encode() for e in extensions)


def read_extensions(r: Reader) -> Extensions:
    """`Extension extensions<V>`; a type that stands twice is refused (section 13.4)."""
    extensions = r.vector(Extension.read)
    if len({e.type for e in extensions}) != len(extensions):
        raise MalformedMessage("an extension type stands twice")
    return extensions


def find_extension(extensions: Extensions, type_: int) -> bytes | None:
    """The data of the extension of that type, or None."""
    return next((e.data for e in extensions if e.type == type_), None)


def _read_u16s(r: Reader) -> tuple[int, ...]:
    return r.vector(Reader.u16)


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a client supports (section 7.2). Unknown values, GREASE among them, are kept and ignored."""

    versions: tuple[int, ...] = (MLS10,)
    cipher_suites: tuple[int, ...] = ()
    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = (CredentialType.BASIC,)

    def encode(self) -> bytes:
        lists = (self.versions, self.cipher_suites, self.extensions, self.proposals, self.credentials)
        return b"".join(vector(u16(v) for v in values) for values in lists)

    @classmethod
    def read(cls, r: Reader) -> Capabilities:
        """Equal ones are one object: the members of a group mostly support the same."""
        start = r.pos
        for _ in range(5):
            r.opaque()
        return _parse_capabilities(r.data[start : r.pos])

    def has_extension(self, type_: int) -> bool:
        return type_ in DEFAULT_EXTENSIONS or type_ in self.extensions

    def has_proposal(self, type_: int) -> bool:
        return type_ in DEFAULT_PROPOSALS or type_ in self.proposals


@lru_cache(maxsize=1024)
def _parse_capabilities(data: bytes) -> Capabilities:
    def read(r: Reader) -> Capabilities:
        return Capabilities(*(_read_u16s(r) for _ in range(5)))

    return parse(read, data)


@dataclass(frozen=True, slots=True)
class RequiredCapabilities:
    """The `required_capabilities` extension (section 11.1)."""

    extensions: tuple[int, ...] = ()
    proposals: tuple[int, ...] = ()
    credentials: tuple[int, ...] = ()

    def encode(self) -> bytes:
        return b"".join(
            vector(u16(v) for v in vs) for vs in (self.extensions, self.proposals, self.credentials)
        )

    @classmethod
    def read(cls, r: Reader) -> RequiredCapabilities:
        return cls(_read_u16s(r), _read_u16s(r), _read_u16s(r))

    def met_by(self, capabilities: Capabilities) -> bool:
        return (
            all(capabilities.has_extension(e) for e in self.extensions)
            and all(capabilities.has_proposal(p) for p in self.proposals)
            and all(c in capabilities.credentials for c in self.credentials)
        )


@dataclass(frozen=True, slots=True)
class Lifetime:
    """Seconds since the Unix epoch, both inclusive (section 7.2)."""

    not_before: int
    not_after: int

    def holds(self, now: int) -> bool:
        return self.not_before <= now <= self.not_after

    def is_within(self, seconds: int) -> bool:
        """Whether it is no longer than that, and not the wrong way round."""
        return 0 <= self.not_after - self.not_before <= seconds


class LeafSource(IntEnum):
    KEY_PACKAGE = 1
    UPDATE = 2
    COMMIT = 3


@dataclass(frozen=True)
class LeafNode:
    """A member's leaf (section 7.2). `source` says which of `lifetime` and `parent_hash` it holds."""

    encryption_key: bytes
    signature_key: bytes
    credential: Credential
    capabilities: Capabilities
    source: LeafSource
    lifetime: Lifetime | None = None
    parent_hash: bytes | None = None
    extensions: Extensions = ()
    signature: bytes = b""

    @property
    def _content(self) -> bytes:
        """All but the signature."""
        encoded = self.__dict__.get("encoded")
        if encoded is not None:
            return bytes(encoded[: len(encoded) - len(opaque(self.signature))])
        head = (
            opaque(self.encryption_key)
            + opaque(self.signature_key)
            + self.credential.encode()
            + self.capabilities.encode()
            + u8(self.source)
        )
        if self.source is LeafSource.KEY_PACKAGE:
            assert self.lifetime is not None
            head += u64(self.lifetime.not_before) + u64(self.lifetime.not_after)
        elif self.source is LeafSource.COMMIT:
            assert self.parent_hash is not None
            head += opaque(self.parent_hash)
        return head + encode_extensions(self.extensions)

    @cached_property
    def encoded(self) -> bytes:
        return self._content + opaque(self.signature)

    def encode(self) -> bytes:
        return self.encoded

    @classmethod
    def read(cls, r: Reader) -> LeafNode:
        start = r.pos
        keys = r.opaque(), r.opaque()
        credential, capabilities = Credential.read(r), Capabilities.read(r)
        try:
            source = LeafSource(r.u8())
        except ValueError:
            raise MalformedMessage("unknown leaf node source") from None
        lifetime = parent_hash = None
        if source is LeafSource.KEY_PACKAGE:
            lifetime = Lifetime(r.u64(), r.u64())
        elif source is LeafSource.COMMIT:
            parent_hash = r.opaque()
        extensions = read_extensions(r)
        leaf = cls(*keys, credential, capabilities, source, lifetime, parent_hash, extensions, r.opaque())
        # There is one encoding only: what was read is what `encoded` would build.
        leaf.__dict__["encoded"] = r.data[start : r.pos]
        return leaf

    def to_be_signed(self, group_id: bytes, leaf_index: int) -> bytes:
        """LeafNodeTBS; the group's id and the index count only for source update and commit."""
        if self.source is LeafSource.KEY_PACKAGE:
            return self._content
        return self._content + opaque(group_id) + u32(leaf_index)

    def signed(
        self, suite: CipherSuite, private: bytes, group_id: bytes = b"", leaf_index: int = 0
    ) -> LeafNode:
        """A copy with its signature made anew."""
        signature = suite.sign_with_label(private, "LeafNodeTBS", self.to_be_signed(group_id, leaf_index))
        return replace(self, signature=signature)

    def signature_holds(self, suite: CipherSuite, group_id: bytes = b"", leaf_index: int = 0) -> bool:
        content = self.to_be_signed(group_id, leaf_index)
        return suite.verify_with_label(self.signature_key, "LeafNodeTBS", content, self.signature)
