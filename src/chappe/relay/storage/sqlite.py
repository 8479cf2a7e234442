"""SQLite in the data directory: one relay process writes, and its operator's commands beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine

from chappe.relay import migrations
from chappe.relay.database import open_engine
from chappe.wire.errors import error

ELSEWHERE: Final = "database.elsewhere"
"""In a data directory whose relay keeps its tables in another database: no command is to make a new one."""

RESTORING: Final = "restoring"
"""What a backup is brought back in (`chappe restore`); the database leaves it last."""


def has_moved_out(data_dir: Path) -> bool:
    return (data_dir / ELSEWHERE).exists()


class SqliteDatabase:
    shared = False
    readers = 2

    def __init__(self, path: Path) -> None:
        self.path = path

    def upgrade(self) -> None:
        if not self.path.exists() and (self.path.parent / RESTORING).exists():
            raise error(
                "storage.failed",
                "A restore into this directory was cut off: give `chappe restore` again.",
            )
        migrations.upgrade(self.path)

    def engine(self, *, writes: bool) -> Engine:
        return open_engine(self.path, writes=writes)

    def begin(self, connection: Connection, *, alone: bool) -> None:
        """Every transaction that writes has the file to itself (BEGIN IMMEDIATE)."""
