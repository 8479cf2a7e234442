"""Starting: crashes at every step of a change of keys, copies brought back, parts missing, a full disk."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chappe.relay.shares import service
from chappe.relay.shares.epoch import EpochFile
from chappe.relay.shares.head import Head
from chappe.relay.shares.reserve import Reserve
from chappe.relay.shares.service import Shares, reset
from chappe.relay.shares.store import ShareStore
from chappe.wire.errors import ChappeError
from tests.relay.shares.world import HOURS, Bench, Owner


def refused(code: str) -> Any:
    return pytest.raises(ChappeError, match=rf"\[{code}\]")


class Cut(BaseException):
    """The power goes."""


def cut_short(bench: Bench) -> None:
    """What is left of a process that was killed: nothing. Its files stay as they are."""
    os.close(bench.shares._lock)
    bench.shares._store._connection.close()


# --- copies brought back


def copy_of(bench: Bench, tmp_path: Path) -> Path:
    """All files as they are on the disk, of a service that runs."""
    copy = tmp_path / "copy"
    shutil.copytree(bench.folder, copy)
    return copy


def bring_back(bench: Bench, copy: Path, names: list[str]) -> None:
    for name in names:
        (bench.folder / name).unlink(missing_ok=True)
        if (copy / name).exists():
            shutil.copy(copy / name, bench.folder / name)


DATABASE = ["shares.db", "shares.db-wal", "shares.db-shm"]


def test_an_older_database_is_not_opened(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "shares")
    owner = bench.enrolled()
    copy = copy_of(bench, tmp_path)
    bench.try_wrong(owner)
    bench.shares.close()
    kept = tmp_path / "kept"
    shutil.copytree(bench.folder, kept)
    bring_back(bench, copy, DATABASE)
    with pytest.raises(ChappeError) as caught:
        bench.start()
    assert caught.value.code == "shares.rolled_back"
    for word in ("chappe shares reset", "PIN anew", "unlocked phone"):
        assert word in caught.value.message
    # The newest one still opens.
    bring_back(bench, kept, DATABASE)
    bench.start()
    assert bench.try_wrong(owner).tries == 8
    bench.shares.close()


def test_an_older_head_is_refused_as_well(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "shares")
    owner = bench.enrolled()
    copy = copy_of(bench, tmp_path)
    bench.try_wrong(owner)
    bench.try_wrong(owner)
    bench.shares.close()
    bring_back(bench, copy, ["head"])
    with refused(r"shares\.rolled_back"):
        bench.start()


def test_database_and_head_of_before_a_destruction_find_no_key(tmp_path: Path) -> None:
    """Somebody who forges no signature, and has a copy of all but the epoch's key."""
    bench = Bench(tmp_path / "shares")
    owner = bench.enrolled()
    copy = copy_of(bench, tmp_path)
    bench.shares.destroy([owner.device])
    bench.shares.close()
    bring_back(bench, copy, [*DATABASE, "head"])
    with refused(r"shares\.rolled_back"):
        bench.start()
    # Nor does the old row open with the key that is there.
    store, epoch = ShareStore(bench.folder / "shares.db"), EpochFile(bench.folder / "epoch")
    row = store.row(owner.device)
    assert row is not None
    with refused(r"storage\.failed"):
        epoch.first().unwrap(owner.device, row.unlock_key, row.wrapped, bytearray(64))


@pytest.mark.parametrize("name", ["shares.db", "epoch", "service.key", "head"])
@pytest.mark.parametrize("how", ["gone", "empty", "rubbish"])
def test_parts_that_are_missing_or_damaged(tmp_path: Path, name: str, how: str) -> None:
    bench = Bench(tmp_path / "shares")
    owner = bench.enrolled()
    bench.try_wrong(owner)
    bench.shares.close()
    path = bench.folder / name
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if how == "empty" else b"\x5a" * path.stat().st_size)
    with refused(r"shares\.rolled_back" if (name, how) != ("shares.db", "rubbish") else r"storage\.failed"):
        bench.start()
    reset(bench.folder)
    bench.start()
    with refused("unlock.unknown_device"):
        bench.try_(owner)
    assert bench.try_(bench.enrolled()).status == "open"
    bench.shares.close()


