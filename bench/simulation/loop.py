"""An event loop whose clock jumps to the next timer, and whose tasks belong to processes that can be killed.

No socket, no thread and no sleep: what waits for a disk or another thread waits for a timer of a length that
the seed chooses. Callbacks that are ready run in the order in which they were made so, as asyncio promises;
timers of the same moment run in an order of the seed's, as asyncio leaves open.
"""

from __future__ import annotations

import asyncio
import contextvars
import random
import socket
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

_TIE: Final = 1e-6
"""Seconds: timers of one moment are told apart by less than this."""
_RESOLUTION: Final = 1e-9
OFF: Final = (0.001, 0.004, 0.05)
"""Seconds until another thread begins, at the most, and until its result is here."""
_WAITS: Final = 8
"""`finally` blocks of one task that wait for something, at the most."""
MAX_TURNS: Final = 2_000_000
"""Turns of the loop in one run: beyond, something spins."""


@dataclass(eq=False)
class Process:
    """What would be a process of the system: killed, none of its callbacks runs any more."""

    name: str
    alive: bool = True
    tasks: list[asyncio.Task[Any]] = field(default_factory=list, repr=False)
    context: contextvars.Context = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.context = contextvars.copy_context()
        self.context.run(_process.set, self)


_process: contextvars.ContextVar[Process | None] = contextvars.ContextVar("simulated process", default=None)


def process_now() -> Process | None:
    """Whose code is running."""
    return _process.get()


class Stuck(Exception):
    """Everybody waits, and nothing will ever come; or the loop turns without end."""


class _Nothing(asyncio.TimerHandle):
    """What a dead process gets for a callback."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(0.0, _nothing, (), loop)
        self.cancel()


def _nothing() -> None: ...


class VirtualLoop(asyncio.BaseEventLoop):
    """`choose` is the seed's; `connector` makes connections (`network.Network.connect`)."""

    def __init__(self, choose: random.Random) -> None:
        super().__init__()
        self._choose = choose
        self._virtual = 0.0
        self._turns = 0
        self._clock_resolution = _RESOLUTION
        self._selector = self
        self.over = False
        self.problems: list[str] = []
        self.connector: Callable[[Callable[[], asyncio.Protocol]], Coroutine[Any, Any, Any]] | None = None
        self.before_work: Callable[[Executor | None], None] | None = None
        """May raise in the place of work for another thread."""
        self.set_task_factory(cast(Any, _make_task))
        self.set_exception_handler(_note_problem)

    # --- time

    def time(self) -> float:
        return self._virtual

    def select(self, timeout: float | None) -> list[Any]:
        """In the place of a selector: nothing ever comes from outside, so time goes on at once."""
        self._turns += 1
        if self._turns > MAX_TURNS:
            raise Stuck(f"{MAX_TURNS} turns of the loop")
        if timeout != 0:
            if not self._scheduled:  # type: ignore[attr-defined]
                raise Stuck(f"everybody waits, and nothing will come {self.problems}")
            when: float = self._scheduled[0].when()  # type: ignore[attr-defined]
            self._virtual = max(self._virtual, when)
        return []

    def _process_events(self, event_list: list[Any]) -> None: ...

    def _write_to_self(self) -> None: ...

    # --- whose callback it is

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        if self._is_dead(context):
            return _Nothing(self)
        return super().call_soon(callback, *args, context=context)

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        return self.call_soon(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        if self._is_dead(context):
            return _Nothing(self)
        tie = self._choose.random() * _TIE
        return super().call_at(when + tie, callback, *args, context=context)

    def call_later(  # type: ignore[override]
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: contextvars.Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._virtual + delay, callback, *args, context=context)

    def _is_dead(self, context: contextvars.Context | None) -> bool:
        process = _process.get() if context is None else context.get(_process)
        return self.over or (process is not None and not process.alive)

    def kill(self, process: Process) -> None:
        """As SIGKILL does: no goodbye, no `finally`."""
        process.alive = False
        for handle in [*self._ready, *self._scheduled]:  # type: ignore[attr-defined]
            if handle._context is not None and handle._context.get(_process) is process:
                handle.cancel()
        for task in process.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]

    def start(self, process: Process, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Run a coroutine as a task of that process."""
        return self.create_task(work, context=process.context)

    def end(self) -> None:
        """The run is over: what is left is collected without a word."""
        self.over = True
        asyncio.events._set_running_loop(self)
        try:
            for task in asyncio.all_tasks(self):
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                _close(task.get_coro())
        finally:
            asyncio.events._set_running_loop(None)
        self._ready.clear()  # type: ignore[attr-defined]
        self._scheduled.clear()  # type: ignore[attr-defined]
        self.close()

    # --- other threads, the network

    def run_in_executor(  # type: ignore[override]
        self, executor: Executor | None, func: Callable[..., T], *args: Any
    ) -> asyncio.Future[T]:
        """Done here, all at once, at a moment that the seed chooses; who waits hears of it at a later one."""
        future: asyncio.Future[T] = self.create_future()

        def work() -> None:
            if future.done():
                return
            try:
                if self.before_work is not None:
                    self.before_work(executor)
                result = func(*args)
            except Exception as problem:  # noqa: BLE001 - handed to who waits for it
                self.call_later(self._moment(), _hand, future, None, problem)
            else:
                self.call_later(self._moment(), _hand, future, result, None)

        self.call_later(self._moment(), work)
        return future

    def _moment(self) -> float:
        """Most often short."""
        return self._choose.random() * self._choose.choice(OFF)

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.Protocol], *_where: Any, **_how: Any
    ) -> Any:
        assert self.connector is not None
        return await self.connector(protocol_factory)

    async def getaddrinfo(self, host: Any, port: Any, **_how: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", 1))]

    async def shutdown_default_executor(self, timeout: float | None = None) -> None: ...  # noqa: ASYNC109


def _hand(future: asyncio.Future[Any], result: Any, problem: Exception | None) -> None:
    if future.done():
        return
    if problem is None:
        future.set_result(result)
    else:
        future.set_exception(problem)


def _close(coroutine: Any) -> None:
    """Its `finally` blocks, each as far as it gets without waiting."""
    for _ in range(_WAITS):
        try:
            coroutine.close()
        except Exception:  # noqa: BLE001 - nobody is there to hear of it
            continue
        return


def _make_task(
    loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, T], **options: Any
) -> asyncio.Task[T]:
    task = asyncio.Task(work, loop=loop, **options)
    context = options.get("context")
    process = _process.get() if context is None else context.get(_process)
    if process is not None:
        # Kept to the end of the run: a task that is collected would run its `finally` blocks.
        process.tasks.append(task)
    return task


def _note_problem(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    assert isinstance(loop, VirtualLoop)
    problem = context.get("exception")
    text = context.get("message", "")
    loop.problems.append(f"{text}: {problem!r}" if problem is not None else text)
