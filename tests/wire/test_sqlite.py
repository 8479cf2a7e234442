"""SQLite as the servers use it, on a disk that fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import exc, text

from chappe.wire.sqlite import open_engine, storage_failure


def test_the_name_of_the_log_is_on_the_disk_before_anything_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: list[bool] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            there.append((tmp_path / "x.db-wal").exists())
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    engine = open_engine(tmp_path / "x.db", writes=True)
    with engine.begin() as connection:
        assert there == [True]
        connection.execute(text("CREATE TABLE t (a)"))


def test_where_it_cannot_be_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As any failure to connect: whoever asked twice may not be told that the first time nothing was done."""

    def fsync(_descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    path = tmp_path / "x.db"
    with open_engine(path, writes=True).begin() as connection:
        connection.execute(text("CREATE TABLE t (a)"))
    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(exc.OperationalError) as caught, open_engine(path, writes=True).begin():
        pass
    assert storage_failure(caught.value).code == "storage.failed"
    with open_engine(path, writes=False).begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM t")).scalar() == 0
