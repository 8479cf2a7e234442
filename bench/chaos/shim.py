"""The disk between a relay and its files (disk.c): compiled on first use, told what to do, listened to."""

from __future__ import annotations

import mmap
import shutil
import struct
import subprocess
import time
from pathlib import Path
from typing import Final

from chappe.wire.errors import error

SOURCE: Final = Path(__file__).with_name("disk.c")
WRITES: Final = 1
SYNCS: Final = 2
SIZES: Final = 4
NAMES: Final = 8
ALL: Final = WRITES | SYNCS | SIZES | NAMES
FOR_GOOD: Final = 2**63
_PAGE: Final = 4_096
_WORD: Final = struct.Struct("<Q")


def compiled(folder: Path) -> Path:
    """The library, in `folder`. Raises usage.invalid where there is no compiler."""
    library = folder / "disk.so"
    if not library.exists():
        compiler = shutil.which("cc") or shutil.which("gcc")
        if compiler is None:
            raise error("usage.invalid", "A C compiler is needed: install gcc and libc6-dev.")
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(SOURCE), "-ldl", "-lpthread"]
        subprocess.run(command, check=True)
    return library


class Disk:
    """One process's disk. `environment`: what the process is to be started with."""

    def __init__(self, folder: Path, root: Path, library: Path) -> None:
        """`folder`: for the log and the page of numbers; `root`: what is on the disk."""
        self.log = folder / "disk.log"
        page = folder / "disk.control"
        page.write_bytes(bytes(_PAGE))
        with page.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _PAGE)
        self.environment = {
            "LD_PRELOAD": str(library),
            "CHAOS_DISK_ROOT": str(root),
            "CHAOS_DISK_LOG": str(self.log),
            "CHAOS_DISK_CONTROL": str(page),
        }

    def begin(self, kinds: int = ALL) -> None:
        """A new log, and nothing fails; operations of these kinds are counted from 0."""
        self.log.unlink(missing_ok=True)
        self._page[:] = bytes(_PAGE)
        self._set(4, kinds)

    def fail(self, number: int, why: int, kinds: int, *, times: int = 1) -> None:
        """The operation of that number fails with errno `why`, and the next `times` - 1. Counted from now."""
        self._set(1, 0)
        self._set(0, 0)
        self._set(4, kinds)
        self._set(3, why)
        self._set(2, number + times - 1)
        self._set(1, number)

    def end_in(self, operations: int) -> None:
        """The power goes, and the process ends, before the operation that comes after so many more."""
        self._set(6, self.count + operations)

    def fails_within(self, seconds: float) -> bool:
        """Wait until an operation has failed, so long at the most."""
        until = time.monotonic() + seconds
        while not self.failed and time.monotonic() < until:
            time.sleep(0.002)
        return self.failed > 0

    def heal(self) -> None:
        self._set(1, 0)

    @property
    def count(self) -> int:
        """Operations so far."""
        return self._get(0)

    @property
    def failed(self) -> int:
        return self._get(5)

    def _set(self, word: int, value: int) -> None:
        _WORD.pack_into(self._page, 8 * word, value)

    def _get(self, word: int) -> int:
        return int(_WORD.unpack_from(self._page, 8 * word)[0])
