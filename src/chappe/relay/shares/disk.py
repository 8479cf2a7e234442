"""Small files that must be there whole, and the errors of the disk as ours."""

from __future__ import annotations

import errno
import os
import sqlite3
from pathlib import Path
from typing import Final

from chappe.wire.durable import sync_folder
from chappe.wire.errors import ChappeError, error

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_UNWRITABLE: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.EISDIR}
)
_UNWRITABLE_NAMES: Final = frozenset({"SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_READONLY_DIRECTORY"})


def disk_failure(problem: OSError | sqlite3.Error) -> ChappeError:
    """storage.full where there is no room, storage.unwritable where there is no right, or storage.failed."""
    if isinstance(problem, sqlite3.Error):
        name = getattr(problem, "sqlite_errorname", "") or ""
        if name in _UNWRITABLE_NAMES:
            return error("storage.unwritable")
        return error("storage.full" if name == "SQLITE_FULL" else "storage.failed")
    if problem.errno in _UNWRITABLE:
        return error("storage.unwritable")
    return error("storage.full" if problem.errno in _FULL else "storage.failed")


def make_folder(folder: Path) -> None:
    """Readable by its owner alone. Raises StorageFailure."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.chmod(folder, 0o700)
    except OSError as problem:
        raise disk_failure(problem) from None


def create(path: Path, data: bytes | bytearray) -> None:
    """Write beside, sync, rename, sync: there whole or not at all, for its owner alone. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        _write_all(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(path)
    sync_folder(path.parent)


def overwrite(path: Path, offset: int, data: bytes | bytearray) -> None:
    """Write into a file that is there, where it is, and sync. Takes no new room. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        _write_all(descriptor, data, offset)
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def read_into(path: Path, buffer: bytearray) -> int:
    """Fill the buffer from the file's start, without a copy; gives the bytes read. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.readv(descriptor, [buffer])
    finally:
        os.close(descriptor)


def _write_all(descriptor: int, data: bytes | bytearray, offset: int) -> None:
    with memoryview(data) as view:
        done = 0
        while done < len(view):
            done += os.pwrite(descriptor, view[done:], offset + done)
