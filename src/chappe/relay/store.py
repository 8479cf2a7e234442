"""The store as the event loop sees it: operations in, outcomes back, arrivals told to the hub."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from sqlalchemy import Connection

from chappe.relay.mailroom import Mailroom
from chappe.relay.ports import Answer, Arrival, Clock, DeviceRecord, Operation, Outcome
from chappe.relay.reader import AttachmentRecord, Page, Reader
from chappe.relay.storage import Database
from chappe.relay.watching.tally import Tally
from chappe.relay.writer import Answers, Writer
from chappe.wire.errors import ChappeError

T = TypeVar("T")


class Store:
    """Made and used in one event loop. `arrived` hears of every payload that became durable, in order,
    before the operations that brought it are answered; `logged` after a change that the transparency log
    tells of; `doubted` where payloads may have become durable that `arrived` never hears of."""

    def __init__(
        self,
        database: Database,
        mailroom: Mailroom,
        clock: Clock,
        arrived: Callable[[list[Arrival]], None],
        logged: Callable[[], None] = lambda: None,
        doubted: Callable[[], None] = lambda: None,
        tally: Tally | None = None,
    ) -> None:
        self._tally = tally or Tally()
        self.mailroom = mailroom
        self._arrived = arrived
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._logged = logged
        self._doubted = doubted
        self._writer = Writer(
            database,
            mailroom,
            clock,
            self._report,
            self._report_log,
            self._report_doubt,
            self._tally.committed,
        )
        self._reader = Reader(database)
        self.waiting_bytes = 0
        self._writer.start()

    async def close(self) -> None:
        """Finish what is queued, then let go of the files."""
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._reader.close)

    def submit(self, operation: Operation, answer: Answer) -> None:
        """Queue an operation. `answer` is called in the loop with its result or its ChappeError, after
        it is durable, in the order of submitting."""
        weight = operation.weight
        self.waiting_bytes += weight
        self._writer.submit(operation, partial(self._answer, weight, answer))

    async def run(self, operation: Operation) -> object:
        """Queue an operation and wait for its result. Raises its ChappeError."""
        future: asyncio.Future[object] = self._loop.create_future()

        def answer(outcome: Outcome) -> None:
            if future.done():
                return
            if isinstance(outcome, ChappeError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.submit(operation, answer)
        return await future

    async def outcome(self, operation: Operation) -> Outcome:
        """Queue an operation and wait for what became of it. Raises nothing."""
        future: asyncio.Future[Outcome] = self._loop.create_future()

        def answer(outcome: Outcome) -> None:
            if not future.done():
                future.set_result(outcome)

        self.submit(operation, answer)
        return await future

    async def device(self, device: bytes) -> DeviceRecord | None:
        return await self._read(partial(self._reader.device, device, int(self._clock())))

    async def page(self, mailbox: int, after: int, *, newer_than: int, items: int, size: int) -> Page:
        return await self._read(
            partial(self._reader.page, mailbox, after, newer_than=newer_than, items=items, size=size)
        )

    async def attachment(self, attachment: bytes) -> AttachmentRecord | None:
        return await self._read(partial(self._reader.attachment, attachment))

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Read beside the writer, in one transaction. Raises StorageFailure, and what `work` raises."""
        return await self._read(partial(self._reader.run, work))

    async def _read(self, call: Callable[[], T]) -> T:
        return await self._loop.run_in_executor(self._reader.executor, call)

    def _report(self, answers: Answers, arrivals: list[Arrival]) -> None:
        """In the writer's thread: hand everything over in one go."""
        self._loop.call_soon_threadsafe(self._hand_over, answers, arrivals)

    def _report_log(self) -> None:
        """In the writer's thread."""
        self._loop.call_soon_threadsafe(self._logged)

    def _report_doubt(self) -> None:
        """In the writer's thread."""
        self._loop.call_soon_threadsafe(self._doubted)

    def _hand_over(self, answers: Answers, arrivals: list[Arrival]) -> None:
        if arrivals:
            self._arrived(arrivals)
        for answer, outcome in answers:
            self._tally.answered(outcome)
            answer(outcome)

    def _answer(self, weight: int, answer: Answer, outcome: Outcome) -> None:
        self.waiting_bytes -= weight
        answer(outcome)
