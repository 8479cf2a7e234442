"""A transparency log as far as this client has read it: the policy that it pinned, the newest head that it
believes, the tree that leads there, and what the entries say. No I/O, no clock; `chappe audit` uses it, too.

A ledger only grows. It takes a head that the pinned policy accepts if the entries behind its own, in their
order and by the rules, lead from the tree that it has to the new root: this is the proof of consistency, so
that no other is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from chappe.client.log_state import Broken, LogState
from chappe.tlog.errors import Fork, Malformed, Rollback, TlogError, Unsigned, WrongLog, WrongProof
from chappe.tlog.keys import VerifierKey
from chappe.tlog.merkle import Frontier, leaf_hash
from chappe.tlog.policy import Policy, SignedCheckpoint
from chappe.tlog.tile_reader import Fetch
from chappe.tlog.tiles import WIDTH, Tile, bundle_entries, tile_width
from chappe.tlog.view import View

HEADS: Final = 256
"""Heads of the past that are remembered, to compare what others have seen with."""
_FORMAT: Final = 1


class _Kept(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    format: int
    frontier: bytes
    state: bytes
    heads: dict[int, bytes]


def origin_of(server: str) -> str:
    """The name of a relay's log."""
    return f"{server}/chappe"


def new_bundles(old: int, new: int) -> list[Tile]:
    """The bundles with the entries from `old` on, of a log of `new` entries."""
    return [
        Tile(None, index, tile_width(None, index, new)) for index in range(old // WIDTH, -(-new // WIDTH))
    ]


@dataclass(frozen=True, slots=True)
class Ledger:
    """`view.held` None: nothing read yet. `heads`: roots by size, of heads that were once the newest, or were
    found to be of this log. `state` is not to be changed."""

    policy_text: bytes
    view: View
    frontier: Frontier = field(default_factory=Frontier)
    state: LogState = field(default_factory=LogState)
    heads: dict[int, bytes] = field(default_factory=dict)
    added: tuple[bytes, ...] = ()
    """The entries that the last `advance` brought."""

    @classmethod
    def pinned(cls, server: str, policy_text: bytes) -> Ledger:
        """The empty ledger under this policy. Raises Malformed; WrongLog where it has no key of this relay's
        log."""
        origin, policy = origin_of(server), Policy.parse(policy_text)
        if not any(key.name == origin for key in policy.logs):
            raise WrongLog("the policy does not name the relay's log")
        return cls(policy_text, View(origin, policy))

    @property
    def size(self) -> int:
        return self.frontier.size

    @property
    def root(self) -> bytes:
        return self.frontier.root()

    @property
    def held(self) -> SignedCheckpoint | None:
        return self.view.held

    def check(self, note: bytes) -> SignedCheckpoint:
        """The head in a note, if the policy accepts it and nothing held contradicts it by itself.

        Raises as `Policy.check`; Rollback for a smaller one; Fork for another root of a size that is known.
        """
        signed = self.view.check(note)
        size, root = signed.checkpoint.size, signed.checkpoint.root
        known = self.heads.get(size, root)
        if known != root or (size == self.size and self.held is not None and root != self.root):
            raise Fork("two heads of one size: the log has two pasts")
        if size < self.size:
            raise Rollback(f"a head of {size} entries, when {self.size} are known")
        return signed

    def lacks_witnesses(self, note: bytes) -> bool:
        """Whether the log itself has signed a note that the policy refuses: witnesses are missing."""
        try:
            self.view.policy.check(note)
        except Unsigned:
            return _is_by(self.view.policy.logs, note)
        except TlogError:
            return False
        return False

    def advance(self, note: bytes, fetch: Fetch) -> Ledger:
        """The ledger with the head in `note`; `fetch` gives the bundles of `new_bundles`.

        Raises as `check` and `fetch` do; Malformed for bundles that are none; WrongProof where the entries
        do not lead to the new root (the log forked, or the bundles are not its own: `forked` tells); Broken
        for an entry that the log may not hold.
        """
        signed = self.check(note)
        size = signed.checkpoint.size
        entries: list[bytes] = []
        for tile in new_bundles(self.size, size) if size > self.size else ():
            found = bundle_entries(tile, fetch(tile))
            entries += found[max(0, self.size - tile.index * WIDTH) :]
        frontier = self._extended(entries)
        if frontier.root() != signed.checkpoint.root:
            raise WrongProof("the entries do not lead to the root of the new head")
        state = self.state
        if entries:
            state = state.copy()
            for data in entries:
                state.apply_bytes(state.size, data)
        if state.origin and state.origin != self.view.origin:
            raise Broken(0, "the log was opened under another name")
        held = self.held
        fresher = (
            held if held and held.checkpoint.size == size and held.signed_at > signed.signed_at else signed
        )
        return replace(
            self,
            view=replace(self.view, held=fresher),
            frontier=frontier,
            state=state,
            heads=_remember(self.heads, size, signed.checkpoint.root),
            added=tuple(entries),
        )

    def _extended(self, entries: list[bytes]) -> Frontier:
        """The tree with these entries more. Raises Fork where it had, on its way, another head than one that
        is remembered."""
        frontier, at = self.frontier, 0
        for size in [
            *sorted(size for size in self.heads if self.size < size <= self.size + len(entries)),
            None,
        ]:
            upto = len(entries) if size is None else size - self.size
            frontier = frontier.extend(map(leaf_hash, entries[at:upto]), lambda _node, _hash: None)
            at = upto
            if size is not None and frontier.root() != self.heads[size]:
                raise Fork("the log does not contain a head that it had")
        return frontier

    def forked(self, note: bytes, fetch: Fetch) -> bool:
        """Whether the tree under `note`, whose tiles `fetch` gives (`consistency_tiles`), has another past
        than this ledger: the two notes then prove that the log lied. Raises as TileReader does."""
        try:
            self.view.advance_with(note, fetch)
        except Fork:
            return True
        return False

    def knows(self, size: int, root: bytes) -> bool | None:
        """Whether a head of `size` entries is of this log; None where it is newer or only tiles can tell."""
        if size == self.size:
            return root == self.root
        known = self.heads.get(size)
        return None if known is None else known == root

    def remembering(self, size: int, root: bytes) -> Ledger:
        """With a head that was shown to be of this log."""
        return replace(self, heads=_remember(self.heads, size, root))

    # --- keeping

    def to_bytes(self) -> bytes:
        """Frontier, state and heads; policy and note are kept beside it. About 200 bytes for each device."""
        return msgspec.msgpack.encode(
            _Kept(_FORMAT, self.frontier.to_bytes(), self.state.to_bytes(), self.heads)
        )

    @classmethod
    def restore(
        cls, server: str, policy_text: bytes, note: bytes | None, kept: bytes, tail: list[bytes]
    ) -> Ledger:
        """The ledger that was kept, and the entries that came after. Raises ValueError where the parts do not
        fit, TlogError where the note is not the policy's."""
        ledger = cls.pinned(server, policy_text)
        try:
            found = msgspec.msgpack.decode(kept, type=_Kept)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ValueError("not a kept ledger") from None
        if found.format != _FORMAT:
            raise ValueError("a kept ledger of another version")
        state = LogState.from_bytes(found.state)
        try:
            frontier = Frontier.from_bytes(found.frontier)
            if frontier.size != state.size:
                raise ValueError("a kept ledger whose parts are not of one size")
            state.replay_trusted(tail)
        except (Broken, Malformed) as problem:
            raise ValueError("a kept ledger that does not hold") from problem
        frontier = frontier.extend(map(leaf_hash, tail), lambda _node, _hash: None)
        view = View.restore(ledger.view.origin, ledger.view.policy, note)
        if (view.size, view.root) != (frontier.size, frontier.root()):
            raise ValueError("a kept ledger that does not lead to its head")
        return replace(ledger, view=view, frontier=frontier, state=state, heads=found.heads)


def _is_by(logs: tuple[VerifierKey, ...], note: bytes) -> bool:
    try:
        Policy(logs).check(note)
    except TlogError:
        return False
    return True


def _remember(heads: dict[int, bytes], size: int, root: bytes) -> dict[int, bytes]:
    """The newest HEADS of them."""
    kept = {**heads, size: root}
    for old in sorted(kept)[: max(0, len(kept) - HEADS)]:
        del kept[old]
    return kept
