"""A profile: a folder with the encrypted store, its key, a lock and files under way.

The key lies beside the store, readable by its owner alone: whoever has the folder has the profile, until
unlocking with a PIN and the relay's share takes its place (docs/security.md).
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chappe.client.store import KEY_BYTES, Store, new_key
from chappe.wire.errors import error

_STORE: Final = "phone.db"
_KEY: Final = "key"
_LOCK: Final = "lock"
_SPOOL: Final = "spool"


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
        for name in (_KEY, _STORE, f"{_STORE}-wal", f"{_STORE}-shm"):
            (self.home / name).unlink(missing_ok=True)
        shutil.rmtree(self.spool, ignore_errors=True)
        self.close()
        (self.home / _LOCK).unlink(missing_ok=True)


def exists(home: Path) -> bool:
    return (home / _STORE).exists()


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
        (home / _SPOOL).mkdir(exist_ok=True, mode=0o700)
        key = new_key()
        # SQLite gives its side files the rights of the database.
        open(home / _STORE, "xb", opener=private).close()
        _write_key(home / _KEY, key)
        return Profile(home, Store.create(home / _STORE, key), lock)
    except OSError as problem:
        os.close(lock)
        raise os_failure(problem) from None


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
    full = problem.errno in (errno.ENOSPC, errno.EDQUOT)
    return error("storage.full" if full else "storage.failed")
