"""Indices of a full binary tree kept in an array (RFC 9420 appendix C).

Leaf i is node 2 i; a tree of n leaves (n a power of two) has 2 n - 1 nodes.
"""

from __future__ import annotations


def level(node: int) -> int:
    """Height of `node` above the leaves; 0 for a leaf."""
    return ((node ^ (node + 1)).bit_length() - 1) if node & 1 else 0


def node_width(leaves: int) -> int:
    """Number of nodes of a tree with `leaves` leaves."""
    return 0 if leaves == 0 else 2 * leaves - 1


def root(leaves: int) -> int:
    """Node index of the root. ValueError for an empty tree."""
    if leaves < 1:
        raise ValueError("an empty tree has no root")
    return (1 << (node_width(leaves).bit_length() - 1)) - 1


def left(node: int) -> int:
    """Left child. ValueError for a leaf."""
    k = level(node)
    if k == 0:
        raise ValueError("a leaf has no children")
    return node ^ (1 << (k - 1))


def right(node: int) -> int:
    """Right child. ValueError for a leaf."""
    k = level(node)
    if k == 0:
        raise ValueError("a leaf has no children")
    return node ^ (3 << (k - 1))


def parent(node: int, leaves: int) -> int:
    """Parent of `node` in a tree of `leaves` leaves. ValueError for the root."""
    if node == root(leaves):
        raise ValueError("the root has no parent")
    k = level(node)
    return (node | (1 << k)) & ~(1 << (k + 1))


def sibling(node: int, leaves: int) -> int:
    """The other child of the same parent. ValueError for the root."""
    above = parent(node, leaves)
    return right(above) if node < above else left(above)


def _root_above(node: int, leaves: int) -> int:
    """The root. From a node outside the tree nobody who climbs would come to it."""
    if not 0 <= node < node_width(leaves):
        raise ValueError("no node of the tree")
    return root(leaves)


def direct_path(node: int, leaves: int) -> list[int]:
    """Ancestors of `node`, its parent first; empty for the root. ValueError outside the tree."""
    top = _root_above(node, leaves)
    path = []
    while node != top:
        node = parent(node, leaves)
        path.append(node)
    return path


def copath(node: int, leaves: int) -> list[int]:
    """Siblings of `node` and of its ancestors below the root, upwards. ValueError outside the tree."""
    top = _root_above(node, leaves)
    path = []
    while node != top:
        path.append(sibling(node, leaves))
        node = parent(node, leaves)
    return path


def is_below(node: int, ancestor: int) -> bool:
    """Whether `node` lies in the subtree of `ancestor` (itself included)."""
    span = (1 << level(ancestor)) - 1
    return ancestor - span <= node <= ancestor + span


def common_ancestor(a: int, b: int) -> int:
    """Lowest node that has both leaves-or-nodes `a` and `b` below it."""
    while not is_below(b, a):
        k = level(a)
        a = (a | (1 << k)) & ~(1 << (k + 1))
    return a