def test_a_reset_leaves_no_key(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "shares")
    bench.enrolled()
    with refused(r"storage\.locked"):
        reset(bench.folder)
    bench.shares.close()
    reset(bench.folder)
    assert [path.name for path in bench.folder.iterdir()] == ["lock"]


def test_a_row_that_was_changed_is_damage_and_costs_a_try_not_a_share(tmp_path: Path) -> None:
    """Whoever writes into the database puts no key of his own beside a share."""
    bench = Bench(tmp_path / "shares")
    owner, thief = bench.enrolled(), Owner()
    bench.shares.close()
    with sqlite3.connect(bench.folder / "shares.db") as connection:
        connection.execute("UPDATE shares SET unlock_key = ?", (thief.unlock_key,))
    connection.close()
    bench.start()
    with refused(r"storage\.failed"):
        bench.try_(Owner(owner.device, thief.key))
    bench.shares.close()


# --- crashes


STEPS: list[tuple[type, str]] = [
    (EpochFile, "begin"),
    (ShareStore, "set_epoch"),
    (Head, "write"),
    (ShareStore, "empty_log"),
    (EpochFile, "settle"),
]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(("part", "step"), STEPS, ids=lambda value: str(value))
def test_a_crash_at_every_step_of_destroying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: type, step: str, when: str
) -> None:
    """Before the change is durable nothing happened; after, the start finishes it. One key is left."""
    bench = Bench(tmp_path / "shares")
    owner, other = bench.enrolled(), bench.enrolled()
    original: Callable[..., Any] = getattr(part, step)

    def cut(*arguments: Any) -> Any:
        if when == "after":
            original(*arguments)
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr(part, step, cut)
        with pytest.raises(Cut):
            bench.shares.destroy([owner.device])
    cut_short(bench)
    bench.start()
    durable = (part, step) in STEPS[2:]
    assert bench.try_(owner).status == ("gone" if durable else "open")
    assert bench.try_(other).share == other.share
    assert not bench.shares._epoch.unsettled
    assert len((bench.folder / "epoch").read_bytes().replace(b"\0", b"")) <= 32
    bench.shares.destroy([owner.device])
    assert bench.try_(owner).status == "gone"
    assert bench.try_(other).share == other.share
    bench.shares.close()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize(("part", "step"), [STEPS[0], STEPS[2], STEPS[4]], ids=lambda value: str(value))
def test_a_disk_that_fails_at_any_step_and_then_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: type, step: str, number: int
) -> None:
    """The call fails, typed, or was tried again; asked once more it holds."""
    bench = Bench(tmp_path / "shares")
    owner, other = bench.enrolled(), bench.enrolled()

    def fail(*_arguments: Any) -> Any:
        raise OSError(number, "the disk")

    with monkeypatch.context() as patch:
        patch.setattr(part, step, fail)
        with refused(r"storage\.(full|failed)"):
            bench.shares.destroy([owner.device])
    bench.shares.destroy([owner.device])
    for _ in range(2):
        assert bench.try_(owner).status == "gone"
        assert bench.try_(other).share == other.share
        assert not bench.shares._epoch.unsettled
        bench.restart()
    bench.shares.close()


