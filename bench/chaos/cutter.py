"""A man with scissors on the wire: passes TCP on, and cuts each connection after so many bytes by the dice.

He sees TLS alone, so a cut falls anywhere: in a handshake, between two frames, in the middle of one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import random
from collections import Counter
from collections.abc import Callable
from typing import Final

PIECE: Final = 65_536
EARLY: Final = 4_000
"""Bytes either way within which a handshake and the signing in are over."""
LATE: Final = 120_000
"""Bytes either way after which each connection is cut at the latest."""


class Cutter:
    """`port`: where it listens; `to`: where it passes on. `cut` hears of each cut."""

    def __init__(self, to: int, chance: random.Random, cut: Callable[[], None]) -> None:
        self.port = 0
        self.cutting = True
        self.cuts: Counter[str] = Counter()
        """By direction, and whether it was early."""
        self._to = to
        self._chance = chance
        self._cut = cut
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._come, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _come(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            onward = await asyncio.open_connection("127.0.0.1", self._to)
            await self._pass_on((reader, writer), onward)
        except (OSError, asyncio.CancelledError):
            # Nobody waits for this task: what stops the cutter ends here.
            writer.transport.abort()
        finally:
            self._open.discard(task)

    async def _pass_on(
        self,
        here: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        there: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Until either end ends, or the scissors come down."""
        up = self._chance.random() < 0.5
        after = self._bytes()
        one = asyncio.create_task(self._flow(here[0], there[1], after if up else None))
        other = asyncio.create_task(self._flow(there[0], here[1], None if up else after))
        try:
            done, _ = await asyncio.wait((one, other), return_when=asyncio.FIRST_COMPLETED)
            if any(task.exception() is None and task.result() for task in done):
                self.cuts[f"{'up' if up else 'down'}_{'early' if after < EARLY else 'late'}"] += 1
                self._cut()
        finally:
            for task in (one, other):
                task.cancel()
            await asyncio.gather(one, other, return_exceptions=True)
            for writer in (here[1], there[1]):
                # With a reset, or in good order: what was written still goes out.
                if self._chance.random() < 0.5:
                    writer.transport.abort()
                else:
                    writer.close()

    def _bytes(self) -> int:
        if self._chance.random() < 0.5:
            return int(math.exp(self._chance.uniform(0, math.log(EARLY))))
        return self._chance.randint(EARLY, LATE)

    async def _flow(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after: int | None
    ) -> bool:
        """True where it ends by being cut, after exactly so many bytes."""
        passed = 0
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE):
                if after is not None and self.cutting and passed + len(data) >= after:
                    writer.write(data[: after - passed])
                    with contextlib.suppress(OSError):
                        await writer.drain()
                    return True
                passed += len(data)
                writer.write(data)
                await writer.drain()
        return False
