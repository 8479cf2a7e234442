"""Checkpoints under a policy: who must have signed, and who is not counted."""

from __future__ import annotations

from pathlib import Path

import pytest

from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import Malformed, OutOfRange, Unsigned, WrongLog, WrongSignature
from chappe.tlog.keys import Kind, Signer, VerifierKey
from chappe.tlog.merkle import EMPTY_ROOT, MAX_SIZE, tree_head
from chappe.tlog.notes import NoteSignature, SignedNote
from chappe.tlog.policy import Group, Policy
from chappe.tlog.tiles import Tile, bundle_entries

ORIGIN = "example.com/log"
AT = 1_790_000_000
CHECKPOINT = Checkpoint(ORIGIN, 5, b"r" * 32)
ED = Signer.from_seed(ORIGIN, Kind.ED25519, b"1" * 32)
PQ = Signer.from_seed(ORIGIN, Kind.COSIGNATURE_ML_DSA_44, b"1" * 32)
KINDS = (Kind.COSIGNATURE_ED25519, Kind.COSIGNATURE_ML_DSA_44)
X1, X2, X3, Y1, Y2, Y3 = (
    Signer.from_seed(f"{name}.example", KINDS[number % 2], bytes([number]) * 32)
    for number, name in enumerate(("x1", "x2", "x3", "y1", "y2", "y3"))
)
NESTED = f"""
# Two of the X and one of the Y, as in the example of the specification.
log {ED.key} https://example.com/log
\tlog {PQ.key}
witness X1 {X1.key}
witness X2 {X2.key}  https://x2.example/
witness X3 {X3.key}
group X-witnesses 2 X1 X2 X3
witness Y1 {Y1.key}
witness Y2 {Y2.key}
witness Y3 {Y3.key}
group Y-witnesses any Y1 Y2 Y3
group X-and-Y all X-witnesses Y-witnesses
quorum X-and-Y
""".encode()


def _note(
    *cosigners: Signer, logs: tuple[Signer, ...] = (ED, PQ), checkpoint: Checkpoint = CHECKPOINT
) -> bytes:
    note = SignedNote.sign(checkpoint.text(), logs, AT)
    for each in cosigners:
        note = note.cosign(each, AT + 1)
    return note.to_bytes()


