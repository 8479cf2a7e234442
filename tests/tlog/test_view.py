"""A client's view: it grows, and is moved neither back nor aside."""

from __future__ import annotations

import pytest

from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import (
    Fork,
    OutOfRange,
    Rollback,
    TlogError,
    Unsigned,
    WrongLog,
    WrongProof,
    WrongSignature,
)
from chappe.tlog.keys import Kind, Signer
from chappe.tlog.merkle import EMPTY_ROOT
from chappe.tlog.notes import SignedNote
from chappe.tlog.policy import Policy
from chappe.tlog.proofs import prove_consistency
from chappe.tlog.tile_reader import consistency_tiles, from_mapping
from chappe.tlog.view import View
from tests.tlog import trees
from tests.tlog.worlds import AT, LOG, ORIGIN, POLICY, Log

GOOD = Log(trees.entries(700))
# The same log to someone else: entry 100 is another one.
FORK = Log([*GOOD.entries[:100], b"ghost device", *GOOD.entries[101:]])
START = View(ORIGIN, POLICY)


def _proof(old: int, new: int, log: Log = GOOD) -> list[bytes]:
    return prove_consistency(old, new, log.read)


def test_a_view_grows_by_proofs() -> None:
    view = START
    assert (view.size, view.root) == (0, EMPTY_ROOT)
    sizes = [1, 2, 255, 256, 257, 600, 700]
    for size in sizes:
        view = view.advance(GOOD.note(size), _proof(view.size, size) if view.size else [])
        assert (view.size, view.root) == (size, GOOD.head(size))


def test_a_view_grows_by_tiles_and_asks_for_few() -> None:
    view, asked = START, 0
    for size in (0, 1, 255, 256, 257, 700, 700):
        tiles = GOOD.tiles(size)
        needed = {tile: tiles[tile] for tile in consistency_tiles(view.size, size)}
        asked = max(asked, len(needed))
        view = view.advance_with(GOOD.note(size), from_mapping(needed))
        assert (view.size, view.root) == (size, GOOD.head(size))
    assert asked <= 4


def test_no_head_is_older_than_the_one_held() -> None:
    view = START.advance(GOOD.note(300))
    for size in (0, 1, 299):
        with pytest.raises(Rollback):
            view.advance(GOOD.note(size), [])
        with pytest.raises(Rollback):
            view.advance_with(GOOD.note(size), from_mapping(GOOD.tiles(size)))
    assert view.size == 300


def test_a_fork_of_the_same_size_is_a_fork() -> None:
    view = START.advance(GOOD.note(300))
    with pytest.raises(Fork):
        view.advance(FORK.note(300))
    with pytest.raises(Fork):
        view.advance_with(FORK.note(300), from_mapping(FORK.tiles(300)))


def test_a_fork_that_is_longer_has_no_proof_and_its_own_tiles_convict_it() -> None:
    view = START.advance(GOOD.note(300))
    for proof in (_proof(300, 500, FORK), _proof(300, 500, GOOD), []):
        with pytest.raises(WrongProof):
            view.advance(FORK.note(500), proof)
    with pytest.raises(Fork):
        view.advance_with(FORK.note(500), from_mapping(FORK.tiles(500)))
    # With the honest tiles it does not even lead to its own root.
    with pytest.raises(WrongProof):
        view.advance_with(FORK.note(500), from_mapping(GOOD.tiles(500)))


def test_a_fork_after_what_is_held_is_found_when_two_compare() -> None:
    """Ana holds the one, Ben the other; both grew from the same past, and each is shown the other's head."""
    ana = START.advance(GOOD.note(90)).advance(GOOD.note(500), _proof(90, 500))
    ben = START.advance(FORK.note(90)).advance(FORK.note(400), _proof(90, 400, FORK))
    ana.compare(GOOD.note(90), from_mapping(GOOD.tiles(500)))
    assert ben.held is not None
    with pytest.raises(Fork):
        ana.compare(ben.held.note, from_mapping(GOOD.tiles(500)))
    assert ana.held is not None
    with pytest.raises(OutOfRange):
        ben.compare(ana.held.note, from_mapping(FORK.tiles(400)))
    with pytest.raises(Fork):
        ben.advance_with(ana.held.note, from_mapping(GOOD.tiles(500)))


def test_heads_of_one_history_agree_whoever_is_ahead() -> None:
    view = START.advance(GOOD.note(500))
    for size in (0, 1, 256, 499, 500):
        needed = from_mapping({tile: GOOD.data(tile) for tile in consistency_tiles(size, 500)})
        view.compare(GOOD.note(size), needed)
    with pytest.raises(Fork):
        view.compare(FORK.note(500), from_mapping({}))


def test_a_proof_that_is_not_needed_is_refused() -> None:
    with pytest.raises(WrongProof):
        START.advance(GOOD.note(300), [b"h" * 32])
    view = START.advance(GOOD.note(300))
    with pytest.raises(WrongProof):
        view.advance(GOOD.note(300), [b"h" * 32])
    with pytest.raises(WrongProof):
        view.advance(GOOD.note(301), [])


def test_a_view_is_saved_as_its_note_and_checked_when_it_is_read_back() -> None:
    view = START.advance(GOOD.note(300))
    assert view.held is not None
    assert View.restore(ORIGIN, POLICY, view.held.note) == view
    assert View.restore(ORIGIN, POLICY, None) == START
    note = view.held.note
    for at in range(0, len(note), 97):
        with pytest.raises(TlogError):
            View.restore(ORIGIN, POLICY, note[:at] + bytes([note[at] ^ 1]) + note[at + 1 :])


def test_an_unsigned_or_foreign_head_moves_nothing() -> None:
    text = Checkpoint(ORIGIN, 5, GOOD.head(5)).text()
    unwitnessed = SignedNote.sign(text, LOG, AT).to_bytes()
    with pytest.raises(Unsigned):
        START.advance(unwitnessed)
    other = Signer.from_seed("other.example/log", Kind.ED25519, b"9" * 32)
    both = Policy((*POLICY.logs, other.key), None)
    foreign = SignedNote.sign(Checkpoint("other.example/log", 5, GOOD.head(5)).text(), [other]).to_bytes()
    assert both.check(foreign).checkpoint.size == 5
    with pytest.raises(WrongLog):
        View(ORIGIN, both).advance(foreign)
    with pytest.raises((WrongSignature, Unsigned)):
        START.advance(GOOD.note(5).replace(b"\n5\n", b"\n6\n"))


def test_an_old_note_does_not_make_a_head_look_old() -> None:
    view = START.advance(GOOD.note(300, AT + 60))
    for at, kept in ((AT, AT + 60), (AT + 120, AT + 120)):
        held = view.advance(GOOD.note(300, at)).held
        assert held is not None
        assert held.signed_at == kept
