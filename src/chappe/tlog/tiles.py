"""Tiles and entry bundles (C2SP tlog-tiles): their names, what is in them, and which ones a tree has.

A tile at level `l` holds up to 256 neighbouring nodes of height `8·l`; a full one is itself a node of the
level above. A bundle holds the entries under a tile of level 0. Both are files that never change, but for
partial ones, which a wider one replaces. Nothing here is verified: see `chappe.tlog.tile_reader`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from chappe.tlog.errors import Malformed, OutOfRange
from chappe.tlog.merkle import HASH_SIZE, MAX_SIZE, Node, ReadNode, check_size

HEIGHT: Final = 8
WIDTH: Final = 1 << HEIGHT
MAX_LEVEL: Final = 63
# A bundle gives the length of an entry in two bytes.
MAX_ENTRY: Final = 65_535
_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?",
    re.ASCII,
)
# 2^63 - 1 has 19 digits: seven groups of three. Anything longer is refused before it is read as a number.
_MAX_PATH: Final = 64


@dataclass(frozen=True, slots=True)
class Tile:
    """The file with the nodes of height `8 * level` numbered from `index * 256`, `width` of them.

    `level` None: the bundle of the entries themselves.
    """

    level: int | None
    index: int
    width: int = WIDTH

    def __post_init__(self) -> None:
        if not 0 <= (self.level or 0) <= MAX_LEVEL or not 0 <= self.index <= MAX_SIZE:
            raise OutOfRange("no tree has a tile of this level and index")
        if not 1 <= self.width <= WIDTH:
            raise OutOfRange("a tile is 1 to 256 wide")

    @property
    def path(self) -> str:
        """Where it is served, below the log's prefix: as `tile/0/x001/x234/067.p/5`."""
        digits = f"{self.index:d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
        index = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level is None else self.level
        return f"tile/{level}/{index}" + ("" if self.width == WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> Tile:
        """The tile that is served at `path`; raises Malformed for any other than the one spelling."""
        match = _PATH.fullmatch(path) if len(path) <= _MAX_PATH else None
        if match is None:
            raise Malformed("not the path of a tile")
        level = None if match["level"] == "entries" else int(match["level"])
        index = int(match["index"].replace("x", "").replace("/", ""))
        try:
            tile = cls(level, index, int(match["width"] or WIDTH))
        except OutOfRange as error:
            raise Malformed("not the path of a tile") from error
        if tile.path != path:
            raise Malformed("not the canonical path of a tile")
        return tile

    def node(self, at: int) -> Node:
        """The node that is number `at` in it, from 0."""
        return Node(HEIGHT * (self.level or 0), self.index * WIDTH + at)


def tile_width(level: int | None, index: int, size: int) -> int:
    """How wide the tile is in a tree of `size` leaves: 0 (there is none) to 256."""
    return max(0, min(WIDTH, (check_size(size) >> HEIGHT * (level or 0)) - index * WIDTH))


def tile_of(node: Node, size: int) -> Tile:
    """The tile of a tree of `size` leaves that the node is in, or is made from; raises OutOfRange."""
    if node.level < 0 or node.index < 0 or (node.index + 1) << node.level > size:
        raise OutOfRange("the tree has no such node")
    level, rest = divmod(node.level, HEIGHT)
    index = (node.index << rest) // WIDTH
    return Tile(level, index, tile_width(level, index, size))


def edge_tiles(size: int) -> list[Tile]:
    """The partial tiles of a tree of `size` leaves, lowest level first: its frontier is in them."""
    levels = range((check_size(size).bit_length() + HEIGHT - 1) // HEIGHT)
    edges = ((level, size >> HEIGHT * level) for level in levels)
    return [Tile(level, count // WIDTH, count % WIDTH) for level, count in edges if count % WIDTH]


def new_tiles(old: int, new: int) -> Iterator[Tile]:
    """The tiles and bundles that a log writes when it grows from `old` to `new` entries, bundles first.

    Every one that is full or partial at `new` and was not so at `old`; raises OutOfRange if it shrinks.
    """
    if not check_size(old) <= check_size(new):
        raise OutOfRange("a log does not shrink")
    levels: list[int | None] = [None, *range((new.bit_length() + HEIGHT - 1) // HEIGHT)]
    for level in levels:
        first, last = (size >> HEIGHT * (level or 0) for size in (old, new))
        for index in range(first // WIDTH, -(-last // WIDTH)):
            if tile_width(level, index, new) > tile_width(level, index, old):
                yield Tile(level, index, tile_width(level, index, new))


def tile_bytes(tile: Tile, read: ReadNode) -> bytes:
    """What a tile of hashes holds, its nodes given: 32 bytes for each."""
    return b"".join(read(tile.node(at)) for at in range(tile.width))


def tile_hashes(tile: Tile, data: bytes) -> list[bytes]:
    """The hashes in a tile, as many as it is wide; raises Malformed."""
    if len(data) != tile.width * HASH_SIZE:
        raise Malformed(f"a tile is {tile.width} hashes wide and has {len(data)} bytes")
    return [data[at : at + HASH_SIZE] for at in range(0, len(data), HASH_SIZE)]


def bundle_bytes(entries: Sequence[bytes]) -> bytes:
    """A bundle of 1 to 256 entries: the length of each in two bytes, then the entry. Raises OutOfRange."""
    if not 1 <= len(entries) <= WIDTH or any(len(entry) > MAX_ENTRY for entry in entries):
        raise OutOfRange(f"a bundle has 1 to {WIDTH} entries of at most {MAX_ENTRY} bytes")
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def bundle_entries(tile: Tile, data: bytes) -> list[bytes]:
    """The entries in a bundle, as many as it is wide and nothing behind them; raises Malformed."""
    entries, at = [], 0
    for _ in range(tile.width):
        start = at + 2
        end = start + int.from_bytes(data[at:start], "big")
        if end > len(data):
            raise Malformed("an entry bundle is cut off")
        entries.append(data[start:end])
        at = end
    if at != len(data):
        raise Malformed("an entry bundle has more in it than its entries")
    return entries
