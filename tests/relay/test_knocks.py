"""A relay knocks for devices that are away: once, the same for all, and where it was asked to alone."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

import pytest

from chappe.wire import api, frames
from tests.relay import stores
from tests.relay.fleet_world import LiveWorld, only
from tests.relay.push_service import Browser, Service, service
from tests.relay.world import Device, RelayProcess

PATIENCE = 30.0


@asynccontextmanager
async def knocking(data_dir: Path, **settings: Any) -> AsyncIterator[tuple[Service, RelayProcess]]:
    async with service() as it:
        door = f"http://127.0.0.1:{it.port}"
        relay = RelayProcess(data_dir, attempts_burst=10_000, push_service=door, **settings)
        try:
            yield it, relay
        finally:
            assert relay.stop() == 0
            assert "should not" not in relay.log, relay.log
            assert "/push/" not in relay.log


def address(browser: Browser) -> frames.PushAddress:
    given = browser.subscription
    return frames.PushAddress(given.endpoint, given.p256dh, given.auth)


async def subscribe(relay: RelayProcess, device: Device, push: frames.PushAddress | None) -> None:
    async with relay.sign_in(device) as wire:
        await wire.say(frames.Subscribe(7, push))
        assert (await wire.hear(frames.Done)).ref == 7


async def send(relay: RelayProcess, sender: Device, to: Device, payload: bytes) -> None:
    async with relay.sign_in(sender) as wire:
        await wire.send_accepted([to], payload)


async def knocks(it: Service, count: int, patience: float = PATIENCE) -> None:
    async with asyncio.timeout(patience):
        while len(it.got) < count:
            await asyncio.sleep(0.02)


def subscriptions(relay: RelayProcess) -> int:
    return int(stores.rows(relay.settings, "SELECT count(*) FROM push_subscriptions")[0][0])


async def some(relay: RelayProcess, count: int) -> list[Device]:
    return [await relay.device("d" + secrets.token_hex(5)) for _ in range(count)]


async def test_who_is_away_is_knocked_for_once_and_alike(data_dir: Path) -> None:
    async with knocking(data_dir) as (it, relay):
        ada, bob, eve = await some(relay, 3)
        browsers = Browser(it, "one"), Browser(it, "two")
        await subscribe(relay, bob, address(browsers[0]))
        await subscribe(relay, eve, address(browsers[1]))
        await send(relay, ada, bob, b"a")
        await knocks(it, 1)
        # Bob was knocked for: more for him says nothing more, until he has come.
        await send(relay, ada, bob, b"b" * 5_000)
        await send(relay, ada, eve, b"c" * 50_000)
        await knocks(it, 2)
        first, second = it.got
        assert first.message == second.message == bytes(16)
        assert len(first.body) == len(second.body)
        assert it.asked == ["/push/one", "/push/two"]


async def test_who_is_here_or_has_ended_it_is_not_knocked_for(data_dir: Path) -> None:
    async with knocking(data_dir) as (it, relay):
        ada, bob, eve, last = await some(relay, 4)
        await subscribe(relay, bob, address(Browser(it, "here")))
        await subscribe(relay, eve, address(Browser(it, "ended")))
        await subscribe(relay, eve, None)
        await subscribe(relay, last, address(Browser(it, "before")))
        await subscribe(relay, last, address(Browser(it, "last")))
        async with relay.sign_in(bob) as wire:
            await send(relay, ada, bob, b"a")
            await wire.hear(frames.Deliver)
            await send(relay, ada, eve, b"b")
            await send(relay, ada, last, b"c")
            await knocks(it, 1)
        assert it.asked == ["/push/last"]


async def test_a_phone_asleep_behind_a_dead_socket_is_knocked_for(data_dir: Path) -> None:
    async with knocking(data_dir, ping_seconds=0.5) as (it, relay):
        ada, bob = await some(relay, 2)
        await subscribe(relay, bob, address(Browser(it, "asleep")))
        async with relay.sign_in(bob) as wire:
            # From here it takes nothing and answers no ping, but its end of the connection stays.
            wire.connection.transport.pause_reading()
            await send(relay, ada, bob, b"a")
            await knocks(it, 1)
            wire.connection.transport.abort()
        assert it.asked == ["/push/asleep"]


async def test_who_takes_nothing_is_knocked_for_before_its_socket_ends(data_dir: Path) -> None:
    """A connection that is dead at the phone's end shows itself to nobody for minutes."""
    async with knocking(data_dir, ping_seconds=4) as (it, relay):
        ada, bob, eve = await some(relay, 3)
        await subscribe(relay, bob, address(Browser(it, "stopped")))
        await subscribe(relay, eve, address(Browser(it, "takes")))
        async with relay.sign_in(bob) as wire, relay.sign_in(eve) as other:
            await send(relay, ada, eve, b"a")
            await other.say(frames.Ack((await other.hear(frames.Deliver)).sequence))
            await send(relay, ada, bob, b"b")
            await wire.hear(frames.Deliver)
            await knocks(it, 1)
            # It is the same socket, and there is one knock however long it lasts.
            await send(relay, ada, bob, b"c")
            sequence = (await wire.hear(frames.Deliver)).sequence
            await asyncio.sleep(3)
            await wire.say(frames.Ack(sequence))
            assert it.asked == ["/push/stopped"]


