"""Big files through a network that fails, in a browser that is killed: they go on, and nothing is readable.

24 MB by default; CHAPPE_BIG_FILES=1 takes 100 MB and says times and memory (docs/performance.md).
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import random
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from chappe.client import Phone
from tests.client.world import all_messages, texts, until
from tests.e2e.browser import Page
from tests.e2e.gate import Gate, gate_to
from tests.e2e.memory import Memory
from tests.e2e.phone_page import FLAGS, PhonePage, Story, button
from tests.e2e.test_story_files import comes

pytestmark = pytest.mark.anyio
BIG: Final = os.environ.get("CHAPPE_BIG_FILES") == "1"
MB: Final = 1024 * 1024
SIZE: Final = 100 * MB if BIG else 24 * MB
CANARY: Final = b"the tower at noon, in clear"
SECONDS: Final = 300


@pytest.fixture(scope="module")
async def gate(story: Story) -> AsyncIterator[Gate]:
    async with gate_to(story.relay.port) as opened:
        yield opened


@pytest.fixture(scope="module")
async def cyd(story: Story) -> Phone:
    (phone,) = await story.world.phones("cyd")
    return phone


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("browser")


@pytest.fixture(scope="module")
async def ada(story: Story, gate: Gate, cyd: Phone, folder: Path) -> PhonePage:
    """In a browser of its own, behind the gate."""
    phone = PhonePage(await _browser(story, gate, folder), story)
    await phone.activate(story.relay.code(), "ada")
    await phone.begin(cyd.address)
    await phone.send("Hello")
    await until(lambda: "Hello" in texts(cyd))
    return phone


async def _browser(story: Story, gate: Gate, folder: Path) -> Page:
    return await story.browser.persistent("ada", f"https://localhost:{gate.port}/", folder, *FLAGS)


async def again(phone: PhonePage, peer: Phone, gate: Gate, folder: Path) -> None:
    """Kill the browser, start it again, with a network, and unlock."""
    await phone.page.kill()
    assert CANARY not in b"".join(part for path in _files(folder) for part in _parts(path))
    gate.open()
    await _browser(phone.story, gate, folder)
    await phone.unlock()
    await phone.open(peer.address)


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]


def _parts(path: Path) -> list[bytes]:
    """What of a file might be the canary's: all of it would be too much to join."""
    data = path.read_bytes()
    return [data[one.start() : one.end()] for one in re.finditer(re.escape(CANARY), data)]


def written(path: Path, seed: int, size: int = SIZE) -> bytes:
    """A file without repetition, that names itself every 64 KiB. Its SHA-256."""
    rng, digest = random.Random(seed), hashlib.sha256()
    with path.open("wb") as file:
        for _ in range(0, size, 65536):
            piece = CANARY + rng.randbytes(65536 - len(CANARY))
            digest.update(piece)
            file.write(piece)
    return digest.digest()


def hash_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


async def at_rest(phone: PhonePage) -> list[str]:
    return (await phone.stored())["files"]


async def rests(phone: PhonePage, count: int) -> None:
    """Until so many files lie in the browser."""
    for _ in range(200):
        if len(await at_rest(phone)) == count:
            return
        await asyncio.sleep(0.1)
    assert len(await at_rest(phone)) == count


def names(phone: Phone) -> list[str]:
    return [one.file.name for one in all_messages(phone) if one.file is not None]


async def progress(phone: PhonePage, least: int) -> int:
    """Of the transfer under way, in percent, once it is so far."""
    for _ in range(600):
        if await phone.page.count("role=progressbar"):
            shown = await phone.page.on("role=progressbar", "getAttribute", "aria-valuenow")
            if int(shown) >= least:
                return int(shown)
        await asyncio.sleep(0.1)
    raise AssertionError("no progress")


