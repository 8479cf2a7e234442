"""Tiles: the published log, the names, the widths, and tiles that lie."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import Malformed, MissingTile, OutOfRange, TlogError, WrongProof
from chappe.tlog.merkle import EMPTY_ROOT, MAX_SIZE, Node, leaf_hash
from chappe.tlog.notes import SignedNote
from chappe.tlog.proofs import (
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
)
from chappe.tlog.tile_reader import TileReader, consistency_tiles, from_mapping, inclusion_tiles
from chappe.tlog.tiles import (
    MAX_ENTRY,
    Tile,
    bundle_bytes,
    bundle_entries,
    edge_tiles,
    new_tiles,
    tile_of,
    tile_width,
)
from tests.tlog import trees
from tests.tlog.worlds import Log

# Two full levels and something: 257 full tiles of leaves, a partial one, and three levels.
LARGE = 256 * 257 + 44


@pytest.fixture(scope="module")
def large() -> Log:
    return Log([b"%d" % number for number in range(LARGE)])


@pytest.fixture(scope="module")
def served(large: Log) -> dict[Tile, bytes]:
    return large.tiles(LARGE)


def test_the_published_log_is_read_at_each_size(vectors: Path) -> None:
    folder = vectors / "tlog-tiles" / "testdata" / "log"
    count = 0
    for size in range(16):
        text = SignedNote.parse((folder / f"checkpoint.{size}").read_bytes()).text
        checkpoint = Checkpoint.parse(text)
        assert checkpoint.size == size
        reader = TileReader(size, checkpoint.root, lambda tile: (folder / tile.path).read_bytes())
        entries = reader.entries(0) if size else []
        assert len(entries) == size
        for index in range(size):
            proof = prove_inclusion(index, size, reader.read)
            leaf = leaf_hash(entries[index])
            verify_inclusion(index=index, size=size, leaf=leaf, proof=proof, root=checkpoint.root)
            count += 1
    assert count == 15 * 16 // 2


def test_the_published_tiles_are_the_ones_we_would_write(vectors: Path) -> None:
    folder = vectors / "tlog-tiles" / "testdata" / "log"
    log = Log(bundle_entries(Tile(None, 0, 15), (folder / "tile/entries/000.p/15").read_bytes()))
    found = {path.relative_to(folder).as_posix() for path in (folder / "tile").rglob("*") if path.is_file()}
    written = {tile for size in range(15) for tile in new_tiles(size, size + 1)}
    assert {tile.path for tile in written} == found
    assert len(found) == 30
    for tile in written:
        assert (folder / tile.path).read_bytes() == log.data(tile)
        assert Tile.parse(tile.path) == tile


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 1234067), "tile/0/x001/x234/067"),
        (Tile(1, 999, 1), "tile/1/999.p/1"),
        (Tile(None, 1000, 255), "tile/entries/x001/000.p/255"),
        (Tile(63, 0), "tile/63/000"),
        (Tile(0, MAX_SIZE), "tile/0/x009/x223/x372/x036/x854/x775/807"),
    ],
)
def test_names_are_the_specifications(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert Tile.parse(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/000",
        "tile/0/x000/x001/000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/x1/000",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/-01",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/257",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000/",
        "/tile/0/000",
        "tile//000",
        "tile/0/../000",
        "tile/entries/../../etc/passwd",
        "tile/0/000\n",
        "tile/0/000\x00",
        "tile/\u0660/000",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/x009/x223/x372/x036/x854/x775/808",
        "tile/0/" + "x001/" * 100_000 + "001",
    ],
)
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(Malformed):
        Tile.parse(path)


def test_a_tree_has_the_tiles_that_the_specification_counts() -> None:
    """Its examples: 70,000 entries, and 256."""
    tiles = [tile for tile in new_tiles(0, 70_000) if tile.level is not None]
    assert edge_tiles(70_000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert sum(tile.level == 0 and tile.width == 256 for tile in tiles) == 273
    assert {tile for tile in tiles if tile.width < 256 or tile.level} == {*edge_tiles(70_000), Tile(1, 0)}
    assert list(new_tiles(0, 256)) == [Tile(None, 0), Tile(0, 0), Tile(1, 0, 1)]
    assert list(new_tiles(256, 256)) == list(new_tiles(0, 0)) == edge_tiles(0) == []
    assert list(new_tiles(255, 257)) == [
        Tile(None, 0),
        Tile(None, 1, 1),
        Tile(0, 0),
        Tile(0, 1, 1),
        Tile(1, 0, 1),
    ]
    with pytest.raises(OutOfRange):
        list(new_tiles(5, 4))


def test_growing_step_by_step_writes_all_that_one_step_does() -> None:
    sizes = [0, 3, 255, 256, 300, 511, 512, 900, 66_000]
    stepped = {tile for old, new in pairwise(sizes) for tile in new_tiles(old, new)}
    assert set(new_tiles(0, 66_000)) <= stepped
    assert all(tile.width < 256 for tile in stepped - set(new_tiles(0, 66_000)))


@pytest.mark.parametrize(
    ("level", "index", "width"),
    [(64, 0, 1), (-1, 0, 1), (0, -1, 1), (0, MAX_SIZE + 1, 1), (0, 0, 0), (0, 0, 257)],
)
def test_a_tile_that_no_tree_has_is_refused(level: int, index: int, width: int) -> None:
    with pytest.raises(OutOfRange):
        Tile(level, index, width)


def test_widths_and_places_at_the_far_end() -> None:
    assert tile_width(0, 2**55, MAX_SIZE) == 0
    assert tile_width(7, 0, MAX_SIZE) == 127
    assert len(edge_tiles(MAX_SIZE)) == 8
    assert tile_of(Node(0, MAX_SIZE - 1), MAX_SIZE) == Tile(0, 2**55 - 1, 255)
    for node in (Node(0, 5), Node(3, 0), Node(-1, 0), Node(0, -1)):
        with pytest.raises(OutOfRange):
            tile_of(node, 5)


def test_a_reader_proves_what_the_definition_proves() -> None:
    log = Log(trees.entries(600))
    for size in (1, 2, 255, 256, 257, 511, 512, 513, 600):
        reader = TileReader(size, log.head(size), from_mapping(log.tiles(size)))
        for index in {0, 1, 100, 254, 255, 256, 500, size - 1}:
            if index < size:
                proof = prove_inclusion(index, size, reader.read)
                assert proof == trees.path(index, log.entries[:size])
                assert reader.entry(index) == log.entries[index]
        for old in {1, 2, 128, 255, 256, 257, size}:
            if old <= size:
                assert prove_consistency(old, size, reader.read) == trees.proof(old, log.entries[:size])
                assert reader.frontier(old).root() == log.head(old)


def test_what_is_said_to_be_needed_is_enough_and_little(large: Log, served: dict[Tile, bytes]) -> None:
    tiles, root = dict(served), large.head(LARGE)
    for index in (0, 255, 256, 40_000, 65_535, 65_536, LARGE - 1):
        needed = inclusion_tiles(index, LARGE)
        assert len(needed) == len(set(needed)) <= 6
        reader = TileReader(LARGE, root, from_mapping({tile: tiles[tile] for tile in needed}))
        proof = prove_inclusion(index, LARGE, reader.read)
        assert reader.read(Node(0, index)) == leaf_hash(large.entries[index])
        leaf = leaf_hash(large.entries[index])
        verify_inclusion(index=index, size=LARGE, leaf=leaf, proof=proof, root=root)
    for old in (1, 256, 300, 65_536, 65_800, LARGE):
        needed = consistency_tiles(old, LARGE)
        assert len(needed) <= 8
        reader = TileReader(LARGE, root, from_mapping({tile: tiles[tile] for tile in needed}))
        proof = prove_consistency(old, LARGE, reader.read)
        old_root = reader.frontier(old).root()
        assert old_root == large.head(old)
        verify_consistency(old=old, new=LARGE, old_root=old_root, new_root=root, proof=proof)


def test_a_changed_tile_is_found_wherever_it_is(large: Log, served: dict[Tile, bytes]) -> None:
    """One bit of any tile on the way to an entry, and the entry is not given."""
    tiles, root, index = dict(served), large.head(LARGE), 40_000
    bundle = Tile(None, index // 256)
    for tile in [*inclusion_tiles(index, LARGE), bundle]:
        for at in (0, len(tiles[tile]) // 2, len(tiles[tile]) - 1):
            changed = bytearray(tiles[tile])
            changed[at] ^= 1
            with pytest.raises((WrongProof, Malformed)):
                TileReader(LARGE, root, from_mapping({**tiles, tile: bytes(changed)})).entry(index)
    assert TileReader(LARGE, root, from_mapping(tiles)).entry(index) == b"40000"


def test_a_tile_of_another_place_or_width_is_refused(large: Log, served: dict[Tile, bytes]) -> None:
    tiles, root = dict(served), large.head(LARGE)
    full, edge = Tile(0, 7), edge_tiles(LARGE)[0]
    swaps = [
        (full, tiles[Tile(0, 8)], WrongProof),
        (full, tiles[full][:-32], Malformed),
        (full, tiles[full] + b"h" * 32, Malformed),
        (full, tiles[full][:-1], Malformed),
        (full, b"", Malformed),
        (edge, tiles[edge][:-32], Malformed),
        (edge, tiles[edge] + b"h" * 32, Malformed),
    ]
    for tile, data, error in swaps:
        with pytest.raises(error):
            TileReader(LARGE, root, from_mapping({**tiles, tile: data})).entry(7 * 256)
    with pytest.raises(WrongProof):
        TileReader(LARGE, b"r" * 32, from_mapping(tiles))
    del tiles[full]
    with pytest.raises(MissingTile):
        TileReader(LARGE, root, from_mapping(tiles)).entry(7 * 256)


def test_a_reader_of_a_lying_tile_stays_of_use(large: Log, served: dict[Tile, bytes]) -> None:
    """What was refused is not kept: the right tile, fetched later, is taken."""
    tiles, root, full = dict(served), large.head(LARGE), Tile(0, 7)
    given = {**tiles, full: tiles[Tile(0, 8)]}
    reader = TileReader(LARGE, root, from_mapping(given))
    with pytest.raises(WrongProof):
        reader.entry(7 * 256)
    given[full] = tiles[full]
    assert reader.entry(7 * 256) == b"1792"


def test_the_empty_log_has_nothing_to_read() -> None:
    reader = TileReader(0, EMPTY_ROOT, from_mapping({}))
    assert reader.frontier(0).root() == EMPTY_ROOT
    for read in (lambda: reader.entries(0), lambda: reader.read(Node(0, 0)), lambda: reader.frontier(1)):
        with pytest.raises(OutOfRange):
            read()
    with pytest.raises(WrongProof):
        TileReader(0, b"r" * 32, from_mapping({}))
    for index in (-1, 0):
        with pytest.raises(OutOfRange):
            reader.entry(index)


def test_bundles_are_read_as_they_are_written() -> None:
    for entries in ([b""], [b"a", b"", b"b" * MAX_ENTRY], [b"x"] * 256):
        data = bundle_bytes(entries)
        assert bundle_entries(Tile(None, 0, len(entries)), data) == entries
    for bad in ([], [b"x"] * 257, [b"x" * (MAX_ENTRY + 1)]):
        with pytest.raises(OutOfRange):
            bundle_bytes(bad)


@pytest.mark.parametrize(
    "data", [b"", b"\x00", b"\x00\x02a", b"\x00\x01a", b"\x00\x01a\x00\x01b\x00", b"\xff\xff"]
)
def test_what_is_no_bundle_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        bundle_entries(Tile(None, 0, 2), data)


def test_a_bundle_that_hides_or_moves_an_entry_is_refused() -> None:
    log = Log(trees.entries(5))
    bundle = Tile(None, 0, 5)
    for entries in (log.entries[:4], [*log.entries, b"x"], log.entries[::-1], [*log.entries[:4], b""]):
        tiles = {**log.tiles(5), bundle: bundle_bytes(entries)}
        with pytest.raises(TlogError):
            TileReader(5, log.head(5), from_mapping(tiles)).entries(0)
