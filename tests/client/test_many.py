"""Many devices in one conversation: twenty-five, or with CHAPPE_LONG=1, which takes minutes, a hundred."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.client import Phone
from chappe.mls import MLSError, accept_any
from tests.client.world import World, texts, until
from tests.relay.world import RelayProcess

ROOM = 2 * 1024**3
DEVICES = 100 if os.environ.get("CHAPPE_LONG") == "1" else 15


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """In memory where there is room: a hundred stores would wait for the disk ten thousand times."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or shutil.disk_usage(memory).free < ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="chappe-test-", dir=memory) as made:
        yield Path(made)


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_many_devices(folder: Path) -> None:
    """Each one's message reaches all others; one is removed, and opens nothing sent after."""
    relay = RelayProcess(folder / "relay-data", attempts_burst=10_000)
    world = World(relay, folder)
    try:
        phones = await world.phones(*(f"p{number:02}" for number in range(DEVICES)))
        first, *rest = phones
        group = (await first.create_group("many", [phone.address for phone in rest])).id
        await until(lambda: all(has(phone, group) for phone in rest), "all are in", seconds=120)
        for phone in phones:
            await phone.send_text(group, phone.address)
        everything = {phone.address for phone in phones}
        await until(lambda: all(len(texts(p, group)) >= DEVICES for p in phones), "all have all", seconds=400)
        for phone in phones:
            assert sorted(texts(phone, group)) == sorted(everything)
        gone = phones[DEVICES // 2]
        spy = gone._engine.groups.group(group)
        await first.remove(group, gone.address)
        await until(lambda: not gone.conversation(group.hex()).active)
        await first.send_text(group, "without them")
        others = [phone for phone in phones if phone is not gone]
        await until(lambda: all(texts(p, group)[-1] == "without them" for p in others), seconds=60)
        await asyncio.sleep(0.5)
        assert len(texts(gone, group)) == DEVICES
        _, ciphertext = first._engine.groups.group(group).encrypt(b"secret", now=first._engine.core.now())
        with pytest.raises(MLSError):
            spy.process(ciphertext, now=first._engine.core.now(), authenticate=accept_any)
    finally:
        await world.close()
        relay.kill()


def has(phone: Phone, group: bytes) -> bool:
    return any(conversation.id == group for conversation in phone.conversations())
