"""The group context: what all members agree on in an epoch (RFC 9420 section 8.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from chappe.mls.codec import Reader, opaque, u16, u64
from chappe.mls.errors import MalformedMessage
from chappe.mls.leaf_node import MLS10, Extensions, encode_extensions, read_extensions


@dataclass(frozen=True)
class GroupContext:
    cipher_suite: int
    group_id: bytes
    epoch: int
    tree_hash: bytes
    confirmed_transcript_hash: bytes
    extensions: Extensions = ()

    @cached_property
    def encoded(self) -> bytes:
        return (
            u16(MLS10)
            + u16(self.cipher_suite)
            + opaque(self.group_id)
            + u64(self.epoch)
            + opaque(self.tree_hash)
            + opaque(self.confirmed_transcript_hash)
            + encode_extensions(self.extensions)
        )

    @classmethod
    def read(cls, r: Reader) -> GroupContext:
        if r.u16() != MLS10:
            raise MalformedMessage("group context of another MLS version")
        return cls(r.u16(), r.opaque(), r.u64(), r.opaque(), r.opaque(), read_extensions(r))
