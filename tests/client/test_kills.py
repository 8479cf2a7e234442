"""Processes that are killed: every accepted message arrives exactly once, in order, and every file whole."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from chappe.client import Phone
from tests import zygote
from tests.client.world import World, alarms, gather, until
from tests.relay.world import RelayProcess

MIB = 1024 * 1024
SEED = int(os.environ.get("CHAPPE_SEED", "20251"))


class Talker:
    """One talker process, started again after each kill."""

    def __init__(self, home: Path, plan: dict[str, object]) -> None:
        self.home, self.plan = home, plan
        self.folder = Path(str(plan["folder"]))
        self.folder.mkdir()
        self._log = (self.folder / "log").open("ab")
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.client.talker", str(self.home), json.dumps(self.plan)]
        self._process = zygote.Popen(command, stdout=self._log, stderr=self._log)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def is_done(self) -> bool:
        assert self._process is not None
        assert self._process.poll() in (None, 0), (self.folder / "log").read_text()
        return (self.folder / "done").exists()

    def finish(self) -> None:
        assert self._process is not None
        assert self._process.wait(timeout=90) == 0, (self.folder / "log").read_text()
        self._log.close()

    def destroy(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()
        self._log.close()


async def found(world: World, names: list[str]) -> None:
    """Lines in one group, their phones closed again."""
    phones = await world.phones(*names)
    await gather(*phones)
    for phone in phones:
        await phone.settled(30)
    await world.close()


async def check(world: World, names: list[str], count: int, digest: bytes) -> None:
    """From the stores: everything of everyone, once, each sender's in order; the file as it was."""
    journals: dict[str, list[str]] = {}
    for name in names:
        phone = await Phone.open(world.home(name))
        (group,) = phone.conversations()
        messages = phone.messages(group.id, 100_000)
        journals[name] = [message.text for message in messages if message.kind == "text"]
        assert {message.kind for message in messages} == {"text", "file"}
        assert all(message.state != "failed" for message in messages)
        assert alarms(phone) == []
        if name != names[0]:
            files = [p for p in (world.folder / f"{name}-files").iterdir() if p.suffix == ".bin"]
            assert len(files) == 1
            with files[0].open("rb") as file:
                assert hashlib.file_digest(file, "sha256").digest() == digest
        await phone.close()
    expected = {f"{world.address(name)} {number:04}" for name in names for number in range(count)}
    for name, journal in journals.items():
        assert [text for text, times in Counter(journal).items() if times > 1] == [], f"{name} has it twice"
        assert expected - set(journal) == set(), f"{name} misses it"
        for sender in names:
            theirs = [text for text in journal if text.startswith(f"{world.address(sender)} ")]
            assert theirs == sorted(theirs), f"{name} has {sender}'s in another order"


def plans(world: World, names: list[str], count: int, file: Path, pause: float) -> list[Talker]:
    talkers = []
    for name in names:
        plan = {
            "group": "table",
            "texts": count,
            "pause": pause,
            "expect": count * len(names),
            "file": str(file) if name == names[0] else None,
            # Who sends the file does not fetch it back.
            "files": 0 if name == names[0] else 1,
            "folder": str(world.folder / f"{name}-files"),
            "stay": str(world.folder / "end"),
        }
        talkers.append(Talker(world.home(name), plan))
    return talkers


def a_file(folder: Path, size: int) -> tuple[Path, bytes]:
    path = folder / "film.bin"
    data = random.Random(SEED).randbytes(size)
    path.write_bytes(data)
    return path, hashlib.sha256(data).digest()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_relay_is_killed_twenty_times(tmp_path: Path) -> None:
    """Five processes hold a conversation, with a file of 50 MB."""
    names = ["ada", "ben", "cyd", "dan", "eve"]
    relay = RelayProcess(tmp_path / "relay-data", attempts_burst=10_000)
    world = World(relay, tmp_path)
    await found(world, names)
    file, digest = a_file(tmp_path, 50 * MIB)
    talkers = plans(world, names, 60, file, 0.25)
    chance = random.Random(SEED)
    try:
        for _ in range(20):
            await asyncio.sleep(chance.uniform(0.3, 1.2))
            relay.kill()
            await asyncio.sleep(chance.uniform(0, 0.4))
            relay.start()
        await until(lambda: all(talker.is_done for talker in talkers), "the talk", seconds=150)
        (tmp_path / "end").touch()
        for talker in talkers:
            talker.finish()
        await check(world, names, 60, digest)
    finally:
        for talker in talkers:
            talker.destroy()
        relay.kill()


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_the_phones_are_killed(tmp_path: Path) -> None:
    """Twenty kills among three phones, at any point: sending, receiving, joining, in the middle of a file."""
    relay = RelayProcess(tmp_path / "relay-data", attempts_burst=10_000)
    world = World(relay, tmp_path)
    names = ["ada", "ben", "cyd"]
    await found(world, names)
    file, digest = a_file(tmp_path, 8 * MIB)
    talkers = plans(world, names, 100, file, 0.05)
    chance = random.Random(SEED)
    try:
        for _ in range(20):
            await asyncio.sleep(chance.uniform(0, 0.5))
            victim = chance.choice(talkers)
            victim.kill()
            victim.start()
        await until(lambda: all(talker.is_done for talker in talkers), "the talk", seconds=120)
        (tmp_path / "end").touch()
        for talker in talkers:
            talker.finish()
        await check(world, names, 100, digest)
    finally:
        for talker in talkers:
            talker.destroy()
        relay.kill()
