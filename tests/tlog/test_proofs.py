"""Proofs: the published vectors, the definition in RFC 9162, and what a liar may try."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chappe.tlog.errors import OutOfRange, TlogError, WrongProof
from chappe.tlog.merkle import MAX_SIZE, leaf_hash
from chappe.tlog.proofs import (
    prove_consistency,
    prove_inclusion,
    verify_consistency,
    verify_inclusion,
    verify_subtree,
)
from tests.tlog import trees

Vector = dict[str, Any]
DATA = trees.entries(40)


def _hash(text: str | None) -> bytes:
    return base64.b64decode(text or "")


def _proof(vector: Vector) -> list[bytes]:
    return [_hash(each) for each in vector["proof"] or []]


def _inclusion(vector: Vector) -> None:
    verify_inclusion(
        index=vector["leafIdx"],
        size=vector["end"] if "end" in vector else vector["treeSize"],
        leaf=_hash(vector["leafHash"]),
        proof=_proof(vector),
        root=_hash(vector["root"]),
        start=vector.get("start", 0),
    )


def _consistency(vector: Vector) -> None:
    verify_consistency(
        old=vector["size1"],
        new=vector["size2"],
        old_root=_hash(vector["root1"]),
        new_root=_hash(vector["root2"]),
        proof=_proof(vector),
    )


def _subtree(vector: Vector) -> None:
    verify_subtree(
        start=vector["start"],
        end=vector["end"],
        size=vector["size"],
        head=_hash(vector["root1"]),
        root=_hash(vector["root2"]),
        proof=_proof(vector),
    )


# Folder, check, number of vectors, and how many of them hold.
FOLDERS: list[tuple[str, Callable[[Vector], None], int, int]] = [
    ("inclusion", _inclusion, 98, 6),
    ("consistency", _consistency, 98, 6),
    ("subtreeinclusion", _inclusion, 204, 12),
    ("subtreeconsistency", _subtree, 118, 12),
]


@pytest.mark.parametrize(("folder", "check", "count", "good"), FOLDERS, ids=[each[0] for each in FOLDERS])
def test_published_vectors(
    vectors: Path, folder: str, check: Callable[[Vector], None], count: int, good: int
) -> None:
    held = wrong = 0
    faults = []
    for path in sorted((vectors / "rfc6962-merkle" / "testdata" / folder).rglob("*.json")):
        vector = json.loads(path.read_text())
        try:
            check(vector)
            passed = True
        except TlogError:
            passed = False
        if passed == vector["wantErr"]:
            faults.append(path.name)
        held, wrong = held + passed, wrong + (not passed)
    assert not faults
    assert (held + wrong, held) == (count, good)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


LEAVES = [_text(leaf_hash(entry)) for entry in DATA[:2]]
ROOTS = [_text(trees.mth(DATA[:size])) for size in range(3)]
# Proofs that hash to the root, but only beyond the top of the tree that they are said to be of.
BEYOND: list[tuple[str, Callable[[Vector], None], Vector]] = [
    (
        "inclusion",
        _inclusion,
        {"leafIdx": 0, "treeSize": 1, "leafHash": LEAVES[1], "proof": LEAVES[:1], "root": ROOTS[2]},
    ),
    (
        "consistency",
        _consistency,
        {"size1": 1, "size2": 1, "root1": ROOTS[2], "root2": ROOTS[2], "proof": LEAVES[:1]},
    ),
    (
        "consistency",
        _consistency,
        {"size1": 1, "size2": 1, "root1": LEAVES[1], "root2": ROOTS[2], "proof": LEAVES[:1]},
    ),
]


@pytest.mark.parametrize(("kind", "check", "vector"), BEYOND)
def test_a_proof_that_goes_beyond_the_top_is_refused(
    kind: str, check: Callable[[Vector], None], vector: Vector
) -> None:
    with pytest.raises(WrongProof):
        check(vector)


def test_every_inclusion_proof_is_the_definitions_and_holds() -> None:
    read = trees.reader(DATA)
    for size in range(1, len(DATA) + 1):
        root = trees.mth(DATA[:size])
        for index in range(size):
            proof = prove_inclusion(index, size, read)
            assert proof == trees.path(index, DATA[:size])
            verify_inclusion(index=index, size=size, leaf=leaf_hash(DATA[index]), proof=proof, root=root)


def test_every_consistency_proof_is_the_definitions_and_holds() -> None:
    read = trees.reader(DATA)
    for new in range(1, len(DATA) + 1):
        for old in range(1, new + 1):
            proof = prove_consistency(old, new, read)
            assert proof == trees.proof(old, DATA[:new])
            old_root, new_root = trees.mth(DATA[:old]), trees.mth(DATA[:new])
            verify_consistency(old=old, new=new, old_root=old_root, new_root=new_root, proof=proof)


def test_every_subtree_is_proved() -> None:
    read = trees.reader(DATA[:24])
    for size in range(1, 24 + 1):
        root = trees.mth(DATA[:size])
        for start in range(size):
            widest = start & -start or size
            for end in range(start + 1, min(start + widest, size) + 1):
                head = trees.mth(DATA[start:end])
                proof = prove_consistency(end, size, read, start)
                verify_subtree(start=start, end=end, size=size, head=head, root=root, proof=proof)
                for index in range(start, end):
                    path = prove_inclusion(index, end, read, start)
                    leaf = leaf_hash(DATA[index])
                    verify_inclusion(index=index, size=end, leaf=leaf, proof=path, root=head, start=start)


def _changed(proof: list[bytes]) -> Iterator[list[bytes]]:
    """The proof cut, lengthened, doubled, turned round, and with each hash flipped, cut or left out."""
    yield from (proof[:-1], [*proof, proof[-1]], [proof[0], *proof], proof[::-1], [], proof * 20)
    for at, each in enumerate(proof):
        for other in ([bytes([each[0] ^ 1]) + each[1:]], [each[:-1]], [each + b"\x00"], []):
            yield [*proof[:at], *other, *proof[at + 1 :]]


def test_an_inclusion_proof_that_was_changed_is_refused() -> None:
    root, leaf = trees.mth(DATA[:37]), leaf_hash(DATA[22])
    for proof in _changed(prove_inclusion(22, 37, trees.reader(DATA))):
        with pytest.raises(WrongProof):
            verify_inclusion(index=22, size=37, leaf=leaf, proof=proof, root=root)


def test_a_consistency_proof_that_was_changed_is_refused() -> None:
    old_root, new_root = trees.mth(DATA[:22]), trees.mth(DATA[:37])
    for proof in _changed(prove_consistency(22, 37, trees.reader(DATA))):
        with pytest.raises(WrongProof):
            verify_consistency(old=22, new=37, old_root=old_root, new_root=new_root, proof=proof)


def test_an_inclusion_proof_holds_for_its_own_index_and_root_alone() -> None:
    read, size = trees.reader(DATA), 29
    root = trees.mth(DATA[:size])
    for index in range(size):
        proof = prove_inclusion(index, size, read)
        for other in set(range(size)) - {index}:
            with pytest.raises(WrongProof):
                verify_inclusion(index=other, size=size, leaf=leaf_hash(DATA[index]), proof=proof, root=root)
        with pytest.raises(WrongProof):
            verify_inclusion(index=index, size=size, leaf=leaf_hash(b"other"), proof=proof, root=root)
        with pytest.raises(WrongProof):
            verify_inclusion(index=index, size=size, leaf=leaf_hash(DATA[index]), proof=proof, root=b"r" * 32)


def test_two_histories_have_no_proof_between_them() -> None:
    """A fork: the same size, one entry other, and neither grows from the other's past."""
    fork = [*DATA[:10], b"another", *DATA[11:]]
    proof = prove_consistency(20, 40, trees.reader(fork))
    with pytest.raises(WrongProof):
        verify_consistency(
            old=20, new=40, old_root=trees.mth(DATA[:20]), new_root=trees.mth(fork), proof=proof
        )
    with pytest.raises(WrongProof):
        verify_consistency(old=40, new=40, old_root=trees.mth(DATA), new_root=trees.mth(fork), proof=[])


