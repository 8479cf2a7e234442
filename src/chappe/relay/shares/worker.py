"""The service as the event loop sees it: one thread does everything, in the order asked.

Guesses that wait when the thread is free are judged together, and share their durable changes. One may so
pass what was asked before it; what was answered before it was asked, it never does.
"""

from __future__ import annotations

import asyncio
import queue
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeAlias, TypeVar

from chappe.relay.shares.gate import Gate
from chappe.relay.shares.guesses import MOST_TOGETHER, Asked
from chappe.relay.shares.service import Shares
from chappe.relay.shares.store import Status
from chappe.wire.api import SharesHeld
from chappe.wire.door import UnlockCounts
from chappe.wire.errors import ChappeError, error

T = TypeVar("T")
Doomed: TypeAlias = tuple[tuple[bytes, ...], asyncio.Future[None]]
Guessing: TypeAlias = tuple[Asked, asyncio.Future[bytes]]

MAX_WAITING: Final = 4_000
"""Requests that wait for the thread, some two seconds' work; beyond, they are refused with limit.rate.
Destroying always waits."""


class LocalShares:
    """A service in this process. Made and used in one event loop; the `Shares` belong to it from then on."""

    def __init__(self, shares: Shares) -> None:
        self._shares = shares
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chappe-shares")
        self._gate = Gate()
        self._waiting = 0
        self._doomed: queue.SimpleQueue[Doomed] = queue.SimpleQueue()
        self._guesses: queue.SimpleQueue[Guessing] = queue.SimpleQueue()

    async def close(self) -> None:
        """Finish what is queued, let go of the files."""
        await self._loop.run_in_executor(self._thread, self._shares.close)
        self._thread.shutdown(wait=True)

    async def public_key(self) -> bytes:
        return self._shares.public_key

    async def ping(self) -> None:
        """Its thread comes round. Raises limit.rate where too many wait for it."""
        await self._ask(lambda: None)

    async def status(self) -> Status:
        return await self._ask(self._shares.status)

    async def counts(self) -> UnlockCounts:
        status = await self.status()
        return UnlockCounts(status.devices, status.failing, status.worn_out)

    async def held(self, devices: Sequence[bytes]) -> SharesHeld:
        return await self._ask(lambda: self._shares.held(devices))

    async def enrol(self, device: bytes, sealed: bytes) -> None:
        """See `Shares.enrol`. Raises limit.rate as well."""
        await self._ask(lambda: self._shares.enrol(device, sealed))

    async def challenge(self, device: bytes) -> bytes:
        """See `Shares.challenge`, which touches nothing that the thread does."""
        return self._shares.challenge(device)

    async def unlock(self, device: bytes, sealed: bytes) -> bytes:
        """See `Shares.unlock`. Raises unlock.unavailable as well, where the share was destroyed meanwhile."""
        with self._gate.guess(device) as passed, self._room():
            answer: asyncio.Future[bytes] = self._loop.create_future()
            self._guesses.put(((device, sealed), answer))
            # One look for each guess, and none is ever called off: so that each comes to its turn.
            self._thread.submit(self._judge_some)
            found = await answer
            passed.check()
            return found

    def _judge_some(self) -> None:
        """In the thread: those that wait now, as many as share a change. Whoever comes to an empty list was
        served with the ones before."""
        some = [self._guesses.get_nowait() for _ in range(min(self._guesses.qsize(), MOST_TOGETHER))]
        # Who went away meanwhile has made no guess.
        some = [(asked, answer) for asked, answer in some if not answer.done()]
        if not some:
            return
        outcomes: Sequence[bytes | Exception]
        try:
            outcomes = self._shares.unlock_all([asked for asked, _ in some])
        except Exception as problem:  # noqa: BLE001 - handed to those who asked, whose outermost shell logs it
            outcomes = [problem] * len(some)
        self._loop.call_soon_threadsafe(_hand_out, [answer for _, answer in some], outcomes)

    async def destroy(self, devices: Sequence[bytes]) -> None:
        """See `Shares.destroy`. All of them, and those that wait together, share one change of keys."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._doomed.put((tuple(devices), done))
        await self._loop.run_in_executor(self._thread, self._destroy_all)
        await done
        for device in devices:
            self._gate.destroyed(device)

    def _destroy_all(self) -> None:
        """In the thread: all that wait now. Whoever comes to an empty list was served with the one before."""
        doomed = [self._doomed.get_nowait() for _ in range(self._doomed.qsize())]
        if not doomed:
            return
        failure: ChappeError | None = None
        try:
            self._shares.destroy(list(dict.fromkeys(device for devices, _ in doomed for device in devices)))
        except ChappeError as problem:
            failure = problem
        except BaseException:
            self._loop.call_soon_threadsafe(_settle, doomed, error("internal.bug"))
            raise
        self._loop.call_soon_threadsafe(_settle, doomed, failure)

    async def _ask(self, work: Callable[[], T]) -> T:
        with self._room():
            return await self._loop.run_in_executor(self._thread, work)

    @contextmanager
    def _room(self) -> Iterator[None]:
        if self._waiting >= MAX_WAITING:
            raise error("limit.rate")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1


def _hand_out(answers: Sequence[asyncio.Future[bytes]], outcomes: Sequence[bytes | Exception]) -> None:
    for answer, outcome in zip(answers, outcomes, strict=True):
        if answer.done():
            continue
        if isinstance(outcome, bytes):
            answer.set_result(outcome)
        else:
            answer.set_exception(outcome)


def _settle(doomed: list[Doomed], failure: ChappeError | None) -> None:
    for _, done in doomed:
        if done.done():
            continue
        if failure is None:
            done.set_result(None)
        else:
            done.set_exception(failure)
