"""`chappe chaos power`, small, with its control; and that its disk forgets what a disk may forget."""

from __future__ import annotations

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from bench.chaos import power
from bench.chaos.base import Options
from bench.chaos.platter import Platter, Way
from bench.chaos.promises import Promises

from tests.bench.compiler import needs_compiler
from tests.relay.world import RelayProcess


@needs_compiler
@pytest.mark.slow
def test_a_loss_of_power_loses_nothing_and_the_control_does(tmp_path: Path) -> None:
    report = power.run(Options(seed=5, large=False, folder=tmp_path), losses=12, control=2)
    assert report.passed, report.as_text()
    assert report.trials == 12
    assert int(report.figures["losses_with_unsynced_writes"]) >= 3
    assert int(report.figures["other_promises_kept"]) > 0
    assert int(report.figures["control_lost_with_synchronous_normal"]) > 0


class Log:
    """As disk.c writes it."""

    def __init__(self, path: Path, root: Path) -> None:
        self.path, self.root = path, root
        self._serial = 0

    def _add(self, kind: str, path: str = "", node: int = 0, offset: int = 0, data: bytes = b"") -> None:
        head = struct.pack("<IIQQQ", ord(kind), len(path), node, offset, len(data))
        with self.path.open("ab") as file:
            file.write(head + path.encode() + data)

    def make(self, name: str, node: int) -> None:
        self._add("O", str(self.root / name), node)

    def write(self, node: int, offset: int, data: bytes) -> None:
        self._add("W", "", node, offset, data)

    def cut(self, node: int, size: int) -> None:
        self._add("T", "", node, size)

    def rename(self, old: str, new: str) -> None:
        self._add("R", f"{self.root / old}\0{self.root / new}")

    def remove(self, name: str) -> None:
        self._add("U", str(self.root / name))

    def sync(self, node: int, ended: str = "E") -> None:
        self._serial += 1
        self._add("S", "", node, self._serial)
        self._add(ended, "", node, self._serial)

    def begin_sync(self, node: int) -> Callable[[], None]:
        self._serial += 1
        serial = self._serial
        self._add("S", "", node, serial)
        return lambda: self._add("E", "", node, serial)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    root = tmp_path / "root"
    root.mkdir()
    (root / "a").write_bytes(bytes(4 * 512))
    return Log(tmp_path / "log", root)


def after(log: Log, way: Way, seed: int = 1) -> dict[str, bytes]:
    """What is on the disk once the power is back."""
    platter = Platter(log.root)
    platter.replay(log.path, random.Random(seed))
    platter.lose_power(random.Random(seed), way)
    return {path.name: path.read_bytes() for path in log.root.iterdir()}


def node_of(log: Log, name: str = "a") -> int:
    return (log.root / name).stat().st_ino


def test_what_was_synced_is_kept_and_what_was_not_is_dropped(log: Log) -> None:
    node = node_of(log)
    log.write(node, 0, b"kept")
    log.sync(node)
    log.write(node, 4, b"gone")
    log.cut(node, 0)
    assert after(log, "nothing") == {"a": b"kept" + bytes(4 * 512 - 4)}


def test_a_sync_is_for_what_was_written_before_it_began(log: Log) -> None:
    node = node_of(log)
    end = log.begin_sync(node)
    log.write(node, 0, b"late")
    end()
    assert after(log, "nothing") == {"a": bytes(4 * 512)}


def test_sectors_are_torn_apart(log: Log) -> None:
    log.write(node_of(log), 0, b"x" * 4 * 512)
    whole = after(log, "sectors", seed=3)["a"]
    sectors = {whole[at : at + 512] for at in range(0, len(whole), 512)}
    assert sectors == {b"x" * 512, bytes(512)}


def test_a_name_is_kept_when_its_folder_was_synced(log: Log) -> None:
    log.make("b", 1)
    log.write(1, 0, b"text")
    log.sync(1)
    assert set(after(log, "nothing")) == {"a"}
    log.sync(os.stat(log.root).st_ino)
    log.path.unlink()
    log.make("b", 1)
    log.write(1, 0, b"text")
    log.sync(1)
    log.rename("b", "c")
    log.sync(os.stat(log.root).st_ino)
    log.remove("a")
    assert after(log, "nothing") == {"a": bytes(4 * 512), "c": b"text"}


def test_after_a_sync_that_failed_another_brings_nothing_back(log: Log) -> None:
    new, kept = b"x" * 4 * 512, set()
    for seed in range(8):
        (log.root / "a").write_bytes(bytes(4 * 512))
        log.path.unlink(missing_ok=True)
        log.write(node_of(log), 0, new)
        log.sync(node_of(log), "F")
        log.sync(node_of(log))
        kept.add(after(log, "everything", seed)["a"])
    assert kept - {new}, "the second sync made it durable"


def test_a_try_that_is_given_back_is_found(tmp_path: Path) -> None:
    from bench.chaos.promises import _Told

    promises = Promises(RelayProcess(tmp_path, start=False), random.Random(1))
    told = _Told(None, None)  # type: ignore[arg-type]
    for tries in (9, 8, 6):
        promises._note_tries(told, tries, "wrong")
    assert not promises.broken
    promises._note_tries(told, 6, "wait")
    assert not promises.broken
    promises._note_tries(told, 6, "wrong")
    assert "given back" in promises.broken[0]
