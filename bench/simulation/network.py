"""Connections of two ends on virtual time: late, in pieces, cut at any byte, half open, or held up for long.

Bytes of one direction never pass one another, as in TCP; between connections anything goes. A direction takes
`ROOM` bytes that were not read; then its writer is told to pause.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from bench.simulation.loop import Process, VirtualLoop, process_now

ROOM: Final = 64 * 1024
LONGEST_PIECE: Final = 16 * 1024
_FIN: Final = None
"""In a pipe: its source has said all."""


HERE: Final = ("127.0.0.1", 1)


class NoSocket:
    """What libraries ask of a connection's socket."""

    family = socket.AF_INET

    def getpeername(self) -> tuple[str, int]:
        return HERE

    def getsockname(self) -> tuple[str, int]:
        return HERE

    def fileno(self) -> int:
        return -1

    def setsockopt(self, *_what: Any) -> None: ...


@dataclass(frozen=True, slots=True)
class Weather:
    """How the network is: seconds of delay at least and at most, and how likely a piece is torn in two."""

    least: float = 0.001
    most: float = 0.03
    tear: float = 0.3


class Pipe:
    """One direction: `source` writes, `target` reads."""

    def __init__(self, network: Network, source: End, target: End) -> None:
        self._network = network
        self._source = source
        self._target = target
        self._waiting: deque[bytes | None] = deque()
        self.size = 0
        self._running = False
        self.cut_after: int | None = None
        """So many bytes still pass; then the connection is cut."""
        self.silent = False
        """What goes in is lost, and nobody is told."""

    def put(self, data: bytes | None) -> None:
        if self.silent:
            return
        self._waiting.append(data)
        self.size += len(data or b"")
        self.go_on()

    def drop(self) -> None:
        self._waiting.clear()
        self.size = 0

    def go_on(self) -> None:
        if self._running or not self._waiting or self._target.paused or self._network.is_held(self._source):
            return
        self._running = True
        weather, choose = self._network.weather, self._network.choose
        delay = choose.uniform(weather.least, weather.most)
        self._network.loop.call_later(delay, self._deliver, context=self._network.context)

    def _deliver(self) -> None:
        self._running = False
        if not self._waiting or self._target.paused or self._network.is_held(self._source):
            return
        data = self._take()
        if not self.silent and not self._target.gone:
            self._target.receive(data)
        self._source.drained(self.size)
        if self.cut_after == 0:
            self.cut_after = None
            self._network.cut(self._source)
        self.go_on()

    def _take(self) -> bytes | None:
        """A piece: what fits of what waits, torn where the seed wants."""
        data = self._waiting.popleft()
        if data is _FIN:
            return data
        while self._waiting and self._waiting[0] is not _FIN and len(data) < LONGEST_PIECE:
            data += self._waiting.popleft() or b""
        choose = self._network.choose
        upto = len(data)
        if upto > 1 and choose.random() < self._network.weather.tear:
            upto = choose.randrange(1, upto)
        if self.cut_after is not None:
            upto = min(upto, self.cut_after)
            self.cut_after -= upto
        if upto < len(data):
            self._waiting.appendleft(data[upto:])
        self.size -= upto
        return data[:upto]


class End(asyncio.Transport):
    """One end of a connection, as asyncio's protocols know it."""

    def __init__(self, network: Network, owner: Process) -> None:
        super().__init__()
        self._network = network
        self.owner = owner
        self.protocol: Any = None
        self.out: Pipe
        self.paused = False
        self.gone = False
        self._closing = False
        self._writing_paused = False
        self._context: contextvars.Context = owner.context
        self.other: End

    # --- asyncio.Transport

    def write(self, data: Any) -> None:
        if self.gone or self._closing or not data:
            return
        self.out.put(bytes(data))
        if self.out.size > ROOM and not self._writing_paused:
            self._writing_paused = True
            self._run(self.protocol.pause_writing)

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self.out.size

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None: ...

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": HERE, "sockname": HERE, "socket": NoSocket()}.get(name, default)

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def is_closing(self) -> bool:
        return self._closing or self.gone

    def is_reading(self) -> bool:
        return not self.paused

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False
        self.other.out.go_on()

    def close(self) -> None:
        """What was written still goes out; then the other end is told."""
        if self._closing or self.gone:
            return
        self._closing = True
        self.out.put(_FIN)
        if self.out.size == 0:
            self.lose(None)

    def abort(self) -> None:
        if not self.gone:
            self._network.reset(self)

    # --- the network's side

    def receive(self, data: bytes | None) -> None:
        if data is _FIN:
            self._run(self._end_of_file)
        elif data:
            self._run(self.protocol.data_received, data)

    def _end_of_file(self) -> None:
        if not self.protocol.eof_received():
            self.close()

    def drained(self, size: int) -> None:
        if self.gone:
            return
        if self._closing and size == 0:
            self.lose(None)
        elif self._writing_paused and size <= ROOM // 4:
            self._writing_paused = False
            self._run(self.protocol.resume_writing)

    def lose(self, why: Exception | None) -> None:
        """The protocol's connection is over."""
        if self.gone:
            return
        self.gone = True
        self._network.forget(self)
        self._network.loop.call_soon(self.protocol.connection_lost, why, context=self._context)

    def _run(self, call: Callable[..., object], *args: Any) -> None:
        if not self.owner.alive:
            return
        if process_now() is self.owner:
            call(*args)
            return
        try:
            self._context.copy().run(call, *args)
        except Exception as problem:  # noqa: BLE001 - asyncio's transports do the same
            self._network.loop.call_exception_handler({"message": "a protocol failed", "exception": problem})
            self.lose(problem)


