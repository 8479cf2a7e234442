"""What the years do, with a clock that the test moves: thirty days of mail, ids, attachments, packages."""

from __future__ import annotations

import secrets
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chappe.relay.config import load_settings
from chappe.relay.mailroom import AckOperation, SendOperation
from chappe.relay.new_codes import new_code
from chappe.relay.ports import DeviceRecord, Stored
from chappe.relay.relay import Relay
from chappe.relay.serve import open_shares
from chappe.relay.session import ReadPage
from chappe.relay.storage import open_database
from chappe.relay.usecases import sweep
from chappe.relay.usecases.key_packages import REMEMBER_TAKEN_SECONDS, PublishKeyPackages
from chappe.relay.usecases.look_up import LookUp
from chappe.relay.usecases.register import ActivateLine
from chappe.relay.usecases.sweep import MAILBOXES_AT_ONCE
from chappe.wire import codes, frames
from chappe.wire.errors import ChappeError
from tests.relay import stores
from tests.relay.world import Device

DAY = 24 * 3600


class World:
    """A relay in this process, its clock, and devices that are there."""

    def __init__(self, data_dir: Path) -> None:
        self.settings = load_settings({}, data_dir=data_dir, **stores.given(data_dir))
        data_dir.mkdir()
        open_database(self.settings).upgrade()
        self.now = time.time()
        self.relay = Relay(self.settings, open_shares(self.settings), lambda: self.now)

    async def device(self, name: str) -> DeviceRecord:
        device = Device.of_new_line(f"{name}@localhost")
        code = new_code(self.settings)[0]
        await self.relay.store.run(ActivateLine(codes.digest(code), device.certificate))
        return await self.record(device.id)

    async def record(self, device: bytes) -> DeviceRecord:
        found = await self.relay.store.device(device)
        assert found is not None
        return found

    async def send(self, sender: DeviceRecord, to: list[DeviceRecord], payload: bytes, id_: bytes) -> Stored:
        stored = await self.relay.store.run(SendOperation(id_, [device.device for device in to], payload))
        assert isinstance(stored, Stored)
        return stored

    async def mail(self, device: DeviceRecord) -> list[tuple[int, bytes]]:
        page = await self.relay.page(device, ReadPage(0, 1000, 10**9))
        return [(envelope.sequence, envelope.payload) for envelope in page.envelopes]

    def count(self, table: str) -> int:
        found: int = stores.rows(self.settings, f"SELECT count(*) FROM {table}")[0][0]
        return found


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[World]:
    made = World(data_dir)
    yield made
    await made.relay.close()


async def test_mail_is_kept_for_thirty_days_and_no_longer(world: World) -> None:
    ada, bob = await world.device("ada"), await world.device("bob")
    stored = await world.send(ada, [ada, bob], b"old", b"1" * 16)
    assert stored.expires == int(world.now) + 30 * DAY
    world.now += 10 * DAY
    await world.send(ada, [bob], b"newer", b"2" * 16)
    world.now = stored.expires - 1
    await world.relay.sweep()
    assert await world.mail(bob) == [(1, b"old"), (2, b"newer")]
    world.now = stored.expires
    # Not delivered any more, swept or not.
    assert await world.mail(bob) == [(2, b"newer")]
    await world.relay.sweep()
    assert await world.mail(bob) == [(2, b"newer")]
    assert await world.mail(ada) == []
    assert (world.count("payloads"), world.count("entries"), world.count("shares")) == (1, 1, 0)
    # Numbers are never given twice.
    assert (await world.record(ada.device)).gone_sequence == 1
    await world.send(bob, [ada], b"next", b"3" * 16)
    assert await world.mail(ada) == [(2, b"next")]


async def test_a_long_list_is_swept_whole(world: World) -> None:
    ada, bob = await world.device("ada"), await world.device("bob")
    for number in range(1_200):
        world.relay.store.submit(
            SendOperation(number.to_bytes(16, "big"), [bob.device], b"x"), lambda _outcome: None
        )
    await world.send(ada, [bob], b"last", b"l" * 16)
    assert world.count("entries") == 1_201
    world.now += 31 * DAY
    await world.relay.sweep()
    assert [world.count(t) for t in ("entries", "payloads", "sent_ids")] == [0, 0, 0]


async def test_an_id_is_known_as_long_as_its_mail(world: World) -> None:
    ada, bob = await world.device("ada"), await world.device("bob")
    first = await world.send(ada, [bob], b"x", b"1" * 16)
    await world.relay.store.run(AckOperation(bob.mailbox, 1))
    world.now += 29 * DAY
    await world.relay.sweep()
    assert await world.send(ada, [bob], b"x", b"1" * 16) == first
    assert await world.mail(bob) == []
    world.now += 2 * DAY
    await world.relay.sweep()
    assert world.count("sent_ids") == 0


async def test_attachments_and_their_files_go_after_thirty_days(world: World) -> None:
    ada = await world.device("ada")
    reserve = world.relay.attachments.reserve(ada.line, 5)
    await world.relay.store.run(reserve)

    async def body() -> AsyncIterator[bytes]:
        yield b"12345"

    assert await world.relay.attachments.upload(reserve.attachment, reserve.token, 0, 5, body()) == 5
    folder = world.settings.data_dir / "attachments"
    world.now += 30 * DAY - 1
    await world.relay.sweep()
    assert [path.read_bytes() for path in folder.iterdir()] == [b"12345"]
    world.now += 1
    with pytest.raises(ChappeError, match=r"attachment\.unknown"):
        await world.relay.attachments.find(reserve.attachment)
    await world.relay.sweep()
    assert list(folder.iterdir()) == []
    assert world.count("attachments") == 0


