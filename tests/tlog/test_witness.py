"""A witness: it cosigns what grows, once for each step, and nothing else."""

from __future__ import annotations

import pytest

from chappe.tlog.errors import (
    Conflict,
    Fork,
    Malformed,
    OutOfRange,
    TlogError,
    Unsigned,
    WrongLog,
    WrongProof,
    WrongSignature,
)
from chappe.tlog.keys import Kind, Signer
from chappe.tlog.notes import MAX_NOTE, NoteSignature, SignedNote
from chappe.tlog.proofs import prove_consistency
from chappe.tlog.witness import MAX_PROOF, AddCheckpoint, Cosigned, Witness
from tests.tlog import trees
from tests.tlog.worlds import AT, LOG, ORIGIN, POLICY, WITNESS, Log

GOOD = Log(trees.entries(300))
FORK = Log([*GOOD.entries[:50], b"ghost device", *GOOD.entries[51:]])
WHO = Witness(WITNESS, tuple(each.key for each in LOG))
NONE = Cosigned(ORIGIN)


def _ask(old: int, new: int, log: Log = GOOD) -> AddCheckpoint:
    proof = tuple(prove_consistency(old, new, log.read)) if 0 < old <= new else ()
    return AddCheckpoint(old, proof, log.note(new))


def _held(size: int) -> Cosigned:
    return Cosigned(ORIGIN, size, GOOD.head(size))


def test_a_growing_log_is_cosigned_step_by_step() -> None:
    held = NONE
    for size in (0, 1, 40, 256, 256, 300):
        asked = AddCheckpoint.parse(_ask(held.size, size).to_bytes())
        assert WHO.origin(asked) == ORIGIN
        held, line = WHO.cosign(asked, held, AT + size)
        assert held == _held(size)
        # The answer put to the note is what a client with this witness in its quorum takes.
        text = SignedNote.parse(GOOD.note(size)).text
        signature = NoteSignature.parse(line.decode().removesuffix("\n"))
        note = SignedNote.sign(text, LOG, AT)
        whole = SignedNote(note.text, (*note.signatures, signature)).to_bytes()
        assert POLICY.check(whole).times[WITNESS.key] == AT + size


def test_what_a_witness_does_not_cosign() -> None:
    stray = (b"h" * 32,)
    cases: list[tuple[AddCheckpoint, Cosigned, type[TlogError]]] = [
        (_ask(0, 40), _held(40), Conflict),
        (_ask(30, 40), _held(39), Conflict),
        (AddCheckpoint(40, (), GOOD.note(39)), _held(40), OutOfRange),
        (_ask(256, 256, FORK), _held(256), Fork),
        (_ask(256, 300, FORK), _held(256), WrongProof),
        (AddCheckpoint(256, (), GOOD.note(300)), _held(256), WrongProof),
        (AddCheckpoint(0, stray, GOOD.note(40)), NONE, WrongProof),
        (AddCheckpoint(40, stray, GOOD.note(40)), _held(40), WrongProof),
        (_ask(0, 40), Cosigned("another.example"), OutOfRange),
    ]
    for asked, held, error in cases:
        with pytest.raises(error):
            WHO.cosign(asked, held, AT)


def test_a_conflict_says_what_is_held() -> None:
    with pytest.raises(Conflict) as caught:
        WHO.cosign(_ask(0, 300), _held(256), AT)
    assert caught.value.size == 256


def test_only_what_the_log_signed_is_looked_at() -> None:
    text = SignedNote.parse(GOOD.note(40)).text
    half = SignedNote.sign(text, LOG[:1]).to_bytes()
    other = Signer.from_seed("other.example", Kind.ED25519, b"9" * 32)
    foreign = SignedNote.sign(text.replace(ORIGIN, "other.example"), [other]).to_bytes()
    forged = GOOD.note(40).replace(b"\n40\n", b"\n41\n")
    for note, error in ((half, Unsigned), (foreign, WrongLog), (forged, WrongSignature)):
        asked = AddCheckpoint(0, (), note)
        with pytest.raises(error):
            WHO.origin(asked)
        with pytest.raises(error):
            WHO.cosign(asked, NONE, AT)


def test_a_logs_key_is_no_witness() -> None:
    with pytest.raises(Malformed):
        Witness(LOG[0], WHO.logs)


GOOD_BODY = _ask(40, 256).to_bytes()
HASH_LINE = b"A" * 43 + b"=\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n\n",
        b"old 0\n",
        b"old\n\nnote",
        b"old  0\n\nnote",
        b"old 00\n\nnote",
        b"old -1\n\nnote",
        b"old 9223372036854775808\n\nnote",
        b"Old 0\n\nnote",
        b"old 0\r\n\r\nnote",
        b"old 0\nAAAA\n\nnote",
        b"old 0\n" + b"A" * 44 + b"\n\nnote",
        b"old 0\n" + b"\xff" * 44 + b"\n\nnote",
        b"old 1\n" + HASH_LINE * (MAX_PROOF + 1) + b"\nnote",
        b"old 0\n\n" + b"x" * (MAX_NOTE + 5000),
    ],
)
def test_what_is_no_request_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        AddCheckpoint.parse(data)


def test_a_request_is_read_as_it_is_written() -> None:
    for asked in (_ask(0, 40), _ask(40, 256), AddCheckpoint(1, (b"h" * 32,) * MAX_PROOF, b"note")):
        assert AddCheckpoint.parse(asked.to_bytes()) == asked