async def test_who_took_everything_and_goes_is_not_knocked_for(data_dir: Path) -> None:
    async with knocking(data_dir) as (it, relay):
        ada, bob, eve = await some(relay, 3)
        await subscribe(relay, bob, address(Browser(it, "took")))
        await subscribe(relay, eve, address(Browser(it, "left")))
        for device in (bob, eve):
            async with relay.sign_in(device) as wire:
                await send(relay, ada, device, b"a")
                sequence = (await wire.hear(frames.Deliver)).sequence
                if device is bob:
                    await wire.say(frames.Ack(sequence))
        # Eve heard it too, but did not say that she keeps it.
        await knocks(it, 1)
        assert it.asked == ["/push/left"]


async def test_what_the_service_says_has_ended_is_forgotten(data_dir: Path) -> None:
    async with knocking(data_dir) as (it, relay):
        ada, bob = await some(relay, 2)
        await subscribe(relay, bob, address(Browser(it)))
        assert subscriptions(relay) == 1
        # It outlives the relay's process.
        assert relay.stop() == 0
        relay.start()
        it.status = 410
        await send(relay, ada, bob, b"a")
        async with asyncio.timeout(PATIENCE):
            while subscriptions(relay):
                await asyncio.sleep(0.02)


async def test_a_knock_that_the_service_puts_off_goes_out_later(data_dir: Path) -> None:
    """Without another envelope, and not before the time that the service named."""
    async with knocking(data_dir) as (it, relay):
        ada, bob = await some(relay, 2)
        await subscribe(relay, bob, address(Browser(it)))
        it.answers += [(429, {"Retry-After": "1"}), (503, {"Retry-After": "1"})]
        await send(relay, ada, bob, b"a")
        began = asyncio.get_running_loop().time()
        while not it.asked:
            await asyncio.sleep(0.02)
        await send(relay, ada, bob, b"b")
        await knocks(it, 1, 90)
        assert asyncio.get_running_loop().time() - began > 2
        assert it.asked == ["/push/one"] * 3


@pytest.mark.parametrize("kind", ["revoke", "erase"])
async def test_who_is_signed_out_for_good_is_forgotten(
    data_dir: Path, kind: Literal["revoke", "erase"]
) -> None:
    async with knocking(data_dir) as (it, relay):
        world = LiveWorld(relay)
        of = world.organisation()
        ada, bob, eve = await world.line(of), await world.line(of), await world.line(of)
        await subscribe(relay, bob, address(Browser(it, "lost")))
        await subscribe(relay, eve, address(Browser(it, "kept")))
        await world.give(of, kind, only(bob))
        assert subscriptions(relay) == 1
        # Nor does it come back by asking.
        async with relay.connect() as wire:
            await wire.say(bob.sign_in(wire.hello))
            await wire.hear(frames.OrderFrame)
            await wire.say(frames.Subscribe(7, address(Browser(it, "lost"))))
            assert await wire.refused() == "signin.revoked"
        await send(relay, ada, eve, b"a")
        await knocks(it, 1)
        assert subscriptions(relay) == 1
        assert it.asked == ["/push/kept"]
        await world.close()


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://127.0.0.1/push",
        "https://10.0.0.1/push",
        "https://[::1]/push",
        "http://fcm.googleapis.com/push",
        "https://fcm.googleapis.com.example.org/push",
        "https://fcm.googleapis.com:8443/push",
        "https://fcm.googleapis.com@example.org/push",
    ],
)
async def test_the_relay_calls_no_other_doors(relay: RelayProcess, endpoint: str) -> None:
    ada = await relay.device("a" + secrets.token_hex(5))
    good = address(Browser(1))
    async with relay.sign_in(ada) as wire:
        await wire.say(frames.Subscribe(7, frames.PushAddress(endpoint, good.p256dh, good.auth)))
        assert await wire.refused() == "http.malformed"


async def test_a_device_changes_it_a_few_times_at_once(relay: RelayProcess) -> None:
    ada = await relay.device("a" + secrets.token_hex(5))
    async with relay.sign_in(ada) as wire:
        for number in range(10):
            await wire.say(frames.Subscribe(number))
            await wire.hear(frames.Done)
        await wire.say(frames.Subscribe(11))
        assert await wire.refused() == "limit.rate"


async def test_the_relay_says_with_which_key(relay: RelayProcess) -> None:
    async with relay.http() as http:
        info = api.decode((await http.get("/v1/info")).content, api.Info)
    assert len(api.from_base64(info.push_key, 65)) == 65
