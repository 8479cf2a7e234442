"""Files: whole or not at all."""

from __future__ import annotations

import asyncio
import errno
import random
from pathlib import Path

import pytest

from chappe.client import Phone, files
from chappe.client.messages import StoredFile
from chappe.wire.errors import ChappeError, error
from tests.client.world import PATIENCE, World, meet, texts, until
from tests.relay.world import RelayProcess

KIB = 1024


def data(size: int) -> bytes:
    return random.Random(size).randbytes(size)


async def refused(code: str, call: object) -> None:
    with pytest.raises(ChappeError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.code == code


async def received(phone: Phone) -> bytes:
    """The id of the one file that came."""

    def ids() -> list[bytes]:
        return [m.id for c in phone.conversations() for m in phone.messages(c.id) if m.kind == "file"]

    await until(lambda: len(ids()) == 1, "the file")
    return ids()[0]


@pytest.mark.parametrize("size", [0, 1, 256 * KIB - 1, 256 * KIB, 256 * KIB + 1, 3 * KIB * KIB + 7])
async def test_a_file_arrives_as_it_was(world: World, tmp_path: Path, size: int) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    source = tmp_path / "report.pdf"
    source.write_bytes(data(size))
    sent: list[tuple[int, int]] = []
    await ada.send_file(mine.id, source, lambda done, total: sent.append((done, total)))
    message = await received(ben)
    shown = ben.message(message.hex())
    assert shown.file is not None
    assert (shown.file.name, shown.file.size, shown.file.content_type) == (
        "report.pdf",
        size,
        "application/pdf",
    )
    fetched: list[tuple[int, int]] = []
    folder = tmp_path / "in"
    folder.mkdir()
    found = await ben.save_file(message, folder, lambda done, total: fetched.append((done, total)))
    assert found == folder / "report.pdf"
    assert found.read_bytes() == data(size)
    for steps, total in ((sent, size + files.TAG), (fetched, size)):
        assert steps[-1] == (total, total)
        assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    for phone in (ada, ben):
        assert list(phone._profile.spool.iterdir()) == [], "nothing is left under way"


async def test_nothing_is_overwritten(world: World, tmp_path: Path) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    source = tmp_path / "notes.txt"
    source.write_bytes(b"mine")
    await ada.send_file(mine.id, source)
    message = await received(ben)
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "notes.txt").write_bytes(b"was here")
    (folder / "notes (2).txt").symlink_to("/nowhere")
    assert (await ben.save_file(message, folder)).name == "notes (3).txt"
    assert (await ben.save_file(message, folder / "other name")).name == "other name"
    assert (folder / "notes.txt").read_bytes() == b"was here"
    assert sorted(p.name for p in folder.iterdir()) == [
        "notes (2).txt",
        "notes (3).txt",
        "notes.txt",
        "other name",
    ]


async def test_a_file_that_cannot_be_read(world: World, tmp_path: Path) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await refused("file.unreadable", ada.send_file(mine.id, tmp_path / "missing"))
    await refused("file.unreadable", ada.send_file(mine.id, tmp_path))
    assert list(ada._profile.spool.iterdir()) == []
    assert ada.messages(mine.id) == []
    text = await ada.send_text(mine.id, "x")
    await refused("message.unknown", ada.save_file(text, tmp_path))


async def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "relay-data", attempts_burst=10_000, max_attachment=64 * KIB)
    world = World(relay, tmp_path)
    try:
        ada, ben = await world.phones("ada", "ben")
        mine, _ = await meet(ada, ben)
        source = tmp_path / "big"
        source.write_bytes(bytes(64 * KIB))
        await refused("attachment.too_large", ada.send_file(mine.id, source))
        assert list(ada._profile.spool.iterdir()) == []
        assert ada._engine.transfers.idle
    finally:
        await world.close()
        relay.kill()


async def test_a_relay_that_changes_a_file_is_found_out(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "relay-data", attempts_burst=10_000)
    world = World(relay, tmp_path)
    try:
        ada, ben = await world.phones("ada", "ben")
        mine, _ = await meet(ada, ben)
        source = tmp_path / "contract.txt"
        source.write_bytes(data(300 * KIB))
        await ada.send_file(mine.id, source)
        message = await received(ben)
        (stored,) = (
            p for p in relay.data_dir.rglob("*") if p.is_file() and p.stat().st_size == 300 * KIB + 16
        )
        whole = bytearray(stored.read_bytes())
        whole[1000] ^= 1
        stored.write_bytes(whole)
        folder = tmp_path / "in"
        folder.mkdir()
        await refused("attachment.corrupt", ben.save_file(message, folder))
        assert list(folder.iterdir()) == []
        whole[1000] ^= 1
        stored.write_bytes(whole)
        assert (await ben.save_file(message, folder)).read_bytes() == data(300 * KIB)
    finally:
        await world.close()
        relay.kill()


