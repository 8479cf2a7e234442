"""The ratchet tree as everyone sees it: nodes, resolutions, tree and parent hashes (RFC 9420 section 7).

A tree is a value: every change gives a new tree that shares its unchanged nodes and their hashes with
the old one, so that a change of one leaf costs one path. Many changes at once are made on one `TreeEdit`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

from chappe.mls import tree_math as tm
from chappe.mls.codec import Reader, opaque, optional, parse, u8, u32, vector
from chappe.mls.errors import InvalidMessage, MalformedMessage
from chappe.mls.leaf_node import LeafNode, LeafSource
from chappe.mls.suites import CipherSuite

_LEAF, _PARENT = 1, 2


@dataclass(frozen=True)
class ParentNode:
    """`ParentNode` (section 7.1)."""

    encryption_key: bytes
    parent_hash: bytes = b""
    unmerged_leaves: tuple[int, ...] = ()

    @cached_property
    def encoded(self) -> bytes:
        leaves = vector(u32(leaf) for leaf in self.unmerged_leaves)
        return opaque(self.encryption_key) + opaque(self.parent_hash) + leaves

    @classmethod
    def read(cls, r: Reader) -> ParentNode:
        node = cls(r.opaque(), r.opaque(), r.vector(Reader.u32))
        if any(a >= b for a, b in zip(node.unmerged_leaves, node.unmerged_leaves[1:], strict=False)):
            raise MalformedMessage("unmerged leaves are not sorted")
        return node


Node: TypeAlias = LeafNode | ParentNode


def _read_node(r: Reader) -> Node:
    kind = r.u8()
    if kind == _LEAF:
        return LeafNode.read(r)
    if kind == _PARENT:
        return ParentNode.read(r)
    raise MalformedMessage("unknown node type")


class RatchetTree:
    """A full tree: `nodes` has 2^(k+1) - 1 entries, None where blank."""

    __slots__ = ("_hashes", "nodes", "suite")

    def __init__(
        self, suite: CipherSuite, nodes: list[Node | None], hashes: list[bytes | None] | None = None
    ) -> None:
        self.suite = suite
        self.nodes = nodes
        self._hashes: list[bytes | None] = hashes if hashes is not None else [None] * len(nodes)

    # Reading ----------------------------------------------------------------------------------------

    @property
    def width(self) -> int:
        """Number of leaf slots, a power of two."""
        return (len(self.nodes) + 1) // 2

    @property
    def root(self) -> int:
        return tm.root(self.width)

    def leaf(self, index: int) -> LeafNode | None:
        """The leaf with that leaf index, None where blank or outside the tree."""
        node = self.nodes[2 * index] if 0 <= 2 * index < len(self.nodes) else None
        assert node is None or isinstance(node, LeafNode)
        return node

    def parent(self, node: int) -> ParentNode | None:
        found = self.nodes[node]
        assert found is None or isinstance(found, ParentNode)
        return found

    def leaves(self) -> Iterator[tuple[int, LeafNode]]:
        """Leaf index and leaf of every member."""
        for index, node in enumerate(self.nodes[::2]):
            if node is not None:
                assert isinstance(node, LeafNode)
                yield index, node

    def resolution(self, node: int) -> list[int]:
        """Section 4.1.1."""
        out: list[int] = []
        stack = [node]
        while stack:
            at = stack.pop()
            found = self.nodes[at]
            if found is not None:
                out.append(at)
                if isinstance(found, ParentNode):
                    out.extend(2 * leaf for leaf in found.unmerged_leaves)
            elif at & 1:
                stack += (tm.right(at), tm.left(at))
        return out

    def is_empty_below(self, node: int) -> bool:
        """Whether the resolution of `node` is empty."""
        stack = [node]
        while stack:
            at = stack.pop()
            if self.nodes[at] is not None:
                return False
            if at & 1:
                stack += (tm.right(at), tm.left(at))
        return True

    def filtered_direct_path(self, leaf_index: int) -> list[tuple[int, int]]:
        """(node, its copath child) up from the leaf, without those whose copath resolves to nothing
        (section 4.1.2)."""
        leaf = 2 * leaf_index
        pairs = zip(tm.direct_path(leaf, self.width), tm.copath(leaf, self.width), strict=True)
        return [(node, other) for node, other in pairs if not self.is_empty_below(other)]

    # Wire form --------------------------------------------------------------------------------------

    def encode(self) -> bytes:
        """`optional<Node> ratchet_tree<V>` without trailing blanks (section 12.4.3.3)."""
        last = len(self.nodes)
        while last and self.nodes[last - 1] is None:
            last -= 1
        return vector(optional(_encode_node(node)) for node in self.nodes[:last])

    @classmethod
    def read(cls, suite: CipherSuite, r: Reader) -> RatchetTree:
        """Raises MalformedMessage: trailing blank, a node of the wrong kind for its place."""
        nodes: list[Node | None] = list(r.vector(lambda inner: inner.optional(_read_node)))
        if not nodes or nodes[-1] is None:
            raise MalformedMessage("the ratchet tree is empty or ends in a blank")
        for index, node in enumerate(nodes):
            if node is not None and isinstance(node, LeafNode) is bool(index & 1):
                raise MalformedMessage("a node stands where its kind cannot")
        width = 1
        while 2 * width - 1 < len(nodes):
            width *= 2
        nodes.extend([None] * (2 * width - 1 - len(nodes)))
        return cls(suite, nodes)

    @classmethod
    def from_bytes(cls, suite: CipherSuite, data: bytes) -> RatchetTree:
        return parse(lambda r: cls.read(suite, r), data)

    # Changing (each gives a new tree) ---------------------------------------------------------------

    def edit(self) -> TreeEdit:
        return TreeEdit(self)

    def with_nodes(self, changes: Iterable[tuple[int, Node | None]]) -> RatchetTree:
        """The tree with these nodes set, hashes kept where nothing below changed."""
        edit = self.edit()
        for index, node in changes:
            edit.set(index, node)
        return edit.done()

    def add(self, leaf: LeafNode) -> tuple[RatchetTree, int]:
        """See `TreeEdit.add`; gives the leaf index too."""
        edit = self.edit()
        index = edit.add(leaf)
        return edit.done(), index

    def update(self, index: int, leaf: LeafNode) -> RatchetTree:
        """See `TreeEdit.update`."""
        edit = self.edit()
        edit.update(index, leaf)
        return edit.done()

    def remove(self, index: int) -> RatchetTree:
        """See `TreeEdit.remove`."""
        edit = self.edit()
        edit.remove(index)
        return edit.done()

    # Hashes -----------------------------------------------------------------------------------------

    def tree_hash(self, node: int | None = None) -> bytes:
        """Tree hash of the subtree of `node`, the whole tree's by default (section 7.8)."""
        at = self.root if node is None else node
        cached = self._hashes[at]
        if cached is None:
            cached = self._hashes[at] = self._hash_node(at, self.nodes[at], ())
        return cached

    def _hash_without(self, node: int, removed: tuple[int, ...]) -> bytes:
        """Tree hash as it was before the leaves `removed`, sorted, were added (section 7.9)."""
        span = 1 << tm.level(node)
        first = (node - span + 1) // 2
        below = removed[bisect_left(removed, first) : bisect_left(removed, first + span)]
        if not below:
            return self.tree_hash(node)
        found = self.nodes[node]
        if not node & 1:
            found = None
        elif isinstance(found, ParentNode) and found.unmerged_leaves:
            gone = set(below)
            kept = tuple(leaf for leaf in found.unmerged_leaves if leaf not in gone)
            found = replace(found, unmerged_leaves=kept)
        return self._hash_node(node, found, below)

    def _hash_node(self, node: int, found: Node | None, removed: tuple[int, ...]) -> bytes:
        encoded = optional(None if found is None else found.encoded)
        if not node & 1:
            return self.suite.hash(u8(_LEAF) + u32(node // 2) + encoded)
        left, right = tm.left(node), tm.right(node)
        if removed:
            hashes = self._hash_without(left, removed), self._hash_without(right, removed)
        else:
            hashes = self.tree_hash(left), self.tree_hash(right)
        return self.suite.hash(u8(_PARENT) + encoded + opaque(hashes[0]) + opaque(hashes[1]))

    def parent_hash(self, node: int, sibling: int) -> bytes:
        """Hash of parent `node` for a descendant whose copath child is `sibling` (section 7.9)."""
        found = self.parent(node)
        assert found is not None
        original = self._hash_without(sibling, found.unmerged_leaves)
        return self.suite.hash(opaque(found.encryption_key) + opaque(found.parent_hash) + opaque(original))

    def parent_hashes_hold(self) -> bool:
        """Whether every non-blank parent is the parent hash of exactly one descendant's chain
        (section 7.9.2)."""
        return all(
            self._has_parent_hash_child(node)
            for node in range(1, len(self.nodes), 2)
            if self.nodes[node] is not None
        )

    def _has_parent_hash_child(self, node: int) -> bool:
        parent = self.parent(node)
        assert parent is not None
        for child, other in ((tm.left(node), tm.right(node)), (tm.right(node), tm.left(node))):
            expected = self.parent_hash(node, other)
            below = {2 * leaf for leaf in parent.unmerged_leaves if tm.is_below(2 * leaf, child)}
            resolution = self.resolution(child)
            for candidate in resolution:
                found = self.nodes[candidate]
                if found is None or found.parent_hash != expected:
                    continue
                # What was added since must be exactly what the resolution holds beside the candidate.
                if below == set(resolution) - {candidate}:
                    return True
        return False

    # Validation -------------------------------------------------------------------------------------

    def check_structure(self) -> None:
        """Section 12.4.3.1 on joining: unmerged leaves stand below, are members, and are unmerged all the
        way up to the node. Raises InvalidMessage."""
        for at in range(1, len(self.nodes), 2):
            node = self.parent(at)
            if node is None:
                continue
            for leaf in node.unmerged_leaves:
                if not tm.is_below(2 * leaf, at) or self.leaf(leaf) is None:
                    raise InvalidMessage("an unmerged leaf is no member below its node")
                for between in tm.direct_path(2 * leaf, self.width):
                    if between == at:
                        break
                    inner = self.parent(between)
                    if inner is not None and leaf not in inner.unmerged_leaves:
                        raise InvalidMessage("an unmerged leaf is merged further down")

    def check_keys_unique(self) -> None:
        """No encryption key and no signature key stands twice (section 7.3). Raises InvalidMessage."""
        encryption = [node.encryption_key for node in self.nodes if node is not None]
        signature = [leaf.signature_key for _, leaf in self.leaves()]
        if len(set(encryption)) != len(encryption) or len(set(signature)) != len(signature):
            raise InvalidMessage("a key stands twice in the tree")

    def check_leaf_signatures(self, group_id: bytes) -> None:
        """Raises InvalidMessage."""
        for index, leaf in self.leaves():
            if not leaf.signature_holds(self.suite, group_id, index):
                raise InvalidMessage("a leaf's signature does not hold")


class TreeEdit:
    """A tree that is being changed, in place on a copy: many changes for the price of one copy."""

    def __init__(self, tree: RatchetTree) -> None:
        self._suite, self._nodes, self._hashes = tree.suite, tree.nodes.copy(), tree._hashes.copy()
        self._blank = 0
        """No leaf slot before this one is blank."""

    @property
    def _width(self) -> int:
        return (len(self._nodes) + 1) // 2

    def done(self) -> RatchetTree:
        """The changed tree; the edit is over."""
        return RatchetTree(self._suite, self._nodes, self._hashes)

    def set(self, at: int, node: Node | None) -> None:
        """Put a node in its place. Above a node without a hash no node has one."""
        self._nodes[at] = node
        top = tm.root(self._width)
        while self._hashes[at] is not None:
            self._hashes[at] = None
            if at == top:
                break
            at = tm.parent(at, self._width)

    def reserve(self) -> int:
        """The leftmost blank leaf, the tree doubled if there is none; gives its leaf index (section 7.7)."""
        nodes = self._nodes
        while 2 * self._blank < len(nodes) and nodes[2 * self._blank] is not None:
            self._blank += 1
        if 2 * self._blank >= len(nodes):
            more = len(nodes) + 1
            nodes.extend([None] * more)
            self._hashes.extend([None] * more)
        return self._blank

    def add(self, leaf: LeafNode) -> int:
        """Into the leaf that `reserve` gives; the leaf is unmerged at all parents above (section 12.1.1)."""
        index = self.reserve()
        self.set(2 * index, leaf)
        for above in tm.direct_path(2 * index, self._width):
            node = self._nodes[above]
            if isinstance(node, ParentNode):
                unmerged = node.unmerged_leaves
                place = bisect_left(unmerged, index)
                self.set(above, replace(node, unmerged_leaves=(*unmerged[:place], index, *unmerged[place:])))
        return index

    def update(self, index: int, leaf: LeafNode) -> None:
        """Section 12.1.2: the leaf replaced, its direct path blanked."""
        self.set(2 * index, leaf)
        self._blank_path(index)

    def remove(self, index: int) -> None:
        """Section 12.1.3: leaf and direct path blanked, the empty right half cut off."""
        self.set(2 * index, None)
        self._blank_path(index)
        self._blank = min(self._blank, index)
        while len(self._nodes) > 1 and not any(self._nodes[len(self._nodes) // 2 + 1 :: 2]):
            half = len(self._nodes) // 2
            del self._nodes[half:], self._hashes[half:]

    def _blank_path(self, index: int) -> None:
        for node in tm.direct_path(2 * index, self._width):
            self.set(node, None)


def _encode_node(node: Node | None) -> bytes | None:
    if node is None:
        return None
    return u8(_LEAF if isinstance(node, LeafNode) else _PARENT) + node.encoded


__all__ = ["LeafSource", "Node", "ParentNode", "RatchetTree"]
