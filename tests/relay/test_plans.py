"""What SQLite does for an acknowledgement grows with what is acknowledged, not with what waits."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from chappe.relay import migrations
from chappe.relay.storage import sqlite_mail


@pytest.mark.sqlite_alone("PostgreSQL plans by what it knows of its tables")
def test_an_acknowledgement_looks_through_no_table(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    migrations.upgrade(path)
    with sqlite3.connect(path) as connection:
        for statement in sqlite_mail.TEMPORARY:
            connection.execute(statement)
        for statement in sqlite_mail.ACKNOWLEDGE:
            steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
            through = [step for step in steps if step.startswith("SCAN")]
            # The two temporary tables hold what is acknowledged.
            assert set(through) <= {"SCAN a", "SCAN l", "SCAN leaving", "SCAN acked"}, (statement, steps)