async def test_files_without_a_row_are_deleted_and_others_left(world: World) -> None:
    folder = world.settings.data_dir / "attachments"
    ada = await world.device("ada")
    reserve = world.relay.attachments.reserve(ada.line, 5)
    await world.relay.store.run(reserve)
    kept = folder / reserve.attachment.hex()
    stray, other = folder / secrets.token_hex(32), folder / "README"
    for path in (kept, stray, other):
        path.write_bytes(b"x")
    await world.relay.attachments.delete_strays()
    assert sorted(folder.iterdir()) == sorted([kept, other])


async def test_a_lines_room_comes_back(world: World) -> None:
    ada = await world.device("ada")
    quota = world.settings.attachment_quota
    world.relay.attachments._max_size = quota
    await world.relay.store.run(world.relay.attachments.reserve(ada.line, quota))
    with pytest.raises(ChappeError, match=r"attachment\.quota"):
        await world.relay.store.run(world.relay.attachments.reserve(ada.line, 1))
    world.now += 30 * DAY
    await world.relay.store.run(world.relay.attachments.reserve(ada.line, quota))
    await world.relay.sweep()
    assert world.count("attachment_use") == 1


async def test_a_code_expires_on_the_second(world: World) -> None:
    code = codes.digest(new_code(world.settings)[0])
    ((expires,),) = stores.rows(world.settings, "SELECT expires_at FROM codes")
    assert expires == pytest.approx(time.time() + 30 * DAY, abs=5)
    world.now = expires
    late = Device.of_new_line("late@localhost")
    with pytest.raises(ChappeError, match=r"code\.expired"):
        await world.relay.store.run(ActivateLine(code, late.certificate))
    assert world.count("lines") == 0
    world.now = expires - 1
    await world.relay.store.run(ActivateLine(code, late.certificate))
    # It is remembered as used for a year, then forgotten.
    world.now += 364 * DAY
    await world.relay.sweep()
    assert world.count("codes") == 1
    world.now += 2 * DAY
    await world.relay.sweep()
    assert world.count("codes") == 0


async def test_taken_packages_are_remembered_and_then_forgotten(world: World) -> None:
    ada = await world.device("ada")
    publish = PublishKeyPackages(ada.mailbox, (b"package",), None)
    await world.relay.store.run(publish)

    async def take() -> bytes | None:
        line = await world.relay.store.run(LookUp(frames.Lookup(1, "ada@localhost", True)))
        assert isinstance(line, frames.Line)
        return line.devices[0].key_package

    assert await take() == b"package"
    world.now += REMEMBER_TAKEN_SECONDS - 1
    await world.relay.sweep()
    await world.relay.store.run(publish)
    assert await take() is None
    world.now += 1
    await world.relay.sweep()
    assert world.count("key_packages") == 0


async def test_the_clock_going_back_loses_nothing(world: World) -> None:
    ada, bob = await world.device("ada"), await world.device("bob")
    await world.send(ada, [bob], b"1", b"1" * 16)
    world.now -= 5 * DAY
    await world.send(ada, [bob], b"2", b"2" * 16)
    await world.relay.sweep()
    assert await world.mail(bob) == [(1, b"1"), (2, b"2")]
    # What seems older waits behind what seems newer; it is not handed out meanwhile, and goes with it.
    world.now += 32 * DAY
    await world.relay.sweep()
    assert await world.mail(bob) == [(1, b"1")]
    world.now += 3 * DAY
    await world.relay.sweep()
    assert (world.count("entries"), world.count("payloads")) == (0, 0)


async def test_many_stale_mailboxes_are_swept_piece_by_piece(world: World) -> None:
    ada = await world.device("ada")
    others = [await world.device(f"d{number}") for number in range(MAILBOXES_AT_ONCE + 5)]
    await world.send(ada, others, b"to all", b"1" * 16)
    world.now += DAY
    await world.send(ada, others[:2], b"to two", b"2" * 16)
    world.now += 29 * DAY
    await world.relay.sweep()
    assert [await world.mail(other) for other in others] == [[(2, b"to two")]] * 2 + [[]] * (len(others) - 2)
    assert [world.count(table) for table in ("entries", "payloads", "shares")] == [2, 1, 1]


async def test_a_sweep_walks_over_all_mailboxes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "WALKED_AT_ONCE", 3)
    monkeypatch.setattr(sweep, "MAILBOXES_AT_ONCE", 2)
    monkeypatch.setattr(sweep, "PIECE", 2)
    ada = await world.device("ada")
    others = [await world.device(f"d{number}") for number in range(8)]
    for number in range(5):
        await world.send(ada, others[1:], b"old", bytes([number]) * 16)
    world.now += 30 * DAY
    await world.send(ada, [others[0], others[4]], b"new", b"n" * 16)
    await world.relay.sweep()
    assert [await world.mail(other) for other in others] == [
        [(1, b"new")], [], [], [], [(6, b"new")], [], [], [],
    ]  # fmt: skip
    assert [world.count(table) for table in ("entries", "payloads", "shares")] == [2, 1, 1]
