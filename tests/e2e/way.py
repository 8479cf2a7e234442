"""A way to the relay that can go dead without a word, as a phone's network does: half-open connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

_PIECE = 64 * 1024


class Way:
    """TCP, both ways. `die`: what is open now stays open, and carries nothing any more; what comes later
    does."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self._to = port
        self._age = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def die(self) -> None:
        self._age += 1

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        age = self._age
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._to)
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._carry(source, target, age))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _carry(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, age: int) -> None:
        with suppress(OSError):
            while data := await source.read(_PIECE):
                if age == self._age:
                    target.write(data)
                    await target.drain()
        if age == self._age:
            target.close()

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@asynccontextmanager
async def way(port: int) -> AsyncIterator[Way]:
    """To a port of this machine, ended with the block."""
    it = Way(port)
    server = await asyncio.start_server(it.serve, "localhost", 0)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        await it.close()
