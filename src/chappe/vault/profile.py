"""A profile: a folder with the encrypted store, its key, a lock and files under way.

The key lies beside the store, readable by its owner alone: whoever has the folder has the profile, until
unlocking with a PIN and the relay's share takes its place (docs/security.md).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chappe.vault.store import KEY_BYTES, Store, new_key
from chappe.wire.errors import error

_STORE: Final = "phone.db"
_KEY: Final = "key"
_NEW_KEY: Final = "key.new"
"""The key's name until the store is made, and again while a profile is taken away: a kill leaves no half."""
_LOCK: Final = "lock"
_SPOOL: Final = "spool"
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


@dataclass(slots=True)
class Profile:
    """An open profile; nobody else has it open."""

    home: Path
    store: Store
    _lock: int

    @property
    def spool(self) -> Path:
        """Where encrypted files wait to be sent, and received ones to be whole."""
        return self.home / _SPOOL

    def close(self) -> None:
        self.store.close()
        os.close(self._lock)

    def destroy(self) -> None:
        """Take everything away that `create` made."""
        with contextlib.suppress(FileNotFoundError):
            os.replace(self.home / _KEY, self.home / _NEW_KEY)
        _clear(self.home)
        self.close()
        (self.home / _LOCK).unlink(missing_ok=True)


def exists(home: Path) -> bool:
    """Whether a profile is there, whole. Raises storage.failed."""
    try:
        return (home / _STORE).exists() and not _is_half(home)
    except OSError as problem:
        raise os_failure(problem) from None


def _is_half(home: Path) -> bool:
    """Whether the making, or the taking away, of a profile was cut off."""
    return (home / _NEW_KEY).exists() and not (home / _KEY).exists()


def _clear(home: Path) -> None:
    """Take away a store whose key is called new; that key goes last."""
    for name in (_STORE, f"{_STORE}-wal", f"{_STORE}-shm"):
        (home / name).unlink(missing_ok=True)
    shutil.rmtree(home / _SPOOL, ignore_errors=True)
    (home / _NEW_KEY).unlink(missing_ok=True)


def create(home: Path) -> Profile:
    """Make a profile. Raises storage.exists, storage.locked, storage.failed, storage.full."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = _take_lock(home)
    except OSError as problem:
        raise os_failure(problem) from None
    if exists(home):
        os.close(lock)
        raise error("storage.exists")
    try:
        return Profile(home, _make_store(home), lock)
    except OSError as problem:
        os.close(lock)
        raise os_failure(problem) from None
    except BaseException:
        os.close(lock)
        raise


def _make_store(home: Path) -> Store:
    """A store and its key. What was cut off before is taken away; the key gets its name last."""
    if _is_half(home):
        _clear(home)
    (home / _SPOOL).mkdir(exist_ok=True, mode=0o700)
    key = new_key()
    _write_key(home / _NEW_KEY, key)
    # SQLite gives its side files the rights of the database.
    open(home / _STORE, "xb", opener=private).close()
    store = Store.create(home / _STORE, key)
    os.replace(home / _NEW_KEY, home / _KEY)
    _sync_folder(home)
    return store


def _sync_folder(folder: Path) -> None:
    """Names are durable too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_profile(home: Path) -> Profile:
    """Raises storage.missing, storage.locked, storage.wrong_key, storage.failed."""
    if not exists(home):
        raise error("storage.missing")
    try:
        lock = _take_lock(home)
    except OSError as problem:
        raise os_failure(problem) from None
    try:
        key = _read_key(home / _KEY)
        (home / _SPOOL).mkdir(exist_ok=True, mode=0o700)
        return Profile(home, Store.open(home / _STORE, key), lock)
    except BaseException:
        os.close(lock)
        raise


def _take_lock(home: Path) -> int:
    descriptor = os.open(home / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise error("storage.locked") from None
    return descriptor


def _read_key(path: Path) -> bytes:
    try:
        key = path.read_bytes()
    except FileNotFoundError:
        raise error("storage.wrong_key", "The profile's key is missing; it cannot be opened.") from None
    except OSError as problem:
        raise os_failure(problem) from None
    if len(key) != KEY_BYTES:
        raise error("storage.wrong_key")
    return key


def _write_key(path: Path, key: bytes) -> None:
    with open(path, "wb", opener=private) as file:
        file.write(key)
        file.flush()
        os.fsync(file.fileno())


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