async def test_an_upload_goes_on_after_a_kill(
    ada: PhonePage, gate: Gate, cyd: Phone, folder: Path, tmp_path: Path
) -> None:
    expected = written(tmp_path / "up.bin", 1)
    gate.shut_after("up", SIZE // 3)
    await ada.attach("Sent as it is", tmp_path / "up.bin")
    await gate.is_shut(SECONDS)
    await ada.page.see("role=progressbar")
    (tmp_path / "up.bin").unlink()
    before = gate.passed["up"]
    await again(ada, cyd, gate, folder)
    came = await comes(cyd, 0, SECONDS)
    # What the relay had is not sent again: at most the piece that was under way.
    assert gate.passed["up"] - before < SIZE - SIZE // 3 + 3 * MB
    assert hash_of(await cyd.save_file(came.id, tmp_path / "saved")) == expected
    await ada.page.gone("role=progressbar")
    assert len(await at_rest(ada)) == 1


async def test_a_download_goes_on_after_a_kill(
    ada: PhonePage, gate: Gate, cyd: Phone, folder: Path, tmp_path: Path
) -> None:
    expected = written(tmp_path / "down.bin", 2)
    await cyd.send_file(cyd.conversation(ada.address).id, tmp_path / "down.bin")
    card = "role=button[name=/Download.*down.bin/]"
    await ada.page.see(card, SECONDS)
    gate.shut_after("down", SIZE // 3)
    await ada.page.click(card)
    await gate.is_shut(SECONDS)
    # What came through the gate may be on its way to the page still.
    there = SIZE * await progress(ada, 10) // 100
    before = gate.passed["down"]
    await again(ada, cyd, gate, folder)
    # It goes on by itself, behind what was there.
    await ada.page.see(card, SECONDS)
    assert gate.passed["down"] - before < SIZE - there + 3 * MB
    before = gate.passed["down"]
    await ada.page.save(card, tmp_path / "saved")
    assert hash_of(tmp_path / "saved") == expected
    assert gate.passed["down"] - before < MB
    assert len(await at_rest(ada)) == 2


async def test_both_ways_can_be_cancelled(ada: PhonePage, gate: Gate, cyd: Phone, tmp_path: Path) -> None:
    kept = await at_rest(ada)
    written(tmp_path / "wrong.bin", 3, 8 * MB)
    gate.shut_after("up", 2 * MB)
    await ada.attach("Sent as it is", tmp_path / "wrong.bin")
    await gate.is_shut()
    await ada.page.click(button("Cancel the transfer"))
    await ada.gone("wrong.bin")
    await rests(ada, len(kept))
    gate.open()
    await cyd.send_file(cyd.conversation(ada.address).id, tmp_path / "wrong.bin")
    card = "role=button[name=/Download.*wrong.bin/]"
    await ada.page.see(card, 60)
    gate.shut_after("down", 2 * MB)
    await ada.page.click(card)
    await gate.is_shut()
    await ada.page.click(button("Cancel the transfer"))
    await ada.page.see(card)
    await rests(ada, len(kept))
    gate.open()
    await ada.send("Without that file")
    await until(lambda: "Without that file" in texts(cyd))


async def test_a_store_that_is_full_takes_no_file(ada: PhonePage, gate: Gate, cyd: Phone) -> None:
    """It says so, nothing half written is left, and messages go on both ways."""
    kept = await at_rest(ada)
    used = await ada.page.evaluate("async () => (await navigator.storage.estimate()).usage")
    card = "role=button[name=/Download.*wrong.bin/]"
    await ada.page.quota(int(used) + 6 * MB)
    await ada.page.click(card)
    await ada.sees("There is no room left on this device.")
    assert await at_rest(ada) == kept
    await ada.send("Full")
    await until(lambda: "Full" in texts(cyd))
    await cyd.send_text(cyd.conversation(ada.address).id, "Messages go on")
    await ada.reads("Messages go on")
    await ada.page.quota(-1)
    # It may also be full in the middle.
    gate.shut_after("down", 2 * MB)
    await ada.page.click(card)
    await gate.is_shut()
    await progress(ada, 10)
    await ada.page.gone("text=There is no room left on this device.")
    await ada.page.quota(1)
    gate.open()
    await ada.sees("There is no room left on this device.", 60)
    await rests(ada, len(kept))
    await ada.page.quota(-1)
    await ada.page.click(card)
    await rests(ada, len(kept) + 1)


async def test_what_is_deleted_gives_its_room_back(ada: PhonePage, cyd: Phone) -> None:
    kept = await at_rest(ada)
    await ada.act("down.bin", "Delete on this device")
    await rests(ada, len(kept) - 1)
    await ada.act("up.bin", "Delete for everybody")
    await rests(ada, len(kept) - 2)
    # What nothing names any more goes with the next unlocking.
    await ada.page.evaluate(
        """async () => {
          const root = await navigator.storage.getDirectory();
          const folder = await root.getDirectoryHandle("chappe-files");
          const file = await folder.getFileHandle("00".repeat(16), { create: true });
          const writer = await file.createWritable();
          await writer.write(new Uint8Array(1000));
          await writer.close();
        }"""
    )
    assert len(await at_rest(ada)) == len(kept) - 1
    await ada.lock()
    await ada.unlock()
    await rests(ada, len(kept) - 2)


@pytest.mark.skipif(not BIG, reason="CHAPPE_BIG_FILES=1 measures 100 MB")
async def test_how_long_and_how_much_memory(
    ada: PhonePage, cyd: Phone, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await ada.open(cyd.address)
    path, lines = tmp_path / "measured.bin", []
    written(path, 4)
    async with Memory(await ada.page.pid()) as memory:
        began = time.monotonic()
        await ada.attach("Sent as it is", path)
        await until(lambda: "measured.bin" in names(cyd), "the file", SECONDS)
        lines.append(f"up: {time.monotonic() - began:.1f} s, {memory.said()}")
    await cyd.send_file(cyd.conversation(ada.address).id, path)
    card = "role=button[name=/Download.*measured.bin/] >> nth=-1"
    await ada.page.see(card, SECONDS)
    async with Memory(await ada.page.pid()) as memory:
        began = time.monotonic()
        await ada.page.click(card)
        await progress(ada, 1)
        while await ada.page.count("role=progressbar"):
            await asyncio.sleep(0.1)
        lines.append(f"down: {time.monotonic() - began:.1f} s, {memory.said()}")
    with capsys.disabled():
        print("\n" + "\n".join(lines))
