"""Devices that send to one another whatever becomes of the relay, each with a journal.

They speak frames and no MLS (bench/frames_client.py), keep a number of messages under way, come back at once
when a connection ends, and say again, with the same id, whatever they had no answer to. Now and then one says
what must be refused.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import httpx
from tests.relay.world import RelayProcess

from bench.chaos.journals import Journals, Sent
from bench.frames_client import Account, Client, activate
from chappe.wire import frames

AGAIN_SECONDS: Final = 0.02
"""Between two attempts to reach a relay that is not there."""
LATER_SECONDS: Final = 0.05
"""Before a message is said again that the relay could not take now."""
LATER: Final = frozenset(
    {"limit.rate", "mailbox.full", "storage.failed", "storage.full", "storage.unwritable"}
)
"""Refusals that are no verdict on the message: it is said again, with the same id (client/changes.py)."""
BAD_EVERY: Final = 40
"""One message in so many is one that must be refused for good."""
NOT_KNOWN: Final = "not known"
"""In the words of a store that failed while it committed (relay/failures.py)."""
GIVE_UP_EVERY: Final = 5
"""Of a sender's messages, the ones that are given up where the store fails."""
SIZES: Final = (40, 300)
"""Bytes of a payload, least and most."""


class Member:
    """One device. `asleep`: it keeps no connection, and what is for it waits at the relay."""

    def __init__(self, crew: Crew, account: Account, chance: random.Random, window: int) -> None:
        self._crew = crew
        self._account = account
        self._chance = chance
        self._window = window
        self._count = 0
        self._ref = 0
        self._under_way: dict[int, Sent] = {}
        self._again: deque[Sent] = deque()
        self._client: Client | None = None
        self._unacknowledged = 0
        self._awake = asyncio.Event()
        self._awake.set()
        self.reconnects = 0
        self.newest: int | None = None
        """What the relay said last of how much there is for this device; None until it has."""
        self.task: asyncio.Task[None] | None = None

    @property
    def device(self) -> bytes:
        return self._account.device

    @property
    def is_idle(self) -> bool:
        """It waits for no answer."""
        return not self._under_way and not self._again

    @property
    def has_all(self) -> bool:
        """It has taken all that there was for it when it came last."""
        return self.newest is not None and self._crew.journals.last(self.device) >= self.newest

    def come_back(self) -> None:
        """End the connection, and ask anew what there is."""
        self.newest = None
        if self._client is not None:
            self._client.close()

    def sleep(self) -> None:
        self._awake.clear()
        self.come_back()

    def wake(self) -> None:
        self._awake.set()

    async def live(self) -> None:
        """Be connected, until cancelled."""
        while True:
            await self._awake.wait()
            try:
                client = await Client.connect(self._account, self._crew.port, self._crew.tls, self._hear)
            except (OSError, ssl.SSLError):
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            self.reconnects += 1
            self._client = client
            for message in self._under_way.values():
                # Nobody answered: the relay may have taken it.
                message.doubted = True
            # In the order in which they were said first: the relay keeps the order of requests.
            waiting = [*self._under_way.values(), *self._again]
            self._under_way.clear()
            self._again = deque(sorted(waiting, key=lambda message: message.number))
            self.newest = client.newest
            self.fill()
            self._crew.stirred()
            await client.lost
            self._client = None

    # --- sending

    def fill(self) -> None:
        """As many messages under way as there may be."""
        while self._client is not None and len(self._under_way) < self._window:
            message = self._again.popleft() if self._again else self._crew.next_of(self)
            if message is None:
                return
            self._ref += 1
            self._under_way[self._ref] = message
            self._client.say(frames.Send(self._ref, message.id, list(message.to), message.payload))

    def make(self, others: Sequence[bytes]) -> Sent:
        """A message for one or some of the others; now and then one that must be refused."""
        chance, self._count = self._chance, self._count + 1
        to = tuple(chance.sample(others, 1 if chance.random() < 0.8 else min(3, len(others))))
        id_ = chance.randbytes(16)
        payload = chance.randbytes(chance.randint(*SIZES))
        if chance.randrange(BAD_EVERY) == 0:
            to = (*to, chance.randbytes(16))
        return Sent(id_, self.device, self._count, to, payload)

    def _hear(self, frame: frames.FromRelay) -> None:
        if isinstance(frame, frames.Accepted):
            message = self._under_way.pop(frame.ref)
            if message.id != frame.id:
                self._crew.journals.faults.append("an answer for another message")
            self._crew.accepted(message)
            self.fill()
        elif isinstance(frame, frames.Refusal):
            self._refused(frame)
        elif isinstance(frame, frames.Deliver):
            self._crew.journals.note_delivery(self.device, frame.sequence, frame.id, frame.payload)
            if not self._unacknowledged:
                asyncio.get_running_loop().call_soon(self._acknowledge)
            self._unacknowledged = max(frame.sequence, self._unacknowledged)
            self._crew.stirred()

    def _refused(self, frame: frames.Refusal) -> None:
        if frame.ref is None:
            self._crew.journals.faults.append(f"refused without a message: {frame.code}")
            return
        message = self._under_way.pop(frame.ref)
        self._crew.codes[frame.code] = self._crew.codes.get(frame.code, 0) + 1
        if frame.code in LATER and not self._crew.gives_up(message, frame):
            self._crew.put_off(message)
            asyncio.get_running_loop().call_later(LATER_SECONDS, self._say_again, message)
        else:
            self._crew.refused(message, frame.code)
            self.fill()

    def _say_again(self, message: Sent) -> None:
        self._again.append(message)
        self.fill()

    def _acknowledge(self) -> None:
        sequence, self._unacknowledged = self._unacknowledged, 0
        if self._client is not None:
            self._client.say(frames.Ack(sequence))


