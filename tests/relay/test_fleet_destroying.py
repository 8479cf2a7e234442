"""Between an order and the end of the share: races, kills, and a share service that does not answer."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from chappe.relay import organisations
from chappe.relay import relay as relay_module
from chappe.relay.new_codes import new_codes
from chappe.relay.usecases.receipts import MarkUnreadable
from chappe.relay.usecases.register import AddDevice
from chappe.wire import fleet, frames
from chappe.wire.errors import error
from chappe.wire.orders import SignedOrder
from tests.relay.fleet_world import (
    REASON,
    SERVER,
    Organisation,
    Person,
    World,
    make_order,
    new_device,
    only,
    sibling_of,
    whole,
)
from tests.relay.shares.world import Owner, ServiceProcess
from tests.relay.world import Device, RelayProcess, activate, endorsement_of


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[World]:
    made = World(data_dir)
    yield made
    await made.close()


async def test_a_thousand_races_of_the_right_pin_against_an_erase_order(world: World) -> None:
    """Twenty orders of fifty devices each; with PostgreSQL, where the shares are no other, four. Once an
    order is acknowledged, no share of its devices leaves the relay any more, whenever it was asked for."""
    of = world.organisation()
    chance = random.Random(17)
    opened = closed = 0
    orders = 20 if world.settings.database_url is None else 4
    for _ in range(orders):
        devices, owners = await fifty(world, of)
        signed = of.sign(world.order(of, "erase", [only(device) for device in devices]), *of.officers)
        acknowledged = asyncio.Event()

        async def order(signed: SignedOrder = signed, done: asyncio.Event = acknowledged) -> None:
            await asyncio.sleep(chance.random() * 0.05)
            assert (await world.ask(of, fleet.Give(signed, REASON), fleet.Given)).unreadable
            done.set()

        async def unlock(owner: Owner, done: asyncio.Event = acknowledged) -> str:
            await asyncio.sleep(chance.random() * 0.15)
            came = await world.guess(owner)
            assert not (came == "open" and done.is_set())
            return came

        outcomes = (await asyncio.gather(order(), *map(unlock, owners)))[1:]
        assert set(outcomes) <= {"open", "gone", "signin.revoked", "unlock.unavailable"}
        opened += outcomes.count("open")
        closed += len(outcomes) - outcomes.count("open")
        assert {await world.guess(owner) for owner in owners[:3]} == {"gone"}
    assert opened + closed == 50 * orders
    # Both ends of the race were seen; of few races on a busy machine the one may win them all.
    assert opened > orders or orders < 20
    assert closed > orders


async def fifty(world: World, of: Organisation) -> tuple[list[Device], list[Owner]]:
    """Of one line, each with its share."""
    first = await world.line(of)
    devices = [sibling_of(first) for _ in range(50)]
    await asyncio.gather(
        *(world.relay.store.run(AddDevice(device.certificate, endorsement_of(device))) for device in devices)
    )
    owners = [Owner(device.id) for device in devices]
    key = await world.relay.share_key()
    await asyncio.gather(*(world.relay._shares.enrol(o.device, o.enrolment(key)) for o in owners))
    return devices, owners


async def test_a_share_service_that_does_not_answer(world: World) -> None:
    """The device is signed out all the same, nothing of it is unlocked or enrolled, and the relay goes on
    asking: also one that was started anew."""
    of = world.organisation()
    ada = await world.line(of)
    owner = await world.vault(ada)
    world.shares.is_away = True
    given = await world.give(of, "erase", only(ada))
    assert (given.awaiting, given.unreadable) == (False, False)
    record = await world.record(ada)
    assert record.revoked
    assert (await world.status(of)).devices[0].unreadable_at is None
    for _ in range(2):
        assert await world.guess(owner) == "signin.revoked"
        with pytest.raises(Exception, match=r"signin\.revoked"):
            await enrol(world, ada)
        await world.restart()
        await world.relay.destroyer.start()
    # It answers again: the same order is answered with what is so now.
    signed = (await world.status(of)).order
    again = await world.ask(of, fleet.Give(signed, REASON), fleet.Given)
    assert again.unreadable
    assert await world.guess(owner) == "gone"
    assert (await world.status(of)).devices[0].unreadable_at == int(world.now)


async def enrol(world: World, device: Device) -> None:
    """As its socket would ask: raises what it is refused with."""
    record = await world.record(device)
    answered: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    sealed = Owner(device.id).enrolment(await world.relay.share_key())
    await world.relay._enrol(record, frames.Enrol(1, sealed), answered.set_result)
    if isinstance(outcome := await answered, Exception):
        raise outcome


async def test_the_chore_destroys_what_is_left(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a start, without being asked."""
    of = world.organisation()
    devices = [await world.line(of) for _ in range(3)]
    owners = [await world.vault(device) for device in devices]
    world.shares.is_away = True
    for device in devices:
        assert not (await world.give(of, "erase", whole(device))).unreadable
    await world.restart()
    monkeypatch.setattr(relay_module, "DESTROY_SECONDS", 0.01)
    world.shares.is_away = True
    await world.relay.start()
    await asyncio.sleep(0.1)
    assert len(world.shares.asked) > 1
    world.shares.is_away = False
    async with asyncio.timeout(10):
        while world.sql("SELECT count(*) FROM order_devices WHERE unreadable_at IS NULL") != [(0,)]:
            await asyncio.sleep(0.01)
    # All in one go.
    assert set(world.shares.asked[-1]) == {device.id for device in devices}
    # The row is there a moment before the relay takes guesses again.
    async with asyncio.timeout(10):
        while {await world.guess(owner) for owner in owners} != {"gone"}:
            await asyncio.sleep(0.01)