def test_published_checkpoints_hold_and_lead_to_their_entries(vectors: Path) -> None:
    folder = vectors / "tlog-tiles" / "testdata" / "log"
    vkey = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
    policy = Policy((VerifierKey.parse(vkey),))
    paths = [folder / "checkpoint", *(folder / f"checkpoint.{size}" for size in range(16))]
    checked = [policy.check(path.read_bytes()).checkpoint for path in paths if path.exists()]
    assert [each.size for each in checked] == [15, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    for each in checked:
        tile = Tile(None, 0, each.size or 1)
        entries = bundle_entries(tile, (folder / tile.path).read_bytes()) if each.size else []
        assert tree_head(entries) == each.root


def test_any_byte_of_a_published_checkpoint_changed_is_refused(vectors: Path) -> None:
    data = (vectors / "tlog-tiles" / "testdata" / "log" / "checkpoint").read_bytes()
    vkey = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"
    policy = Policy((VerifierKey.parse(vkey),))
    for at in range(len(data)):
        with pytest.raises((Malformed, WrongLog, WrongSignature, Unsigned)):
            policy.check(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_a_quorum_of_groups() -> None:
    policy = Policy.parse(NESTED)
    good = policy.check(_note(X1, X3, Y2))
    assert good.checkpoint == CHECKPOINT
    assert good.signed_at == AT + 1
    assert good.times == {ED.key: None, PQ.key: AT, X1.key: AT + 1, X3.key: AT + 1, Y2.key: AT + 1}
    policy.check(_note(X1, X2, X3, Y1, Y2, Y3))
    for few in ((), (X1, X2), (X1, X2, X3), (Y1, Y2, Y3), (X1, Y1, Y2, Y3)):
        with pytest.raises(Unsigned):
            policy.check(_note(*few))


def test_a_witness_that_signs_twice_counts_once() -> None:
    policy = Policy.parse(NESTED)
    with pytest.raises(Unsigned):
        policy.check(_note(X1, X1, X1, Y1))


def test_every_key_of_the_log_must_have_signed() -> None:
    policy = Policy.parse(NESTED)
    for logs in ((ED,), (PQ,)):
        with pytest.raises(Unsigned):
            policy.check(_note(X1, X2, Y1, logs=logs))
    only = Policy((PQ.key,))
    assert only.check(_note()).checkpoint == CHECKPOINT


def test_another_log_is_not_this_one() -> None:
    other = Checkpoint("example.com/other", 5, b"r" * 32)
    with pytest.raises(WrongLog):
        Policy((ED.key, PQ.key)).check(_note(checkpoint=other))


def test_one_log_does_not_speak_for_another_in_the_same_policy() -> None:
    second = Signer.from_seed("example.com/other", Kind.ED25519, b"9" * 32)
    with pytest.raises(Unsigned):
        Policy((ED.key, second.key)).check(_note(logs=(second,)))


def test_a_wrong_line_of_a_witness_spoils_the_note() -> None:
    note = SignedNote.parse(_note(X1, X2, Y1))
    last = note.signatures[-1]
    wrong = NoteSignature(last.name, last.id, last.signature[:-1] + bytes([last.signature[-1] ^ 1]))
    spoilt = SignedNote(note.text, (*note.signatures, wrong)).to_bytes()
    with pytest.raises(WrongSignature):
        Policy.parse(NESTED).check(spoilt)


def test_of_two_times_of_one_witness_the_later_counts_in_either_order() -> None:
    note = SignedNote.parse(_note())
    for times in ((AT + 5, AT + 9), (AT + 9, AT + 5)):
        twice = note
        for at in times:
            twice = twice.cosign(X1, at)
        signed = Policy((ED.key, PQ.key), Group(1, (X1.key,))).check(twice.to_bytes())
        assert (signed.times[X1.key], signed.signed_at) == (AT + 9, AT + 9)


def test_a_policy_without_witnesses() -> None:
    policy = Policy.parse(f"quorum none\nlog {ED.key}".encode())
    assert policy == Policy((ED.key,))
    policy.check(_note())
    with pytest.raises(Malformed):
        policy.check(b"x" * 300_000)


@pytest.mark.parametrize(
    "policy",
    [
        "",
        f"log {ED.key}",
        "quorum none\nquorum none",
        "quorum X",
        f"quorum X\nwitness X {X1.key}",
        f"witness none {X1.key}\nquorum none",
        f"witness X {X1.key}\nwitness X {X2.key}\nquorum X",
        f"witness X {X1.key}\nwitness Y {X1.key}\nquorum none",
        f"log {ED.key}\nlog {ED.key}\nquorum none",
        f"log {X1.key}\nquorum none",
        f"witness X {ED.key}\nquorum X",
        f"witness X {PQ.key}\nlog {PQ.key}\nquorum X",
        f"witness X {X1.key}\ngroup G 2 X\nquorum G",
        f"witness X {X1.key}\ngroup G 0 X\nquorum G",
        f"witness X {X1.key}\ngroup G 01 X\nquorum G",
        f"witness X {X1.key}\ngroup G -1 X\nquorum G",
        f"witness X {X1.key}\ngroup G {'9' * 5000} X\nquorum G",
        f"witness X {X1.key}\ngroup G any\nquorum G",
        f"witness X {X1.key}\ngroup G any X X\nquorum G",
        f"witness X {X1.key}\ngroup G any X\ngroup H any X\nquorum H",
        f"witness X {X1.key}\ngroup G any X G\nquorum G",
        f"witness X {X1.key}\ngroup G any X none\nquorum G",
        f"log {str(ED.key)[:-1]}\nquorum none",
        f"log {ED.key} a b\nquorum none",
        "Quorum none",
        "quorum none\r\n",
        "quorum\u00a0none",
        "quorum none" + "\n" * 1001,
    ],
)
def test_what_is_no_policy_is_refused(policy: str) -> None:
    with pytest.raises(Malformed):
        Policy.parse(policy.encode())


def test_groups_in_groups_have_an_end() -> None:
    lines = [f"witness X {X1.key}", "group G0 any X"]
    lines += [f"group G{at} any G{at - 1}" for at in range(1, 64)]
    Policy.parse("\n".join([*lines, "quorum G63"]).encode())
    with pytest.raises(Malformed):
        Policy.parse("\n".join([*lines, "group G64 any G63", "quorum G64"]).encode())


def test_a_policy_made_by_hand_is_held_to_the_same() -> None:
    for make in (
        lambda: Group(2, (X1.key,)),
        lambda: Group(0, (X1.key,)),
        lambda: Policy((), Group(2, (X1.key, Group(1, (X1.key,))))),
    ):
        with pytest.raises(Malformed):
            make()


TEXT = CHECKPOINT.text()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n\n",
        TEXT[:-1],
        TEXT + "\n",
        TEXT.replace("\n5\n", "\n05\n"),
        TEXT.replace("\n5\n", "\n+5\n"),
        TEXT.replace("\n5\n", "\n5 \n"),
        TEXT.replace("\n5\n", "\n-5\n"),
        TEXT.replace("\n5\n", "\n\u0665\n"),
        TEXT.replace("\n5\n", "\n5_0\n"),
        TEXT.replace("\n5\n", "\n\n"),
        TEXT.replace("\n5\n", f"\n{MAX_SIZE + 1}\n"),
        TEXT.replace("\n5\n", f"\n{'9' * 10_000}\n"),
        TEXT.replace("\n5\n", "\n0\n"),
        TEXT.replace(ORIGIN, ""),
        TEXT.replace("=\n", "\n"),
        "log\n5\nAAAA\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Checkpoint.parse(text)


def test_checkpoints_are_read_as_they_are_written() -> None:
    many = [
        CHECKPOINT,
        Checkpoint("l", 0, EMPTY_ROOT),
        Checkpoint("l \u00e9", MAX_SIZE, b"r" * 32, ("x", "y z")),
    ]
    for each in many:
        assert Checkpoint.parse(each.text()) == each
    for size, root, error in (
        (-1, b"r" * 32, OutOfRange),
        (5, b"r" * 31, Malformed),
        (0, b"r" * 32, Malformed),
    ):
        with pytest.raises(error):
            Checkpoint("l", size, root)
    for extension in ("", "a\nb"):
        with pytest.raises(Malformed):
            Checkpoint("l", 5, b"r" * 32, (extension,))
