"""A bus that lies does no harm; knocks, terms and uploads across gateways; and a database from a copy."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psycopg
import pytest
from nats.aio.client import Client

from chappe.relay.bus.nats import instance_of
from chappe.relay.bus.wakes import CHANGED, Kind, Notice, encode_mail, encode_notice
from chappe.relay.door import DirectoryDoor
from chappe.wire import api, frames
from chappe.wire.door import CodeBatch
from tests.relay import stores
from tests.relay.gateways_world import PATIENCE, Gateways, until
from tests.relay.nats_world import NatsCluster
from tests.relay.push_service import Browser, Service, service
from tests.relay.term_world import renew_body
from tests.relay.test_attachments import Upload, ticket
from tests.relay.test_knocks import address, knocks
from tests.relay.world import Device, RelayProcess, activate

SLOW_LOOK = 600.0
PREFIX = f"chappe.{instance_of('localhost')}"


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path_factory.mktemp("nats"), 1) as cluster:
        yield cluster


@pytest.fixture
async def pushing() -> AsyncIterator[Service]:
    async with service() as made:
        yield made


@pytest.fixture
async def two(nats: NatsCluster, pushing: Service, tmp_path: Path) -> AsyncIterator[Gateways]:
    door = f"http://127.0.0.1:{pushing.port}"
    made = Gateways(tmp_path, nats=nats, look_seconds=SLOW_LOOK, push_service=door)
    yield made
    await asyncio.to_thread(made.stop)


async def test_what_happens_at_one_gateway_and_who_is_at_the_other(
    two: Gateways, nats: NatsCluster, pushing: Service
) -> None:
    a, b = two.gateways
    ada, ben = await a.device("ada"), await a.device("ben")
    await _lie(a, b, nats, ada, ben)
    await _knock(a, b, pushing, ada, ben)
    await _renew(a, b)
    await _upload(a, b, ada)


async def _lie(a: RelayProcess, b: RelayProcess, nats: NatsCluster, ada: Device, ben: Device) -> None:
    """Whatever NATS says: nobody is signed out or superseded, nothing is lost or shown that is not there."""
    liar = Client()
    await liar.connect(nats.urls)
    async with a.sign_in(ada) as sender, b.sign_in(ben) as receiver:
        for mailbox in range(1, 4):
            for data in (bytes((CHANGED,)), encode_mail(1), encode_mail(2**63 - 1)):
                await liar.publish(f"{PREFIX}.m.{mailbox}", data)
        for kind in Kind:
            await liar.publish(f"{PREFIX}.all", encode_notice(Notice(kind, 2, b"n" * 32)))
        await liar.flush()
        for number in range(20):
            await sender.send_accepted([ben], b"%d" % number)
            frame = await receiver.hear(frames.Deliver)
            assert (frame.sequence, frame.payload) == (number + 1, b"%d" % number)
            # As if it came from far ahead: what comes next comes all the same.
            await liar.publish(f"{PREFIX}.m.2", encode_mail(10_000 + number))
        await receiver.say(frames.Ack(20))
        await receiver.send_accepted([ada], b"both are here still")
        assert (await sender.hear(frames.Deliver)).payload == b"both are here still"
        await sender.say(frames.Ack(1))
    await liar.close()


async def _knock(a: RelayProcess, b: RelayProcess, pushing: Service, ada: Device, ben: Device) -> None:
    """For a device that is at another gateway nobody knocks; once it is gone, both know of its browser."""
    async with a.sign_in(ada) as sender:
        async with b.sign_in(ben) as receiver:
            await receiver.say(frames.Subscribe(7, address(Browser(pushing, "one"))))
            await receiver.hear(frames.Done)
            for _ in range(3):
                await sender.send_accepted([ben], b"here")
                await receiver.say(frames.Ack((await receiver.hear(frames.Deliver)).sequence))
                await asyncio.sleep(0.1)
            assert pushing.got == []
        await sender.send_accepted([ben], b"away")
        await knocks(pushing, 1)


async def _renew(a: RelayProcess, b: RelayProcess) -> None:
    door = DirectoryDoor(a.settings)
    codes = (await door.make_codes(CodeBatch(secrets.token_bytes(16), 2, 6, 30, None, None))).codes
    cyd = Device.of_new_line("cyd@localhost")
    async with a.http() as http:
        assert (await activate(http, cyd, codes[0])).is_success
        async with b.sign_in(cyd) as wire:
            before = await wire.hear(frames.Term)
            answer = await http.post("/v1/renew", content=api.encode(renew_body(cyd, codes[1])))
            assert answer.is_success, answer.text
            assert (await wire.hear(frames.Term)).ends > before.ends


async def _upload(a: RelayProcess, b: RelayProcess, ada: Device) -> None:
    """A phone goes from one gateway to the other in the middle: the older request lets go at once."""
    size = 3 * 1024 * 1024
    content = secrets.token_bytes(size)
    given = await ticket(a, ada, size)
    half_sent, never = asyncio.Event(), asyncio.Event()

    async def half() -> AsyncIterator[bytes]:
        yield content[: size // 2]
        half_sent.set()
        await never.wait()

    async with a.http() as one, b.http() as other:
        first, second = Upload(one, given), Upload(other, given)
        hanging = asyncio.create_task(first.patch(0, half()))
        await half_sent.wait()
        async with asyncio.timeout(PATIENCE):
            while True:
                offset = await second.offset()
                answer = await second.patch(offset, content[offset:])
                if answer.is_success:
                    break
                assert answer.json()["code"] == "attachment.bad_offset"
        assert not never.is_set()
        hanging.cancel()
        await asyncio.gather(hanging, return_exceptions=True)
        for upload in (first, second):
            assert (await upload.get()).content == content


async def test_a_database_from_a_copy_forks_nothing(nats: NatsCluster, tmp_path: Path) -> None:
    """The folder has a head that is newer than the database's: no gateway starts on it."""
    world = Gateways(tmp_path, count=1, nats=nats)
    (gateway,) = world.gateways
    try:
        await gateway.device("ada")
        await until(lambda: head(world)[0] == entries(world) > 1)
        size, note = head(world)
        await gateway.device("ben")
        copy = world.data_dir / "tlog" / "checkpoint"
        await until(lambda: int(copy.read_bytes().split(b"\n")[1]) > size)
        assert await asyncio.to_thread(gateway.stop) == 0
        with psycopg.connect(world.url) as database:
            database.execute("DELETE FROM log_entries WHERE number >= %s", (size,))
            database.execute("UPDATE log_heads SET size = %s, note = %s", (size, note))
        with pytest.raises(RuntimeError, match="brought back from a copy"):
            await asyncio.to_thread(gateway.start)
    finally:
        await asyncio.to_thread(world.stop)


def head(world: Gateways) -> tuple[int, bytes]:
    """Of the database: (0, b"") before there is one."""
    found = stores.rows(world.gateways[0].settings, "SELECT size, note FROM log_heads")
    return (found[0][0], found[0][1]) if found else (0, b"")


def entries(world: Gateways) -> int:
    return int(stores.rows(world.gateways[0].settings, "SELECT count(*) FROM log_entries")[0][0])
