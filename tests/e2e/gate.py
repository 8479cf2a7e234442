"""A way to the relay that can be shut in the middle of a file. It sees TLS and nothing else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

_PIECE = 16 * 1024


class Gate:
    """`up` and `down`: bytes that went through, to the relay and back. `port` is where it listens."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._shut = asyncio.Event()
        self._limits: dict[str, int | None] = {"up": None, "down": None}
        self._ways: set[asyncio.StreamWriter] = set()
        self.passed = {"up": 0, "down": 0}
        self.port = 0

    def shut_after(self, way: str, size: int) -> None:
        """Nothing goes either way any more once so many bytes more went this way."""
        self._shut.clear()
        self._limits[way] = self.passed[way] + size

    async def is_shut(self, seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            await self._shut.wait()

    def open(self) -> None:
        """For new connections; those that were held are cut."""
        self._limits = {"up": None, "down": None}
        for writer in self._ways:
            writer.transport.abort()
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection("localhost", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._ways |= {writer, far_writer}
        try:
            await asyncio.gather(
                self._carry("up", reader, far_writer), self._carry("down", far_reader, writer)
            )
        finally:
            self._ways -= {writer, far_writer}

    async def _carry(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while piece := await reader.read(_PIECE):
                await self._open.wait()
                writer.write(piece)
                await writer.drain()
                self.passed[way] += len(piece)
                limit = self._limits[way]
                if limit is not None and self.passed[way] >= limit:
                    self._open.clear()
                    self._shut.set()
        writer.close()


@asynccontextmanager
async def gate_to(port: int) -> AsyncIterator[Gate]:
    """In front of a port of this machine."""
    gate = Gate(port)
    server = await asyncio.start_server(gate._serve, "localhost", 0)
    gate.port = server.sockets[0].getsockname()[1]
    try:
        yield gate
    finally:
        server.close()
        gate.open()
