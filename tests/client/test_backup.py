"""A relay that comes back from a backup older than what its phones know: what was erased stays erased, what
waited arrives once, and what is said from then on is neither lost nor taken for something old."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from chappe.client import engine
from chappe.wire import fleet
from chappe.wire import log_entries as log
from chappe.wire.orders import Target
from chappe.wire.rosters import roster_hash
from tests.cli.world import Ran, inside
from tests.client.office import Office, target
from tests.client.world import World, alarms, gather, meet, members, texts, until
from tests.relay import stores
from tests.relay.fleet_world import Person
from tests.relay.world import RelayProcess


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Phones do not wait long for what a mailbox that went ahead will not bring."""
    monkeypatch.setattr(engine, "CATCH_UP_SECONDS", 0.5)


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[World]:
    """Phones on a relay of their own, which dies."""
    relay = RelayProcess(tmp_path / "data", attempts_burst=10_000)
    world = World(relay, tmp_path)
    yield world
    await world.close()
    relay.kill()
    assert "should not" not in relay.log, relay.log


async def run(*words: str, **variables: str) -> Ran:
    ran = await asyncio.to_thread(inside, *words, **variables)
    assert ran.status == 0, ran.err
    return ran


async def code(office: Office, officer: Person) -> str:
    """What the relay answers an officer with who asks; empty where it is an answer."""
    envelope = fleet.by_officer(
        "localhost", office.of.id, officer.id, officer.key, int(time.time()), fleet.Status(None)
    )
    async with office.relay.http() as http:
        answer = await http.post("/v1/fleet", content=fleet.encode(envelope))
    return "" if answer.status_code == 200 else str(answer.json()["code"])


def lose(relay: RelayProcess, *survivors: str) -> Path:
    """The relay dies with its disk, but for these; gives where the rest is."""
    relay.kill()
    lost = relay.data_dir.with_name("lost")
    relay.data_dir.rename(lost)
    relay.data_dir.mkdir()
    for name in survivors:
        (lost / name).rename(relay.data_dir / name)
    return lost


async def test_erased_stays_erased_and_nothing_comes_twice(mortal: World) -> None:
    world, relay = mortal, mortal.relay
    office = Office(world)
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    thief = await office.phone("thief")
    gone = await office.phone("gone")
    mine, theirs = await meet(ada, ben)
    table = await gather(ada, ben, cyd, thief)
    await world.shut("ben")
    await ada.send_text(mine.id, "this waits")
    await ada.settled(30)

    copy = world.folder / "copy"
    made = await run("backup", "new", str(copy), "--data-dir", str(relay.data_dir))
    assert "shares" in made.err
    assert not list(copy.rglob("*shares*"))

    # What the copy does not know: all is read, more is said, two are erased, the group goes on.
    ben = await world.open("ben")
    await until(lambda: "this waits" in texts(ben), "what waited")
    for number in range(5):
        await ada.send_text(mine.id, f"since {number}")
        await ben.send_text(theirs.id, f"back {number}")
    await until(lambda: "since 4" in texts(ben) and "back 4" in texts(ada), "what came since")
    erased, ended = thief.device_id, gone.device_id
    await office.give("erase", target(thief))
    closed = await office.give("erase", Target(gone.line_id))
    assert closed.unreadable
    one, two = office.of.officers
    office.of.chain.append(office.of.roster([one], [one, two]))
    await office.ask(fleet.Amend(office.of.chain[-1]), fleet.Ok)
    await until(lambda: thief.ended is not None and gone.ended is not None, "the erasure")
    dan = await office.phone("dan")
    await ada.add(table, dan.address)
    await until(lambda: "dan" in members(cyd, table), "dan at the table")
    for phone in (ada, ben, cyd, dan):
        await phone.settled(30)

    lose(relay, "tlog")
    done = await run("restore", str(copy), "--data-dir", str(relay.data_dir))
    assert "2 devices signed out again, 2 of them to be erased, 2 lines closed" in " ".join(done.out.split())
    assert "1 lines that were made since" in done.err
    relay.start()

    with closing(sqlite3.connect(relay.data_dir / "relay.db")) as database:
        revoked = dict(database.execute("SELECT device, revoked_at FROM devices"))
        (line,) = database.execute(
            "SELECT closed_at FROM lines WHERE address = ?", (world.address("gone"),)
        ).fetchone()
    assert revoked[erased] is not None
    assert revoked[ended] is not None
    assert revoked[ben.device_id] is None
    assert line is not None

    # Who was removed from the roster does not order by the old one, nor does anybody, until it is here again.
    assert await code(office, one) == await code(office, two) == "roster.invalid"
    forged = office.of.roster([two], [one, two], version=2, previous=roster_hash(office.of.chain[0]))
    with pytest.raises(AssertionError, match="another roster of this version"):
        await office.ask(fleet.Amend(forged), fleet.Ok)
    await office.ask(fleet.Amend(office.of.chain[-1]), fleet.Ok)
    assert (await code(office, one), await code(office, two)) == ("", "order.forged")
    # The log tells of it once.
    with closing(sqlite3.connect(relay.data_dir / "relay.db")) as database:
        entries = [log.decode(row[0]) for row in database.execute("SELECT entry FROM log_entries")]
    assert len([entry for entry in entries if isinstance(entry, log.OfficerRemoved)]) == 1

    # The phones come back by themselves, and go on.
    for number in range(8):
        await ada.send_text(mine.id, f"after {number}")
        await ben.send_text(theirs.id, f"answer {number}")
    await until(lambda: "after 7" in texts(ben) and "answer 7" in texts(ada), "what came after")
    await ada.send_text(table, "the table goes on")
    await until(lambda: "the table goes on" in texts(cyd), "the table")
    assert [text for text, times in Counter(texts(ben)).items() if times > 1] == []
    expected = {"this waits", *(f"since {n}" for n in range(5)), *(f"after {n}" for n in range(8))}
    assert expected <= set(texts(ben))
    # A conversation that moved on since the copy moves on again.
    await ada.rename(table, "the same table")
    await until(lambda: any(c.name == "the same table" for c in cyd.conversations()), "the new name")


