"""Small files that must be whole, private, and gone when they are gone."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path
from typing import Final

from chappe.wire.durable import sync_folder
from chappe.wire.errors import error

MAX_BYTES: Final = 64 * 1024
_PIECE: Final = 1024 * 1024
_NO_SUCH_PLACE: Final = frozenset(
    {
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.EISDIR,
        errno.EEXIST,
        errno.ENAMETOOLONG,
    }
)


def private(path: str, flags: int) -> int:
    """An `opener` for files that nobody else on this machine may read."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def os_failure(problem: OSError) -> Exception:
    """The typed error for what the file system said."""
    if problem.errno in (errno.ENOSPC, errno.EDQUOT):
        return error("storage.full")
    if problem.errno in _NO_SUCH_PLACE:
        return error("storage.unwritable", "Nothing can be kept there; check the folder's path and rights.")
    return error("storage.failed")


def read(path: Path) -> bytes | None:
    """All of a small file; None where there is none. Raises storage.failed."""
    try:
        with open(path, "rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise os_failure(problem) from None
    if len(data) > MAX_BYTES:
        raise error("storage.failed", f"The profile's file {path.name!r} is damaged.")
    return data


def write(path: Path, data: bytes) -> None:
    """The whole file or the old one, durably; what the old one held is overwritten.

    Raises storage.full, storage.failed.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        with open(new, "xb", opener=private) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        move(new, path)
    except OSError as problem:
        raise os_failure(problem) from None


def move(source: Path, target: Path) -> None:
    """Rename, durably; the content that the target's name had is overwritten after. Raises OSError."""
    old = _open_old(target)
    try:
        os.replace(source, target)
        sync_folder(target.parent)
        if old is not None:
            _overwrite(old)
    finally:
        if old is not None:
            os.close(old)


def erase(path: Path) -> None:
    """Overwrite and remove; a kill in between leaves `NAME.gone`, never half a file under its own name.

    A file system or flash that keeps old pages may still have them. Raises storage.failed.
    """
    gone = path.with_name(f"{path.name}.gone")
    try:
        with contextlib.suppress(FileNotFoundError):
            os.replace(path, gone)
        old = _open_old(gone)
        if old is not None:
            try:
                sync_folder(path.parent)
                _overwrite(old)
            finally:
                os.close(old)
            os.unlink(gone)
            sync_folder(path.parent)
    except OSError as problem:
        raise os_failure(problem) from None


def _open_old(path: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError):
        return os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    return None


def _overwrite(descriptor: int) -> None:
    length = os.fstat(descriptor).st_size
    for start in range(0, length, _PIECE):
        os.pwrite(descriptor, bytes(min(_PIECE, length - start)), start)
    os.fsync(descriptor)