async def test_an_upload_goes_on_after_a_restart(tmp_path: Path) -> None:
    """The relay stops in the middle, the phone is closed; both come back, and the file goes out by itself."""
    relay = RelayProcess(tmp_path / "relay-data", attempts_burst=10_000)
    world = World(relay, tmp_path)
    try:
        ada, ben = await world.phones("ada", "ben")
        mine, _ = await meet(ada, ben)
        source = tmp_path / "film.bin"
        source.write_bytes(data(20 * KIB * KIB))
        halfway = asyncio.Event()
        sending = asyncio.create_task(
            ada.send_file(mine.id, source, lambda done, total: halfway.set() if done > total / 3 else None)
        )
        await halfway.wait()
        relay.kill()
        sending.cancel()
        await world.shut("ada")
        source.unlink()
        relay.start()
        await world.open("ada")
        message = await received(ben)
        assert (await ben.save_file(message, tmp_path / "got")).read_bytes() == data(20 * KIB * KIB)
    finally:
        await world.close()
        relay.kill()


def stored(sealed: files.Sealed) -> StoredFile:
    return StoredFile("", sealed.key, sealed.nonce, sealed.hash, sealed.size, "", sealed.name, "")


@pytest.mark.parametrize("at", [0, 500, 1015], ids=["first byte", "middle", "tag"])
def test_a_changed_ciphertext_leaves_nothing(tmp_path: Path, at: int) -> None:
    (tmp_path / "plain").write_bytes(data(1000))
    sealed = files.seal(tmp_path / "plain", tmp_path / "sealed")
    files.unseal(tmp_path / "sealed", stored(sealed), tmp_path / "control")
    assert (tmp_path / "control").read_bytes() == data(1000)
    whole = bytearray((tmp_path / "sealed").read_bytes())
    assert len(whole) == 1016
    whole[at] ^= 1
    (tmp_path / "sealed").write_bytes(whole)
    with pytest.raises(ChappeError, match=r"attachment\.corrupt"):
        files.unseal(tmp_path / "sealed", stored(sealed), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("url", ["", "mimi://other/a/x", "mimi://localhost/a/short", "https://localhost/a/x"])
def test_urls_of_other_places(url: str) -> None:
    with pytest.raises(ChappeError, match=r"attachment\.unknown"):
        files.attachment_id(url, "localhost")


async def test_the_relay_sees_no_name_and_no_content(world: World, tmp_path: Path) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    source = tmp_path / "kingfisher.txt"
    source.write_bytes(b"the kingfisher flies at dawn " * 100)
    await ada.send_file(mine.id, source)
    await ada.send_text(mine.id, "the kingfisher flies")
    await ada.settled(PATIENCE)
    for path in world.relay.data_dir.rglob("*"):
        if path.is_file():
            assert b"kingfisher" not in path.read_bytes(), path.name


async def test_a_disk_that_is_full_for_a_while(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said as what it is, and the phone goes on when there is room."""
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    (tmp_path / "note").write_bytes(b"x")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    def sweep() -> float | None:
        raise error("storage.full")

    with monkeypatch.context() as patch:
        patch.setattr("chappe.client.files.os.fsync", full)
        patch.setattr(ada._engine.messages, "sweep", sweep)
        ada._engine._sweep_anew()
        with pytest.raises(ChappeError, match=r"storage\.full"):
            await ada.send_file(mine.id, tmp_path / "note")
        await asyncio.sleep(0.1)
    await ada.send_text(mine.id, "there is room again")
    await until(lambda: texts(ben) == ["there is room again"])
    await ada.settled(PATIENCE)
    assert list(ada._profile.spool.iterdir()) == []


async def test_patience_begins_with_the_first_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transfer that was cut off after a long time of progress goes on; without any, it ends."""
    monkeypatch.setattr(files, "PATIENCE", 0.2)
    patience, away = files.Patience(), error("network.unreachable")
    for done in (0, 1, 2):
        patience.progress(done)
        await asyncio.sleep(0.3)
        await patience.wait(away)
    patience.progress(2)
    await asyncio.sleep(0.3)
    with pytest.raises(ChappeError, match=r"network\.unreachable"):
        await patience.wait(away)
