"""Signed notes: the published ones, and what the form does not allow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chappe.tlog.errors import Malformed, WrongSignature
from chappe.tlog.keys import Kind, Signer, VerifierKey
from chappe.tlog.notes import MAX_NOTE, MAX_SIGNATURES, NoteSignature, SignedNote

ADA, BEN = (Signer.from_seed(name, Kind.ED25519, name.encode() * 8) for name in ("ada.", "ben."))
NOTE = SignedNote.sign("hello\n\nthere\n", [ADA, BEN])
BYTES = NOTE.to_bytes()


def _published(vectors: Path) -> tuple[str, list[tuple[VerifierKey, str]]]:
    kat = json.loads((vectors / "signed-note" / "kat.json").read_text())
    keys = [
        (VerifierKey.parse(each["vkey"]), f"\u2014 {each['name']} {each['signature_b64']}\n")
        for each in kat["signatures"]
    ]
    return kat["text"], keys


def test_published_notes_hold_alone_and_together(vectors: Path) -> None:
    text, signed = _published(vectors)
    keys = [key for key, _ in signed]
    assert len(signed) == 2
    for key, line in signed:
        note = SignedNote.parse(f"{text}\n{line}".encode())
        assert note.text == text
        assert note.verify(keys).keys() == {key}
    both = f"{text}\n{signed[0][1]}{signed[1][1]}".encode()
    assert SignedNote.parse(both).verify(keys).keys() == set(keys)
    assert SignedNote.parse(both).to_bytes() == both


def test_any_byte_of_a_published_note_changed_leaves_no_signature(vectors: Path) -> None:
    text, signed = _published(vectors)
    key, line = signed[0]
    whole = f"{text}\n{line}".encode()
    flips = 0
    for at in range(len(whole)):
        changed = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        try:
            found = SignedNote.parse(changed).verify([key])
        except (Malformed, WrongSignature):
            flips += 1
            continue
        # Name or id changed: the line is a stranger's, and nobody we know has signed.
        assert not found
        flips += 1
    assert flips == len(whole) > 200


def test_a_note_is_read_as_it_was_written() -> None:
    assert SignedNote.parse(BYTES) == NOTE
    assert NOTE.verify([ADA.key, BEN.key]) == {ADA.key: None, BEN.key: None}
    assert NOTE.verify([ADA.key]) == {ADA.key: None}
    assert NOTE.verify([]) == {}


LINE = NOTE.signatures[0].line().encode()
DASH = "\u2014 ".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\n",
        b"hello\n",
        b"hello\n\n",
        b"hello" + LINE,
        b"hello\n" + LINE,
        BYTES[:-1],
        BYTES + b"\n",
        BYTES + b"x",
        BYTES.replace(b"hello", b"he\rlo"),
        BYTES.replace(b"hello", b"he\tlo"),
        BYTES.replace(b"hello", b"he\0lo"),
        BYTES.replace(b"hello", b"he\xfflo"),
        BYTES.replace(b"hello", b"he\xed\xa0\x80lo"),
        BYTES.replace(DASH, b"- "),
        BYTES.replace(DASH, DASH.strip()),
        BYTES.replace(b"ada. ", b"ada."),
        BYTES.replace(b"ada. ", b" "),
        BYTES.replace(b"ada. ", b"ada.  "),
        BYTES.replace(b"ada. ", b"a+a. "),
        BYTES.replace(b"ada. ", b"a\xe2\x80\x83a. "),
        b"hello\n\n" + DASH + b"ada.\n",
        b"hello\n\n" + DASH + b"ada. \n",
        b"hello\n\n" + DASH + b"ada. AAAAAA==\n",
        b"hello\n\n" + DASH + b"ada. AAAAAAB=\n",
        b"hello\n\n" + DASH + b"ada. AAAAAAA\n",
        b"hello\n\n" + DASH + b"ada. AAAA_AA=\n",
        b"hello\n\n" + DASH + b"ada. AAAA AAA=\n",
        b"hello\n\n" + LINE * (MAX_SIGNATURES + 1),
        b"h" * MAX_NOTE + b"\n\n" + LINE,
    ],
)
def test_what_is_no_note_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        SignedNote.parse(data)


def test_sixteen_of_the_longest_signatures_are_taken() -> None:
    lines = tuple(NoteSignature(f"n{at}", b"\0\0\0\1", bytes(5000)) for at in range(16))
    note = SignedNote("hello\n", lines)
    assert SignedNote.parse(note.to_bytes()) == note


def test_a_line_of_a_known_key_must_hold() -> None:
    ada = NOTE.signatures[0]
    wrong = NoteSignature(ada.name, ada.id, ada.signature[:-1] + bytes([ada.signature[-1] ^ 1]))
    for lines in ((wrong,), (ada, wrong), (wrong, ada)):
        with pytest.raises(WrongSignature):
            SignedNote(NOTE.text, lines).verify([ADA.key])


def test_a_strangers_line_is_left_alone_whoever_it_says_to_be() -> None:
    ada, ben = NOTE.signatures
    impostors = (NoteSignature("ada.", ben.id, b"x"), NoteSignature("eve.", ada.id, b"x"))
    assert SignedNote(NOTE.text, (*impostors, ada)).verify([ADA.key]).keys() == {ADA.key}
    assert not SignedNote(NOTE.text, impostors).verify([ADA.key, BEN.key])


def test_a_line_that_is_there_twice_counts_once() -> None:
    ada = NOTE.signatures[0]
    assert list(SignedNote(NOTE.text, (ada,) * 3).verify([ADA.key, ADA.key])) == [ADA.key]


def test_keys_that_cannot_be_told_apart_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two public keys with one 32-bit id can be made at will; here the id is held still instead."""
    monkeypatch.setattr(VerifierKey, "id", b"\0\0\0\1")
    twin = Signer.from_seed("ada.", Kind.ED25519, b"t" * 32).key
    with pytest.raises(Malformed):
        NOTE.verify([ADA.key, twin])


@pytest.mark.parametrize("text", ["", "no newline", "a\rb\n", "\ud800\n"])
def test_a_text_that_no_note_holds_is_not_signed(text: str) -> None:
    with pytest.raises((Malformed, UnicodeEncodeError)):
        SignedNote.sign(text, [ADA])
