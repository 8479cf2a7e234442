"""Photos, files and voice notes between a browser and a terminal, byte for byte; a browser that is full."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from chappe.client import Phone, ShownMessage
from tests.client.world import all_messages, texts, until
from tests.e2e.phone_page import PhonePage, Story, button
from tests.e2e.picture import draw

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def cyd(story: Story) -> Phone:
    (phone,) = await story.world.phones("cyd")
    return phone


@pytest.fixture(scope="module")
async def ada(story: Story, cyd: Phone) -> PhonePage:
    phone = await story.phone("ada")
    await phone.begin(cyd.address)
    return phone


async def comes(phone: Phone, seen: int, seconds: float = 40) -> ShownMessage:
    """The file that came as the phone's file number `seen`."""

    def files() -> list[ShownMessage]:
        return [one for one in all_messages(phone) if one.kind == "file"]

    await until(lambda: len(files()) > seen, "a file", seconds)
    return files()[seen]


async def test_a_file_both_ways(ada: PhonePage, cyd: Phone, tmp_path: Path) -> None:
    content = random.Random(1).randbytes(3_000_000)
    (tmp_path / "report.bin").write_bytes(content)
    await ada.attach("Sent as it is", tmp_path / "report.bin")
    came = await comes(cyd, 0)
    assert came.file is not None
    assert (came.file.name, came.file.size) == ("report.bin", len(content))
    saved = await cyd.save_file(came.id, tmp_path / "saved")
    assert saved.read_bytes() == content

    back = random.Random(2).randbytes(2_000_000)
    (tmp_path / "answer.bin").write_bytes(back)
    await cyd.send_file(cyd.conversation(ada.address).id, tmp_path / "answer.bin")
    card = "role=button[name=/Download.*answer.bin/]"
    await ada.page.see(card, 40)
    assert await ada.page.download(card) == back


async def test_a_photo(ada: PhonePage, cyd: Phone, tmp_path: Path) -> None:
    """Made smaller, and what the camera wrote beside it is left behind."""
    path = tmp_path / "holiday.png"
    path.write_bytes(draw(3000, 2000, text={"Comment": "taken at 48.8566, 2.3522"}))
    await ada.attach("Photo", path)
    await ada.page.see("dialog >> img[alt=Photo]")
    await ada.page.click(f"dialog >> {button('Send')}")
    await ada.page.see(button("View photo"))
    came = await comes(cyd, 2)
    assert came.file is not None
    assert came.file.content_type == "image/jpeg"
    picture = (await cyd.save_file(came.id, tmp_path / "photo.jpg")).read_bytes()
    assert picture.startswith(b"\xff\xd8\xff")
    assert len(picture) == came.file.size
    assert b"48.8566" not in picture
    assert b"Exif" not in picture
    await ada.page.click(button("View photo"))
    await ada.page.see("dialog >> img")
    await ada.page.on("dialog", "press", "Escape")
    await ada.page.gone("dialog >> img")


async def test_a_voice_note(ada: PhonePage, cyd: Phone, tmp_path: Path) -> None:
    await ada.page.click(button("Record a voice note"))
    await ada.page.see("text=0:02")
    await ada.page.click(button("Send"))
    await ada.page.see(button("Play"))
    came = await comes(cyd, 3)
    assert came.file is not None
    assert came.file.content_type.startswith("audio/")
    note = await cyd.save_file(came.id, tmp_path / "note")
    assert note.stat().st_size == came.file.size > 1000


async def test_a_file_that_is_too_large(ada: PhonePage, tmp_path: Path) -> None:
    path = tmp_path / "huge.bin"
    with path.open("wb") as sparse:
        sparse.truncate(100 * 1024 * 1024 + 1)
    await ada.attach("Sent as it is", path)
    await ada.sees("At most 100 MB.")
    await ada.page.gone("text=huge.bin")


async def test_a_browser_that_is_full(ada: PhonePage, cyd: Phone, tmp_path: Path) -> None:
    """It says so, keeps what it has, and goes on when there is room."""
    (tmp_path / "large.bin").write_bytes(random.Random(3).randbytes(8_000_000))
    await ada.page.quota(1)
    await ada.attach("Sent as it is", tmp_path / "large.bin")
    await ada.sees("There is no room left on this device.")
    await ada.page.quota(-1)
    await ada.send("Room again")
    await until(lambda: "Room again" in texts(cyd))
    await ada.attach("Sent as it is", tmp_path / "large.bin")
    came = await comes(cyd, 4)
    assert came.file is not None
    assert came.file.name == "large.bin"
