"""The Merkle tree of RFC 9162 section 2.1 with SHA-256: hashes, tree heads, and the frontier.

A *node* is a complete subtree: `Node(level, index)` covers the leaves from `index << level` up to but without
`(index + 1) << level`. A range of leaves that starts where a subtree may start is a short list of such
nodes, so whoever can read nodes (from tiles, a table, a list) can make every head and proof.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chappe.tlog.errors import Malformed, OutOfRange

HASH_SIZE: Final = 32
# What fits a signed 64-bit number: SQLite's, PostgreSQL's and Go's.
MAX_SIZE: Final = 2**63 - 1
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


@dataclass(frozen=True, slots=True)
class Node:
    """A complete subtree of `1 << level` leaves."""

    level: int
    index: int


ReadNode = Callable[[Node], bytes]


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 ‖ entry): 32 bytes."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right): 32 bytes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_size(size: int) -> int:
    """`size` if a tree may have it; raises OutOfRange."""
    if not 0 <= size <= MAX_SIZE:
        raise OutOfRange("a tree size is between 0 and 2^63 - 1")
    return size


def split(size: int) -> int:
    """The largest power of two below `size`, which is 2 or more: where RFC 9162 parts a tree."""
    return 1 << ((size - 1).bit_length() - 1)


def tree_head(entries: Sequence[bytes]) -> bytes:
    """MTH(entries) of RFC 9162 section 2.1.1: 32 bytes."""
    frontier = Frontier()
    for entry in entries:
        frontier = frontier.append(leaf_hash(entry))
    return frontier.root()


def range_nodes(start: int, end: int) -> list[Node]:
    """The nodes that make up the leaves [start, end), left to right.

    `start` must be a multiple of the smallest power of two that is not less than `end - start`, as it is for
    every subtree of an RFC 9162 tree; raises OutOfRange.
    """
    if not 0 <= start < end <= MAX_SIZE or start % (1 << (end - start - 1).bit_length()):
        raise OutOfRange("no subtree of a Merkle tree has these bounds")
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The head of adjoining complete subtrees, each smaller than the one before: one or more hashes."""
    head = hashes[-1]
    for left in reversed(hashes[:-1]):
        head = node_hash(left, head)
    return head


def range_head(start: int, end: int, read: ReadNode) -> bytes:
    """The head of the leaves [start, end), as `range_nodes` takes them."""
    return fold([read(node) for node in range_nodes(start, end)])


@dataclass(frozen=True, slots=True)
class Frontier:
    """The right edge of a tree: all that is needed to append to it and to know its head.

    `hashes` are the heads of the complete subtrees of the tree, the largest first: one for each bit that is
    set in `size`. A frontier never changes; `append` returns the next one.
    """

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        check_size(self.size)
        if len(self.hashes) != self.size.bit_count():
            raise Malformed("a frontier has one hash for each bit set in its size")
        if any(len(each) != HASH_SIZE for each in self.hashes):
            raise Malformed("a hash in a frontier is not 32 bytes")

    def append(self, leaf: bytes) -> Frontier:
        """The frontier with one leaf hash more: at most log2(size) hashes. Raises OutOfRange when full."""
        return self.extend([leaf], lambda node, value: None)

    def extend(self, leaves: Iterable[bytes], emit: Callable[[Node, bytes], None]) -> Frontier:
        """The frontier with these leaf hashes more. `emit` is given every node that becomes complete."""
        size, hashes = self.size, list(self.hashes)
        for leaf in leaves:
            check_size(size + 1)
            node, head = Node(0, size), leaf
            emit(node, head)
            while node.index & 1:
                node, head = Node(node.level + 1, node.index >> 1), node_hash(hashes.pop(), head)
                emit(node, head)
            hashes.append(head)
            size += 1
        return Frontier(size, tuple(hashes))

    def root(self) -> bytes:
        """The tree head: 32 bytes."""
        return fold(self.hashes) if self.hashes else EMPTY_ROOT

    def to_bytes(self) -> bytes:
        """The size as 8 bytes, big-endian, then the hashes, largest subtree first."""
        return self.size.to_bytes(8, "big") + b"".join(self.hashes)

    @classmethod
    def from_bytes(cls, data: bytes) -> Frontier:
        """The frontier that `to_bytes` wrote; raises Malformed for anything else."""
        size = int.from_bytes(data[:8], "big")
        if len(data) < 8 or size > MAX_SIZE or len(data) != 8 + HASH_SIZE * size.bit_count():
            raise Malformed("not a frontier")
        hashes = (data[at : at + HASH_SIZE] for at in range(8, len(data), HASH_SIZE))
        return cls(size, tuple(hashes))


def read_frontier(size: int, read: ReadNode) -> Frontier:
    """The frontier of the first `size` leaves of a tree whose nodes can be read."""
    if check_size(size) == 0:
        return Frontier()
    return Frontier(size, tuple(read(node) for node in range_nodes(0, size)))
