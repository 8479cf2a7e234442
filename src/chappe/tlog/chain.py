"""An append-only log as rows of a table: entry, index, and the root after each.

The keeper stores, in one transaction, the row and the chain's new bytes (`Chain.to_bytes`); a row is never
changed or deleted. Whoever reads the rows replays them: an entry that was changed, left out, added or moved
is found at its index, and the last root is the one that a checkpoint signs. The tree is RFC 9162's, so the
same rows can be served as tiles and proved row by row (`chappe.tlog.proofs`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from chappe.tlog.errors import BrokenChain, OutOfRange
from chappe.tlog.merkle import Frontier, leaf_hash
from chappe.tlog.tiles import MAX_ENTRY


@dataclass(frozen=True, slots=True)
class Row:
    """What is stored of one entry. `root` is the tree head, 32 bytes, with this entry as the last."""

    index: int
    entry: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class Chain:
    """A log as far as it got: its size and its frontier. It never changes; `append` returns the next one."""

    frontier: Frontier = field(default_factory=Frontier)

    @property
    def size(self) -> int:
        """How many entries there are; the index of the next one."""
        return self.frontier.size

    @property
    def root(self) -> bytes:
        """The tree head: 32 bytes."""
        return self.frontier.root()

    def append(self, entry: bytes) -> tuple[Chain, Row]:
        """The chain with `entry` as its last, and the row to store. Raises OutOfRange for an entry above
        MAX_ENTRY bytes."""
        if len(entry) > MAX_ENTRY:
            raise OutOfRange(f"an entry has at most {MAX_ENTRY} bytes")
        chain = Chain(self.frontier.append(leaf_hash(entry)))
        return chain, Row(self.size, entry, chain.root)

    def to_bytes(self) -> bytes:
        """8 bytes of size and at most 63 hashes: under 2 KiB."""
        return self.frontier.to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> Chain:
        """The chain that `to_bytes` wrote; raises Malformed for anything else."""
        return cls(Frontier.from_bytes(data))


def replay(rows: Iterable[Row], *, start: Chain | None = None) -> Chain:
    """The chain that the rows make, every root checked.

    `start` is a chain verified before, by default the empty one: `rows` are those after it. Raises
    BrokenChain at the first row whose index, entry or root does not fit. That the rows are *all* is for the
    caller to see: the size and root of what comes back must be those of a head that he trusts
    (`replay_to`).
    """
    chain = start or Chain()
    for row in rows:
        if row.index != chain.size:
            raise BrokenChain(f"entry {chain.size} is missing or out of place", index=chain.size)
        if len(row.entry) > MAX_ENTRY:
            raise BrokenChain(f"entry {row.index} is too long", index=row.index)
        chain, made = chain.append(row.entry)
        if made.root != row.root:
            raise BrokenChain(f"entry {row.index} is not the one its root was made of", index=row.index)
    return chain


def replay_to(rows: Iterable[Row], *, size: int, root: bytes, start: Chain | None = None) -> Chain:
    """`replay`, and that the rows end in exactly the head `size`, `root`; raises BrokenChain."""
    chain = replay(rows, start=start)
    if chain.size != size:
        raise BrokenChain(f"there are {chain.size} entries, {size} are said", index=min(chain.size, size))
    if chain.root != root:
        raise BrokenChain("the entries do not lead to the root", index=chain.size)
    return chain
