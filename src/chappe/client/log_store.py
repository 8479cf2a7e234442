"""The ledger in the vault's store: policy, newest note, a snapshot, and the entries since.

The snapshot is written anew after SNAPSHOT entries only, so that a phone on a large relay does not write
megabytes for one more device. The vault is encrypted and authenticated: what was checked before it was
written is not checked again.
"""

from __future__ import annotations

from typing import Final

import msgspec

from chappe.client.log_ledger import Ledger
from chappe.tlog.errors import TlogError
from chappe.vault.store import Store

SNAPSHOT: Final = 256
_POLICY: Final = "log.policy"
_NOTE: Final = "log.note"
_KEPT: Final = "log.kept"
_TAIL: Final = "log.tail"


class LogStore:
    def __init__(self, store: Store, server: str) -> None:
        self._store = store
        self._server = server
        self.tail: list[bytes] = []
        """Entries since the snapshot. Whoever undoes a `save` puts back the one before."""

    def load(self) -> Ledger | None:
        """None where no policy was pinned. A snapshot that does not fit is read anew from the log, but the
        policy stays, and the note: a newer head must still contain it."""
        policy = self._store.get(_POLICY)
        if policy is None:
            return None
        kept, tail = self._store.get(_KEPT), self._store.get(_TAIL)
        if kept is None:
            return Ledger.pinned(self._server, policy)
        try:
            self.tail = msgspec.msgpack.decode(tail or b"\x90", type=list[bytes])
            return Ledger.restore(self._server, policy, self._store.get(_NOTE), kept, self.tail)
        except (ValueError, TlogError, msgspec.MsgspecError):
            self.tail = []
            return self._anew(policy)

    def _anew(self, policy: bytes) -> Ledger:
        ledger, note = Ledger.pinned(self._server, policy), self._store.get(_NOTE)
        if note is None:
            return ledger
        head = ledger.view.check(note).checkpoint
        return ledger.remembering(head.size, head.root)

    def save(self, ledger: Ledger) -> None:
        """Inside a change."""
        self._store.set(_POLICY, ledger.policy_text)
        if ledger.held is not None:
            self._store.set(_NOTE, ledger.held.note)
        self.tail = [*self.tail, *ledger.added]
        if len(self.tail) >= SNAPSHOT or self._store.get(_KEPT) is None:
            self._store.set(_KEPT, ledger.to_bytes())
            self.tail = []
        if ledger.added:
            self._store.set(_TAIL, msgspec.msgpack.encode(self.tail))

    def forget(self) -> None:
        """Of a log that a person gives up: the next policy is pinned anew. Inside a change."""
        for key in (_POLICY, _NOTE, _KEPT, _TAIL):
            self._store.run("DELETE FROM meta WHERE key = ?", key)
        self.tail = []
