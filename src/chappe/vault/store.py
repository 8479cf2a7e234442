"""The encrypted store: one SQLCipher file, one connection, one transaction at a time.

Everything a phone keeps is here. What must happen together is written in one transaction, and nothing is
told to the relay before the transaction that it follows from is durable: a phone may be killed anywhere.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

import sqlcipher3

from chappe.vault.disk import os_failure
from chappe.wire.cryptology import SECRET_BYTES
from chappe.wire.durable import sync_folder
from chappe.wire.errors import ChappeError, error
from chappe.wire.wiping import wipe

Row: TypeAlias = tuple[Any, ...]

VERSION: Final = 4
KEY_BYTES: Final = SECRET_BYTES
_STATEMENTS: Final = 512
"""Statements that stay compiled: more than there are. Compiling is most of what a small one costs."""

_SCHEMA: Final = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE contacts (
    address TEXT PRIMARY KEY, line BLOB NOT NULL, identity_key BLOB NOT NULL, verified INTEGER NOT NULL,
    new_line BLOB, new_identity_key BLOB
) WITHOUT ROWID;
CREATE TABLE unconfirmed (address TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE key_packages (
    ref BLOB PRIMARY KEY, bundle BLOB NOT NULL, last_resort INTEGER NOT NULL, expires INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE conversations (
    id BLOB PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, timer INTEGER NOT NULL, peer TEXT,
    active INTEGER NOT NULL, created_at INTEGER NOT NULL, leaf_at INTEGER NOT NULL,
    leaf_sent INTEGER NOT NULL, blocked_epoch INTEGER NOT NULL, shared BLOB NOT NULL, secret BLOB NOT NULL,
    stream BLOB, counter INTEGER NOT NULL DEFAULT 0, head BLOB, joined INTEGER NOT NULL DEFAULT 0,
    strange_epoch INTEGER NOT NULL DEFAULT -1, replays INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE chains (
    row INTEGER PRIMARY KEY AUTOINCREMENT, conversation BLOB NOT NULL, device BLOB NOT NULL,
    stream BLOB NOT NULL, address TEXT NOT NULL, state BLOB NOT NULL, due INTEGER,
    UNIQUE (conversation, device, stream)
);
CREATE INDEX chains_due ON chains (due) WHERE due IS NOT NULL;
CREATE TABLE proofs (
    row INTEGER PRIMARY KEY AUTOINCREMENT, message BLOB NOT NULL, place INTEGER NOT NULL,
    signed BLOB NOT NULL, signature BLOB NOT NULL, certificate BLOB NOT NULL, at INTEGER NOT NULL,
    until INTEGER NOT NULL, UNIQUE (message, place)
);
CREATE INDEX proofs_until ON proofs (until);
CREATE TABLE voids (
    row INTEGER PRIMARY KEY AUTOINCREMENT, conversation BLOB NOT NULL, link BLOB NOT NULL,
    digest BLOB NOT NULL
);
CREATE TABLE members (
    conversation BLOB NOT NULL, leaf INTEGER NOT NULL, address TEXT NOT NULL, device BLOB NOT NULL,
    PRIMARY KEY (conversation, leaf)
) WITHOUT ROWID;
CREATE TABLE messages (
    row INTEGER PRIMARY KEY AUTOINCREMENT, id BLOB NOT NULL UNIQUE, conversation BLOB NOT NULL,
    address TEXT NOT NULL, mine INTEGER NOT NULL, at INTEGER NOT NULL, kind TEXT NOT NULL, text TEXT NOT NULL,
    edited INTEGER NOT NULL DEFAULT 0, reply_to BLOB, file BLOB, state TEXT NOT NULL,
    expires_in INTEGER, expires_at INTEGER, read INTEGER NOT NULL, seen INTEGER NOT NULL
);
CREATE INDEX messages_conversation ON messages (conversation, row);
CREATE INDEX messages_expire ON messages (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX messages_unseen ON messages (row) WHERE seen = 0;
CREATE TABLE reactions (
    id BLOB PRIMARY KEY, target BLOB NOT NULL, address TEXT NOT NULL, emoji TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX reactions_target ON reactions (target);
CREATE TABLE receipts (
    message BLOB NOT NULL, address TEXT NOT NULL, status TEXT NOT NULL, PRIMARY KEY (message, address)
) WITHOUT ROWID;
CREATE TABLE outbox (
    row INTEGER PRIMARY KEY AUTOINCREMENT, conversation BLOB NOT NULL, content BLOB NOT NULL,
    message BLOB, epoch INTEGER, envelope BLOB, recipients BLOB, payload BLOB, link BLOB
);
CREATE TABLE intents (
    row INTEGER PRIMARY KEY AUTOINCREMENT, conversation BLOB NOT NULL, kind TEXT NOT NULL, data BLOB NOT NULL
);
CREATE TABLE pending_commits (
    conversation BLOB PRIMARY KEY, epoch INTEGER NOT NULL, frame BLOB NOT NULL, shared BLOB NOT NULL,
    secret BLOB NOT NULL, intents BLOB NOT NULL, first BLOB NOT NULL
);
CREATE TABLE outside (
    row INTEGER PRIMARY KEY AUTOINCREMENT, conversation BLOB NOT NULL, epoch INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE reports (ordered BLOB PRIMARY KEY, receipt BLOB NOT NULL, told INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE gone_devices (device BLOB PRIMARY KEY, ordered BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE held (
    row INTEGER PRIMARY KEY AUTOINCREMENT, conversation BLOB NOT NULL, at INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE TABLE uploads (
    row INTEGER PRIMARY KEY AUTOINCREMENT, conversation BLOB NOT NULL, spool TEXT NOT NULL,
    file BLOB NOT NULL, attachment BLOB, token BLOB
);
"""

