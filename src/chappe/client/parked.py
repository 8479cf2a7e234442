"""Messages of an epoch that is not reached yet, until it is.

Nobody has checked them, so a sender could fill a profile with them: they are bounded by number and by
bytes, in a conversation and in all. What is too much goes, the oldest first, and of the conversation that
holds most, so that a flood in one pushes out nothing of another.
"""

from __future__ import annotations

from typing import Final

from chappe.vault.store import Store

MAX_HELD: Final = 1000
"""In one conversation."""
MAX_HELD_BYTES: Final = 8 * 1024 * 1024
"""In one conversation."""
MAX_ALL_BYTES: Final = 32 * 1024 * 1024
"""In all of them."""


class Parked:
    """Every call belongs in a change."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, conversation: bytes, payload: bytes, at: int) -> None:
        self._store.run(
            "INSERT INTO held (conversation, at, payload) VALUES (?, ?, ?)", conversation, at, payload
        )
        self._store.run(
            "DELETE FROM held WHERE row IN (SELECT row FROM ("
            "SELECT row, COUNT(*) OVER newest AS count, SUM(LENGTH(payload)) OVER newest AS bytes "
            "FROM held WHERE conversation = ? WINDOW newest AS (ORDER BY row DESC)"
            ") WHERE count > ? OR bytes > ?)",
            conversation,
            MAX_HELD,
            MAX_HELD_BYTES,
        )
        while (fullest := self._too_much()) is not None:
            self._store.run(
                "DELETE FROM held WHERE row = (SELECT MIN(row) FROM held WHERE conversation = ?)", fullest
            )

    def of(self, conversation: bytes) -> list[tuple[int, int, bytes]]:
        """Row, time and message, the oldest first."""
        return [
            (row, at, payload)
            for row, at, payload in self._store.all(
                "SELECT row, at, payload FROM held WHERE conversation = ? ORDER BY row", conversation
            )
        ]

    def drop(self, row: int) -> None:
        self._store.run("DELETE FROM held WHERE row = ?", row)

    def _too_much(self) -> bytes | None:
        """The conversation that holds most, if all together hold too much."""
        sizes = self._store.all(
            "SELECT conversation, SUM(LENGTH(payload)) AS bytes FROM held "
            "GROUP BY conversation ORDER BY bytes DESC"
        )
        if sum(size for _, size in sizes) <= MAX_ALL_BYTES:
            return None
        return bytes(sizes[0][0])
