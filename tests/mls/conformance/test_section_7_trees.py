"""Sections 7.1, 7.8 and 7.9.2: ratchet trees that a joiner refuses, though whoever invites signed them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chappe.mls import Extension, ExtensionType, Group, InvalidMessage, MalformedMessage, MLSError, accept_any
from chappe.mls.codec import opaque, optional, u8, u32, vector
from chappe.mls.leaf_node import LeafNode, LeafSource
from chappe.mls.ratchet_tree import ParentNode, RatchetTree
from chappe.mls.welcome import GroupInfo
from tests.mls.conformance import forge
from tests.mls.conformance.forge import Grove
from tests.mls.conformance.worlds import NAMES, plain, rule
from tests.mls.world import Client

# The tree of four leaves: root 3 over nodes 1 (leaves 0, 1) and 5 (leaves 2, 3).
ROOT, LEFT, RIGHT = 3, 1, 5


def grove() -> Grove:
    """Four leaves; the root and node 1 set by leaf 0, node 5 by leaf 2, as their commits would."""
    groups = plain()
    made = Grove.of([groups[name] for name in NAMES])
    made.set_parent(RIGHT)
    made.hold(2, made.tree.parent_hash(RIGHT, 6))
    made.set_parent(ROOT)
    made.set_parent(LEFT, made.tree.parent_hash(ROOT, RIGHT))
    made.hold(0, made.tree.parent_hash(LEFT, 2))
    return made


def join(
    made: Grove, *, info: Callable[[GroupInfo], GroupInfo] = forge.same, joiner: Client | None = None
) -> Group:
    """Come in to the group that ana made around this tree."""
    client = joiner or Client.new(made.suite, "eve")
    if joiner is None:
        made.add(client)
    welcome = forge.welcome(made.tree, client, plain()["ana"], info=info)
    return Group.join(welcome, client.bundle, client.signer, authenticate=accept_any)


def refused(made: Grove, match: str) -> None:
    with pytest.raises(InvalidMessage, match=match):
        join(made)


@rule("7.9.2", "A tree whose parents are all parent-hash valid is taken (the control)")
def test_a_good_tree() -> None:
    assert len(join(grove()).members) == 5


# Parent hashes -----------------------------------------------------------------------------------------


@rule("7.9.2", "On joining every non-blank parent is parent-hash valid: its key is in a descendant's hash")
@pytest.mark.parametrize("at", [LEFT, RIGHT, ROOT])
def test_a_parent_with_another_key(at: int) -> None:
    made = grove()
    old = made.tree.parent(at)
    assert old is not None
    made.tree = made.tree.with_nodes([(at, replace(old, encryption_key=made.key()))])
    refused(made, "parent hash does not hold")


@rule(
    "7.9.2",
    "On joining every non-blank parent is parent-hash valid: its own parent hash is in a descendant's",
)
def test_a_parent_with_another_parent_hash() -> None:
    made = grove()
    old = made.tree.parent(RIGHT)
    assert old is not None
    made.tree = made.tree.with_nodes([(RIGHT, replace(old, parent_hash=b"\1" * 32))])
    refused(made, "parent hash does not hold")


@rule("7.9.2", "A parent hash holds only with the sibling's original tree hash")
def test_the_sibling_changed_since() -> None:
    made = grove()
    made.set_leaf(1, lambda leaf: replace(leaf, encryption_key=made.key()))
    refused(made, "parent hash does not hold")


@rule("7.9.2", "A parent that no leaf below accounts for makes the tree invalid")
def test_a_parent_planted_by_the_inviter() -> None:
    """Its key belongs to nobody below: the inviter would read what is sent to the subtree."""
    made = grove()
    made.tree = made.tree.with_nodes([(RIGHT, None)])
    made.set_parent(RIGHT)
    refused(made, "parent hash does not hold")


@rule("7.9.2", "Only a leaf that came from a commit holds a parent hash")
def test_a_leaf_without_a_parent_hash() -> None:
    made = grove()
    made.set_leaf(2, lambda leaf: replace(leaf, source=LeafSource.UPDATE, parent_hash=None))
    refused(made, "parent hash does not hold")


@rule("7.9.2", "The parent hash is taken with the whole copath child as sibling")
def test_a_hash_over_another_sibling() -> None:
    """Node 1 holds the root's hash as made over leaf 3 alone, not over node 5."""
    for sibling in (6, RIGHT):
        made = grove()
        root = made.tree.parent(ROOT)
        assert root is not None
        content = opaque(root.encryption_key) + opaque(b"") + opaque(made.tree.tree_hash(sibling))
        made.set_parent(LEFT, made.suite.hash(content))
        made.hold(0, made.tree.parent_hash(LEFT, 2))
        if sibling == RIGHT:
            join(made)
        else:
            refused(made, "parent hash does not hold")


