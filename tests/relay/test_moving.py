"""`chappe migrate-store`: killed again and again while people talk, and nothing is lost; nobody uses the new
database before all of it is there."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from bench.postgres import Server

from tests import zygote
from tests.client.world import World, meet, texts, until
from tests.relay import stores
from tests.relay.world import RelayProcess

PROGRAM = (sys.executable, "-m", "chappe.cli.main", "migrate-store")
MANY = 20_000


@pytest.fixture(scope="module")
def server() -> Server:
    return stores.server()


def begin(data_dir: Path, url: str, *more: str) -> subprocess.Popen[str]:
    """The command in a process of its own."""
    return zygote.Popen(
        [*PROGRAM, "--from", str(data_dir), "--to", url, *more],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=zygote.environment(COLUMNS="100"),
    )


def run(data_dir: Path, url: str, *more: str) -> tuple[int, str, str]:
    process = begin(data_dir, url, *more)
    out, err = process.communicate(timeout=120)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def fill(data_dir: Path, count: int) -> None:
    """Rows that change nothing for anybody: ids that were used once."""
    with closing(sqlite3.connect(data_dir / "relay.db", timeout=30)) as database, database:
        database.executemany(
            "INSERT INTO sent_ids VALUES (?, ?, ?)",
            ((secrets.token_bytes(16), secrets.token_bytes(16), 2**40) for _ in range(count)),
        )


def rows(data_dir: Path, name: str) -> dict[str, int]:
    with closing(sqlite3.connect(data_dir / name)) as database:
        tables = [row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        wanted = [table for table in tables if not table.startswith(("sqlite_", "alembic"))]
        return {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in wanted}


def copied(url: str, table: str) -> int:
    with psycopg.connect(url) as connection:
        try:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
    assert row is not None
    return int(row[0])


async def test_killed_again_and_again_while_people_talk(tmp_path: Path, server: Server) -> None:
    relay = RelayProcess(tmp_path / "data", attempts_burst=10_000)
    world = World(relay, tmp_path)
    url = server.create("moved")
    try:
        ada, ben = await world.phones("ada", "ben")
        mine, _ = await meet(ada, ben)
        await world.shut("ben")
        fill(relay.data_dir, MANY)
        aims = (1, MANY // 2, MANY)
        for said, aim in enumerate(aims):
            process = await asyncio.to_thread(begin, relay.data_dir, url)
            while copied(url, "sent_ids") < aim and process.poll() is None:
                await asyncio.sleep(0.01)
            # What comes meanwhile is in no piece that was copied before.
            await ada.send_text(mine.id, f"while it moves {said}")
            process.kill()
            process.communicate()
        # Nobody uses it before it is whole.
        early = RelayProcess(tmp_path / "early", start=False, database_url=url)
        early.data_dir.mkdir()
        with pytest.raises(RuntimeError):
            early.start()
        assert "is not through" in early.log
        # Without waiting it says that the relay is in the way; waiting, it goes on once the relay is gone.
        status, _, err = await asyncio.to_thread(run, relay.data_dir, url, "--no-wait")
        assert "[storage.locked]" in err, (status, err)
        process = await asyncio.to_thread(begin, relay.data_dir, url)
        for number in range(10):
            await ada.send_text(mine.id, f"up to the end {number}")
        await ada.settled(30)
        # Its phones answer its farewell.
        assert await asyncio.to_thread(relay.stop) == 0
        out, err = await asyncio.to_thread(process.communicate, timeout=120)
        assert process.returncode == 0, err
        assert "the same on both sides" in out
        before = rows(relay.data_dir, "relay.db.moved")
        assert {table: copied(url, table) for table in before} == before
        assert before["sent_ids"] >= MANY
        # The old way is closed; the new one goes on where it stopped, and phones notice nothing.
        with pytest.raises(RuntimeError):
            relay.start()
        assert "PostgreSQL" in relay.log
        relay._given["database_url"] = url
        relay.start()
        ben = await world.open("ben")
        await ada.send_text(mine.id, "on the other side")
        await until(lambda: "on the other side" in texts(ben), "what was said after")
        expected = [
            *(f"while it moves {n}" for n in range(len(aims))),
            *(f"up to the end {n}" for n in range(10)),
        ]
        assert texts(ben) == [*expected, "on the other side"]
        cyd = await world.phone("cyd")
        assert cyd.device_id not in (ada.device_id, ben.device_id)
    finally:
        await world.close()
        await asyncio.to_thread(relay.stop)
        server.drop("moved")


def test_numbers_that_were_given_are_not_given_again(tmp_path: Path, server: Server) -> None:
    """A mailbox that is gone, with the highest number; and what is refused."""
    relay = RelayProcess(tmp_path / "data")
    assert relay.stop() == 0
    with closing(sqlite3.connect(relay.data_dir / "relay.db")) as database, database:
        database.execute("INSERT INTO mailboxes VALUES (41, 0, 0)")
        database.execute("DELETE FROM mailboxes")
    shutil.copytree(relay.data_dir, tmp_path / "other")
    with closing(sqlite3.connect(tmp_path / "other" / "relay.db")) as database, database:
        database.execute("UPDATE log_entries SET entry = x'01' WHERE number = 0")
    full, url = server.create("filled"), server.create("numbers")
    try:
        server.execute("CREATE TABLE somebodys (a int)", "filled")
        assert "[storage.exists]" in run(relay.data_dir, full)[2]
        assert "[storage.missing]" in run(tmp_path, url)[2]
        assert "[usage.invalid]" in run(relay.data_dir, "mysql://x")[2]
        process = begin(relay.data_dir, url)
        while copied(url, "moving") == 0 and process.poll() is None:
            pass
        process.kill()
        process.communicate()
        if (relay.data_dir / "relay.db").exists():
            assert "[storage.exists]" in run(tmp_path / "other", url)[2]
        status, _, err = run(relay.data_dir, url)
        assert status == 0, err
        with psycopg.connect(url) as connection:
            given = connection.execute("SELECT nextval('mailboxes_mailbox_seq')").fetchone()
        assert given == (42,)
        assert "[storage.exists]" in run(tmp_path / "other", url)[2]
    finally:
        server.drop("filled")
        server.drop("numbers")
