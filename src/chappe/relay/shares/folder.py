"""The folder of the share service: what is in it, made whole or refused, and held by one process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final

from chappe.relay.shares import disk
from chappe.relay.shares.epoch import EpochFile
from chappe.relay.shares.head import Head, rolled_back
from chappe.wire.errors import error
from chappe.wire.unlock import PRIVATE_KEY_BYTES, ServiceKey

DATABASE: Final = "shares.db"
EPOCH: Final = "epoch"
KEY: Final = "service.key"
HEAD: Final = "head"
RESERVE: Final = "reserve"
LOCK: Final = "lock"


def prepare(folder: Path) -> bytes:
    """Make what a new folder needs, the database last; gives the service's private key.

    Raises OSError, shares.rolled_back where a part is missing that was there once.
    """
    key, head, epoch = folder / KEY, folder / HEAD, folder / EPOCH
    if not key.exists():
        if head.exists() or (folder / DATABASE).exists():
            raise rolled_back()
        disk.create(key, ServiceKey.generate().private)
    private = key.read_bytes()
    if len(private) != PRIVATE_KEY_BYTES:
        raise rolled_back()
    if not head.exists():
        if (folder / DATABASE).exists():
            raise rolled_back()
        EpochFile.create(epoch)
        Head.create(head, private)
    return private


def lock_folder(folder: Path) -> int:
    """Hold the folder until the descriptor is closed. Raises storage.locked, storage.*."""
    disk.make_folder(folder)
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise disk.disk_failure(problem) from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise error("storage.locked", "Another process runs this share service; stop it first.") from None
    return descriptor