@rule("7.9.2", "The descendant that holds the hash is in the resolution of the child on its side")
def test_a_hash_held_below_another_parent() -> None:
    """Leaf 0 accounts for the root, but node 1 stands between and is leaf 1's."""
    made = grove()
    made.set_parent(LEFT)
    made.set_parent(ROOT)
    made.hold(0, made.tree.parent_hash(ROOT, RIGHT))
    made.hold(1, made.tree.parent_hash(LEFT, 0))
    refused(made, "parent hash does not hold")
    # The control: node 1 blank, leaf 1 unmerged at the root.
    good = grove()
    good.tree = good.tree.with_nodes([(LEFT, None)])
    good.set_parent(ROOT, unmerged=(1,))
    good.hold(0, good.tree.parent_hash(ROOT, RIGHT))
    join(good)


@rule("7.9.2", "The rest of the resolution is exactly the parent's unmerged leaves on that side")
def test_a_leaf_that_is_neither_merged_nor_unmerged() -> None:
    made = grove()
    made.tree = made.tree.with_nodes([(LEFT, None)])
    made.set_parent(ROOT)
    made.hold(0, made.tree.parent_hash(ROOT, RIGHT))
    refused(made, "parent hash does not hold")


@rule("7.9.2", "The leaves unmerged at a parent are blanked in the sibling's original tree hash")
def test_the_hash_over_a_sibling_with_its_unmerged_leaf() -> None:
    """Leaf 3 is unmerged at the root; the hash that leaf 0's chain holds was made as if it were not."""
    for good in (False, True):
        made = grove()
        made.tree = made.tree.with_nodes([(RIGHT, None)])
        made.set_parent(ROOT, unmerged=(3,))
        root = made.tree.parent(ROOT)
        assert root is not None
        sibling = made.tree.with_nodes([(6, None)]) if good else made.tree
        held = made.suite.hash(opaque(root.encryption_key) + opaque(b"") + opaque(sibling.tree_hash(RIGHT)))
        made.set_parent(LEFT, held)
        made.hold(0, made.tree.parent_hash(LEFT, 2))
        if good:
            join(made)
        else:
            refused(made, "parent hash does not hold")


# Unmerged leaves ---------------------------------------------------------------------------------------


def with_unmerged(at: int, *leaves: int) -> Grove:
    """Only the list changes: parent hashes do not cover it."""
    made = grove()
    old = made.tree.parent(at)
    assert old is not None
    made.tree = made.tree.with_nodes([(at, replace(old, unmerged_leaves=leaves))])
    return made


@rule("12.4.3.1", "An unmerged leaf is a descendant of its node")
def test_an_unmerged_leaf_elsewhere() -> None:
    refused(with_unmerged(RIGHT, 0), "no member below its node")


@rule("12.4.3.1", "An unmerged leaf is not blank")
def test_an_unmerged_leaf_that_is_blank() -> None:
    made = grove()
    made.tree = made.tree.with_nodes([(6, None)])
    made.set_parent(RIGHT, unmerged=(3,))
    made.hold(2, made.tree.parent_hash(RIGHT, 6))
    made.set_parent(ROOT)
    made.set_parent(LEFT, made.tree.parent_hash(ROOT, RIGHT))
    made.hold(0, made.tree.parent_hash(LEFT, 2))
    client = Client.new(made.suite, "eve")
    # The joiner takes a place of its own: leaf 3 stays blank.
    made.tree = RatchetTree(made.suite, [*made.tree.nodes, *[None] * 8])
    made.tree = made.tree.with_nodes([(8, client.bundle.key_package.leaf_node)])
    with pytest.raises(InvalidMessage, match="no member below its node"):
        join(made, joiner=client)


@rule("12.4.3.1", "An unmerged leaf is unmerged at every non-blank node between")
def test_an_unmerged_leaf_merged_further_down() -> None:
    """The root lists leaf 3, node 5 does not. Every parent hash holds."""
    made = grove()
    made.set_parent(ROOT, unmerged=(3,))
    made.set_parent(LEFT, made.tree.parent_hash(ROOT, RIGHT))
    made.hold(0, made.tree.parent_hash(LEFT, 2))
    assert made.tree.parent_hashes_hold()
    refused(made, "merged further down")


@pytest.mark.parametrize("leaves", [(3, 2), (3, 3)])
@rule("7.1", "Unmerged leaves are sorted, each named once")
def test_unmerged_leaves_out_of_order(leaves: tuple[int, ...]) -> None:
    made = with_unmerged(RIGHT, *leaves)
    with pytest.raises(MalformedMessage, match="not sorted"):
        join(made)


