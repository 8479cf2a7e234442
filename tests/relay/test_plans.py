"""What SQLite does for an acknowledgement grows with what is acknowledged, and a sweep's piece with what it
drops: neither with what waits."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert

from chappe.relay import migrations
from chappe.relay.database import open_engine
from chappe.relay.ports import Unit
from chappe.relay.storage import sqlite_mail
from chappe.relay.tables import attachments, entries, mailboxes, payloads
from chappe.relay.usecases.lapse import lines_to_forget
from chappe.relay.usecases.sweep import Sweep

LISTED = {"SCAN a", "SCAN l", "SCAN leaving", "SCAN acked"}
"""The two temporary tables hold what is acknowledged."""
ASKED = ("mailboxes", "sent_ids", "key_packages", "codes", "orders", "enrolments", "proposals", "lines")


@pytest.mark.sqlite_alone("PostgreSQL plans by what it knows of its tables")
def test_an_acknowledgement_looks_through_no_table(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    migrations.upgrade(path)
    with sqlite3.connect(path) as connection:
        for statement in sqlite_mail.TEMPORARY:
            connection.execute(statement)
        for statement in sqlite_mail.ACKNOWLEDGE:
            steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            assert {step for step in steps if step.startswith("SCAN")} <= LISTED, (statement, steps)


@pytest.mark.sqlite_alone("PostgreSQL plans by what it knows of its tables")
def test_a_sweep_looks_through_no_table_that_grows(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    migrations.upgrade(path)
    engine = open_engine(path, writes=True)
    found: dict[str, set[str]] = {}

    def note(connection: Connection, _cursor: Any, statement: str, values: Any, *_rest: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE", "DELETE", "INSERT")):
            plan = connection.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", values)
            found[statement] = {row[3] for row in plan if row[3].startswith("SCAN")}

    with engine.begin() as connection:
        connection.execute(insert(mailboxes).values(mailbox=1, gone_sequence=0, gone_bytes=0))
        connection.execute(insert(payloads).values(payload=1, at=1, data=b"x"))
        connection.execute(
            insert(entries).values(mailbox=1, sequence=1, envelope=b"e", payload=1, total_bytes=1, at=1)
        )
        connection.execute(
            insert(attachments).values(attachment=b"a", token_digest=b"t", size=1, received=0, expires=1)
        )
        event.listen(engine, "before_cursor_execute", note)
        swept = Sweep(60).run(Unit(connection, 1_000))
        assert lines_to_forget(connection, 1_000) == []
    engine.dispose()
    assert (swept.attachments, swept.after) == ((b"a",), 1)
    said = " ".join(found)
    assert all(table in said for table in ASKED)
    # Proposals are of removals that are under way: few, and each is asked for its order.
    through = {statement: scans - LISTED for statement, scans in found.items() if scans - LISTED}
    first = [statement for statement in through if "ORDER BY payloads.payload" in statement]
    assert through.pop(first[0]) == {"SCAN payloads"}
    assert list(through.values()) == [{"SCAN proposals"}], through