async def test_a_phone_that_sees_none_of_it_takes_nothing_for_old(mortal: World) -> None:
    """Ben reads up to a number, and is away while the relay is brought back and gives numbers again."""
    world, relay = mortal, mortal.relay
    ada, ben = await world.phones("ada", "ben")
    office = Office(world)
    thief = await office.phone("thief")
    mine, _ = await meet(ada, ben)
    await ada.settled(30)
    await ben.settled(30)
    copy = world.folder / "copy"
    await run("backup", "new", str(copy), "--data-dir", str(relay.data_dir))
    for number in range(20):
        await ada.send_text(mine.id, f"read {number}")
    await until(lambda: "read 19" in texts(ben), "what ben reads")
    await world.shut("ben")
    await ada.send_text(mine.id, "accepted, and lost with the disk")
    await ada.settled(30)
    erased = thief.device_id
    await office.give("erase", target(thief))
    # No log outlives it; the share service does, and knows whom it erased.
    lose(relay, "shares")
    done = await run("restore", str(copy), "--data-dir", str(relay.data_dir), "--without-log")
    assert "The share service knew 1 devices more" in done.out
    assert "who was signed out or erased after" in done.err
    relay.start()
    with closing(sqlite3.connect(relay.data_dir / "relay.db")) as database:
        (revoked,) = database.execute("SELECT revoked_at FROM devices WHERE device = ?", (erased,)).fetchone()
    assert revoked is not None
    # More than ben has read since the copy: without a step ahead these have the numbers that he knows.
    for number in range(30):
        await ada.send_text(mine.id, f"new {number}")
    await ada.settled(60)
    ben = await world.open("ben")
    await until(lambda: "new 29" in texts(ben), "what came while ben was away")
    found = [text for text in texts(ben) if text.startswith("new")]
    assert found == [f"new {number}" for number in range(30)]
    # What the copy cannot have is missed, and said.
    world.is_honest = False
    await until(lambda: alarms(ben) != [], "that one is missing")


async def test_a_relay_on_postgresql(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its database comes along by pg_dump; or it is brought back in its own way, and settled."""
    server = stores.server()
    monkeypatch.setenv("PATH", f"{server._programs}:{os.environ['PATH']}")
    relay = RelayProcess(stores.place(tmp_path / "data", "postgres"), attempts_burst=10_000)
    url = stores.given(relay.data_dir)["database_url"]
    world = World(relay, tmp_path)
    data, copy, bare = str(relay.data_dir), tmp_path / "copy", tmp_path / "bare"
    empty, own = server.create("brought_back"), server.create("own_way")
    try:
        office = Office(world)
        ada, ben, thief = await office.phones("ada", "ben", "thief")
        mine, _ = await meet(ada, ben)
        refused = await asyncio.to_thread(inside, "backup", "new", str(copy), "--data-dir", data)
        assert "[usage.invalid]" in refused.err
        await run("backup", "new", str(copy), "--data-dir", data, CHAPPE_DATABASE_URL=url)
        await run(
            "backup", "new", str(bare), "--data-dir", data, "--without-database", CHAPPE_DATABASE_URL=url
        )
        assert (copy / "relay.pgdump").exists()
        assert not (bare / "relay.pgdump").exists()
        server.run("pg_dump", "-Fc", "-f", str(server.folder / "own"), "-d", url)
        await ada.send_text(mine.id, "since")
        await until(lambda: "since" in texts(ben), "what came since")
        await office.give("erase", target(thief))
        await until(lambda: thief.ended is not None, "the erasure")

        lose(relay, "tlog")
        words = ("restore", str(copy), "--data-dir", data)
        assert "[usage.invalid]" in (await asyncio.to_thread(inside, *words)).err
        full = await asyncio.to_thread(inside, *words, CHAPPE_DATABASE_URL=url)
        assert "[storage.exists]" in full.err
        done = await run(*words, CHAPPE_DATABASE_URL=empty)
        assert "1 devices signed out again, 1 of them to be erased" in " ".join(done.out.split())
        relay._given["database_url"] = empty
        relay.start()
        for number in range(3):
            await ada.send_text(mine.id, f"after {number}")
        await until(lambda: "after 2" in texts(ben), "what came after")
        assert [text for text, times in Counter(texts(ben)).items() if times > 1] == []

        # The bare one, beside a database that was brought back by the operator.
        server.run("pg_restore", "--no-owner", "-d", own, str(server.folder / "own"))
        bare_words = ("restore", str(bare), "--data-dir", str(tmp_path / "other"), "--log", f"{data}/tlog")
        missing = await asyncio.to_thread(inside, *bare_words, CHAPPE_DATABASE_URL=own)
        assert "[usage.invalid]" in missing.err
        done = await run(*bare_words, "--database-restored", CHAPPE_DATABASE_URL=own)
        assert "1 devices signed out again" in " ".join(done.out.split())
    finally:
        await world.close()
        relay.kill()
        stores.leave(relay.data_dir)
        server.drop("brought_back")
        server.drop("own_way")
