"""The writer: operations that share a transaction do not share their failures."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from chappe.relay.database import open_engine
from chappe.relay.mailroom import Mailroom
from chappe.relay.ports import Arrival, Unit
from chappe.relay.storage.sqlite import SqliteDatabase
from chappe.relay.writer import Answers, Writer
from chappe.wire.errors import ChappeError, error


class Insert:
    """Writes its number; raises `problem` after that."""

    weight = 1

    def __init__(self, number: int, problem: Exception | None = None) -> None:
        self._number = number
        self._problem = problem

    def run(self, unit: Unit) -> object:
        unit.connection.exec_driver_sql("INSERT INTO t VALUES (?)", (self._number,))
        if self._problem is not None:
            raise self._problem
        return self._number


def test_an_operation_that_fails_takes_no_other_with_it(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "relay.db", writes=True)
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE t (x INTEGER)")
    outcomes: list[Any] = []
    threads = set()

    def report(answers: Answers, _arrivals: list[Arrival]) -> None:
        threads.add(threading.current_thread().name)
        outcomes.extend(outcome for _, outcome in answers)

    mailroom = Mailroom(max_items=1, max_bytes=1, keep_seconds=1)
    writer = Writer(SqliteDatabase(tmp_path / "relay.db"), mailroom, lambda: 1.0, report)
    problems = [None, error("address.taken"), RuntimeError("a bug"), MemoryError(), None]
    # Queued before the thread runs, so that they are one batch.
    for number, problem in enumerate(problems):
        writer.submit(Insert(number, problem), outcomes.append)
    writer.start()
    writer.stop()
    assert threads == {"chappe-writer"}
    told = [outcome.code if isinstance(outcome, ChappeError) else outcome for outcome in outcomes]
    assert told == [0, "address.taken", "internal.bug", "storage.failed", 4]
    with engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT x FROM t").scalars().all() == [0, 4]
    engine.dispose()
