"""Two gateways on one PostgreSQL and a NATS cluster: what happens at one reaches who is at the other."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Iterator

import pytest

from chappe.relay.lookout import TICK_SECONDS
from chappe.wire import api, fleet, frames
from tests.cli.world import chappe
from tests.relay.fleet_world import LiveWorld, only
from tests.relay.gateways_world import Gateways
from tests.relay.nats_world import NatsCluster
from tests.relay.shares.world import Owner
from tests.relay.world import RelayProcess

SLOW_LOOK = 600.0
"""Seconds, more than a test waits for anything: what comes came by the bus."""


@pytest.fixture(scope="module")
def nats(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path_factory.mktemp("nats")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def two(nats: NatsCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    made = Gateways(tmp_path_factory.mktemp("gateways"), nats=nats, look_seconds=SLOW_LOOK)
    yield made
    made.stop()


@pytest.fixture
def a(two: Gateways) -> RelayProcess:
    return two.gateways[0]


@pytest.fixture
def b(two: Gateways) -> RelayProcess:
    return two.gateways[1]


@pytest.fixture
async def world(a: RelayProcess) -> AsyncIterator[LiveWorld]:
    """Orders are given at the first."""
    made = LiveWorld(a)
    yield made
    await made.close()


async def test_both_have_the_same_keys_and_the_same_log(a: RelayProcess, b: RelayProcess) -> None:
    ada = await a.device(secrets.token_hex(4))
    assert a.pin == b.pin
    async with a.http() as one, b.http() as other, asyncio.timeout(30):
        assert (await one.get("/v1/info")).content == (await other.get("/v1/info")).content
        assert (await one.get("/v1/tlog/policy")).content == (await other.get("/v1/tlog/policy")).content
        while True:
            heads = [await http.get("/v1/tlog/checkpoint") for http in (one, other)]
            same = all(head.is_success for head in heads) and heads[0].content == heads[1].content
            # Both show the head with this line in it.
            if same and int(heads[0].content.split(b"\n")[1]) >= 2:
                break
            await asyncio.sleep(0.05)
    async with b.sign_in(ada) as wire:
        await wire.send_accepted([ada], b"x")
    # Anybody who reads the log from nothing, at either, finds the same.
    audits = [
        chappe("audit", f"https://localhost:{gateway.port}#{gateway.pin}", "--json") for gateway in (a, b)
    ]
    assert [audit.status for audit in audits] == [0, 0]
    assert audits[0].json[0]["lines"] >= 1
    assert audits[0].json[0]["new"] == audits[1].json[0]["new"]


async def test_a_message_goes_from_one_to_the_other_at_once_and_in_order(
    a: RelayProcess, b: RelayProcess
) -> None:
    ada, ben, cyd = [await a.device(f"{name}-{secrets.token_hex(3)}") for name in ("ada", "ben", "cyd")]
    async with a.sign_in(ada) as one, b.sign_in(ben) as two_, b.sign_in(cyd) as receiver:
        # From both at once, many: each number once, and each sender's in his order.
        for number in range(100):
            await one.send([cyd], b"a%03d" % number, ref=number)
            await two_.send([cyd], b"b%03d" % number, ref=number)
        got = [await receiver.hear(frames.Deliver) for _ in range(200)]
        assert [frame.sequence for frame in got] == list(range(1, 201))
        for letter in (b"a", b"b"):
            of_one = [frame.payload for frame in got if frame.payload.startswith(letter)]
            assert of_one == [b"%s%03d" % (letter, number) for number in range(100)]
        await receiver.say(frames.Ack(200))
        # A second after it came its mailbox was looked at once more; from here on there is the bus alone.
        await asyncio.sleep(1.5 * TICK_SECONDS)
        await one.send([cyd], b"last", ref=200)
        assert (await receiver.hear(frames.Deliver)).payload == b"last"


async def test_who_signs_in_elsewhere_supersedes_the_older_socket(a: RelayProcess, b: RelayProcess) -> None:
    ada = await a.device(f"ada-{secrets.token_hex(3)}")
    async with a.sign_in(ada) as older, b.sign_in(ada) as newer:
        assert await older.refused() == "signin.superseded"
        assert await older.closed() == 1008
        await newer.send_accepted([ada], b"to the newer")
        assert (await newer.hear(frames.Deliver)).payload == b"to the newer"
        # And back again.
        async with a.sign_in(ada) as newest:
            assert await newer.refused() == "signin.superseded"
            assert (await newest.hear(frames.Deliver)).payload == b"to the newer"


async def test_an_order_reaches_a_phone_at_the_other_gateway(
    a: RelayProcess, b: RelayProcess, world: LiveWorld
) -> None:
    of = world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    async with b.sign_in(ada) as wire, a.sign_in(ben) as sender:
        given = await world.give(of, "lock", only(ada))
        assert (await wire.hear(frames.OrderFrame)).order == (await world.status(of, given.order)).order
        given = await world.give(of, "erase", only(ada))
        assert given.unreadable
        # It hears of the orders alone from here on.
        order = (await world.status(of, given.order)).order
        async with asyncio.timeout(30):
            while (await wire.hear(frames.OrderFrame)).order != order:
                pass
        await sender.send_accepted([ada], b"too late")
        await wire.say(frames.Lookup(1, ben.address))
        assert await wire.refused() == "signin.revoked"
    async with b.connect() as again:
        await again.say(ada.sign_in(again.hello))
        assert (await again.hear(frames.OrderFrame)).order == (await world.status(of, given.order)).order


async def test_an_order_at_one_stops_unlocking_at_the_other(
    a: RelayProcess, b: RelayProcess, world: LiveWorld
) -> None:
    of = world.organisation()
    ada = await world.line(of)
    owner = Owner(ada.id)
    async with b.http() as http:
        key = api.from_base64((await http.get("/v1/info")).json()["share_key"])
        async with b.sign_in(ada) as wire:
            await wire.say(frames.Enrol(3, owner.enrolment(key)))
            assert (await wire.hear(frames.Done)).ref == 3
        ask = api.UnlockChallenge(api.to_base64(ada.id))
        challenge = await http.post("/v1/unlock/challenge", content=api.encode(ask))
        fresh = api.from_base64(api.decode(challenge.content, api.UnlockChallenged).challenge)
        assert (await world.give(of, "erase", only(ada))).unreadable
        guess = owner.guess(key, fresh)
        asked = api.Unlock(api.to_base64(ada.id), api.to_base64(guess.sealed))
        answer = await http.post("/v1/unlock", content=api.encode(asked))
        # It was destroyed before this was asked: the share service says so itself.
        sealed = api.from_base64(api.decode(answer.content, api.Unlocked).sealed)
        assert guess.open(sealed).status == "gone"


async def test_a_removal_that_is_posted_at_one_is_told_at_the_other(
    a: RelayProcess, b: RelayProcess, world: LiveWorld
) -> None:
    of = world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    group = secrets.token_bytes(16)
    async with b.sign_in(ben) as wire:
        await wire.say(frames.Watch(9, [group]))
        await wire.hear(frames.Done)
        given = await world.give(of, "erase", only(ada))
        posting = fleet.Posting(group, [fleet.Proposal(0, b"a proposal")])
        await world.ask(of, fleet.Post(given.order, ada.id, [posting]), fleet.Ok)
        told = await wire.hear(frames.Posted)
        assert (told.group, told.device, told.proposal) == (group, ada.id, b"a proposal")


async def test_two_devices_meet_through_two_gateways(a: RelayProcess, b: RelayProcess) -> None:
    path = f"/v1/links/{api.to_base64(secrets.token_bytes(16))}"
    async with a.http() as one, b.http() as other:
        assert (await other.put(f"{path}/answer", content=b"early")).json()["code"] == "link.unknown"
        waiting = asyncio.create_task(other.get(f"{path}/offer?wait=20"))
        await asyncio.sleep(0.05)
        assert (await one.put(f"{path}/offer", content=b"offer")).status_code == 204
        assert (await one.put(f"{path}/offer", content=b"offer")).status_code == 204
        assert (await one.put(f"{path}/offer", content=b"other")).json()["code"] == "link.used"
        assert (await waiting).content == b"offer"
        answer = asyncio.create_task(one.get(f"{path}/answer?wait=20"))
        assert (await other.put(f"{path}/answer", content=b"\0answer")).status_code == 204
        assert (await answer).content == b"\0answer"