# Made where they are missing: a profile from before the transparency log opens as it is.
_LOG_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS log_alarms (
    row INTEGER PRIMARY KEY AUTOINCREMENT, about BLOB NOT NULL, code TEXT NOT NULL, at INTEGER NOT NULL,
    conversation BLOB, address TEXT NOT NULL, device TEXT NOT NULL, settled INTEGER NOT NULL,
    evidence BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS log_doubts (
    conversation BLOB NOT NULL, device BLOB NOT NULL, certificate BLOB NOT NULL, address TEXT NOT NULL,
    at INTEGER NOT NULL, state TEXT NOT NULL, PRIMARY KEY (conversation, device)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS log_salts (
    address TEXT NOT NULL, line BLOB NOT NULL, salt BLOB NOT NULL, PRIMARY KEY (address, line)
) WITHOUT ROWID;
"""


class Store:
    """Use from one thread. `rolled_back` is called when a transaction was undone: caches must go."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._in_transaction = False
        self.rolled_back: list[Callable[[], None]] = []

    @classmethod
    def create(cls, path: Path, key: bytes) -> Store:
        """A new store. Raises storage.failed, storage.full."""
        store = cls(_connect(path, key))
        with store.transaction():
            store._make(_SCHEMA)
            store._make(_LOG_SCHEMA)
            store.set("version", str(VERSION).encode())
        return store

    @classmethod
    def open(cls, path: Path, key: bytes | bytearray) -> Store:
        """Raises storage.wrong_key, storage.missing, storage.failed."""
        if not path.exists():
            raise error("storage.missing")
        store = cls(_connect(path, key))
        if store.get("version") != str(VERSION).encode():
            raise error("storage.failed", "This profile was made by another version of Chappe; update it.")
        with store.transaction():
            store._make(_LOG_SCHEMA)
        return store

    def _make(self, schema: str) -> None:
        for statement in schema.split(";"):
            if statement.strip():
                self.run(statement)

    def close(self) -> None:
        self._connection.close()

    @property
    def in_transaction(self) -> bool:
        return self._in_transaction

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, durable at the end. Inside another one, part of that. Raises StorageFailure."""
        if self._in_transaction:
            yield
            return
        self._execute("BEGIN IMMEDIATE", ())
        self._in_transaction = True
        try:
            yield
            self._execute("COMMIT", ())
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._in_transaction = False

    def _roll_back(self) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        finally:
            for forget in self.rolled_back:
                forget()

    def run(self, statement: str, *values: Any) -> int:
        """Run one statement; gives the last row number that it inserted."""
        return self._execute(statement, values).lastrowid or 0

    def changed(self, statement: str, *values: Any) -> int:
        """Run one statement; gives how many rows it changed."""
        count: int = self._execute(statement, values).rowcount
        return count

    def all(self, statement: str, *values: Any) -> list[Row]:
        rows: list[Row] = self._execute(statement, values).fetchall()
        return rows

    def one(self, statement: str, *values: Any) -> Row | None:
        row: Row | None = self._execute(statement, values).fetchone()
        return row

    def get(self, key: str) -> bytes | None:
        row = self.one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else bytes(row[0])

    def set(self, key: str, value: bytes) -> None:
        self.run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", key, value)

    def all_of(self, prefix: str) -> list[tuple[str, bytes]]:
        """What is kept under keys that begin so; `prefix` has no wildcard of GLOB in it."""
        rows = self.all("SELECT key, value FROM meta WHERE key GLOB ?", f"{prefix}*")
        return [(key, bytes(value)) for key, value in rows]

    def drop(self, key: str) -> None:
        self.run("DELETE FROM meta WHERE key = ?", key)

    def _execute(self, statement: str, values: tuple[Any, ...]) -> Any:
        try:
            return self._connection.execute(statement, values)
        except sqlcipher3.Error as problem:
            raise _failure(problem) from None


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def _connect(path: Path, key: bytes | bytearray) -> Any:
    try:
        connection = sqlcipher3.connect(str(path), isolation_level=None, cached_statements=_STATEMENTS)
        # Before the key: SQLCipher would write its complaint about a wrong one to standard error.
        connection.execute("PRAGMA cipher_log_level = NONE")
        _give_key(connection, key)
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON", "temp_store=MEMORY"):
            connection.execute(f"PRAGMA {pragma}")
        # Whoever reads first makes the log.
        connection.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlcipher3.Error as problem:
        raise _failure(problem) from None
    try:
        # As chappe.wire.sqlite.name_the_log: SQLite does not look whether its own sync of the name failed.
        sync_folder(path.parent)
    except OSError as problem:
        connection.close()
        raise os_failure(problem) from None
    return connection


def _give_key(connection: Any, key: bytes | bytearray) -> None:
    """SQLCipher overwrites what it copies of the statement; the statement itself is overwritten here."""
    connection.execute("PRAGMA cipher_memory_security = ON")
    digits = key.hex()
    statement = f"PRAGMA key = \"x'{digits}'\""
    try:
        connection.execute(statement)
    finally:
        wipe(digits, statement)
        connection.execute("PRAGMA cipher_memory_security = OFF")


def _failure(problem: Exception) -> ChappeError:
    """The typed error for what the driver raised; its text may hold values and is left out."""
    text = str(problem).lower()
    if "not a database" in text or "encrypted" in text:
        return error("storage.wrong_key")
    if "full" in text:
        return error("storage.full")
    return error("storage.failed")
