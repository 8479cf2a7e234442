"""A witness (C2SP tlog-witness), without its socket: it cosigns heads that contain the last one it cosigned.

Of each log it keeps one head. `Witness.cosign` gives the head to keep and the line to answer with; the caller
makes the head durable **before** he answers, in one transaction with the look at the one before, or two
requests at once could make the witness sign two histories. What is refused, and as which HTTP status:

    Malformed, OutOfRange        400
    WrongSignature, Unsigned     403
    WrongLog                     404
    Conflict                     409, with the size that is held as a line of decimal digits
    Fork                         409: two heads of one size, the two notes convict the log
    WrongProof                   422
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chappe.tlog.errors import Conflict, Fork, Malformed, OutOfRange, WrongProof
from chappe.tlog.keys import Signer, VerifierKey
from chappe.tlog.merkle import EMPTY_ROOT, HASH_SIZE
from chappe.tlog.notes import MAX_NOTE, SignedNote
from chappe.tlog.policy import WITNESS_KINDS, Policy
from chappe.tlog.proofs import verify_consistency
from chappe.tlog.text import from_base64, from_decimal, to_base64

MAX_PROOF: Final = 63
# The old size, the proof and the note.
MAX_REQUEST: Final = MAX_NOTE + 64 * 64


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """The body of `add-checkpoint`: a note, and the proof that its head contains the one of `old` entries."""

    old: int
    proof: tuple[bytes, ...]
    note: bytes

    def to_bytes(self) -> bytes:
        """The body, as it is sent."""
        lines = [f"old {self.old}", *(to_base64(each) for each in self.proof), ""]
        return "".join(f"{line}\n" for line in lines).encode() + self.note

    @classmethod
    def parse(cls, data: bytes) -> AddCheckpoint:
        """The request in a body; raises Malformed. The note is not looked into."""
        if len(data) > MAX_REQUEST:
            raise Malformed("the request is too long")
        head, gap, note = data.partition(b"\n\n")
        try:
            first, *lines = head.decode("ascii").split("\n")
        except UnicodeDecodeError as error:
            raise Malformed("the request is not text") from error
        if not gap or not first.startswith("old ") or len(lines) > MAX_PROOF:
            raise Malformed("a request is an old size, at most 63 hashes, an empty line and a checkpoint")
        proof = tuple(from_base64(line, HASH_SIZE) for line in lines)
        return cls(from_decimal(first.removeprefix("old ")), proof, note)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The last head of a log that a witness cosigned. `size` 0 with EMPTY_ROOT: none yet."""

    origin: str
    size: int = 0
    root: bytes = EMPTY_ROOT


@dataclass(frozen=True, slots=True)
class Witness:
    """Who cosigns, and the keys of the logs it knows: of each, all must have signed."""

    signer: Signer
    logs: tuple[VerifierKey, ...]

    def __post_init__(self) -> None:
        if self.signer.key.kind not in WITNESS_KINDS:
            raise Malformed("a witness does not sign with a key of this kind")

    def origin(self, request: AddCheckpoint) -> str:
        """Which log the request is about, so that the caller can look up what is held of it.

        Its signatures hold; raises as `Policy.check` does.
        """
        return Policy(self.logs).check(request.note).checkpoint.origin

    def cosign(self, request: AddCheckpoint, held: Cosigned, at: int) -> tuple[Cosigned, bytes]:
        """The head to keep from now on, and the signature line to answer with once it is durable.

        `held` is what is kept of this log, `at` the time in seconds since 1970. Raises as `Policy.check` does
        and as the table above says; then nothing is to be kept.
        """
        new = Policy(self.logs).check(request.note).checkpoint
        if new.origin != held.origin:
            raise OutOfRange("what is held is of another log")
        if request.old > new.size:
            raise OutOfRange("the old size is above the new one")
        if request.old != held.size:
            raise Conflict("another size is held", size=held.size)
        if new.size == held.size and new.root != held.root:
            raise Fork("two heads of one size: the log has two pasts")
        if held.size:
            verify_consistency(
                old=held.size, new=new.size, old_root=held.root, new_root=new.root, proof=request.proof
            )
        elif request.proof:
            raise WrongProof("nothing can be proved from an empty tree")
        line = SignedNote.parse(request.note).cosign(self.signer, at).signatures[-1].line()
        return Cosigned(new.origin, new.size, new.root), line.encode()
