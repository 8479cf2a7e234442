"""Where two devices of a line meet once: an offer and an answer, both sealed end to end, ten minutes long.

In memory only. Each slot is written once; the same bytes again are taken for a retry.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from chappe.relay.ports import Clock
from chappe.wire.api import MAX_RENDEZVOUS, RENDEZVOUS_SECONDS
from chappe.wire.errors import error

Slot: TypeAlias = Literal["offer", "answer"]
MAX_WAIT_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Meeting:
    ends: float
    slots: dict[Slot, bytes] = field(default_factory=dict)
    written: asyncio.Event = field(default_factory=asyncio.Event)


class Rendezvous:
    """At most `limit` meetings at once, each of at most two slots of MAX_RENDEZVOUS bytes."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._meetings: dict[bytes, _Meeting] = {}

    def put(self, id_: bytes, slot: Slot, data: bytes) -> bool:
        """Write a slot; True if a meeting begins with it. Raises http.malformed (empty or too large),
        link.used, link.unknown (an answer to nothing), limit.rate (too many meetings)."""
        if not 0 < len(data) <= MAX_RENDEZVOUS:
            raise error("http.malformed")
        self._forget_old()
        meeting = self._meetings.get(id_)
        begins = meeting is None
        if meeting is None:
            if slot == "answer":
                raise error("link.unknown")
            if len(self._meetings) >= self._limit:
                raise error("limit.rate")
            meeting = self._meetings[id_] = _Meeting(self._clock() + RENDEZVOUS_SECONDS)
        if meeting.slots.setdefault(slot, data) != data:
            raise error("link.used")
        # Wake all who wait now; those who come later find the slot, or wait for the next.
        meeting.written.set()
        meeting.written = asyncio.Event()
        return begins

    async def get(self, id_: bytes, slot: Slot, wait: float) -> bytes:
        """Read a slot, waiting up to `wait` seconds for it. Raises link.unknown."""
        loop = asyncio.get_running_loop()
        until = loop.time() + min(max(wait, 0.0), MAX_WAIT_SECONDS)
        while True:
            self._forget_old()
            meeting = self._meetings.get(id_)
            if meeting is not None and slot in meeting.slots:
                return meeting.slots[slot]
            left = until - loop.time()
            if left <= 0:
                raise error("link.unknown")
            if meeting is None:
                # Not begun: an event to wait on would let strangers fill the memory, so look again instead.
                await asyncio.sleep(min(left, 0.5))
                continue
            try:
                await asyncio.wait_for(meeting.written.wait(), left)
            except TimeoutError:
                continue

    def _forget_old(self) -> None:
        now = self._clock()
        # Meetings stand in the order in which they began, and all last equally long.
        while self._meetings:
            oldest = next(iter(self._meetings))
            if self._meetings[oldest].ends > now:
                return
            del self._meetings[oldest]
