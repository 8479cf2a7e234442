"""shares.db: a row for each device that has a share, wrapped under the epoch key.

One connection, one thread. Every change adds one to the counter in the same transaction, so that the signed
head outside can tell which database is the newest.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chappe.relay.shares import disk
from chappe.wire.durable import sync_folder
from chappe.wire.errors import error
from chappe.wire.unlock import TRIES

BUSY_MILLISECONDS: Final = 5_000
SCHEMA: Final = (
    """CREATE TABLE shares (
        device BLOB PRIMARY KEY, unlock_key BLOB NOT NULL, wrapped BLOB NOT NULL,
        tries INTEGER NOT NULL, not_before INTEGER NOT NULL
    ) WITHOUT ROWID""",
    # Devices whose share was destroyed: the key that signs their guesses, so that only they are told, and
    # whether it was ordered, which is for good. NULL: nothing was ever enrolled.
    "CREATE TABLE gone (device BLOB PRIMARY KEY, unlock_key BLOB, ordered INTEGER NOT NULL) WITHOUT ROWID",
    # Hashes of the enrolments that were taken: who recorded one cannot bring its share and its tries back.
    "CREATE TABLE enrolments (digest BLOB PRIMARY KEY) WITHOUT ROWID",
    "CREATE TABLE meta (epoch BLOB NOT NULL, counter INTEGER NOT NULL, changed_at INTEGER NOT NULL)",
)
_PRAGMAS: Final = (
    f"busy_timeout={BUSY_MILLISECONDS}",
    "journal_mode=WAL",
    "synchronous=FULL",
    "secure_delete=ON",
    "temp_store=MEMORY",
    # The log stays small, for the whole of it is rewritten with each change of keys.
    "wal_autocheckpoint=100",
)
_BURY: Final = """INSERT OR REPLACE INTO gone VALUES (
    :device,
    (SELECT unlock_key FROM shares WHERE device = :device
        UNION ALL SELECT unlock_key FROM gone WHERE device = :device LIMIT 1),
    max(:ordered, coalesce((SELECT ordered FROM gone WHERE device = :device), 0))
)"""
_PAGE: Final = 256
"""Rows that are read at a time."""


@dataclass(frozen=True, slots=True)
class Row:
    """A living share. `wrapped` opens with the epoch key alone."""

    device: bytes
    unlock_key: bytes
    wrapped: bytes
    tries: int
    not_before: int


@dataclass(frozen=True, slots=True)
class Gone:
    """A share that was destroyed. `unlock_key` is None where there never was one."""

    unlock_key: bytes | None
    ordered: bool


@dataclass(frozen=True, slots=True)
class Status:
    """`devices` that have a share; `changed_at` in Unix seconds, 0 before the first change. `failing`:
    devices whose last guess was wrong; `worn_out`: whose share ten wrong ones destroyed."""

    devices: int
    changed_at: int
    failing: int = 0
    worn_out: int = 0


class ShareStore:
    """Every method raises StorageFailure."""

    def __init__(self, path: Path) -> None:
        """Opens the file; `set_up` makes its tables."""
        with _typed():
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            for pragma in _PRAGMAS:
                self._connection.execute(f"PRAGMA {pragma}")
            # Whoever reads first makes the log.
            self._connection.execute("SELECT 1 FROM sqlite_master").fetchone()
        # As chappe.wire.sqlite.name_the_log: SQLite does not look whether its own sync of the name failed.
        try:
            sync_folder(path.parent)
        except OSError as problem:
            raise disk.disk_failure(problem) from None

    def close(self) -> None:
        with _typed():
            self._connection.close()

    @property
    def is_empty(self) -> bool:
        """It has no tables yet."""
        with _typed():
            return self._connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None

    def set_up(self, epoch: bytes) -> None:
        """Make the tables, all or none."""
        with _typed(), self._transaction():
            for statement in SCHEMA:
                self._connection.execute(statement)
            self._connection.execute("INSERT INTO meta VALUES (?, 0, 0)", (epoch,))

    # --- what is there

    def counter(self) -> int:
        """The number of the last change."""
        with _typed():
            return int(self._connection.execute("SELECT counter FROM meta").fetchone()[0])

    def epoch(self) -> bytes:
        """The name of the epoch key in force."""
        with _typed():
            return bytes(self._connection.execute("SELECT epoch FROM meta").fetchone()[0])

    def row(self, device: bytes) -> Row | None:
        with _typed():
            found = self._connection.execute("SELECT * FROM shares WHERE device = ?", (device,)).fetchone()
        return None if found is None else Row(*found)

    def pages_of_rows(self) -> Iterator[list[Row]]:
        """All, in the order of their devices, some at a time; rows may be written meanwhile."""
        after = b""
        while True:
            with _typed():
                found = self._connection.execute(
                    "SELECT * FROM shares WHERE device > ? ORDER BY device LIMIT ?", (after, _PAGE)
                ).fetchall()
            if not found:
                return
            yield [Row(*values) for values in found]
            after = found[-1][0]

    def spent(self) -> list[bytes]:
        """Devices that have a share and no try left: a crash came between the two."""
        with _typed():
            found = self._connection.execute("SELECT device FROM shares WHERE tries <= 0").fetchall()
        return [device for (device,) in found]

    def gone(self, device: bytes) -> Gone | None:
        with _typed():
            found = self._connection.execute(
                "SELECT unlock_key, ordered FROM gone WHERE device = ?", (device,)
            ).fetchone()
        return None if found is None else Gone(found[0], bool(found[1]))

    def was_enrolled(self, digest: bytes) -> bool:
        with _typed():
            found = self._connection.execute(
                "SELECT 1 FROM enrolments WHERE digest = ?", (digest,)
            ).fetchone()
        return found is not None

    def pages(self) -> int:
        """How large the database is, in its pages."""
        with _typed():
            return int(self._connection.execute("PRAGMA page_count").fetchone()[0])

    def status(self) -> Status:
        with _typed():
            devices = self._connection.execute("SELECT count(*) FROM shares").fetchone()[0]
            changed_at = self._connection.execute("SELECT changed_at FROM meta").fetchone()[0]
            failing, worn_out = self._connection.execute(
                "SELECT (SELECT count(*) FROM shares WHERE tries < ?), "
                "(SELECT count(*) FROM gone WHERE NOT ordered)",
                (TRIES,),
            ).fetchone()
        return Status(devices, changed_at, failing, worn_out)

    # --- changes

    def change(self, now: int, work: Callable[[], None]) -> int:
        """Run `work`, which calls the methods below, in one transaction; gives the number of this change once
        it is durable."""
        with _typed(), self._transaction():
            work()
            self._connection.execute("UPDATE meta SET counter = counter + 1, changed_at = ?", (now,))
            return int(self._connection.execute("SELECT counter FROM meta").fetchone()[0])

    def put(self, row: Row, digest: bytes) -> None:
        """A new share for the device, in place of what was there."""
        values = (row.device, row.unlock_key, row.wrapped, row.tries, row.not_before)
        self._connection.execute("INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?, ?)", values)
        self._connection.execute("DELETE FROM gone WHERE device = ?", (row.device,))
        self._connection.execute("INSERT INTO enrolments VALUES (?)", (digest,))

    def set_tries(self, device: bytes, tries: int, not_before: int) -> None:
        self._connection.execute(
            "UPDATE shares SET tries = ?, not_before = ? WHERE device = ?", (tries, not_before, device)
        )

    def bury(self, device: bytes, *, ordered: bool) -> None:
        """Delete the device's row, and remember who may ask for it."""
        self._connection.execute(_BURY, {"device": device, "ordered": int(ordered)})
        self._connection.execute("DELETE FROM shares WHERE device = ?", (device,))

    def set_wrapped(self, wrapped: Sequence[tuple[bytes, bytes]]) -> None:
        """Of so many devices. One statement: at each the driver lets go of the interpreter, and a busy event
        loop gives it back late."""
        places = ", ".join(["(?, ?)"] * len(wrapped))
        self._connection.execute(
            f"WITH new (device, wrapped) AS (VALUES {places}) "  # noqa: S608 - question marks alone
            "UPDATE shares SET wrapped = new.wrapped FROM new WHERE shares.device = new.device",
            [value for pair in wrapped for value in pair],
        )

    def set_epoch(self, epoch: bytes) -> None:
        self._connection.execute("UPDATE meta SET epoch = ?", (epoch,))

    def empty_log(self) -> None:
        """Bring everything into the database file, durably, and cut the log to nothing."""
        with _typed():
            busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise error("storage.locked", "Another program reads the share store; end it.")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise


def read_status(path: Path) -> Status:
    """Of a store that may be in use. Raises StorageFailure."""
    with _typed():
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            connection.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
            devices = connection.execute("SELECT count(*) FROM shares").fetchone()[0]
            return Status(devices, connection.execute("SELECT changed_at FROM meta").fetchone()[0])
        finally:
            connection.close()


@contextmanager
def _typed() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.Error as problem:
        raise disk.disk_failure(problem) from None