def test_a_head_that_cannot_be_written_stops_every_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never two changes ahead of the head, and nothing is compared meanwhile."""
    bench = Bench(tmp_path / "shares")
    owner = bench.enrolled()

    def fail(*_arguments: Any) -> Any:
        raise OSError(errno.EIO, "the disk")

    with monkeypatch.context() as patch:
        patch.setattr(Head, "write", fail)
        for _ in range(3):
            with refused(r"storage\.failed"):
                bench.try_wrong(owner)
    assert bench.compared == []
    bench.restart()
    # The first was counted, and nothing after it.
    assert bench.try_wrong(owner).tries == 8
    bench.shares.close()


def test_many_together_share_one_change_of_keys(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "shares")
    owners = [bench.enrolled() for _ in range(30)]
    before = bench.shares._store.counter()
    bench.shares.destroy([owner.device for owner in owners[:20]])
    assert bench.shares._store.counter() == before + 1
    assert [bench.try_(owner).status for owner in owners] == ["gone"] * 20 + ["open"] * 10
    bench.shares.close()


# --- a full disk


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of two mebibytes; skips where mounting is not allowed."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(mounted)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small file system is not allowed here")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def fill(mounted: Path) -> None:
    """To the last byte, and what becomes free, too."""
    with (mounted / "filler").open("ab", 0) as file:
        for size in (65_536, 4_096, 512, 1):
            while True:
                try:
                    if file.write(bytes(size)) < size:
                        break
                except OSError:
                    break


@pytest.mark.parametrize("devices", [3, 150])
def test_destroying_on_a_full_disk(small_disk: Path, devices: int) -> None:
    bench = Bench(small_disk / "shares")
    owners = [bench.enrolled() for _ in range(devices)]
    # A log that holds nothing has no room of its own either.
    bench.shares._store.empty_log()
    fill(small_disk)
    new = Owner()
    with refused(r"storage\.full"):
        for _ in range(500):
            new = Owner()
            bench.shares.enrol(new.device, new.enrolment(bench.shares.public_key))
    key = (bench.folder / "epoch").read_bytes()
    bench.shares.destroy([owners[0].device])
    assert key[:32].strip(b"\0") not in (bench.folder / "epoch").read_bytes()
    assert bench.try_(owners[0]).status == "gone"
    # With the disk full once more, and the reserve held again as far as there was room for it.
    fill(small_disk)
    bench.shares.destroy([owners[1].device])
    assert bench.try_(owners[1]).status == "gone"
    fill(small_disk)
    with_room = 0
    for owner in owners[2:6]:
        try:
            assert bench.try_(owner).share == owner.share
            with_room += 1
        except ChappeError as problem:
            if problem.code != "storage.full":
                raise
    # Nothing is compared that could not be counted.
    assert len(bench.compared) == with_room
    bench.shares.close()
    bench.start()
    (small_disk / "filler").unlink()
    bench.clock.now += HOURS
    assert bench.try_(owners[2]).share == owners[2].share
    assert bench.try_(owners[0]).status == "gone"
    assert bench.try_(bench.enrolled()).status == "open"
    bench.shares.close()


def test_it_is_the_reserve_that_does_it(small_disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(small_disk / "shares")
    owner, *_others = [bench.enrolled() for _ in range(150)]
    bench.shares._store.empty_log()
    fill(small_disk)
    with monkeypatch.context() as patch:
        patch.setattr(Reserve, "give_up", lambda _self: None)
        with refused(r"storage\.full"):
            bench.shares.destroy([owner.device])
    # Refused: nothing happened yet. And then it works.
    assert bench.shares._store.row(owner.device) is not None
    bench.shares.destroy([owner.device])
    assert bench.try_(owner).status == "gone"
    bench.shares.close()


def test_the_tenth_wrong_guess_on_a_full_disk(small_disk: Path) -> None:
    bench = Bench(small_disk / "shares")
    owner = bench.enrolled()
    bench.wrong_until_one_is_left(owner)
    fill(small_disk)
    chance = random.Random(1)
    for _ in range(5):
        try:
            assert bench.try_wrong(owner).status == "gone"
            break
        except ChappeError as problem:
            # There was no room to count it: it was not compared.
            if problem.code != "storage.full":
                raise
            assert len(bench.compared) == 9
            (small_disk / "filler").write_bytes(bytes(chance.randrange(1_000_000)))
    assert bench.try_(owner).status == "gone"
    assert service.status_of(bench.folder).devices == 0
    bench.shares.close()


def test_a_folder_that_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with refused(r"storage\.unwritable"):
        Shares(tmp_path / "file" / "shares")
