"""Where two devices of a line meet once: an offer and an answer, both sealed end to end, ten minutes long.

Each slot is written once; the same bytes again are taken for a retry. In memory, or, where several gateways
share a database, in its table.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from chappe.relay.ports import Clock
from chappe.relay.store import Store
from chappe.relay.usecases.meetings import LeaveSlot, Slot, find_meetings
from chappe.wire.api import MAX_RENDEZVOUS, RENDEZVOUS_SECONDS
from chappe.wire.errors import ChappeError, error

MAX_WAIT_SECONDS: Final = 30.0


@dataclass(slots=True)
class _Meeting:
    ends: float
    slots: dict[Slot, bytes] = field(default_factory=dict)
    written: asyncio.Event = field(default_factory=asyncio.Event)


class Meetings(Protocol):
    async def put(self, id_: bytes, slot: Slot, data: bytes) -> bool:
        """Write a slot; True if a meeting begins with it. Raises http.malformed (empty or too large),
        link.used, link.unknown (an answer to nothing), limit.rate (too many meetings), storage.*."""

    async def get(self, id_: bytes, slot: Slot, wait: float) -> bytes:
        """Read a slot, waiting up to `wait` seconds for it. Raises link.unknown, storage.*."""


class Rendezvous:
    """At most `limit` meetings at once, each of at most two slots of MAX_RENDEZVOUS bytes."""

    def __init__(self, clock: Clock, limit: int) -> None:
        self._clock = clock
        self._limit = limit
        self._meetings: dict[bytes, _Meeting] = {}

    async def put(self, id_: bytes, slot: Slot, data: bytes) -> bool:
        check(data)
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


LOOK_SECONDS: Final = 0.5
"""How often a gateway looks for all that its callers wait for, in one read."""


class SharedRendezvous:
    """The same for all gateways of a database."""

    def __init__(self, store: Store, clock: Clock, limit: int) -> None:
        self._store = store
        self._clock = clock
        self._limit = limit
        self._waiting: dict[bytes, int] = {}
        self._found: dict[bytes, dict[Slot, bytes]] = {}
        self._looked = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def put(self, id_: bytes, slot: Slot, data: bytes) -> bool:
        check(data)
        return bool(await self._store.run(LeaveSlot(id_, slot, data, self._limit)))

    async def get(self, id_: bytes, slot: Slot, wait: float) -> bytes:
        # What was left before this was asked is found at once.
        found = await self._find([id_])
        left = min(max(wait, 0.0), MAX_WAIT_SECONDS)
        if slot in found.get(id_, {}):
            return found[id_][slot]
        self._waiting[id_] = self._waiting.get(id_, 0) + 1
        try:
            async with asyncio.timeout(left), self._looked:
                while True:
                    self._look_on()
                    await self._looked.wait()
                    if slot in self._found.get(id_, {}):
                        return self._found[id_][slot]
        except TimeoutError:
            raise error("link.unknown") from None
        finally:
            self._waiting[id_] -= 1
            if not self._waiting[id_]:
                del self._waiting[id_]

    async def _find(self, wanted: list[bytes]) -> dict[bytes, dict[Slot, bytes]]:
        return await self._store.read(partial(find_meetings, wanted=wanted, now=int(self._clock())))

    def _look_on(self) -> None:
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._look())

    async def _look(self) -> None:
        """While anybody waits."""
        while self._waiting:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self._found = await self._find(list(self._waiting))
            except ChappeError:
                # Who waits goes on waiting: the next look may find it.
                continue
            async with self._looked:
                self._looked.notify_all()


def check(data: bytes) -> None:
    """Raises http.malformed."""
    if not 0 < len(data) <= MAX_RENDEZVOUS:
        raise error("http.malformed")
