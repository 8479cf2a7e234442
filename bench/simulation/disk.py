"""The relay's disk: when its transactions become durable, when that is told, and what fails.

The database is the real one, on a file in memory. Its writer has no thread here: batches are cut and
committed at moments that the seed chooses, and what was committed is told a while later, so that a crash can
fall between. A crash leaves the files as they are in that moment, with the write-ahead log that was not
folded in.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections import deque
from dataclasses import dataclass
from typing import Final, Literal

from sqlalchemy import exc

from bench.simulation.oracle import LATER
from chappe.relay.ports import Answer, Arrival, Operation, Outcome, Unit
from chappe.relay.writer import Answers, Writer, _Waiting
from chappe.wire.errors import ChappeError, error

Fault: Literal["none", "full", "io"]
SLOWEST: Final = 0.02
"""Seconds of one commit at the most."""


@dataclass
class Disk:
    """`fault`: how the disk is now; `rate`: how many of its commits and reads it spoils."""

    choose: random.Random
    fault: Literal["none", "full", "io"] = "none"
    rate: float = 0.5
    commits: int = 0
    refused: bool = False
    """Something was refused that is said again: what one device sent may then come in another order."""

    def spoils(self) -> bool:
        return self.fault != "none" and self.choose.random() < self.rate

    def before_read(self) -> None:
        """Raises StorageFailure."""
        if self.fault == "io" and self.choose.random() < self.rate:
            raise error("storage.failed")


class TurnWriter(Writer):
    """The relay's writer, whose turns are timers. `disk` is set on the class for a run (`for_disk`)."""

    disk: Disk

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._waits = False
        self._due: deque[tuple[Answers, list[Arrival]]] = deque()
        self._report_now, self._report = self._report, self._report_later

    def submit(self, operation: Operation, answer: Answer) -> None:
        super().submit(operation, answer)
        self._wait()

    def stop(self) -> None:
        while not self._queue.empty():
            self._turn()
        while self._due:
            self._report_next()
        self._close()

    def _wait(self) -> None:
        if not self._waits and not self._queue.empty():
            self._waits = True
            self._loop.call_later(self.disk.choose.uniform(0.0002, SLOWEST), self._turn)

    def _turn(self) -> None:
        self._waits = False
        if self._queue.empty():
            return
        first = self._queue.get_nowait()
        assert first is not None
        batch, _ = self._take(first)
        self.disk.commits += 1
        self._commit(batch)
        self._wait()

    def _take(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        batch = [first]
        most = self.disk.choose.choice((1, 2, 5, 100))
        while len(batch) < most and not self._queue.empty():
            waiting = self._queue.get_nowait()
            assert waiting is not None
            batch.append(waiting)
        return batch, False

    def _run(self, unit: Unit, operations: list[Operation]) -> list[Outcome]:
        if not self.disk.spoils():
            return super()._run(unit, operations)
        if self.disk.fault == "full":
            return self._run_full(unit, operations)
        outcomes = super()._run(unit, operations)
        del outcomes
        problem = sqlite3.OperationalError("disk I/O error")
        problem.sqlite_errorname = "SQLITE_IOERR_WRITE"
        raise exc.OperationalError("COMMIT", None, problem)

    def _run_full(self, unit: Unit, operations: list[Operation]) -> list[Outcome]:
        """No page more than there are: SQLite itself says that the disk is full, or does without."""
        connection = unit.connection
        (pages,) = connection.exec_driver_sql("PRAGMA page_count").one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        outcomes = super()._run(unit, operations)
        connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
        return outcomes

    def _report_later(self, answers: Answers, arrivals: list[Arrival]) -> None:
        """Durable: what that means for others they hear in a while, in the order of the commits."""
        if any(isinstance(outcome, ChappeError) and outcome.code in LATER for _, outcome in answers):
            self.disk.refused = True
        self._due.append((answers, arrivals))
        self._loop.call_later(self.disk.choose.uniform(0.0001, SLOWEST), self._report_next)

    def _report_next(self) -> None:
        if self._due:
            self._report_now(*self._due.popleft())
