"""What is on the disk after a loss of power, from the log of disk.c.

A write is durable once an fsync of its file that began after it has ended well; a name, once one of its
folder has. Of all else some is kept, as a disk may write in any order and stop anywhere: sectors of 512
bytes or pages of 4,096 each by a throw of the dice, or the first so many writes, or nothing, or everything;
of names that were not synced, a folder's first so many. After an fsync that failed, what it was for is in
the same state and no later fsync brings it back: the system forgets that those pages were dirty.
"""

from __future__ import annotations

import os
import random
import shutil
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

SECTOR: Final = 512
PAGE: Final = 4_096
Way: TypeAlias = Literal["nothing", "sectors", "pages", "first", "everything"]
WAYS: Final[tuple[Way, ...]] = ("nothing", "sectors", "pages", "first", "everything")
_HEAD: Final = struct.Struct("<IIQQQ")


@dataclass(slots=True)
class _File:
    """`pending`: (place, bytes) of a write, or (size, None) of a change of size, not durable yet."""

    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    settled: int = 0
    """How many left `pending` in all, at its beginning."""

    def settle(self, upto: int) -> None:
        """The first `upto` ever are durable."""
        count = max(0, upto - self.settled)
        for place, data in self.pending[:count]:
            self._apply(place, data)
        self._drop(count)

    def throw(self, upto: int, chance: random.Random, way: Way) -> None:
        """Of the first `upto` ever some are on the disk, and the rest nowhere."""
        count = max(0, upto - self.settled)
        doubtful = self.pending[:count]
        first = chance.randint(0, len(doubtful))
        for number, (place, data) in enumerate(doubtful):
            if way == "everything" or (way == "first" and number < first):
                self._apply(place, data)
            elif way in ("sectors", "pages"):
                if data is not None:
                    self._tear(place, data, chance, SECTOR if way == "sectors" else PAGE)
                elif number < first:
                    self._apply(place, None)
        self._drop(count)

    def _drop(self, count: int) -> None:
        del self.pending[:count]
        self.settled += count

    def _apply(self, place: int, data: bytes | None) -> None:
        end = place if data is None else place + len(data)
        if len(self.durable) < end:
            self.durable.extend(bytes(end - len(self.durable)))
        if data is None:
            del self.durable[place:]
        else:
            self.durable[place:end] = data

    def _tear(self, place: int, data: bytes, chance: random.Random, unit: int) -> None:
        at = place
        while at < place + len(data):
            end = min((at // unit + 1) * unit, place + len(data))
            if chance.random() < 0.5:
                self._apply(at, data[at - place : end - place])
            at = end


@dataclass(slots=True)
class _Folder:
    """`names`: durable ones. `pending`: (what goes, what comes, of which node)."""

    names: dict[str, _Node] = field(default_factory=dict)
    pending: list[tuple[str | None, str | None, _Node | None]] = field(default_factory=list)
    settled: int = 0

    def settle(self, upto: int) -> None:
        count = max(0, upto - self.settled)
        for gone, come, node in self.pending[:count]:
            if gone is not None:
                self.names.pop(gone, None)
            if come is not None and node is not None:
                self.names[come] = node
        del self.pending[:count]
        self.settled += count

    def throw(self, upto: int, chance: random.Random, way: Way) -> None:
        count = max(0, upto - self.settled)
        kept = count if way == "everything" else 0 if way == "nothing" else chance.randint(0, count)
        self.settle(self.settled + kept)
        del self.pending[: count - kept]
        self.settled += count - kept


_Node: TypeAlias = _File | _Folder


@dataclass(frozen=True, slots=True)
class Loss:
    """What a loss of power took: writes and names that were not durable when it came."""

    way: Way
    writes: int
    names: int


class Platter:
    """The disk of one session: made of what is there before, then told what the process did."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._nodes: dict[int, _Node] = {}
        self._paths: dict[str, _Node] = {}
        """As the process sees them."""
        self._top = _Folder()
        self._syncs: dict[int, tuple[_Node, int]] = {}
        self._scan(root, self._top)

    def _scan(self, path: Path, folder: _Folder) -> None:
        self._paths[str(path)] = folder
        self._nodes[path.stat().st_ino] = folder
        for entry in os.scandir(path):
            if entry.name.endswith("-shm"):
                continue
            node: _Node
            if entry.is_dir():
                node = _Folder()
                self._scan(Path(entry.path), node)
            else:
                node = _File(bytearray(Path(entry.path).read_bytes()))
                self._nodes[entry.inode()] = node
                self._paths[entry.path] = node
            folder.names[entry.name] = node

    def replay(self, log: Path, chance: random.Random) -> None:
        """`chance`: for what becomes of that for which an fsync failed."""
        for kind, path, number, offset, data in _records(log):
            if kind == "W":
                self._file(number).pending.append((offset, data))
            elif kind == "T":
                self._file(number).pending.append((offset, None))
            elif kind in "OM":
                node: _Node = _File() if kind == "O" else _Folder()
                self._nodes[number] = self._paths[path] = node
                self._note(path, None, Path(path).name, node)
            elif kind == "U":
                del self._paths[path]
                self._note(path, Path(path).name, None, None)
            elif kind == "R":
                self._rename(*path.split("\0"))
            else:
                self._sync(kind, number, offset, chance)

    def _file(self, number: int) -> _File:
        node = self._nodes[number]
        assert isinstance(node, _File)
        return node

    def _rename(self, old: str, new: str) -> None:
        assert Path(old).parent == Path(new).parent, "all renames are within a folder"
        node = self._paths[new] = self._paths.pop(old)
        self._note(new, Path(old).name, Path(new).name, node)

    def _note(self, path: str, gone: str | None, come: str | None, node: _Node | None) -> None:
        folder = self._paths[str(Path(path).parent)]
        assert isinstance(folder, _Folder)
        folder.pending.append((gone, come, node))

    def _sync(self, kind: str, number: int, serial: int, chance: random.Random) -> None:
        if kind == "S":
            node = self._nodes[number]
            self._syncs[serial] = (node, node.settled + len(node.pending))
            return
        node, upto = self._syncs.pop(serial)
        if kind == "E":
            node.settle(upto)
        else:
            node.throw(upto, chance, chance.choice(WAYS))

    def lose_power(self, chance: random.Random, way: Way) -> Loss:
        """Write what is on the disk now into the folder, in place of what is there."""
        nodes = {id(node): node for node in (*self._nodes.values(), *self._paths.values())}.values()
        writes = sum(len(node.pending) for node in nodes if isinstance(node, _File))
        names = sum(len(node.pending) for node in nodes if isinstance(node, _Folder))
        shutil.rmtree(self._root)
        self._put(self._top, self._root, chance, way)
        return Loss(way, writes, names)

    def _put(self, folder: _Folder, path: Path, chance: random.Random, way: Way) -> None:
        folder.throw(folder.settled + len(folder.pending), chance, way)
        path.mkdir(mode=0o700)
        for name, node in sorted(folder.names.items()):
            if isinstance(node, _Folder):
                self._put(node, path / name, chance, way)
            else:
                node.throw(node.settled + len(node.pending), chance, way)
                descriptor = os.open(path / name, os.O_WRONLY | os.O_CREAT, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(node.durable)


def _records(log: Path) -> Iterator[tuple[str, str, int, int, bytes]]:
    """(kind, path, node, offset, data). The last may be cut off: it never took effect for anybody."""
    if not log.exists():
        return
    whole = log.read_bytes()
    at = 0
    while at + _HEAD.size <= len(whole):
        kind, path_length, node, offset, length = _HEAD.unpack_from(whole, at)
        at += _HEAD.size
        if at + path_length + length > len(whole):
            return
        path = whole[at : at + path_length].decode()
        at += path_length
        yield chr(kind), path, node, offset, whole[at : at + length]
        at += length