@dataclass(eq=False)
class Listener:
    owner: Process
    make: Callable[[], Any]


@dataclass(eq=False)
class Network:
    """All connections of a run. `process` is the network's own, so that its timers outlive all others."""

    loop: VirtualLoop
    choose: random.Random
    weather: Weather = Weather()
    listener: Listener | None = None
    ends: dict[End, None] = field(default_factory=dict)
    held: dict[str, None] = field(default_factory=dict)
    """Names of processes that are on the other side of a partition."""
    process: Process = field(default_factory=lambda: Process("network"))

    @property
    def context(self) -> contextvars.Context:
        return self.process.context

    def is_held(self, end: End) -> bool:
        return end.owner.name in self.held or end.other.owner.name in self.held

    async def connect(self, make: Callable[[], asyncio.Protocol]) -> tuple[End, asyncio.Protocol]:
        """As `loop.create_connection`, from the process that runs. Raises OSError."""
        owner = process_now()
        assert owner is not None
        while owner.name in self.held:
            await asyncio.sleep(0.5)
        await asyncio.sleep(self.choose.uniform(self.weather.least, self.weather.most))
        listener = self.listener
        if listener is None or not listener.owner.alive:
            raise ConnectionRefusedError("nobody listens")
        here, there = End(self, owner), End(self, listener.owner)
        here.other, there.other = there, here
        here.out, there.out = Pipe(self, here, there), Pipe(self, there, here)
        self.ends[here] = self.ends[there] = None
        there.protocol = listener.owner.context.copy().run(listener.make)
        there._run(there.protocol.connection_made, there)
        here.protocol = make()
        here.protocol.connection_made(here)
        return here, here.protocol

    def forget(self, end: End) -> None:
        self.ends.pop(end, None)

    # --- what goes wrong

    def reset(self, end: End) -> None:
        """This end is gone now; the other one hears of it in a while, if it hears."""
        end.out.drop()
        end.lose(None)
        other = end.other
        if not other.gone and not end.out.silent:
            delay = self.choose.uniform(self.weather.least, self.weather.most)
            self.loop.call_later(delay, self._tell, other, context=self.context)

    def _tell(self, end: End) -> None:
        if self.is_held(end):
            self.loop.call_later(1.0, self._tell, end, context=self.context)
        else:
            end.out.drop()
            end.lose(ConnectionResetError("the other end is gone"))

    def cut(self, end: End) -> None:
        """Both ends lose the connection, each in its time."""
        for one in (end, end.other):
            one.out.silent = True
            delay = self.choose.uniform(0, 4 * self.weather.most)
            one.out.drop()
            self.loop.call_later(delay, one.lose, ConnectionResetError("cut"), context=self.context)

    def silence(self, end: End) -> None:
        """Half open: nobody is told, and nothing gets through any more."""
        end.out.silent = end.other.out.silent = True

    def died(self, process: Process, *, told: bool) -> None:
        """A process is dead. `told`: its system says so to the other ends; else they wait in vain."""
        for end in [one for one in self.ends if one.owner is process]:
            end.gone = True
            self.forget(end)
            other = end.other
            end.out.drop()
            if told:
                delay = self.choose.uniform(self.weather.least, self.weather.most)
                self.loop.call_later(delay, self._tell, other, context=self.context)
            else:
                other.out.silent = True

    def hold(self, name: str) -> None:
        self.held[name] = None

    def let_go(self, name: str) -> None:
        self.held.pop(name, None)
        for end in list(self.ends):
            end.out.go_on()

    def of(self, process: Process) -> list[End]:
        """The ends of a process that are there."""
        return [end for end in self.ends if end.owner is process]
