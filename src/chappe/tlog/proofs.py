"""Inclusion and consistency proofs (RFC 9162 sections 2.1.3 and 2.1.4), and those of subtrees.

Making a proof takes two steps, so that whoever fetches the nodes may do it in any way: `*_ranges` says which
ranges of leaves the proof is the heads of, `merkle.range_nodes` which nodes a range takes, and `prove_*`
does both with a function that reads a node. Verifying takes the proof as it came: every hash must be 32
bytes, none may be missing or left over. A subtree is the leaves [start, end) of a tree, as in
draft-ietf-plants-merkle-tree-certs section 4; a whole tree is the one that starts at 0.
"""

from __future__ import annotations

from collections.abc import Sequence

from chappe.tlog.errors import OutOfRange, WrongProof
from chappe.tlog.merkle import (
    EMPTY_ROOT,
    HASH_SIZE,
    ReadNode,
    check_size,
    node_hash,
    range_head,
    range_nodes,
    split,
)

Range = tuple[int, int]


def inclusion_ranges(index: int, size: int, start: int = 0) -> list[Range]:
    """The ranges whose heads prove leaf `index` in the leaves [start, size), lowest first."""
    end = check_size(size)
    if not start <= index < check_subtree(start, end):
        raise OutOfRange("the tree has no such leaf")
    ranges = []
    while end - start > 1:
        middle = start + split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return ranges[::-1]


def consistency_ranges(old: int, new: int, start: int = 0) -> list[Range]:
    """The ranges whose heads prove that the leaves [start, old) are those of a tree of `new` leaves."""
    if not check_subtree(start, old) <= check_size(new):
        raise OutOfRange("the tree is smaller than what it should extend")
    ranges = []
    low, high, known = 0, new, True
    while (low, high) != (start, old):
        middle = low + split(high - low)
        if old <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            if start < middle:  # then start is low: the subtree lies on both sides, its own head is of no use
                start, known = middle, False
            low = middle
    if not known:
        ranges.append((low, high))
    return ranges[::-1]


def check_subtree(start: int, end: int) -> int:
    """`end`, if [start, end) are bounds that a subtree may have and it is not empty; raises OutOfRange."""
    range_nodes(start, end)
    return end


def prove_inclusion(index: int, size: int, read: ReadNode, start: int = 0) -> list[bytes]:
    """The proof that leaf `index` is in the leaves [start, size): 32-byte hashes. Raises OutOfRange."""
    return [range_head(*each, read) for each in inclusion_ranges(index, size, start)]


def prove_consistency(old: int, new: int, read: ReadNode, start: int = 0) -> list[bytes]:
    """The proof that a tree of `new` leaves begins with one of `old`, or has the subtree [start, old).

    Raises OutOfRange if `old` is 0 (an empty tree proves nothing) or above `new`.
    """
    return [range_head(*each, read) for each in consistency_ranges(old, new, start)]


def verify_inclusion(
    *, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes, start: int = 0
) -> None:
    """That the leaf hash `leaf` is number `index` of the leaves [start, size) with the head `root`.

    RFC 9162 section 2.1.3.2. Raises OutOfRange for bounds that no tree has, else WrongProof.
    """
    check_subtree(start, check_size(size))
    if not start <= index < size:
        raise OutOfRange("the tree has no such leaf")
    _check_hashes([leaf, root, *proof])
    at, last = index - start, size - start - 1
    head = leaf
    for each in proof:
        if last == 0:
            raise WrongProof("the inclusion proof is too long")
        if at & 1 or at == last:
            head = node_hash(each, head)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            head = node_hash(head, each)
        at, last = at >> 1, last >> 1
    if last or head != root:
        raise WrongProof("the inclusion proof does not lead to the root")


def verify_consistency(
    *, old: int, new: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """That the tree of `new` leaves with the head `new_root` begins with the tree `old`, `old_root`.

    RFC 9162 section 2.1.4.2. Raises OutOfRange if `old` is above `new`, or 0 while `new` is not: that an
    empty tree begins another proves nothing, so the caller must not think he has asked. Else WrongProof.
    """
    if old == new == 0:
        if proof or (old_root, new_root) != (EMPTY_ROOT, EMPTY_ROOT):
            raise WrongProof("not the proof of an empty tree")
        return
    if old == 0:
        raise OutOfRange("nothing can be proved from an empty tree")
    verify_subtree(start=0, end=old, size=new, head=old_root, root=new_root, proof=proof)


def verify_subtree(
    *, start: int, end: int, size: int, head: bytes, root: bytes, proof: Sequence[bytes]
) -> None:
    """That `head` is that of the leaves [start, end) of the tree of `size` leaves with the head `root`.

    The draft's section 4.4.3. An empty subtree has the head EMPTY_ROOT and is in any tree. Raises OutOfRange
    for bounds that no tree has, else WrongProof.
    """
    if 0 <= start == end <= check_size(size):
        if proof or head != EMPTY_ROOT:
            raise WrongProof("not the proof of an empty subtree")
        return
    if check_subtree(start, end) > check_size(size):
        raise OutOfRange("the tree is smaller than what it should extend")
    if proof:
        _check_hashes([head, root, *proof])
    heads = _consistency_heads(start, end - 1, size - 1, head, proof)
    if heads != (head, root):
        raise WrongProof("the consistency proof does not lead from one head to the other")


def _consistency_heads(
    first: int, last: int, end: int, known: bytes, proof: Sequence[bytes]
) -> tuple[bytes, bytes]:
    """The heads of the old and of the new tree that a proof leads to; bounds are inclusive."""
    while first != last and (last == end or last & 1):
        first, last, end = first >> 1, last >> 1, end >> 1
    rest = list(proof)
    if first != last:
        if not rest:
            raise WrongProof("the consistency proof is too short")
        old_head = new_head = rest.pop(0)
    else:
        old_head = new_head = known
    for each in rest:
        if end == 0:
            raise WrongProof("the consistency proof is too long")
        if last & 1 or last == end:
            if first < last:
                old_head = node_hash(each, old_head)
            new_head = node_hash(each, new_head)
            while not last & 1:
                first, last, end = first >> 1, last >> 1, end >> 1
        else:
            new_head = node_hash(new_head, each)
        first, last, end = first >> 1, last >> 1, end >> 1
    if end:
        raise WrongProof("the consistency proof is too short")
    return old_head, new_head


def _check_hashes(hashes: Sequence[bytes]) -> None:
    if any(len(each) != HASH_SIZE for each in hashes):
        raise WrongProof("a hash in a proof is not 32 bytes")
