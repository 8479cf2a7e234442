"""A profile: a folder with the encrypted store, its key, a lock and files under way.

Without a PIN the key lies beside the store, readable by its owner alone: whoever has the folder has the
profile. With one it is wrapped (`chappe.vault.files`), and who opens the profile brings it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from chappe.vault import disk, erasing, files, keeping
from chappe.vault.disk import os_failure, private
from chappe.vault.offline import Clock
from chappe.vault.store import KEY_BYTES, Store, new_key
from chappe.wire.durable import sync_folder
from chappe.wire.errors import Refused, error
from chappe.wire.wiping import wipe

_STORE: Final = erasing.STORE
_KEY: Final = keeping.PLAIN_KEY
_NEW_KEY: Final = "key.new"
"""The key's name until the store is made, and again while a profile is taken away: a kill leaves no half."""
_LOCK: Final = "lock"
_SPOOL: Final = erasing.SPOOL


@dataclass(slots=True)
class Profile:
    """An open profile; nobody else has it open. `key` opens the store, and is overwritten at the end."""

    home: Path
    store: Store
    _lock: int
    key: bytearray = field(repr=False)

    @property
    def has_pin(self) -> bool:
        return files.has_pin(self.home)

    @property
    def spool(self) -> Path:
        """Where encrypted files wait to be sent, and received ones to be whole."""
        return self.home / _SPOOL

    def close(self) -> None:
        """Also where a close before was broken off."""
        self.store.close()
        wipe(self.key)
        lock, self._lock = self._lock, -1
        # Its number may be another file's by now.
        if lock >= 0:
            os.close(lock)

    def erase(self, plan: erasing.Plan, sign: erasing.Sign) -> erasing.Tombstone:
        """By an order that `erasing.begin` has begun: all of it goes, but the tombstone."""
        # Whatever the driver says of a file that is gone: the next lines take all of them away.
        with contextlib.suppress(Exception):
            self.store.close()
        wipe(self.key)
        try:
            return erasing.finish(self.home, plan, sign)
        finally:
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


def check_there(home: Path) -> None:
    """Raises storage.missing; device.erased where one was, and an order took it away. An erasing that a kill
    cut off is finished first."""
    finish_erasing(home)
    if not exists(home):
        erasing.check(home)
        raise error("storage.missing")


def finish_erasing(home: Path) -> None:
    """Go on with an erasing that a kill cut off. Raises storage.locked, storage.failed."""
    if not erasing.is_cut_off(home):
        return
    try:
        lock = _take_lock(home)
    except OSError as problem:
        raise os_failure(problem) from None
    try:
        erasing.resume(home)
    finally:
        os.close(lock)


def _is_half(home: Path) -> bool:
    """Whether the making, or the taking away, of a profile was cut off."""
    return (home / _NEW_KEY).exists() and not (home / _KEY).exists()


def _clear(home: Path) -> None:
    """Take away a store whose key is called new; that key goes last."""
    _clear_vault(home)
    for name in (_STORE, f"{_STORE}-wal", f"{_STORE}-shm"):
        (home / name).unlink(missing_ok=True)
    shutil.rmtree(home / _SPOOL, ignore_errors=True)
    disk.erase(home / _NEW_KEY)


def _clear_vault(home: Path) -> None:
    """No vault of a profile that was there before is ever taken for the new one's."""
    for name in files.NAMES:
        disk.erase(home / name)


def create(home: Path) -> Profile:
    """Make a profile. Raises storage.exists, storage.locked, storage.failed, storage.full."""
    try:
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        finish_erasing(home)
        lock = _take_lock(home)
    except OSError as problem:
        raise os_failure(problem) from None
    if exists(home):
        os.close(lock)
        raise error("storage.exists")
    try:
        store, key = _make_store(home)
        return Profile(home, store, lock, bytearray(key))
    except OSError as problem:
        os.close(lock)
        raise os_failure(problem) from None
    except BaseException:
        os.close(lock)
        raise


def _make_store(home: Path) -> tuple[Store, bytes]:
    """A store and its key. What was cut off before is taken away; the key gets its name last."""
    if _is_half(home):
        _clear(home)
    _clear_vault(home)
    (home / _SPOOL).mkdir(exist_ok=True, mode=0o700)
    key = new_key()
    _write_key(home / _NEW_KEY, key)
    # SQLite gives its side files the rights of the database.
    open(home / _STORE, "xb", opener=private).close()
    store = Store.create(home / _STORE, key)
    os.replace(home / _NEW_KEY, home / _KEY)
    sync_folder(home)
    erasing.forget(home)
    return store, key


def open_profile(home: Path, key: bytes | bytearray | None = None) -> Profile:
    """With the vault key where the profile has a PIN; without, as it lies there.

    Raises storage.missing, storage.locked, storage.wrong_key, storage.failed, device.erased; vault.locked for
    a profile with a PIN and no key.
    """
    with held(home) as lock:
        _expire_offline(home)
        opened = bytearray(_plain_key(home) if key is None else key)
        (home / _SPOOL).mkdir(exist_ok=True, mode=0o700)
        return Profile(home, Store.open(home / _STORE, opened), os.dup(lock), opened)


def _expire_offline(home: Path) -> None:
    """Destroy an offline copy whose time is over. A clock turned back is told to who unlocks with it."""
    with contextlib.suppress(Refused):
        keeping.look_offline(home, Clock.now())


@contextmanager
def held(home: Path) -> Iterator[int]:
    """Nobody else works on the profile's files, and what a kill cut off there is finished.

    Raises storage.missing, storage.locked, storage.failed, device.erased.
    """
    check_there(home)
    try:
        lock = _take_lock(home)
    except OSError as problem:
        raise os_failure(problem) from None
    try:
        keeping.tidy(home)
        yield lock
    finally:
        os.close(lock)


def _plain_key(home: Path) -> bytes:
    if files.has_pin(home):
        raise error("vault.locked")
    return _read_key(home / _KEY)


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
