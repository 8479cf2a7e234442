"""SQLite in the data directory: one relay process writes, and its operator's commands beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine

from chappe.relay import migrations
from chappe.relay.database import open_engine

ELSEWHERE: Final = "database.elsewhere"
"""In a data directory whose relay keeps its tables in another database: no command is to make a new one."""


def has_moved_out(data_dir: Path) -> bool:
    return (data_dir / ELSEWHERE).exists()


class SqliteDatabase:
    shared = False
    readers = 2

    def __init__(self, path: Path) -> None:
        self.path = path

    def upgrade(self) -> None:
        migrations.upgrade(self.path)

    def engine(self, *, writes: bool) -> Engine:
        return open_engine(self.path, writes=writes)

    def begin(self, connection: Connection, *, alone: bool) -> None:
        """Every transaction that writes has the file to itself (BEGIN IMMEDIATE)."""
