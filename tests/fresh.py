"""New databases in a millisecond: copies of one that was made by the real migrations, once in a process.

Every relay and every desk of a test begins with an empty database of the newest schema, and making it takes
a tenth of a second of processor. After `install`, a file that is not there yet is written as it was made the
first time; whatever is there is brought up to date as always. CHAPPE_TEST_FRESH=0 makes each anew.
"""

from __future__ import annotations

import os
import tempfile
from functools import cache
from pathlib import Path

from chappe.desk import migrations as desk
from chappe.relay import migrations as relay
from chappe.wire import migrating

_make = migrating._migrate


def install() -> None:
    """For this process, and those that are forked off it."""
    if os.environ.get("CHAPPE_TEST_FRESH") != "0" and not os.environ.get("LD_PRELOAD"):
        migrating._migrate = _migrate


def prepare() -> None:
    """Make both now, for those that will be forked off."""
    if migrating._migrate is _migrate:
        _made(relay.FOLDER)
        _made(Path(desk.__file__).parent)


def _migrate(path: Path, history: Path) -> None:
    if path.exists():
        _make(path, history)
        return
    content, mode = _made(history)
    # Whole or not at all, and on the disk before anybody is told, as SQLite does it.
    beside = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    try:
        os.write(descriptor, content)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.rename(path)


@cache
def _made(history: Path) -> tuple[bytes, int]:
    """A database as the migrations make it: its bytes, and the file's mode."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "new.db"
        _make(path, history)
        assert not path.with_name("new.db-wal").exists(), "something is not in the file yet"
        return path.read_bytes(), path.stat().st_mode & 0o777
