"""A flooder uses up nobody else's key packages, tries or storage, and is slowed down by itself."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chappe.relay.quotas import HOLD_SECONDS
from chappe.wire import frames, unlock
from tests.relay import stores
from tests.relay.shares.test_routes import Line
from tests.relay.shares.world import Owner
from tests.relay.world import Device, RelayProcess

SENDS = 20
PACKAGES = 3


@pytest.fixture(scope="module")
def relay(store: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    folder: Path = stores.place(tmp_path_factory.mktemp("floods") / "data", store)
    running = RelayProcess(
        folder, sends_burst=SENDS, sends_per_second=0.001, packages_per_day=PACKAGES, mailbox_items=100
    )
    yield running
    running.kill()
    stores.leave(folder)


async def lines(relay: RelayProcess, *names: str) -> list[Device]:
    return [await relay.device(name + secrets.token_hex(5)) for name in names]


async def test_nobody_takes_all_key_packages(relay: RelayProcess) -> None:
    """100 times the ration: the rest are for others; who floods gets the one that does not end."""
    eve, bob, ada = await lines(relay, "e", "b", "a")
    async with relay.sign_in(bob) as b, relay.sign_in(eve) as e, relay.sign_in(ada) as a:
        await b.say(frames.PublishKeyPackages(1, [b"one %d" % number for number in range(8)], b"last"))
        await b.hear(frames.Done)
        taken = set()
        for number in range(100 * PACKAGES):
            await e.say(frames.Lookup(number, bob.address, key_packages=True))
        for _ in range(100 * PACKAGES):
            (entry,) = (await e.hear(frames.Line)).devices
            taken.add(entry.key_package)
        assert taken == {b"one 0", b"one 1", b"one 2", b"last"}
        await a.say(frames.Lookup(1, bob.address, key_packages=True))
        (entry,) = (await a.hear(frames.Line)).devices
        assert entry.key_package == b"one 3"
    async with relay.sign_in(bob) as b:
        assert b.welcome.key_packages == 8 - PACKAGES - 1


async def test_nobody_fills_anothers_mailbox(relay: RelayProcess) -> None:
    """100 times the quota: the flood waits in its own socket, and others' messages come all the same."""
    eve, bob, ada = await lines(relay, "e", "b", "a")
    async with relay.sign_in(eve) as e:
        for _ in range(100 * SENDS):
            await e.send([bob], b"spam")
        for _ in range(SENDS):
            await e.hear(frames.Accepted)
        assert await e.refused() == "limit.rate"
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(3):
            assert await e.refused() == "limit.rate"
        # Of what was said, no more is read than this.
        assert loop.time() - began > 2 * HOLD_SECONDS
        async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
            for _ in range(SENDS):
                assert (await b.hear(frames.Deliver)).payload == b"spam"
            await a.send_accepted([bob], b"heard")
            assert (await b.hear(frames.Deliver)).payload == b"heard"
    # Signed in anew it has nothing more.
    async with relay.sign_in(eve) as e:
        await e.send([bob], b"spam")
        assert await e.refused() == "limit.rate"


async def test_nobody_uses_up_anothers_tries(relay: RelayProcess) -> None:
    """Guesses that the device did not sign, more than a PIN has tries, from a network of their own."""
    (bob,) = await lines(relay, "b")
    owner, stranger = Owner(bob.id), Owner(bob.id)
    far = httpx.AsyncHTTPTransport(verify=relay.tls(), trust_env=False, local_address="127.0.0.2")
    elsewhere = httpx.AsyncClient(base_url=f"https://localhost:{relay.port}", transport=far)
    async with relay.http() as http, elsewhere, relay.sign_in(bob) as b:
        line, flood = Line(http, bob, owner), Line(elsewhere, bob, stranger)
        assert await line.enrol(b) == frames.Done(7)
        service = await flood.service()
        codes = set()
        for _ in range(12):
            guess = stranger.guess(service, await flood.challenge(), None)
            codes.add((await flood.post(guess.sealed)).headers["chappe-error"])
        assert codes == {"unlock.bad_signature"}
        assert await line.guess() == unlock.Answer("open", share=owner.share, tries=10)