# Keys and hashes ---------------------------------------------------------------------------------------


@rule("12.4.3.1", "The encryption key of a parent stands nowhere else in the tree")
@pytest.mark.parametrize("owner", [0, 5])
def test_a_parent_with_the_key_of_another_node(owner: int) -> None:
    made = grove()
    node = made.tree.nodes[owner]
    assert node is not None
    made.tree = made.tree.with_nodes([(ROOT, ParentNode(node.encryption_key))])
    made.set_parent(LEFT, made.tree.parent_hash(ROOT, RIGHT))
    made.hold(0, made.tree.parent_hash(LEFT, 2))
    refused(made, "key stands twice")


def of_another_tree(info: GroupInfo) -> GroupInfo:
    other = plain("ana", "ben", "cyd")["ana"]._state.tree
    return replace(info, group_context=replace(info.group_context, tree_hash=other.tree_hash()))


@rule("12.4.3.1", "The tree hash of the ratchet tree is the one of the GroupInfo")
@rule("12.4.3.3", "The tree hash of the ratchet tree is checked before the tree is used")
def test_a_tree_hash_of_another_tree() -> None:
    with pytest.raises(InvalidMessage, match="not the one of the GroupInfo"):
        join(grove(), info=of_another_tree)


@rule("7.8", "A leaf's index is in its tree hash: the same leaf elsewhere is another tree")
@rule("7.8", "A blank node is absent in the tree hash, another one present")
def test_what_the_tree_hash_covers() -> None:
    tree = grove().tree
    first, last = (
        RatchetTree(tree.suite, nodes) for nodes in ([tree.nodes[0], None, None], [None, None, tree.nodes[0]])
    )
    assert first.tree_hash(0) != last.tree_hash(2)
    assert first.tree_hash(2) != last.tree_hash(0) != first.tree_hash(0)
    blanked = tree.with_nodes([(ROOT, None)])
    assert blanked.tree_hash() != tree.tree_hash()
    # And a joiner refuses the tree that is not the GroupInfo's.
    with pytest.raises(InvalidMessage, match="not the one of the GroupInfo"):
        join(grove(), info=lambda info: _with_tree(info, blanked))


def _with_tree(info: GroupInfo, tree: RatchetTree) -> GroupInfo:
    return replace(info, extensions=(Extension(ExtensionType.RATCHET_TREE, tree.encode()),))


# The encoding ------------------------------------------------------------------------------------------


def encoded(tree: RatchetTree, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """The tree's encoding with other entries."""
    entries = []
    for node in tree.nodes:
        kind = u8(1 if isinstance(node, LeafNode) else 2)
        entries.append(optional(None if node is None else kind + node.encoded))
    return vector(change(entries))


def shifted(entries: list[bytes]) -> list[bytes]:
    return [entries[1], entries[0], *entries[2:]]


TREE_FAULTS: dict[str, tuple[str, Callable[[list[bytes]], list[bytes]], str, str]] = {
    "blank-at-the-end": (
        "ends in a blank",
        lambda entries: [*entries, optional(None)],
        "12.4.3.3",
        "The last node of a ratchet_tree extension is not blank",
    ),
    "empty": ("is empty", lambda _: [], "12.4.3.3", "A ratchet tree has a node"),
    "wrong-place": (
        "where its kind cannot",
        shifted,
        "12.4.3.3",
        "Leaves stand at even places of the ratchet tree, parents at odd ones",
    ),
    "unknown-kind": (
        "unknown node type",
        lambda entries: [optional(u8(3) + u32(0)), *entries[1:]],
        "7.8",
        "A node is a leaf or a parent",
    ),
}


@pytest.mark.parametrize(
    ("match", "change"),
    [
        pytest.param(match, change, id=name, marks=rule(section, requirement))
        for name, (match, change, section, requirement) in TREE_FAULTS.items()
    ],
)
def test_trees_of_another_form(match: str, change: Callable[[list[bytes]], list[bytes]]) -> None:
    made, client = grove(), Client.new(plain()["ana"].suite, "eve")
    made.add(client)
    last = next(i for i in range(len(made.tree.nodes), 0, -1) if made.tree.nodes[i - 1] is not None)
    for changed in (True, False):
        data = encoded(made.tree, lambda e, c=changed: change(e[:last]) if c else e[:last])  # type: ignore[misc]

        def info(given: GroupInfo, tree: bytes = data) -> GroupInfo:
            return replace(given, extensions=(Extension(ExtensionType.RATCHET_TREE, tree),))

        if changed:
            with pytest.raises(MLSError, match=match):
                join(made, info=info, joiner=client)
        else:
            join(made, info=info, joiner=client)
