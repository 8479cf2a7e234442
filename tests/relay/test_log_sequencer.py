"""From entries to a signed head: whatever cuts it off, the same files come of it, and no second past."""

from __future__ import annotations

import asyncio
import errno
import shutil
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from sqlalchemy import insert

from chappe.relay.config import load_settings
from chappe.relay.database import open_engine
from chappe.relay.log_files import LogFiles, Step
from chappe.relay.log_sequencer import Cosigners, Sequencer
from chappe.relay.log_tree import Tree
from chappe.relay.mailroom import Mailroom
from chappe.relay.relay import Relay
from chappe.relay.serve import open_shares
from chappe.relay.storage.sqlite import SqliteDatabase
from chappe.relay.store import Store
from chappe.relay.tables import log_entries
from chappe.relay.web import Release
from chappe.tlog.errors import Fork
from chappe.tlog.merkle import tree_head
from chappe.tlog.notes import SignedNote
from chappe.tlog.tile_reader import TileReader
from chappe.tlog.tiles import Tile, new_tiles
from chappe.tlog.view import View
from chappe.wire import log_entries as log
from chappe.wire.errors import StorageFailure
from tests.relay.fleet_world import migrated
from tests.relay.log_world import of_folder
from tests.wire.log_samples import h

NOW = 1_790_000_000
OPENED = log.encode(log.LogOpened(1, NOW, "localhost/chappe"))


class Died(BaseException):
    """As if the power had gone."""


def entry(number: int) -> bytes:
    if number == 0:
        return OPENED
    return log.encode(log.ShareDestroyed(1, NOW, number.to_bytes(32, "big")))


def fill(data_dir: Path, start: int, end: int) -> None:
    """Entries that were committed, straight into the table."""
    data_dir.mkdir(exist_ok=True)
    path = data_dir / "relay.db"
    if not path.exists():
        shutil.copy(migrated(), path)
    engine = open_engine(path, writes=True)
    with engine.connect() as connection, connection.begin():
        rows = [{"number": number, "entry": entry(number), "at": NOW} for number in range(start, end)]
        connection.execute(insert(log_entries), rows)
    engine.dispose()


def copy_database(source: Path, target: Path) -> None:
    """Whole, with what lies beside it."""
    with sqlite3.connect(source) as old, sqlite3.connect(target) as new:
        old.backup(new)


@asynccontextmanager
async def sequencer(
    data_dir: Path,
    step: Step = lambda name: None,
    now: Callable[[], float] = lambda: NOW,
    cosigners: Cosigners | None = None,
    page: Release | None = None,
) -> AsyncIterator[Sequencer]:
    mailroom = Mailroom(max_items=1, max_bytes=1, keep_seconds=1)
    store = Store(SqliteDatabase(data_dir / "relay.db"), mailroom, now, lambda arrivals: None)
    made = Sequencer(data_dir, "localhost", store, now, step=step, cosigners=cosigners, page=page)
    try:
        await made.start()
        yield made
    finally:
        await made.close()
        await store.close()


async def life(data_dir: Path, step: Step = lambda name: None) -> bytes:
    """Start, publish, end. Gives the policy."""
    async with sequencer(data_dir, step) as made:
        return made.policy_text().encode()


def tiles(data_dir: Path) -> dict[str, bytes]:
    """What the folder holds but for the head, whose signature is another each time, and what is beside."""
    folder = data_dir / "tlog"
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and path.suffix != ".new" and path.name != "checkpoint"
    }


def test_the_tree_makes_the_tiles_that_the_specification_names() -> None:
    """At sizes around the edges, up to where a third level begins."""
    entries = [number.to_bytes(4, "big") for number in range(66_000)]
    made, size, files = Tree(), 0, dict[Tile, bytes]()
    for more in (1, 254, 1, 1, 255, 65_488):
        before, size = size, size + more
        fresh = dict([*made.extend(entries[before:size]), *made.edge()])
        assert set(new_tiles(before, size)) <= set(fresh)
        files |= fresh
        assert made.size == size
        assert made.root == tree_head(entries[:size])
        reader = TileReader(size, made.root, files.__getitem__)
        for at in {0, before, size - 1}:
            assert reader.entry(at) == entries[at]
    assert Tile(2, 0, 1) in files