class Crew:
    """`size` devices at one relay, in one event loop. `quota`: how many messages they may say in all."""

    def __init__(self, relay: RelayProcess, seed: str, *, size: int = 5, window: int = 24) -> None:
        self.relay = relay
        self.journals = Journals()
        self.codes: dict[str, int] = {}
        """Refusals, by code."""
        self.put_offs = 0
        self.not_known = 0
        self.quota = 0
        self.tls = ssl.create_default_context()
        self.members: list[Member] = []
        self._made = 0
        self._port: int | None = None
        self._size, self._window = size, window
        self._chance = random.Random(seed)
        self._waiting: list[tuple[Callable[[], bool], asyncio.Future[None]]] = []

    async def enter(self, *, port: int | None = None) -> None:
        """Activate the devices, and let them connect: to the relay, or to what is before it, at `port`."""
        self._port = port
        self.tls = self.relay.tls()
        async with self.relay.http() as http:
            accounts = [await self._activate(http) for _ in range(self._size)]
        for account in accounts:
            chance = random.Random(self._chance.randbytes(16))
            self.members.append(Member(self, account, chance, self._window))
        for member in self.members:
            member.task = asyncio.get_running_loop().create_task(member.live())

    @property
    def port(self) -> int:
        return self._port or self.relay.port

    async def _activate(self, http: httpx.AsyncClient) -> Account:
        return await activate(http, self.relay.server_name, self.relay.code())

    async def leave(self) -> None:
        for member in self.members:
            assert member.task is not None
            member.task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await member.task
            member.sleep()

    def go_on(self, count: int) -> None:
        """They may say so many more."""
        self.quota += count
        for member in self.members:
            member.fill()

    def keep_going(self, ahead: int) -> None:
        """They may say so many from now on."""
        self.go_on(self._made + ahead - self.quota)

    def next_of(self, member: Member) -> Sent | None:
        if self._made >= self.quota:
            return None
        self._made += 1
        message = member.make([one.device for one in self.members if one is not member])
        self.journals.note_sent(message)
        return message

    # --- what members tell

    def accepted(self, message: Sent) -> None:
        self.journals.note_accepted(message.id)
        self.stirred()

    def refused(self, message: Sent, code: str) -> None:
        message.refused = code
        if message.given_up:
            pass
        elif message.accepted or all(any(to == one.device for one in self.members) for to in message.to):
            self.journals.faults.append(f"a good message was refused: {code}")
        self.stirred()

    def gives_up(self, message: Sent, refusal: frames.Refusal) -> bool:
        """Whether it is never said again, though it could be: what the relay refused must not arrive. Where
        it says that it does not know, it has not refused."""
        if NOT_KNOWN in refusal.message:
            self.not_known += 1
            message.doubted = True
        if message.doubted:
            return False
        given_up = message.number % GIVE_UP_EVERY == 0 and refusal.code.startswith("storage.")
        if given_up:
            message.given_up = True
        return given_up

    def put_off(self, message: Sent) -> None:
        self.put_offs += 1
        message.put_off = True
        if message.accepted:
            self.journals.faults.append("put off after it was accepted")
        self.stirred()

    # --- waiting for them

    def stirred(self) -> None:
        for condition, future in self._waiting:
            if not future.done() and condition():
                future.set_result(None)

    async def until(self, condition: Callable[[], bool], seconds: float = 120.0) -> None:
        """Until it holds, looked at whenever a member hears something. Raises TimeoutError."""
        if condition():
            return
        entry = (condition, asyncio.get_running_loop().create_future())
        self._waiting.append(entry)
        try:
            async with asyncio.timeout(seconds):
                await entry[1]
        finally:
            self._waiting.remove(entry)

    @property
    def is_settled(self) -> bool:
        """All was said and answered."""
        return self._made >= self.quota and all(member.is_idle for member in self.members)

    async def finish(self) -> None:
        """Until all was said and answered, and each has taken all that there is for it."""
        for member in self.members:
            member.wake()
        await self.until(lambda: self.is_settled)
        for member in self.members:
            member.come_back()
        await self.until(lambda: all(member.has_all for member in self.members))
