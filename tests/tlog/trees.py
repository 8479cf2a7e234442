"""RFC 9162 section 2.1 written down as it stands: slow, and what the code is held against."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from chappe.tlog.merkle import Node, ReadNode

Entries = Sequence[bytes]


def entries(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


def _k(count: int) -> int:
    power = 1
    while power * 2 < count:
        power *= 2
    return power


def mth(data: Entries) -> bytes:
    """MTH: section 2.1.1."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = _k(len(data))
    return hashlib.sha256(b"\x01" + mth(data[:k]) + mth(data[k:])).digest()


def path(index: int, data: Entries) -> list[bytes]:
    """PATH: section 2.1.3.1."""
    if len(data) == 1:
        return []
    k = _k(len(data))
    if index < k:
        return [*path(index, data[:k]), mth(data[k:])]
    return [*path(index - k, data[k:]), mth(data[:k])]


def proof(old: int, data: Entries) -> list[bytes]:
    """PROOF: section 2.1.4.1."""
    return _subproof(old, data, True)


def _subproof(old: int, data: Entries, whole: bool) -> list[bytes]:
    if old == len(data):
        return [] if whole else [mth(data)]
    k = _k(len(data))
    if old <= k:
        return [*_subproof(old, data[:k], whole), mth(data[k:])]
    return [*_subproof(old - k, data[k:], False), mth(data[:k])]


def reader(data: Entries) -> ReadNode:
    """Reads nodes of the tree of `data`; a node that is not complete is a fault of the code under test."""

    def read(node: Node) -> bytes:
        start, end = node.index << node.level, (node.index + 1) << node.level
        assert end <= len(data), "read beyond the tree"
        return mth(data[start:end])

    return read
