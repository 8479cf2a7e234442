"""Proposals and the commit that carries them (RFC 9420 sections 12.1 and 12.4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from chappe.mls.codec import Reader, opaque, optional, u8, u16, u32, vector
from chappe.mls.errors import MalformedMessage
from chappe.mls.key_package import KeyPackage
from chappe.mls.leaf_node import Extensions, LeafNode, encode_extensions, read_extensions
from chappe.mls.psks import PreSharedKeyID
from chappe.mls.treekem import UpdatePath


@dataclass(frozen=True, slots=True)
class Add:
    """Let in the client of a key package (section 12.1.1)."""

    type: ClassVar[int] = 1
    key_package: KeyPackage

    def body(self) -> bytes:
        return self.key_package.encode()


@dataclass(frozen=True, slots=True)
class Update:
    """Replace the sender's leaf (section 12.1.2)."""

    type: ClassVar[int] = 2
    leaf_node: LeafNode

    def body(self) -> bytes:
        return self.leaf_node.encode()


@dataclass(frozen=True, slots=True)
class Remove:
    """Put out the member at leaf index `removed` (section 12.1.3)."""

    type: ClassVar[int] = 3
    removed: int

    def body(self) -> bytes:
        return u32(self.removed)


@dataclass(frozen=True, slots=True)
class PreSharedKey:
    """Mix a pre-shared key into the next epoch (section 12.1.4)."""

    type: ClassVar[int] = 4
    psk: PreSharedKeyID

    def body(self) -> bytes:
        return self.psk.encode()


@dataclass(frozen=True, slots=True)
class ReInit:
    """Close this group for one with other parameters (section 12.1.5)."""

    type: ClassVar[int] = 5
    group_id: bytes
    version: int
    cipher_suite: int
    extensions: Extensions = ()

    def body(self) -> bytes:
        head = opaque(self.group_id) + u16(self.version) + u16(self.cipher_suite)
        return head + encode_extensions(self.extensions)


@dataclass(frozen=True, slots=True)
class ExternalInit:
    """The KEM output of an external commit (section 12.1.6)."""

    type: ClassVar[int] = 6
    kem_output: bytes

    def body(self) -> bytes:
        return opaque(self.kem_output)


@dataclass(frozen=True, slots=True)
class SetExtensions:
    """GroupContextExtensions: replace the group's extensions (section 12.1.7)."""

    type: ClassVar[int] = 7
    extensions: Extensions

    def body(self) -> bytes:
        return encode_extensions(self.extensions)


Proposal: TypeAlias = Add | Update | Remove | PreSharedKey | ReInit | ExternalInit | SetExtensions

_READERS: dict[int, Callable[[Reader], Proposal]] = {
    Add.type: lambda r: Add(KeyPackage.read(r)),
    Update.type: lambda r: Update(LeafNode.read(r)),
    Remove.type: lambda r: Remove(r.u32()),
    PreSharedKey.type: lambda r: PreSharedKey(PreSharedKeyID.read(r)),
    ReInit.type: lambda r: ReInit(r.opaque(), r.u16(), r.u16(), read_extensions(r)),
    ExternalInit.type: lambda r: ExternalInit(r.opaque()),
    SetExtensions.type: lambda r: SetExtensions(read_extensions(r)),
}


def read_body(type_: int, r: Reader) -> Proposal:
    """The body of a proposal of that type. Raises MalformedMessage for an unknown one."""
    if type_ not in _READERS:
        raise MalformedMessage(f"proposal type {type_} has no known form")
    return _READERS[type_](r)


def encode_proposal(proposal: Proposal) -> bytes:
    return u16(proposal.type) + proposal.body()


def read_proposal(r: Reader) -> Proposal:
    return read_body(r.u16(), r)


ProposalOrRef: TypeAlias = Proposal | bytes
"""A proposal by value, or its reference: `Hash(proposal message)`."""

_BY_VALUE, _BY_REFERENCE = 1, 2


def _encode_or_ref(item: ProposalOrRef) -> bytes:
    if isinstance(item, bytes):
        return u8(_BY_REFERENCE) + opaque(item)
    return u8(_BY_VALUE) + encode_proposal(item)


def _read_or_ref(r: Reader) -> ProposalOrRef:
    kind = r.u8()
    if kind == _BY_VALUE:
        return read_proposal(r)
    if kind == _BY_REFERENCE:
        return r.opaque()
    raise MalformedMessage("neither a proposal nor a reference")


@dataclass(frozen=True, slots=True)
class Commit:
    """`Commit` (section 12.4)."""

    proposals: tuple[ProposalOrRef, ...]
    path: UpdatePath | None = None

    def encode(self) -> bytes:
        path = optional(None if self.path is None else self.path.encode())
        return vector(_encode_or_ref(p) for p in self.proposals) + path

    @classmethod
    def read(cls, r: Reader) -> Commit:
        return cls(r.vector(_read_or_ref), r.optional(UpdatePath.read))
