"""The tiles of a log that grows, in memory: the right edge of each level, and nothing to the left of it."""

from __future__ import annotations

from collections.abc import Iterable

from chappe.tlog.merkle import Frontier, Node, leaf_hash
from chappe.tlog.tiles import HEIGHT, WIDTH, Tile, bundle_bytes

Files = list[tuple[Tile, bytes]]


class Tree:
    """A log from its first entry on. Its tiles are a function of its entries alone: who makes them again
    makes the same bytes."""

    def __init__(self) -> None:
        self._frontier = Frontier()
        self._bundle: list[bytes] = []
        self._edges: list[list[bytes]] = []

    @property
    def size(self) -> int:
        return self._frontier.size

    @property
    def root(self) -> bytes:
        """The tree head: 32 bytes."""
        return self._frontier.root()

    def extend(self, entries: Iterable[bytes]) -> Files:
        """Append. Gives the bundles and tiles that are full now, those that others are above first."""
        full: Files = []
        for entry in entries:
            self._bundle.append(entry)
            if len(self._bundle) == WIDTH:
                full.append((Tile(None, self.size // WIDTH), bundle_bytes(self._bundle)))
                self._bundle = []
            self._frontier = self._frontier.extend(
                [leaf_hash(entry)], lambda node, head: self._take(node, head, full)
            )
        return full

    def edge(self) -> Files:
        """The partial bundle and tiles of the tree as it is."""
        files: Files = []
        if self._bundle:
            files.append((Tile(None, self.size // WIDTH, len(self._bundle)), bundle_bytes(self._bundle)))
        for level, hashes in enumerate(self._edges):
            if hashes:
                index = (self.size >> HEIGHT * level) // WIDTH
                files.append((Tile(level, index, len(hashes)), b"".join(hashes)))
        return files

    def _take(self, node: Node, head: bytes, full: Files) -> None:
        level, inside = divmod(node.level, HEIGHT)
        if inside:
            return
        if level == len(self._edges):
            self._edges.append([])
        self._edges[level].append(head)
        if len(self._edges[level]) == WIDTH:
            full.append((Tile(level, node.index // WIDTH), b"".join(self._edges[level])))
            self._edges[level] = []
