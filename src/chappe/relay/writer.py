"""The one writer: operations queue up, all that wait share one transaction and one fsync.

Each operation is still all or nothing: those that may fail run in a savepoint of their own, and the bulk
ones (sends, acknowledgements) check everything before they write anything. If the whole transaction fails,
its operations are tried again one by one, so that what needs no room on a full disk is still done.

A database on another machine may go away, and other relays may be in the way: then the whole is tried again.
Where it went away while it committed, nobody knows what became of that: sends and acknowledgements are told
apart from their repetition by their ids and numbers, and are tried again; of anything else whoever asked
hears that it is not known, and asks again. So does everybody where SQLite's disk failed as it committed.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

import structlog
from sqlalchemy import Connection, exc

from chappe.relay.failures import is_doubtful, is_lost, is_passing, storage_failure, unknown_outcome
from chappe.relay.ports import Answer, Arrival, Clock, Operation, Outcome, Unit
from chappe.relay.storage import Database
from chappe.wire.errors import ChappeError, error

log = structlog.get_logger()

MAX_BATCH: Final = 2_000
MAX_BATCH_BYTES: Final = 32 * 1024 * 1024
TRIES: Final = 3
"""Of a batch whose transaction was in another's way, or lost its connection."""
_STOP: Final = None

Answers: TypeAlias = list[tuple[Answer, Outcome]]
Report: TypeAlias = Callable[[Answers, list[Arrival]], None]


