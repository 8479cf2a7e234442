"""Where the relays of tests keep their tables: SQLite, or a real PostgreSQL, by what a test is given.

A data directory has its store once: `place` notes it, and whoever makes settings for that directory takes
`given`. One server for this process, started by the first that needs it; a database for each directory,
copied from one that was migrated once.
"""

from __future__ import annotations

import atexit
import itertools
import re
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg

from bench import postgres
from chappe.relay.config import Settings
from chappe.relay.storage.postgres import PostgresDatabase

STORES: Final = ("sqlite", "postgres")
TEMPLATE: Final = "relay_template"

_databases: dict[Path, str] = {}
_numbers = itertools.count(1)


def place(data_dir: Path, store: str) -> Path:
    """Gives the directory. For PostgreSQL, its database is there and migrated."""
    if store == "postgres":
        name = f"relay_{next(_numbers)}"
        server().create(name, TEMPLATE)
        _databases[data_dir] = name
    return data_dir


def leave(data_dir: Path) -> None:
    """Nobody uses it any more."""
    name = _databases.pop(data_dir, None)
    if name is not None:
        server().drop(name)


def copy(data_dir: Path) -> Callable[[], None]:
    """Of a database outside the directory, which nobody has open. Gives what brings it back."""
    name = _databases.get(data_dir)
    if name is None:
        return lambda: None
    kept = f"{name}_copy"
    server().create(kept, name)

    def bring_back() -> None:
        server().drop(name)
        server().create(name, kept)
        server().drop(kept)

    return bring_back


def given(data_dir: Path) -> dict[str, str]:
    """Settings of a relay in this directory."""
    name = _databases.get(data_dir)
    return {} if name is None else {"database_url": server().url(name)}


@cache
def server() -> postgres.Server:
    made = postgres.Server(Path(tempfile.mkdtemp(prefix="chappe-pg-", dir=postgres.place())))
    atexit.register(made.remove)
    made.start()
    with tempfile.TemporaryDirectory() as folder:
        PostgresDatabase(made.create(TEMPLATE), Path(folder)).upgrade()
    return made


# --- a look into the tables


def rows(settings: Settings, statement: str, *values: object) -> list[tuple[Any, ...]]:
    """What a statement gives; a change is kept. Values stand for question marks, on both."""
    if settings.database_url is None:
        with sqlite3.connect(settings.database, timeout=10) as connection:
            return connection.execute(statement, values).fetchall()
    with psycopg.connect(settings.database_url.get_secret_value()) as changed:
        cursor = changed.execute(_spelled(statement).encode(), values or None)
        return cursor.fetchall() if cursor.description else []


def _spelled(statement: str) -> str:
    """In PostgreSQL's words: its marks for values, and for bytes."""
    return re.sub(r"x'([0-9a-f]*)'", r"'\\x\1'::bytea", statement.replace("?", "%s"))


def tables(settings: Settings) -> list[str]:
    """Their names."""
    if settings.database_url is None:
        names = "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name"
    else:
        names = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
    return [row[0] for row in rows(settings, names)]