async def test_killed_between_any_two_steps(tmp_path: Path) -> None:
    """255 entries are published, then 257 are there: a bundle and a tile become full, others begin."""
    before, reference = tmp_path / "before", tmp_path / "reference"
    fill(before, 0, 255)
    policy = await life(before)
    old, _ = of_folder(before, policy)
    fill(before, 255, 257)
    shutil.copytree(before, reference)
    names: list[str] = []
    await life(reference, names.append)
    assert len(names) > 20
    wanted = tiles(reference)
    for cut in range(len(names)):
        at = tmp_path / "cut"
        shutil.copytree(before, at)
        seen = 0

        def step(_name: str) -> None:
            nonlocal seen
            if seen == cut:  # noqa: B023 - it is called before the next round
                raise Died
            seen += 1

        with pytest.raises(Died):
            await life(at, step)
        # Whatever head is there, all that it says is there, too, and it goes on from the one before.
        view, _ = of_folder(at, policy)
        assert view.size in (255, 257)
        await life(at)
        after, entries = of_folder(at, policy)
        assert entries == [entry(number) for number in range(257)]
        assert {name: data for name, data in tiles(at).items() if name in wanted} == wanted
        note = LogFiles(at / "tlog").checkpoint()
        assert note is not None
        assert View(old.origin, old.policy, old.held).advance_with(note, LogFiles(at / "tlog").read) == after
        shutil.rmtree(at)


