"""Files copied with their digest, durably, for their owner alone; and a SQLite database copied while it is
written to. All raise OSError or sqlite3.Error."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from chappe.relay.backup.manifest import Part
from chappe.wire.sqlite import BUSY_MILLISECONDS

PIECE: Final = 1024 * 1024


def copy_file(source: Path, target: Path, name: str) -> Part:
    """What is there at the beginning of the copy; the file may grow meanwhile. `target` must not be there."""
    _make_folder(target.parent)
    made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with source.open("rb") as file, os.fdopen(made, "wb") as copy:
        left = os.fstat(file.fileno()).st_size
        digest, size = hashlib.sha256(), 0
        while left and (piece := file.read(min(PIECE, left))):
            digest.update(piece)
            copy.write(piece)
            left -= len(piece)
            size += len(piece)
        copy.flush()
        os.fsync(copy.fileno())
    return Part(name, size, digest.hexdigest())


def write_file(data: bytes, target: Path, name: str) -> Part:
    _make_folder(target.parent)
    made = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(made, "wb") as copy:
        copy.write(data)
        copy.flush()
        os.fsync(copy.fileno())
    return Part(name, len(data), hashlib.sha256(data).hexdigest())


def part_of(path: Path, name: str) -> Part:
    """What a file is now."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
    return Part(name, size, digest.hexdigest())


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def copy_database(source: Path, target: Path, name: str) -> tuple[Part, str]:
    """One moment of a database that others may write to, by SQLite's online backup, as one file. Gives its
    revision as well.

    In one step: a copy in pieces would begin anew with every commit of another process. Writers go on, for
    the copy reads the database as it was (WAL).
    """
    _make_folder(target.parent)
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target, isolation_level=None)) as new,
    ):
        old.execute(f"PRAGMA busy_timeout={BUSY_MILLISECONDS}")
        new.execute("PRAGMA synchronous=FULL")
        old.backup(new)
        new.execute("PRAGMA journal_mode=DELETE")
        revision = new.execute("SELECT version_num FROM alembic_version").fetchone()
    sync_file(target)
    return part_of(target, name), str(revision[0]) if revision else ""


def check_database(path: Path) -> None:
    """Raises sqlite3.Error for a file that is not a whole database. Nothing is written beside it."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        (said,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    if said != "ok":
        raise sqlite3.DatabaseError("the integrity check failed")


def _make_folder(folder: Path) -> None:
    """With all above it, each for its owner alone."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