@pytest.mark.parametrize(("index", "size"), [(0, 0), (5, 5), (-1, 5), (0, -1), (0, MAX_SIZE + 1)])
def test_a_leaf_that_no_tree_has_is_refused(index: int, size: int) -> None:
    with pytest.raises(OutOfRange):
        prove_inclusion(index, size, trees.reader(DATA))
    with pytest.raises(OutOfRange):
        verify_inclusion(index=index, size=size, leaf=b"l" * 32, proof=[], root=b"l" * 32)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5), (-1, 5), (1, 0), (1, MAX_SIZE + 1)])
def test_a_past_that_no_tree_has_is_refused(old: int, new: int) -> None:
    with pytest.raises(OutOfRange):
        prove_consistency(old, new, trees.reader(DATA))
    with pytest.raises(OutOfRange):
        verify_consistency(old=old, new=new, old_root=b"r" * 32, new_root=b"r" * 32, proof=[])


def test_the_largest_tree_takes_no_longer() -> None:
    with pytest.raises(WrongProof):
        verify_inclusion(
            index=MAX_SIZE - 1, size=MAX_SIZE, leaf=b"l" * 32, proof=[b"h" * 32] * 62, root=b"r" * 32
        )
    with pytest.raises(WrongProof):
        verify_consistency(
            old=1, new=MAX_SIZE, old_root=b"l" * 32, new_root=b"r" * 32, proof=[b"h" * 32] * 63
        )
