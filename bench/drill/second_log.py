"""A transparency log of the attacker's own, signed with the relay's own key, which the operator has.

It begins as the real one, and has what the real one has not: entries of the attacker's making at one place.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from bench.drill.middleman import Request, Response
from chappe.relay import log_key
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import Malformed
from chappe.tlog.merkle import Frontier, leaf_hash
from chappe.tlog.notes import SignedNote
from chappe.tlog.tiles import WIDTH, Tile, bundle_bytes
from chappe.wire import log_entries as entry

PREFIX = "/v1/tlog/"


def _tree(leaves: Sequence[bytes]) -> Frontier:
    return Frontier().extend(leaves, lambda node, head: None)


class SecondLog:
    """`forged`: entries that stand where the real log had `fork_at`; what came there later comes after."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._signers = log_key.load(data_dir, log_key.origin_of("localhost"), make=False)
        self._forged: list[bytes] = []
        self._fork_at = 0
        self._leaves: list[bytes] = []

    def real(self) -> list[bytes]:
        """All entries that are committed."""
        with closing(sqlite3.connect(f"file:{self._data_dir / 'relay.db'}?mode=ro", uri=True)) as connection:
            return [row[0] for row in connection.execute("SELECT entry FROM log_entries ORDER BY number")]

    def forge(self, *forged: entry.LogEntry) -> None:
        self._fork_at = len(self.real())
        self._forged = [entry.encode(one) for one in forged]

    def entries(self) -> list[bytes]:
        real = self.real()
        return [*real[: self._fork_at], *self._forged, *real[self._fork_at :]]

    @property
    def last_at(self) -> int:
        """Of the newest real entry, Unix seconds."""
        return entry.decode(self.real()[-1]).at

    def checkpoint(self, entries: Sequence[bytes] | None = None, at: float | None = None) -> bytes:
        """A head of these entries (all that there are), signed as of now or of another time."""
        known = self.entries() if entries is None else entries
        tree = _tree([leaf_hash(one) for one in known])
        text = Checkpoint(log_key.origin_of("localhost"), tree.size, tree.root()).text()
        return SignedNote.sign(text, self._signers, int(time.time() if at is None else at)).to_bytes()

    def tile(self, path: str) -> bytes | None:
        """As the head of all entries has it; None for what is no tile of it."""
        try:
            tile = Tile.parse(path)
        except Malformed:
            return None
        entries = self.entries()
        start = tile.index * WIDTH
        if tile.level is None:
            return bundle_bytes(entries[start : start + tile.width])
        under = WIDTH**tile.level
        nodes = range(start, start + tile.width)
        leaves = [leaf_hash(one) for one in entries]
        return b"".join(_tree(leaves[node * under : (node + 1) * under]).root() for node in nodes)

    def answer(self, request: Request, checkpoint: bytes | None = None) -> Response | None:
        """To a request for a file of the log; None for anything else, and for its policy."""
        if not request.path.startswith(PREFIX):
            return None
        path = request.path.removeprefix(PREFIX)
        data = (checkpoint or self.checkpoint()) if path == "checkpoint" else self.tile(path)
        return None if data is None else Response(200, [("content-type", "application/octet-stream")], data)
