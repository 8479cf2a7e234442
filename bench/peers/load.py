"""The same messages through any of the servers: pairs that talk, and mail for who is away.

What is compared is the server's CPU seconds per 1,000 messages, each of 1 KiB, durable and taken by its
receiver, and resident memory per connection that is signed in and silent. The load comes from this process.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

PAYLOAD: Final = 1024
WINDOW: Final = 16
"""Messages of a pair that are under way at most."""
CONNECTING_AT_ONCE: Final = 20
SETTLE_SECONDS: Final = 5.0


class End(Protocol):
    """A signed-in client of either protocol."""

    def send(self, to: str, payload: bytes) -> None: ...

    async def settled(self) -> None:
        """All that was sent before is durable."""

    def close(self) -> None: ...


class Server(Protocol):
    """What a measurement needs of a server. Users are named u0, u1, … and exist."""

    def cpu(self) -> float: ...

    def rss(self) -> int: ...

    async def sign_in(self, user: str, heard: Callable[[], None]) -> End: ...


@dataclass(frozen=True, slots=True)
class Figures:
    """CPU in seconds per 1,000 messages; memory in KiB per idle connection."""

    live_cpu_per_1000: float
    live_per_second: float
    away_cpu_per_1000: float
    away_per_second: float
    idle_kib: float
    idle_connections: int

    @property
    def live_per_cpu_second(self) -> float:
        return 1000 / self.live_cpu_per_1000


async def measure(server: Server, pairs: int, messages: int, idle: int) -> Figures:
    """`messages` in all for each of the two kinds; users u0 … of pairs first, the idle ones after them."""
    users = [f"u{number}" for number in range(2 * pairs + idle)]
    kib = await _idle(server, users[2 * pairs :])
    couples = list(zip(users[: 2 * pairs : 2], users[1 : 2 * pairs : 2], strict=True))
    each = messages // pairs
    await _live(server, couples, max(1, each // 10))
    live_cpu, live_seconds = await _cost(server, lambda: _live(server, couples, each))
    away_cpu, away_seconds = await _cost(server, lambda: _away(server, couples, each))
    done = each * pairs
    return Figures(
        round(live_cpu / done * 1000, 4),
        round(done / live_seconds, 1),
        round(away_cpu / done * 1000, 4),
        round(done / away_seconds, 1),
        round(kib, 1),
        idle,
    )


async def _cost(server: Server, work: Callable[[], Awaitable[None]]) -> tuple[float, float]:
    cpu, began = server.cpu(), time.monotonic()
    await work()
    return server.cpu() - cpu, time.monotonic() - began


async def _idle(server: Server, users: Sequence[str]) -> float:
    """What the first connections set up once is not counted."""
    for end in await _all(server, users[:50]):
        end.close()
    await asyncio.sleep(SETTLE_SECONDS)
    before = server.rss()
    ends = await _all(server, users)
    await asyncio.sleep(SETTLE_SECONDS)
    after = server.rss()
    for end in ends:
        end.close()
    await asyncio.sleep(1)
    return (after - before) / 1024 / len(users)


async def _all(server: Server, users: Sequence[str]) -> list[End]:
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(user: str) -> End:
        async with gate:
            return await server.sign_in(user, _nothing)

    return list(await asyncio.gather(*(one(user) for user in users)))


async def _live(server: Server, couples: Sequence[tuple[str, str]], each: int) -> None:
    """All pairs at once, both ends here, until all has arrived."""
    await asyncio.gather(*(_talk(server, sender, receiver, each) for sender, receiver in couples))


async def _talk(server: Server, sender: str, receiver: str, each: int) -> None:
    room = asyncio.Semaphore(WINDOW)
    arrived = asyncio.Event()
    left = each

    def heard() -> None:
        nonlocal left
        left -= 1
        room.release()
        if left == 0:
            arrived.set()

    there = await server.sign_in(receiver, heard)
    here = await server.sign_in(sender, _nothing)
    for _ in range(each):
        await room.acquire()
        here.send(receiver, _payload())
    await arrived.wait()
    await there.settled()
    here.close()
    there.close()


async def _away(server: Server, couples: Sequence[tuple[str, str]], each: int) -> None:
    """The receivers are away; then they come and take what is there."""
    await asyncio.gather(*(_leave(server, sender, receiver, each) for sender, receiver in couples))
    await asyncio.gather(*(_fetch(server, receiver, each) for _, receiver in couples))


async def _leave(server: Server, sender: str, receiver: str, each: int) -> None:
    here = await server.sign_in(sender, _nothing)
    for number in range(each):
        here.send(receiver, _payload())
        if number % WINDOW == WINDOW - 1:
            await here.settled()
    await here.settled()
    here.close()


async def _fetch(server: Server, receiver: str, each: int) -> None:
    arrived = asyncio.Event()
    left = each

    def heard() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            arrived.set()

    there = await server.sign_in(receiver, heard)
    await arrived.wait()
    await there.settled()
    there.close()


def _payload() -> bytes:
    """As text where the protocol takes text: 768 random bytes are 1,024 characters."""
    return base64.b64encode(secrets.token_bytes(PAYLOAD * 3 // 4))


def _nothing() -> None:
    pass
