"""Room on the disk that is kept for destroying, which must work when everything else does not."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from chappe.wire.durable import sync_folder

PAGE_BYTES: Final = 4_096
_FRAME_BYTES: Final = PAGE_BYTES + 24
_INDEX_BYTES: Final = 32 * 1024
"""What SQLite's index of its log takes, for each 4,096 frames."""
_LEAST_PAGES: Final = 16


def needed(pages: int) -> int:
    """Bytes that changing the epoch key may write, for a database of so many pages: each page once into the
    log, some of them twice, the log's index, and a few pages that the database grows by."""
    frames = (pages + _LEAST_PAGES) * 5 // 4
    return frames * _FRAME_BYTES + (frames // 4_096 + 1) * _INDEX_BYTES + _LEAST_PAGES * PAGE_BYTES


class Reserve:
    """A file of zeros whose blocks are taken from the disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def hold(self, size: int) -> None:
        """Have at least `size` bytes, for sure. Raises OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if os.fstat(descriptor).st_size < size:
                # What was taken stays taken where not all of it fits: it may be enough.
                os.posix_fallocate(descriptor, 0, size)
                os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def give_up(self) -> None:
        """Give the room back to the disk, now. Raises OSError."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, 0)
            # Many file systems free blocks only with the next commit of their own log.
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        sync_folder(self._path.parent)
