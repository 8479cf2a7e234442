"""Signed notes (C2SP signed-note): a text, an empty line, and signature lines.

Parsing believes nothing: `SignedNote.verify` says which of the keys that one knows have signed. Lines of
unknown keys are left alone, so that a log or a witness can change its key while both are in use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from chappe.tlog.errors import Malformed
from chappe.tlog.keys import ID_SIZE, Signer, VerifierKey, check_name
from chappe.tlog.text import from_base64, to_base64

# Room for 16 signatures of 5 kB, which a verifier has to take, and some more.
MAX_NOTE: Final = 256 * 1024
MAX_SIGNATURES: Final = 64
_DASH: Final = "\u2014 "


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """A signature line: who says to have signed, the key's 4-byte id, and the signature, not empty."""

    name: str
    id: bytes
    signature: bytes

    def line(self) -> str:
        """The line, with its newline."""
        return f"{_DASH}{self.name} {to_base64(self.id + self.signature)}\n"

    @classmethod
    def parse(cls, line: str) -> NoteSignature:
        """The signature in a line without its newline; raises Malformed."""
        name, space, encoded = line.removeprefix(_DASH).partition(" ")
        if not line.startswith(_DASH) or not space:
            raise Malformed("a signature line is a dash, a name and a signature")
        data = from_base64(encoded)
        if len(data) <= ID_SIZE:
            raise Malformed("a signature line without a signature")
        return cls(check_name(name), data[:ID_SIZE], data[ID_SIZE:])


@dataclass(frozen=True, slots=True)
class SignedNote:
    """A text, with its last newline, and the signatures in their order."""

    text: str
    signatures: tuple[NoteSignature, ...]

    def to_bytes(self) -> bytes:
        """The note in UTF-8."""
        return f"{self.text}\n{''.join(each.line() for each in self.signatures)}".encode()

    @classmethod
    def parse(cls, data: bytes) -> SignedNote:
        """The note; raises Malformed for what is too long, not UTF-8, or not of the form."""
        if len(data) > MAX_NOTE:
            raise Malformed(f"a note has at most {MAX_NOTE} bytes")
        try:
            whole = data.decode()
        except UnicodeDecodeError as error:
            raise Malformed("a note is not UTF-8") from error
        if any(char < " " and char != "\n" for char in whole):
            raise Malformed("a note has a control character")
        text, gap, lines = whole.rpartition("\n\n")
        if not gap or not lines.endswith("\n"):
            raise Malformed("a note is a text, an empty line and signature lines")
        signatures = lines[:-1].split("\n")
        if len(signatures) > MAX_SIGNATURES:
            raise Malformed(f"a note has at most {MAX_SIGNATURES} signatures")
        return cls(f"{text}\n", tuple(NoteSignature.parse(line) for line in signatures))

    @classmethod
    def sign(cls, text: str, signers: Iterable[Signer], at: int | None = None) -> SignedNote:
        """The text signed by each; raises as `Signer.sign` does, Malformed if a note cannot hold the text."""
        signatures = (NoteSignature(each.key.name, each.key.id, each.sign(text, at)) for each in signers)
        note = cls(text, tuple(signatures))
        if cls.parse(note.to_bytes()) != note:
            raise Malformed("a note cannot hold this text")
        return note

    def cosign(self, signer: Signer, at: int) -> SignedNote:
        """The note with one signature more, made at `at` (seconds since 1970)."""
        added = NoteSignature(signer.key.name, signer.key.id, signer.sign(self.text, at))
        return replace(self, signatures=(*self.signatures, added))

    def verify(self, keys: Iterable[VerifierKey]) -> Mapping[VerifierKey, int | None]:
        """Which of `keys` have signed, each once, with the latest time it says (None for a plain signature).

        Every signature that says to be of a known key must hold: raises WrongSignature if one does not, and
        Malformed if two of `keys` cannot be told apart.
        """
        known: dict[tuple[str, bytes], VerifierKey] = {}
        for key in keys:
            if known.setdefault((key.name, key.id), key) != key:
                raise Malformed("two keys with one name and one id")
        signed: dict[VerifierKey, int | None] = {}
        for each in self.signatures:
            found = known.get((each.name, each.id))
            if found is None:
                continue
            at, before = found.verify(self.text, each.signature), signed.get(found)
            signed[found] = at if at is None or before is None else max(at, before)
        return signed
