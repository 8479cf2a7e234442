"""Heads and frontiers against the definition in RFC 9162."""

from __future__ import annotations

import hashlib

import pytest

from chappe.tlog.errors import Malformed, OutOfRange
from chappe.tlog.merkle import (
    EMPTY_ROOT,
    MAX_SIZE,
    Frontier,
    Node,
    leaf_hash,
    node_hash,
    range_head,
    range_nodes,
    read_frontier,
    tree_head,
)
from tests.tlog import trees


def test_hashes_have_their_prefixes() -> None:
    assert leaf_hash(b"x") == hashlib.sha256(b"\x00x").digest()
    assert node_hash(b"l" * 32, b"r" * 32) == hashlib.sha256(b"\x01" + b"l" * 32 + b"r" * 32).digest()


def test_head_and_frontier_of_every_size_are_those_of_the_definition() -> None:
    data = trees.entries(70)
    frontier = Frontier()
    assert frontier.root() == EMPTY_ROOT == trees.mth([]) == tree_head([])
    for size in range(1, len(data) + 1):
        frontier = frontier.append(leaf_hash(data[size - 1]))
        assert frontier.size == size
        assert frontier.root() == trees.mth(data[:size]) == tree_head(data[:size])
        assert Frontier.from_bytes(frontier.to_bytes()) == frontier
        assert read_frontier(size, trees.reader(data)) == frontier


def test_extend_tells_each_node_that_becomes_complete_once() -> None:
    data = trees.entries(41)
    seen: dict[Node, bytes] = {}

    def emit(node: Node, head: bytes) -> None:
        assert node not in seen
        seen[node] = head

    first = Frontier().extend(map(leaf_hash, data[:13]), emit)
    both = first.extend(map(leaf_hash, data[13:]), emit)
    assert both.root() == trees.mth(data)
    assert set(seen) == {Node(level, at) for level in range(7) for at in range(41 >> level)}
    read = trees.reader(data)
    assert all(read(node) == head for node, head in seen.items())


def test_a_range_of_any_subtree_has_its_head() -> None:
    data = trees.entries(33)
    for size in range(1, 34):
        step = 1 << (size - 1).bit_length()
        for start in range(0, 34 - size, step):
            assert range_head(start, start + size, trees.reader(data)) == trees.mth(
                data[start : start + size]
            )


@pytest.mark.parametrize(("start", "end"), [(0, 0), (1, 3), (-2, 0), (4, 3), (2, 5), (0, MAX_SIZE + 1)])
def test_a_range_that_no_tree_has_is_refused(start: int, end: int) -> None:
    with pytest.raises(OutOfRange):
        range_nodes(start, end)


def test_an_append_costs_the_logarithm() -> None:
    size = 2**40 - 1
    frontier = Frontier(size, tuple(bytes([level]) * 32 for level in range(40)))
    assert len(frontier.append(b"l" * 32).hashes) == 1
    assert len(frontier.to_bytes()) == 8 + 40 * 32


def test_a_full_tree_takes_no_more() -> None:
    full = Frontier(MAX_SIZE, (b"h" * 32,) * 63)
    with pytest.raises(OutOfRange):
        full.append(b"l" * 32)


def test_bytes_that_are_no_frontier_are_refused() -> None:
    whole = Frontier().append(b"a" * 32).append(b"b" * 32).append(b"c" * 32).to_bytes()
    bad = [b"", whole[:7], whole[:-1], whole + b"\x00", whole[:-32], whole + b"h" * 32, b"\xff" * 8]
    bad += [b"\xff" * 8 + b"h" * 32 * 64, (2**63).to_bytes(8, "big") + b"h" * 32]
    for data in bad:
        with pytest.raises(Malformed):
            Frontier.from_bytes(data)
    for size, hashes in [(1, ()), (0, (b"h" * 32,)), (1, (b"h" * 31,))]:
        with pytest.raises(Malformed):
            Frontier(size, hashes)
    with pytest.raises(OutOfRange):
        Frontier(-1)
