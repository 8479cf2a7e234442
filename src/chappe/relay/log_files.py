"""The transparency log as plain files (C2SP tlog-tiles): `checkpoint` and `tile/…` in a folder of their own.

Whoever copies the folder can serve the log. A file is there whole or not at all, and what is named by a
checkpoint is durable before the checkpoint is.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from chappe.tlog.merkle import HASH_SIZE
from chappe.tlog.tiles import WIDTH, Tile, bundle_bytes, bundle_entries
from chappe.wire.durable import sync_folder

CHECKPOINT: Final = "checkpoint"
Step = Callable[[str], None]


class LogFiles:
    """`step` is told before each thing that a crash may cut off; a test dies there. All raise OSError."""

    def __init__(self, folder: Path, step: Step = lambda name: None, own: str = "") -> None:
        """`own`: of this process, where others write to the folder as well; the same files, and yet not in
        each other's way."""
        self.folder = folder
        self._beside = f".{own}.new" if own else ".new"
        self._step = step

    def checkpoint(self) -> bytes | None:
        """The signed note, if there is one."""
        try:
            return (self.folder / CHECKPOINT).read_bytes()
        except FileNotFoundError:
            return None

    def write_checkpoint(self, note: bytes) -> None:
        """Durable when it returns."""
        self._write({self.folder / CHECKPOINT: note})

    def write_tiles(self, tiles: Iterable[tuple[Tile, bytes]]) -> None:
        """Durable when it returns. With a full tile the partial ones that led to it go."""
        files = dict(tiles)
        self._write({self.folder / tile.path: data for tile, data in files.items()})
        for tile in files:
            if tile.width == WIDTH:
                self._drop_partial(tile)

    def has(self, tile: Tile) -> bool:
        return (self.folder / tile.path).exists()

    def read(self, tile: Tile) -> bytes:
        """A tile, or the beginning of a full one where a partial one was asked that is gone. Raises
        FileNotFoundError."""
        try:
            return (self.folder / tile.path).read_bytes()
        except FileNotFoundError:
            if tile.width == WIDTH:
                raise
        whole = Tile(tile.level, tile.index)
        data = (self.folder / whole.path).read_bytes()
        if tile.level is not None:
            return data[: tile.width * HASH_SIZE]
        return bundle_bytes(bundle_entries(whole, data)[: tile.width])

    def _write(self, files: dict[Path, bytes]) -> None:
        """All beside first, then all in their places, then the places."""
        folders: dict[Path, None] = {}
        for path, data in files.items():
            _make_folders(self.folder, path.parent)
            folders[path.parent] = None
            beside = self._next_to(path)
            descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
            with open(descriptor, "wb") as file:
                file.write(data)
                self._step(f"sync {path.name}")
                file.flush()
                os.fsync(file.fileno())
        for path in files:
            self._step(f"rename {path.name}")
            self._next_to(path).replace(path)
        for folder in folders:
            self._step(f"sync folder {folder.name}")
            sync_folder(folder)

    def _next_to(self, path: Path) -> Path:
        return path.with_name(path.name + self._beside)

    def _drop_partial(self, tile: Tile) -> None:
        """They only save room: one that a crash leaves does no harm."""
        folder = self.folder / f"{tile.path}.p"
        with suppress(FileNotFoundError):
            for path in folder.iterdir():
                self._step("drop")
                path.unlink()
            folder.rmdir()


def _make_folders(root: Path, folder: Path) -> None:
    """`folder`, with all between, each durable in the one above."""
    if folder.is_dir():
        return
    if folder != root:
        _make_folders(root, folder.parent)
    folder.mkdir(mode=0o755, exist_ok=True)
    sync_folder(folder.parent)
