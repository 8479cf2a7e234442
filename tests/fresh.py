"""What every test begins with, made once in a process: new databases, and the desk's application.

An empty database of the newest schema takes a tenth of a second of processor. After `install`, a file that is
not there yet is written as the real migrations made it the first time; whatever is there is brought up to
date as always. The desk's application, eighty routes that FastAPI looks through one by one, takes longer
still: it is made for a place that desks take in turn, and a desk that is gone leaves it to the next one.
CHAPPE_TEST_FRESH=0 makes each anew.
"""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI

from chappe.desk import api
from chappe.desk import migrations as desk
from chappe.desk.desk import Desk
from chappe.relay import migrations as relay
from chappe.wire import migrating

_make = migrating._migrate


def install() -> None:
    """For this process, and those that are forked off it."""
    if os.environ.get("CHAPPE_TEST_FRESH") != "0" and not os.environ.get("LD_PRELOAD"):
        migrating._migrate = _migrate
        api._make = _application


def prepare() -> None:
    """Make both now, for those that will be forked off."""
    if migrating._migrate is _migrate:
        _made(relay.FOLDER)
        _made(Path(desk.__file__).parent)
        _places.append(_Place())


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


# --- the desk's application


class _StandIn:
    """Stands for what `find` gives when it is used."""

    def __init__(self, find: Callable[[], Any]) -> None:
        self.__dict__["_find"] = find

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_find"](), name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self.__dict__["_find"](), name, value)


class _DeskToBe(_StandIn):
    @property
    def database(self) -> Any:
        """Routes keep it when they are made."""
        return _StandIn(lambda: self.__dict__["_find"]().database)


class _Place:
    """An application, and who stands behind it."""

    def __init__(self) -> None:
        self._desk: Callable[[], Desk | None] = lambda: None
        self._application = _assemble(cast(Desk, _DeskToBe(lambda: self._desk())))

    @property
    def is_free(self) -> bool:
        return self._desk() is None

    def take(self, desk: Desk) -> FastAPI:
        self._desk = weakref.ref(desk)
        return self._application


_assemble = api._make
_places: list[_Place] = []


def _application(desk: Desk) -> FastAPI:
    place = next((one for one in _places if one.is_free), None)
    if place is None:
        place = _Place()
        _places.append(place)
    return place.take(desk)
