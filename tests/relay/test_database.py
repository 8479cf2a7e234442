"""What durability rests on: the settings of every connection, and its errors as ours."""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import exc

from chappe.relay.database import MAX_VARIABLES, chunks, open_engine, os_failure, storage_failure


@pytest.mark.parametrize("writes", [True, False])
def test_every_connection_is_durable(tmp_path: Path, writes: bool) -> None:
    engine = open_engine(tmp_path / "relay.db", writes=writes)
    with engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "secure_delete", "foreign_keys")
        }
    engine.dispose()
    # synchronous 2 is FULL: the log is synced at every commit.
    assert found == {"journal_mode": "wal", "synchronous": 2, "secure_delete": 1, "foreign_keys": 1}


def test_a_full_database_is_told_from_a_broken_one(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "relay.db", writes=True)
    with engine.connect() as connection:
        with connection.begin():
            connection.exec_driver_sql("CREATE TABLE t (x BLOB)")
            connection.exec_driver_sql("PRAGMA max_page_count = 4")
        with pytest.raises(exc.DBAPIError) as full, connection.begin():
            connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(100000))")
        with pytest.raises(exc.DBAPIError) as wrong, connection.begin():
            connection.exec_driver_sql("INSERT INTO nothing VALUES (1)")
    engine.dispose()
    assert storage_failure(full.value).code == "storage.full"
    assert storage_failure(wrong.value).code == "storage.failed"
    assert storage_failure(sqlite3.OperationalError("no name")).code == "storage.failed"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "storage.full"),
        (errno.EDQUOT, "storage.full"),
        (errno.EACCES, "storage.unwritable"),
        (errno.EROFS, "storage.unwritable"),
        (errno.EIO, "storage.failed"),
    ],
)
def test_errors_of_the_system(number: int, code: str) -> None:
    assert os_failure(OSError(number, "x")).code == code


@given(st.integers(0, 3_000), st.integers(1, 70))
def test_chunks_keep_all_rows_in_order(rows: int, columns: int) -> None:
    whole = [(number,) * columns for number in range(rows)]
    pieces = chunks(whole, columns)
    assert [row for piece in pieces for row in piece] == whole
    for piece in pieces:
        assert len(piece) & (len(piece) - 1) == 0
        assert len(piece) * columns <= MAX_VARIABLES