class Bulk(Protocol):
    """Operations that are cheaper many at a time. They refuse by returning an error in their place."""

    def takes(self, operation: Operation) -> bool: ...

    def run(self, unit: Unit, operations: list[Operation]) -> list[Outcome]: ...

    def forget(self) -> None:
        """A transaction was undone: drop all that was remembered from it."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    operation: Operation
    answer: Answer


class Writer:
    """Owns the only connection that writes. `report` is called in the writer's thread after each commit."""

    def __init__(
        self,
        database: Database,
        bulk: Bulk,
        clock: Clock,
        report: Report,
        logged: Callable[[], None] = lambda: None,
        doubted: Callable[[], None] = lambda: None,
        committed: Callable[[int, float], None] = lambda operations, seconds: None,
    ) -> None:
        """All are called in the thread, too: `logged` after a commit that made the transparency log longer,
        `doubted` where something may have been committed that nobody was told of, `committed` after each
        commit, with how many operations it had and how many seconds it took."""
        self._database = database
        self._engine = database.engine(writes=True)
        self._bulk = bulk
        self._clock = clock
        self._report = report
        self._logged = logged
        self._doubted = doubted
        self._committed = committed
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._connection: Connection | None = None
        self._committing = False
        self._thread = threading.Thread(target=self._main, name="chappe-writer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, operation: Operation, answer: Answer) -> None:
        """Queue one operation; `answer` is reported with its outcome once that is durable, in order."""
        self._queue.put(_Waiting(operation, answer))

    def stop(self) -> None:
        """Do what is queued, then end. Blocks until then."""
        self._queue.put(_STOP)
        self._thread.join()

    def _main(self) -> None:
        while (first := self._queue.get()) is not _STOP:
            batch, last = self._take(first)
            self._commit(batch)
            if last:
                break
        self._close()
        self._engine.dispose()

    def _take(self, first: _Waiting) -> tuple[list[_Waiting], bool]:
        """`first` and all that wait behind it, within bounds; True if the stop was among them."""
        batch, size = [first], first.operation.weight
        while len(batch) < MAX_BATCH and size < MAX_BATCH_BYTES:
            try:
                waiting = self._queue.get_nowait()
            except queue.Empty:
                break
            if waiting is _STOP:
                return batch, True
            batch.append(waiting)
            size += waiting.operation.weight
        return batch, False

    def _commit(self, batch: list[_Waiting], tries: int = TRIES, *, unknown: bool = False) -> None:
        """`unknown`: an earlier try of this batch may have been committed."""
        try:
            unit, outcomes = self._transaction(batch)
        except (exc.DBAPIError, MemoryError) as problem:
            self._undone()
            self._failed(batch, problem, tries - 1, unknown)
            return
        except ChappeError as refusal:
            # The database itself: it is none to keep messages in.
            self._undone()
            log.error("the store refused a change", code=refusal.code)
            unit, outcomes = None, [refusal] * len(batch)
        except Exception:  # the thread's outermost shell: one bad operation must not end it
            self._undone()
            log.exception("an operation failed in a way it should not")
            if len(batch) > 1:
                self._commit_one_by_one(batch)
                return
            unit, outcomes = None, [error("internal.bug")]
        self._tell(batch, outcomes, unit)

    def _failed(
        self, batch: list[_Waiting], problem: exc.DBAPIError | MemoryError, tries: int, unknown: bool
    ) -> None:
        """The transaction was undone, or its connection was lost."""
        lost = is_lost(problem)
        if self._committing and is_doubtful(problem):
            unknown = True
            if lost:
                self._doubted()
        repeatable = all(self._bulk.takes(waiting.operation) for waiting in batch)
        if tries > 0 and (is_passing(problem) or lost) and (repeatable or not unknown):
            self._commit(batch, tries, unknown=unknown)
        elif len(batch) > 1 and not lost:
            self._commit_one_by_one(batch, unknown=unknown)
        else:
            failure = unknown_outcome() if unknown else storage_failure(problem)
            log.error("the store refused a change", code=failure.code)
            self._tell(batch, [failure] * len(batch), None)

    def _tell(self, batch: list[_Waiting], outcomes: list[Outcome], unit: Unit | None) -> None:
        answers = [(waiting.answer, outcome) for waiting, outcome in zip(batch, outcomes, strict=True)]
        self._report(answers, unit.arrivals if unit else [])
        if unit and unit.logged:
            self._logged()

    def _commit_one_by_one(self, batch: list[_Waiting], *, unknown: bool = False) -> None:
        """Those that only shared a transaction with one that failed are not to fail with it."""
        for waiting in batch:
            self._commit([waiting], unknown=unknown)

    def _transaction(self, batch: list[_Waiting]) -> tuple[Unit, list[Outcome]]:
        self._committing = False
        if self._connection is None:
            self._connection = self._engine.connect()
        operations = [waiting.operation for waiting in batch]
        if self._database.shared:
            # What others wrote meanwhile is not in memory.
            self._bulk.forget()
        began = time.perf_counter()
        with self._connection.begin():
            alone = not all(self._bulk.takes(operation) for operation in operations)
            self._database.begin(self._connection, alone=alone)
            unit = Unit(self._connection, int(self._clock()))
            outcomes = self._run(unit, operations)
            self._committing = True
        self._committed(len(batch), time.perf_counter() - began)
        return unit, outcomes

    def _run(self, unit: Unit, operations: list[Operation]) -> list[Outcome]:
        """Run them in order: neighbours that the bulk takes together, others each in a savepoint."""
        outcomes: list[Outcome] = []
        together: list[Operation] = []
        for operation in operations:
            if self._bulk.takes(operation):
                together.append(operation)
                continue
            if together:
                outcomes += self._bulk.run(unit, together)
                together = []
            outcomes.append(self._alone(unit, operation))
        if together:
            outcomes += self._bulk.run(unit, together)
        return outcomes

    def _alone(self, unit: Unit, operation: Operation) -> Outcome:
        arrived = len(unit.arrivals)
        try:
            with unit.connection.begin_nested():
                return operation.run(unit)
        except ChappeError as refusal:
            del unit.arrivals[arrived:]
            return refusal
        except exc.DataError:
            # A text with a NUL, say, which PostgreSQL takes none of. Others in the batch are not to wait for
            # it to be tried again.
            del unit.arrivals[arrived:]
            return error("storage.failed", "The store cannot hold what was given; it was not taken.")

    def _undone(self) -> None:
        """After a failed transaction nothing in memory may be trusted, nor the connection itself."""
        self._bulk.forget()
        self._close()

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.close()
        except exc.DBAPIError:
            log.warning("the database connection did not close cleanly")