async def test_even_a_fault_of_ours_does_not_end_the_asking(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = world.organisation()
    ada = await world.line(of)
    owner = await world.vault(ada)

    def broken(_self: MarkUnreadable, _unit: object) -> None:
        raise RuntimeError("a bug")

    async def breaks(_devices: object) -> None:
        raise RuntimeError("another")

    with monkeypatch.context() as patched:
        patched.setattr(MarkUnreadable, "run", broken)
        assert not (await world.give(of, "erase", only(ada))).unreadable
        patched.setattr(world.shares, "destroy", breaks)
        await world.relay.destroyer.run()
    await world.relay.destroyer.run()
    assert (await world.status(of)).devices[0].unreadable_at is not None
    assert await world.guess(owner) == "gone"


async def test_destroyed_but_not_noted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The relay dies, or its disk is full, right after the share service has done it: it is asked again, and
    the order is acknowledged only once that it is done is durable."""
    of = world.organisation()
    ada = await world.line(of)
    owner = await world.vault(ada)

    def full(_self: MarkUnreadable, _unit: object) -> None:
        raise error("storage.full")

    with monkeypatch.context() as patched:
        patched.setattr(MarkUnreadable, "run", full)
        assert not (await world.give(of, "erase", only(ada))).unreadable
    assert await world.guess(owner) == "signin.revoked"
    assert (await world.status(of)).devices[0].unreadable_at is None
    await world.restart()
    await world.relay.destroyer.start()
    await world.relay.destroyer.run()
    assert (await world.status(of)).devices[0].unreadable_at is not None
    assert await world.guess(owner) == "gone"
    # Once in the log, however often it was tried.
    entries = (await world.audit(of)).entries
    assert sum(b"share.destroyed" in entry for entry in entries) == 1


async def test_what_is_on_its_way_when_the_order_is_durable_is_held_back(world: World) -> None:
    """Right PIN, in time at the share service, and its answer comes after the first transaction."""
    of = world.organisation()
    ada = await world.line(of)
    owner = await world.vault(ada)
    on_its_way, go = asyncio.Event(), asyncio.Event()
    real = world.shares.real.unlock

    async def slow(device: bytes, sealed: bytes) -> bytes:
        answer = await real(device, sealed)
        on_its_way.set()
        await go.wait()
        return answer

    world.shares.unlock = slow  # type: ignore[attr-defined]
    late = asyncio.create_task(world.guess(owner))
    await on_its_way.wait()
    world.shares.is_away = True
    assert not (await world.give(of, "erase", only(ada))).unreadable
    go.set()
    assert await late == "signin.revoked"


async def test_many_orders_wait_for_one_answer(world: World) -> None:
    """Ten officers' orders while the service is slow: it is asked twice, not ten times."""
    of = world.organisation(officers=10)
    devices = [await world.line(of) for _ in range(10)]
    for device in devices:
        await world.vault(device)
    world.shares.before_destroying = asyncio.Event()
    orders = [
        asyncio.create_task(world.give(of, "erase", whole(device), by=officer))
        for device, officer in zip(devices, of.officers, strict=True)
    ]
    async with asyncio.timeout(10):
        while len(world.sql("SELECT 1 FROM orders")) < 10:
            await asyncio.sleep(0.01)
    world.shares.before_destroying.set()
    assert all([(await order).unreadable for order in orders])
    assert len(world.shares.asked) <= 3


async def test_killed_between_the_two_transactions(tmp_path: Path, data_dir: Path) -> None:
    """Real processes: a relay that is killed while the share service is away, and comes back when it is
    there again."""
    service = ServiceProcess(tmp_path / "service")
    token = service.folder / "data" / "share-token"
    own = RelayProcess(
        data_dir,
        share_service=f"http://127.0.0.1:{service.port}",
        share_token_file=token,
    )
    try:
        of = Organisation("La Gazette", [Person("one"), Person("two")])
        organisations.add(own.settings, of.file)
        ada = new_device(of, f"ada@{SERVER}")
        remote = service.remote()
        owner, key = Owner(ada.id), await remote.public_key()
        await remote.enrol(ada.id, owner.enrolment(key))
        order = make_order(of, "erase", [only(ada)], time.time())
        give = fleet.Give(of.sign(order, of.officers[0]), REASON)
        async with own.http() as http:
            assert (await activate(http, ada, new_codes(own.settings, 1, of.name).codes[0])).is_success
            service.kill()
            assert not (await give_to(http, of, give)).unreadable
        own.kill()
        service.start()
        guess = owner.guess(key, await remote.challenge(ada.id))
        # Nobody has told it yet: but the relay, through which every phone asks, remembers.
        assert guess.open(await remote.unlock(ada.id, guess.sealed)).status == "open"
        own.start()
        async with own.http() as http, asyncio.timeout(20):
            while not (await give_to(http, of, give)).unreadable:
                await asyncio.sleep(0.1)
        guess = owner.guess(key, await remote.challenge(ada.id))
        assert guess.open(await remote.unlock(ada.id, guess.sealed)).status == "gone"
        await remote.close()
    finally:
        own.kill()
        service.kill()


async def give_to(http: httpx.AsyncClient, of: Organisation, give: fleet.Give) -> fleet.Given:
    officer = of.officers[0]
    envelope = fleet.by_officer(SERVER, of.id, officer.id, officer.key, int(time.time()), give)
    answer = await http.post("/v1/fleet", content=fleet.encode(envelope), timeout=60)
    assert answer.status_code == 200, answer.text
    given = fleet.decode_answer(answer.content)
    assert isinstance(given, fleet.Given)
    return given
