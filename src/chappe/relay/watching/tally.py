"""What the relay counts while it works: plain numbers, since a message costs a few microseconds in all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Final

from prometheus_client import CollectorRegistry, Histogram

from chappe.relay.ports import Outcome, Stale, Stored
from chappe.relay.watching.traces import Traces
from chappe.wire.errors import KINDS, ChappeError

BATCH_SIZES: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000)
COMMIT_SECONDS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
LAG_SECONDS: Final = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
LOOK_SECONDS: Final = 1.0
"""How often the event loop is asked how late it is."""
OTHER: Final = "other"
"""In place of a code that is not of this version's table: another's words are no label."""
TURNED_AWAY: Final = ("network", "all", "handshake")
UNLOCKS: Final = ("answered", "limited", "unavailable", "refused")


class Tally:
    """Used in the event loop, but for `committed`, which the writer's thread calls."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=True)
        self.traces: Traces | None = None
        self.accepted = 0
        """Messages and commits that were answered `accepted`, or taken sealed."""
        self.acknowledged = 0
        """Items of mailboxes that devices took, and the store was told to delete."""
        self.signed_in = 0
        self.stale = 0
        """Sealed messages whose token did not hold."""
        # Each from the start: an alert on what grew misses the first of a series that was not there.
        self.refused: Counter[str] = Counter(dict.fromkeys((*KINDS, OTHER), 0))
        self.unlocks: Counter[str] = Counter(dict.fromkeys(UNLOCKS, 0))
        self.turned_away: Counter[str] = Counter(dict.fromkeys(TURNED_AWAY, 0))
        self.sweeps = self.swept_at = 0
        self.failed_chores = 0
        self._sizes = Histogram(
            "chappe_batch_operations",
            "Operations that shared one transaction.",
            buckets=BATCH_SIZES,
            registry=self.registry,
        )
        self._seconds = Histogram(
            "chappe_commit_seconds",
            "How long a transaction took, with its fsync.",
            buckets=COMMIT_SECONDS,
            registry=self.registry,
        )
        self._lag = Histogram(
            "chappe_event_loop_lag_seconds",
            "How late the event loop came back to what was due.",
            buckets=LAG_SECONDS,
            registry=self.registry,
        )

    def committed(self, operations: int, seconds: float) -> None:
        """A transaction is over, as it should be."""
        if self.traces is not None:
            self.traces.commit(operations, seconds)
        self._sizes.observe(operations)
        self._seconds.observe(seconds)

    def answered(self, outcome: Outcome) -> None:
        """An operation's outcome."""
        if type(outcome) is Stored:
            self.accepted += 1
        elif type(outcome) is Stale:
            self.stale += 1

    def refuse(self, code: str) -> None:
        """Somebody was told this code."""
        self.refused[code if code in KINDS else OTHER] += 1

    def unlocked(self, problem: ChappeError | None) -> None:
        """A guess was answered (the answer is sealed: right or wrong is between phone and share service), or
        was not."""
        if problem is None:
            self.unlocks["answered"] += 1
        elif problem.code == "limit.rate":
            self.unlocks["limited"] += 1
        elif problem.code in ("unlock.unavailable", "storage.failed"):
            self.unlocks["unavailable"] += 1
        else:
            self.unlocks["refused"] += 1

    def turn_away(self, limit: str) -> None:
        """A connection found no room."""
        self.turned_away[limit] += 1

    def swept(self, now: int) -> None:
        self.sweeps, self.swept_at = self.sweeps + 1, now

    async def measure_lag(self) -> None:
        """Until it is cancelled: how late the loop is, each second."""
        while True:
            due = time.monotonic() + LOOK_SECONDS
            await asyncio.sleep(LOOK_SECONDS)
            self._lag.observe(max(0.0, time.monotonic() - due))
