"""Reads a tree out of tiles that nobody vouches for: every hash is checked against a tree head before use.

The partial tiles of a tree hold its frontier, so they are right if it leads to the root. A full tile is right
if it leads to the hash that the tile above has for it. Where the tiles come from, and how, is the caller's:
`needed` says which ones to have at hand, and `fetch` gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from chappe.tlog.errors import MissingTile, OutOfRange, WrongProof
from chappe.tlog.merkle import EMPTY_ROOT, Frontier, Node, fold, leaf_hash, node_hash, range_nodes
from chappe.tlog.proofs import Range, consistency_ranges, inclusion_ranges
from chappe.tlog.tiles import (
    HEIGHT,
    WIDTH,
    Tile,
    bundle_entries,
    edge_tiles,
    tile_hashes,
    tile_of,
    tile_width,
)

Fetch = Callable[[Tile], bytes]


def from_mapping(tiles: Mapping[Tile, bytes]) -> Fetch:
    """`fetch` for tiles that are at hand; raises MissingTile for any other."""

    def fetch(tile: Tile) -> bytes:
        try:
            return tiles[tile]
        except KeyError as error:
            raise MissingTile(f"{tile.path} is needed and is not at hand") from error

    return fetch


def range_tiles(ranges: Iterable[Range], size: int) -> list[Tile]:
    """The tiles that must be at hand to read the heads of these ranges in a tree of `size` leaves.

    Each is there once; among them are those that the others are checked with. For proofs see
    `proofs.inclusion_ranges` and `proofs.consistency_ranges`.
    """
    found = dict.fromkeys(edge_tiles(size))
    for start, end in ranges:
        for node in range_nodes(start, end):
            tile = tile_of(node, size)
            while tile not in found:
                found[tile] = None
                tile = tile_of(_head_node(tile), size)
    return list(found)


def inclusion_tiles(index: int, size: int) -> list[Tile]:
    """The tiles that must be at hand to check entry `index`; raises OutOfRange."""
    return range_tiles([(index, index + 1), *inclusion_ranges(index, size)], size)


def consistency_tiles(old: int, new: int) -> list[Tile]:
    """The tiles that must be at hand to compare a tree with an older one; raises OutOfRange."""
    past = [(0, old)] if old else []
    return range_tiles([*past, *(consistency_ranges(old, new) if old else ())], new)


def _head_node(tile: Tile) -> Node:
    """The node that a full tile of hashes is."""
    return Node(HEIGHT * ((tile.level or 0) + 1), tile.index)


class TileReader:
    """The tree of `size` leaves with the head `root`. `read` is a ReadNode for heads and proofs.

    Tiles are fetched once, when they are needed, and kept while the reader lives. Raises WrongProof for a
    tile that does not belong to the tree, Malformed for one of another width, and what `fetch` raises.
    """

    def __init__(self, size: int, root: bytes, fetch: Fetch) -> None:
        self.size = size
        self.root = root
        self._fetch = fetch
        self._hashes: dict[Tile, list[bytes]] = {}
        edges = edge_tiles(size)
        fetched = {tile: tile_hashes(tile, fetch(tile)) for tile in edges}
        # The highest level is the leftmost in the tree: its complete subtrees are the largest.
        heads = [head for tile in reversed(edges) for head in _partial_heads(fetched[tile])]
        if (fold(heads) if heads else EMPTY_ROOT) != root:
            raise WrongProof("the tiles at the edge of the tree do not lead to its root")
        self._hashes.update(fetched)

    def read(self, node: Node) -> bytes:
        """The head of a node of the tree: 32 bytes. Raises OutOfRange if it has no such node."""
        tile = tile_of(node, self.size)
        width = 1 << node.level % HEIGHT
        at = node.index * width % WIDTH
        return _complete_head(self._tile(tile)[at : at + width])

    def frontier(self, size: int) -> Frontier:
        """The frontier that the tree had when it was `size` leaves large; raises OutOfRange."""
        if not 0 <= size <= self.size:
            raise OutOfRange("the tree was never as large")
        nodes = range_nodes(0, size) if size else []
        return Frontier(size, tuple(self.read(node) for node in nodes))

    def entries(self, index: int) -> list[bytes]:
        """The entries of bundle `index`, each checked against its leaf hash: from `256 * index` on.

        Raises OutOfRange if the tree has none there.
        """
        width = tile_width(None, index, self.size)
        if index < 0 or not width:
            raise OutOfRange("the tree has no such entries")
        bundle = Tile(None, index, width)
        leaves, entries = self._tile(Tile(0, index, width)), bundle_entries(bundle, self._fetch(bundle))
        if [leaf_hash(entry) for entry in entries] != leaves:
            raise WrongProof(f"{bundle.path} is not what the tree was made of")
        return entries

    def entry(self, index: int) -> bytes:
        """Entry `index`, checked; raises OutOfRange if there is none."""
        bundle, at = divmod(index, WIDTH)
        entries = self.entries(bundle)
        if at >= len(entries):
            raise OutOfRange("the tree has no such entry")
        return entries[at]

    def _tile(self, tile: Tile) -> list[bytes]:
        """The hashes of a tile, checked: by way of the tiles above it, up to one that is known."""
        way = []
        while tile not in self._hashes:
            way.append(tile)
            tile = tile_of(_head_node(tile), self.size)
        for below in reversed(way):
            hashes = tile_hashes(below, self._fetch(below))
            if _complete_head(hashes) != self._hashes[tile][below.index % WIDTH]:
                raise WrongProof(f"{below.path} does not belong to the tree")
            self._hashes[below] = hashes
            tile = below
        return self._hashes[tile]


def _complete_head(hashes: list[bytes]) -> bytes:
    """The head of a complete subtree over 1, 2, 4, ... 256 nodes."""
    while len(hashes) > 1:
        hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes), 2)]
    return hashes[0]


def _partial_heads(hashes: list[bytes]) -> list[bytes]:
    """The heads of the complete subtrees over these nodes, the largest first."""
    heads, at = [], 0
    for bit in reversed(range(HEIGHT)):
        if len(hashes) & 1 << bit:
            heads.append(_complete_head(hashes[at : at + (1 << bit)]))
            at += 1 << bit
    return heads
