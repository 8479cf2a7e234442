"""What a client believes of a log: honest growth is taken in, whatever contradicts it is not."""

from __future__ import annotations

import pytest

from chappe.client.log_ledger import Ledger
from chappe.client.log_state import Broken
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import Fork, MissingTile, Rollback, TlogError, Unsigned, WrongLog, WrongProof
from chappe.tlog.keys import Kind, Signer
from chappe.tlog.merkle import tree_head
from chappe.tlog.notes import SignedNote
from chappe.tlog.tile_reader import from_mapping
from chappe.wire.log_entries import LogOpened
from tests.client import log_book as b
from tests.tlog.worlds import WITNESS, Log

ORIGIN = "localhost/chappe"
KEYS = (
    Signer.from_seed(ORIGIN, Kind.ED25519, b"1" * 32),
    Signer.from_seed(ORIGIN, Kind.COSIGNATURE_ML_DSA_44, b"2" * 32),
)
POLICY = "".join(
    [
        *(f"log {key.key}\n" for key in KEYS),
        f"witness w {WITNESS.key}\nquorum w\n",
    ]
).encode()


def note(
    log: Log, size: int, at: int = b.AT, keys: tuple[Signer, ...] = KEYS, *, witness: bool = True
) -> bytes:
    made = SignedNote.sign(Checkpoint(ORIGIN, size, tree_head(log.entries[:size])).text(), keys, at)
    return (made.cosign(WITNESS, at) if witness else made).to_bytes()


def grown(ledger: Ledger, log: Log, size: int, at: int = b.AT) -> Ledger:
    return ledger.advance(note(log, size, at), from_mapping(log.tiles(size)))


def pinned() -> Ledger:
    return Ledger.pinned("localhost", POLICY)


def long_log() -> Log:
    """Over two bundles."""
    lines = [b.created(f"line {n}", f"device {n}") for n in range(300)]
    return Log(b.Book([b.opened(), *lines]).data)


def test_it_grows_and_is_kept() -> None:
    log, ledger = long_log(), pinned()
    for size in (1, 2, 255, 256, 257, 301):
        before, ledger = ledger, grown(ledger, log, size)
        assert (ledger.size, ledger.state.size) == (size, size)
        assert list(ledger.added) == log.entries[before.size : size]
        assert ledger.held is not None
        again = Ledger.restore(
            "localhost", POLICY, ledger.held.note, before.to_bytes(), log.entries[before.size : size]
        )
        assert (again.root, again.state.to_bytes()) == (ledger.root, ledger.state.to_bytes())
        with pytest.raises(ValueError, match="does not lead"):
            Ledger.restore("localhost", POLICY, ledger.held.note, before.to_bytes(), [])
    assert ledger.knows(256, tree_head(log.entries[:256])) is True
    assert ledger.knows(256, bytes(32)) is False
    assert ledger.knows(100, tree_head(log.entries[:100])) is None
    fresher = grown(ledger, log, 301, b.AT + 9)
    assert fresher.held is not None
    assert fresher.held.signed_at == b.AT + 9
    assert grown(fresher, log, 301, b.AT).held == fresher.held, "an old note does not make it look old"


def test_a_log_with_another_past_is_found() -> None:
    log = long_log()
    other = Log([*log.entries[:9], b.Book([b.created("ghost", "ghost")]).data[0], *log.entries[10:]])
    ledger = grown(pinned(), log, 257)
    with pytest.raises(WrongProof):
        grown(ledger, other, 301)
    tiles = from_mapping(other.tiles(301))
    assert ledger.forked(note(other, 301), tiles)
    assert not ledger.forked(note(log, 301), from_mapping(log.tiles(301)))
    with pytest.raises(Fork):
        ledger.check(note(other, 257))
    with pytest.raises(Rollback):
        ledger.check(note(log, 200))
    with pytest.raises(Fork):
        grown(ledger, log, 301).check(note(other, 257))


def test_what_is_not_signed_as_the_pin_says_is_refused() -> None:
    log, ledger = long_log(), pinned()
    eve = tuple(Signer.from_seed(ORIGIN, key.key.kind, b"e" * 32) for key in KEYS)
    for bad in (note(log, 5, keys=eve), note(log, 5, keys=KEYS[:1]), note(log, 5, witness=False), b"x"):
        with pytest.raises(TlogError):
            ledger.check(bad)
    assert ledger.lacks_witnesses(note(log, 5, witness=False))
    assert not ledger.lacks_witnesses(note(log, 5, keys=KEYS[:1]))
    assert not ledger.lacks_witnesses(note(log, 5, keys=eve, witness=False))
    with pytest.raises(Unsigned):
        ledger.check(note(log, 5, keys=eve))
    with pytest.raises(WrongLog):
        Ledger.pinned("elsewhere", POLICY)


def test_bad_entries_and_bad_bundles_change_nothing() -> None:
    honest = b.Book([b.opened(), b.created("ben", "ben-1")])
    forged = Log(b.Book([*honest.entries, b.added("ben", "ghost", "ben-1", signer="eve")]).data)
    ledger = grown(pinned(), forged, 2)
    with pytest.raises(Broken, match="does not hold"):
        grown(ledger, forged, 3)
    assert ledger.state.size == 2
    with pytest.raises(MissingTile):
        ledger.advance(note(forged, 3), from_mapping({}))
    elsewhere = Log(b.Book([LogOpened(1, b.AT, "elsewhere/chappe")]).data)
    with pytest.raises(Broken, match="another name"):
        grown(pinned(), elsewhere, 1)
