"""Key packages: what a client publishes so that others can add it (RFC 9420 section 10)."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from functools import cached_property

from chappe.mls.codec import Reader, opaque, parse, u16
from chappe.mls.errors import InvalidMessage, MalformedMessage
from chappe.mls.leaf_node import (
    MLS10,
    Capabilities,
    Credential,
    Extension,
    Extensions,
    ExtensionType,
    LeafNode,
    LeafSource,
    Lifetime,
    encode_extensions,
    find_extension,
    read_extensions,
)
from chappe.mls.leaf_rules import check_own_support
from chappe.mls.signatures import SignatureKey
from chappe.mls.suites import IMPLEMENTED, CipherSuite, Random, cipher_suite

_WIRE_FORMAT_KEY_PACKAGE = 5


def default_capabilities(extensions: tuple[int, ...] = ()) -> Capabilities:
    """What this engine supports, with the application's own extension types. No GREASE in it: that is added
    where a list is sent, by `greased` (section 13.5)."""
    return Capabilities(cipher_suites=IMPLEMENTED, extensions=(ExtensionType.LAST_RESORT, *extensions))


@dataclass(frozen=True)
class KeyPackage:
    """`KeyPackage` (section 10)."""

    version: int
    cipher_suite: int
    init_key: bytes
    leaf_node: LeafNode
    extensions: Extensions = ()
    signature: bytes = b""

    @cached_property
    def to_be_signed(self) -> bytes:
        return (
            u16(self.version)
            + u16(self.cipher_suite)
            + opaque(self.init_key)
            + self.leaf_node.encode()
            + encode_extensions(self.extensions)
        )

    @cached_property
    def encoded(self) -> bytes:
        return self.to_be_signed + opaque(self.signature)

    def encode(self) -> bytes:
        return self.encoded

    @classmethod
    def read(cls, r: Reader) -> KeyPackage:
        return cls(r.u16(), r.u16(), r.opaque(), LeafNode.read(r), read_extensions(r), r.opaque())

    @property
    def message(self) -> bytes:
        """The MLSMessage that carries it: what is published."""
        return u16(MLS10) + u16(_WIRE_FORMAT_KEY_PACKAGE) + self.encoded

    @cached_property
    def ref(self) -> bytes:
        """KeyPackageRef (section 5.2)."""
        return cipher_suite(self.cipher_suite).ref_hash("MLS 1.0 KeyPackage Reference", self.encoded)

    @property
    def is_last_resort(self) -> bool:
        return find_extension(self.extensions, ExtensionType.LAST_RESORT) is not None

    def validate(self, *, now: int | None = None, max_lifetime: int | None) -> None:
        """Section 10.1; where `now` is given, whether the lifetime holds (section 7.3); where `max_lifetime`
        is, whether it is no longer than so many seconds (section 7.2). Raises InvalidMessage."""
        if self._fault is not None:
            raise InvalidMessage(self._fault)
        lifetime = self.leaf_node.lifetime
        assert lifetime is not None
        if now is not None and not lifetime.holds(now):
            raise InvalidMessage("key package outside its lifetime")
        if max_lifetime is not None and not lifetime.is_within(max_lifetime):
            raise InvalidMessage("key package claims too long a lifetime")

    @cached_property
    def _fault(self) -> str | None:
        """What is wrong with it at any time: found once, for a package is looked at when it is proposed and
        again when it is committed."""
        try:
            self._check()
        except InvalidMessage as fault:
            return str(fault)
        return None

    def _check(self) -> None:
        suite, leaf = cipher_suite(self.cipher_suite), self.leaf_node
        if self.version != MLS10:
            raise InvalidMessage("key package of another MLS version")
        if leaf.source is not LeafSource.KEY_PACKAGE or leaf.lifetime is None:
            raise InvalidMessage("the leaf of a key package has source key_package")
        if not suite.verify_with_label(
            leaf.signature_key, "KeyPackageTBS", self.to_be_signed, self.signature
        ):
            raise InvalidMessage("key package signature does not hold")
        if not leaf.signature_holds(suite):
            raise InvalidMessage("leaf signature does not hold")
        if self.init_key == leaf.encryption_key:
            raise InvalidMessage("init key equals the leaf's encryption key")
        if not (suite.is_public_key(self.init_key) and suite.is_public_key(leaf.encryption_key)):
            raise InvalidMessage("a key of the key package is no key of its suite")
        check_own_support(suite, leaf)


def parse_key_package(message: bytes) -> KeyPackage:
    """A key package from the MLSMessage that carries it. Raises MalformedMessage, also where the two are of
    different versions (section 10); validates nothing else."""

    def read(r: Reader) -> KeyPackage:
        if r.u16() != MLS10 or r.u16() != _WIRE_FORMAT_KEY_PACKAGE:
            raise MalformedMessage("not a key package message")
        package = KeyPackage.read(r)
        if package.version != MLS10:
            raise MalformedMessage("key package of another MLS version than its message")
        return package

    return parse(read, message)


@dataclass(frozen=True)
class KeyPackageBundle:
    """A key package with its private keys, to be kept until the Welcome comes, then deleted."""

    key_package: KeyPackage
    init_private: bytes = field(repr=False)
    encryption_private: bytes = field(repr=False)

    @property
    def message(self) -> bytes:
        return self.key_package.message

    @property
    def ref(self) -> bytes:
        return self.key_package.ref

    def to_bytes(self) -> bytes:
        return opaque(self.init_private) + opaque(self.encryption_private) + self.key_package.encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> KeyPackageBundle:
        """Raises MalformedMessage."""

        def read(r: Reader) -> KeyPackageBundle:
            init, encryption = r.opaque(), r.opaque()
            return cls(KeyPackage.read(r), init, encryption)

        return parse(read, data)


def create_key_package(
    suite: CipherSuite,
    signer: SignatureKey,
    credential: Credential,
    *,
    not_before: int,
    not_after: int,
    last_resort: bool = False,
    random: Random = os.urandom,
    capabilities: Capabilities | None = None,
    leaf_extensions: Extensions = (),
    extensions: Extensions = (),
) -> KeyPackageBundle:
    """A fresh key package. Times in Unix seconds; `random(n)` gives n random bytes. All extension types are
    to be in `capabilities` (section 10). Raises InvalidMessage for what nobody would take."""
    init, encryption = suite.generate_key_pair(random), suite.generate_key_pair(random)
    leaf = LeafNode(
        encryption.public,
        signer.public,
        credential,
        capabilities or default_capabilities(),
        LeafSource.KEY_PACKAGE,
        lifetime=Lifetime(not_before, not_after),
        extensions=leaf_extensions,
    ).signed(suite, signer.private)
    extensions = (*extensions, *((Extension(ExtensionType.LAST_RESORT, b""),) if last_resort else ()))
    check_own_support(suite, leaf)
    if not all(leaf.capabilities.has_extension(e.type) for e in extensions):
        raise InvalidMessage("a key package has an extension that its leaf does not list")
    unsigned = KeyPackage(MLS10, suite.id, init.public, leaf, extensions)
    signature = suite.sign_with_label(signer.private, "KeyPackageTBS", unsigned.to_be_signed)
    signed = KeyPackage(MLS10, suite.id, init.public, leaf, extensions, signature)
    return KeyPackageBundle(signed, init.private, encryption.private)