async def test_a_database_that_was_brought_back_is_refused(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    fill(data_dir, 0, 5)
    await life(data_dir)
    copy_database(data_dir / "relay.db", tmp_path / "copy.db")
    fill(data_dir, 5, 9)
    policy = await life(data_dir)
    copy_database(data_dir / "relay.db", tmp_path / "newest.db")
    kept = tiles(data_dir), LogFiles(data_dir / "tlog").checkpoint()

    async def refused(words: str, code: str = "storage.failed") -> None:
        with pytest.raises(StorageFailure) as caught:
            await life(data_dir)
        assert caught.value.code == code
        assert words in caught.value.message
        assert (tiles(data_dir), LogFiles(data_dir / "tlog").checkpoint()) == kept

    copy_database(tmp_path / "copy.db", data_dir / "relay.db")
    await refused("9 entries, and the database has fewer")
    # As many, and others: as a copy that went on elsewhere.
    fill(data_dir, 5, 8)
    with sqlite3.connect(data_dir / "relay.db") as connection:
        connection.execute("INSERT INTO log_entries VALUES (8, ?, ?)", (entry(99), NOW))
    # What is missing is not made again from them.
    (data_dir / "tlog" / "tile" / "0" / "000.p" / "5").unlink()
    kept = tiles(data_dir), kept[1]
    await refused("9 entries, and the database has others")
    copy_database(tmp_path / "newest.db", data_dir / "relay.db")
    key = data_dir / "log.key"
    key.rename(tmp_path / "log.key")
    await refused("bring log.key back", "storage.missing")
    key.write_bytes(bytes(64))
    await refused("not signed by log.key")
    key.write_bytes(bytes(63))
    await refused("not the key of a log")
    (tmp_path / "log.key").replace(key)
    await life(data_dir)
    assert of_folder(data_dir, policy)[0].size == 9
    assert key.stat().st_mode & 0o777 == 0o600


async def test_a_relay_with_a_database_brought_back_does_not_start(tmp_path: Path) -> None:
    """The relay itself, not its sequencer alone."""
    data_dir = tmp_path / "data"
    fill(data_dir, 0, 5)
    await life(data_dir)
    with sqlite3.connect(data_dir / "relay.db") as connection:
        connection.execute("DELETE FROM log_entries WHERE number = 4")
    settings = load_settings({}, data_dir=data_dir)
    relay = Relay(settings, open_shares(settings))
    with pytest.raises(StorageFailure, match="brought back from a copy"):
        await relay.start()
    await relay.close()


async def test_files_that_somebody_took_away_are_made_again(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    fill(data_dir, 0, 300)
    policy = await life(data_dir)
    before = tiles(data_dir)
    (data_dir / "tlog" / "tile" / "0" / "000").unlink()
    shutil.rmtree(data_dir / "tlog" / "tile" / "entries")
    await life(data_dir)
    assert tiles(data_dir) == before
    assert of_folder(data_dir, policy)[0].size == 300


async def test_a_head_is_signed_anew_when_it_is_old_and_the_release_is_logged_once(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    fill(data_dir, 0, 1)
    now = float(NOW)
    page = Release(h("one"), "1.0")
    async with sequencer(data_dir, now=lambda: now, page=page) as made:
        first = made.note
        assert first is not None
        now += 599
        made.wake()
        await asyncio.sleep(0)
        now += 2
        made.wake()
        async with asyncio.timeout(30):
            while made.note == first:
                await asyncio.sleep(0.01)
        policy = made.policy_text().encode()
    view, entries = of_folder(data_dir, policy)
    assert view.held is not None
    assert view.held.signed_at == NOW + 601
    assert log.decode(entries[-1]) == log.Release(1, NOW, h("one"), "1.0")
    # The same page once more is no news; another is.
    async with sequencer(data_dir, page=page):
        pass
    assert of_folder(data_dir, policy)[1] == entries
    async with sequencer(data_dir, page=Release(h("two"), "1.1")):
        pass
    assert len(of_folder(data_dir, policy)[1]) == len(entries) + 1


async def test_entries_of_another_process_are_published(tmp_path: Path) -> None:
    """`chappe organisation add` writes into the database of a relay that runs."""
    data_dir = tmp_path / "data"
    fill(data_dir, 0, 1)
    async with sequencer(data_dir) as made:
        fill(data_dir, 1, 3)
        async with asyncio.timeout(30):
            while of_folder(data_dir, made.policy_text().encode())[0].size < 3:
                await asyncio.sleep(0.05)


async def test_a_fork_is_seen_by_who_holds_the_other_head(tmp_path: Path) -> None:
    """The control of all that is above: the checks would find a log with a second past."""

    async def other(end: int) -> tuple[View, bytes, LogFiles]:
        data_dir = tmp_path / str(end)
        if (tmp_path / "log.key").exists():
            data_dir.mkdir()
            shutil.copy(tmp_path / "log.key", data_dir)
        fill(data_dir, 0, 2)
        with sqlite3.connect(data_dir / "relay.db") as connection:
            for number in range(2, end):
                values = (number, entry(number + end), NOW)
                connection.execute("INSERT INTO log_entries VALUES (?, ?, ?)", values)
        policy = await life(data_dir)
        shutil.copy(data_dir / "log.key", tmp_path)
        files = LogFiles(data_dir / "tlog")
        note = files.checkpoint()
        assert note is not None
        return of_folder(data_dir, policy)[0], note, files

    view, _, _ = await other(4)
    _, note, files = await other(6)
    with pytest.raises(Fork):
        view.advance_with(note, files.read)


class Away:
    """Witnesses that do not answer until they do."""

    def __init__(self) -> None:
        self.here = False
        self.asked = 0

    async def cosign(self, note: SignedNote, files: LogFiles) -> SignedNote | None:
        del files
        self.asked += 1
        return note if self.here else None

    def policy_lines(self) -> tuple[str, ...]:
        return ("quorum none",)

    async def close(self) -> None: ...


async def test_without_its_witnesses_the_last_head_goes_on_being_served(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    fill(data_dir, 0, 2)
    away = Away()
    async with sequencer(data_dir, cosigners=away) as made:
        assert made.note is None
        away.here = True
        made.wake()
        async with asyncio.timeout(30):
            while made.note is None:
                await asyncio.sleep(0.01)
        head = made.note
        away.here, asked = False, away.asked
        fill(data_dir, 2, 4)
        made.wake()
        async with asyncio.timeout(30):
            while away.asked == asked:
                await asyncio.sleep(0.01)
        assert made.note == head
        assert LogFiles(data_dir / "tlog").checkpoint() == head
        away.here = True
        made.wake()
        async with asyncio.timeout(30):
            while made.note == head:
                await asyncio.sleep(0.01)
    assert of_folder(data_dir, made.policy_text().encode())[0].size == 4


async def test_a_disk_without_room_holds_the_head_up_and_nothing_else(tmp_path: Path) -> None:
    data_dir, room = tmp_path / "data", False
    fill(data_dir, 0, 300)

    def step(name: str) -> None:
        if name.startswith("rename") and not room:
            raise OSError(errno.ENOSPC, "no room")

    async with sequencer(data_dir, step) as made:
        assert made.note is None
        room = True
        made.wake()
        async with asyncio.timeout(60):
            while made.note is None:
                await asyncio.sleep(0.02)
    assert of_folder(data_dir, made.policy_text().encode())[0].size == 300
