"""What a client believes of a log: the newest head it has verified, and nothing that contradicts it.

A view only grows. A newer head is taken if it is signed as the policy wants and shown to contain the one that
is held; an older one, or one of a history with another past, is refused. The view is saved as the note it
holds and read back through the same checks, so that a file cannot say what the signatures do not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chappe.tlog.errors import Fork, OutOfRange, Rollback, WrongLog, WrongProof
from chappe.tlog.merkle import EMPTY_ROOT
from chappe.tlog.policy import Policy, SignedCheckpoint
from chappe.tlog.proofs import verify_consistency
from chappe.tlog.tile_reader import Fetch, TileReader


@dataclass(frozen=True, slots=True)
class View:
    """The log `origin` as this client knows it. A view never changes; `advance` returns the next one.

    `held` is the newest checkpoint, None before the first.
    """

    origin: str
    policy: Policy
    held: SignedCheckpoint | None = None

    @classmethod
    def restore(cls, origin: str, policy: Policy, note: bytes | None) -> View:
        """The view that was saved as `held.note`; raises as `Policy.check` does, and WrongLog."""
        view = cls(origin, policy)
        return view if note is None else replace(view, held=view.check(note))

    @property
    def size(self) -> int:
        """How many entries are known to be in the log."""
        return self.held.checkpoint.size if self.held else 0

    @property
    def root(self) -> bytes:
        """The head of those entries: 32 bytes."""
        return self.held.checkpoint.root if self.held else EMPTY_ROOT

    def check(self, note: bytes) -> SignedCheckpoint:
        """The checkpoint in `note`, signed as it must be, and of this log. Raises as `Policy.check` does."""
        signed = self.policy.check(note)
        if signed.checkpoint.origin != self.origin:
            raise WrongLog("a checkpoint of another log")
        return signed

    def advance(self, note: bytes, proof: Sequence[bytes] = ()) -> View:
        """The view with the head in `note`, if the proof shows that it contains the one held.

        `proof` is from `size` to the size in the note; it is empty for the first head, and for one of the
        same size. Raises as `check` does; Rollback for a smaller head; Fork for another head of the same
        size; WrongProof if the proof does not hold (the log may have forked, or the proof may just be wrong:
        `advance_with` tells which).
        """
        signed = self._newer(self.check(note))
        new = signed.checkpoint
        if self.size:
            verify_consistency(
                old=self.size, new=new.size, old_root=self.root, new_root=new.root, proof=proof
            )
        elif proof:
            raise WrongProof("nothing can be proved from an empty tree")
        return replace(self, held=self._fresher(signed))

    def advance_with(self, note: bytes, fetch: Fetch) -> View:
        """`advance` with the log's own tiles in place of a proof.

        `fetch` gives the tiles of `tile_reader.consistency_tiles`. Raises as `check` and TileReader do;
        Rollback; and Fork if the tiles, which lead to the new root, have another past than the one held: the
        two notes together then prove that the log lied.
        """
        signed = self._newer(self.check(note))
        reader = TileReader(signed.checkpoint.size, signed.checkpoint.root, fetch)
        if reader.frontier(self.size).root() != self.root:
            raise Fork("the log has two pasts: the new head does not contain the one held")
        return replace(self, held=self._fresher(signed))

    def compare(self, note: bytes, fetch: Fetch) -> None:
        """That a head seen elsewhere, as one that came with a message, is of the same log as the one held.

        It may be older or of the same size. `fetch` gives tiles of the *held* head
        (`consistency_tiles(theirs, size)`). Raises Fork if it is of another history; OutOfRange if it is
        newer: then one has to `advance` to it.
        """
        theirs = self.check(note).checkpoint
        if theirs.size > self.size:
            raise OutOfRange("a newer head than the one held")
        root = self.root
        if theirs.size < self.size:
            root = TileReader(self.size, self.root, fetch).frontier(theirs.size).root()
        if root != theirs.root:
            raise Fork("the log shows others another past than it shows us")

    def _newer(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        new = signed.checkpoint
        if new.size < self.size:
            raise Rollback(f"a head of {new.size} entries, when {self.size} are known")
        if new.size == self.size and new.root != self.root:
            raise Fork("two heads of one size: the log has two pasts")
        return signed

    def _fresher(self, signed: SignedCheckpoint) -> SignedCheckpoint:
        """Of two notes with one head, the one with the later time: an old note must not make it look old."""
        held = self.held
        if held and held.checkpoint.size == signed.checkpoint.size and held.signed_at > signed.signed_at:
            return held
        return signed
