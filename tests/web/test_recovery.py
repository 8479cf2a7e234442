"""A line whose only phone is lost comes back on a page: two officers of the Python SDK, and a day.

The relay's clock, and the phone's, go a day ahead: the log is as it will be, and every reader checks it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from bench.chaos.clocks import Shifted

from chappe.client import enrolling
from chappe.client.identity import new_line
from chappe.wire import recovery
from chappe.wire.links import ActivationLink
from chappe.wire.orders import Target
from tests.client.test_enrolling import line_at
from tests.client.test_officer import Bureau, bureau, cheap
from tests.client.world import World
from tests.relay.world import RelayProcess
from tests.web.lines import NodeError, need_phone
from tests.web.phones import WebPhone

__all__ = ["bureau", "cheap"]
pytestmark = pytest.mark.anyio
A_DAY_AND_AN_HOUR = 25


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """One each: a log that was a day ahead goes on from there."""
    need_phone()
    folder = tmp_path_factory.mktemp("relay") / "data"
    folder.parent.joinpath("offset").write_text("0")
    running = Shifted(folder, attempts_burst=10_000)
    yield running
    running.kill()


@pytest.fixture
async def world(relay: RelayProcess, tmp_path: Path) -> AsyncIterator[World]:
    made = World(relay, tmp_path)
    yield made
    await made.close()


async def refused(phone: WebPhone, method: str, *args: object) -> str:
    with pytest.raises(NodeError) as caught:
        await phone.call(method, *args)
    return str(caught.value.code)


async def ahead(relay: Shifted, phone: WebPhone) -> None:
    """A day and an hour, both."""
    relay.clock_file.write_text(str(A_DAY_AND_AN_HOUR * 3600), encoding="ascii")
    await phone.ask("ahead", seconds=A_DAY_AND_AN_HOUR * 3600)


async def read(phone: WebPhone, shows: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The log, as soon as it shows that."""
    async with asyncio.timeout(60):
        while not shows(log := await phone.call("readLog")):
            await asyncio.sleep(0.2)
    return dict(log)


async def test_a_line_comes_back_on_a_page(bureau: Bureau, relay: Shifted) -> None:
    world = bureau.world
    lost = await bureau.activated("max")
    address = lost.address
    await lost.close()
    phone = WebPhone(relay, "max")
    try:
        async with bureau.ada as ada, await bureau.second() as ben:
            line = await line_at(ada, address)
            link = str(enrolling.link(ada, line))
            assert await refused(phone, "askRecovery", link[:-5]) == "link.malformed"
            elsewhere = link.replace(f":{relay.port}/", f":{relay.port + 1}/")
            assert await refused(phone, "askRecovery", elsewhere) == "network.untrusted"
            assert await phone.call("recovery") is None
            asked = await phone.call("askRecovery", link)
            assert (asked["address"], await phone.call("stage")) == (address, "none")
            assert await phone.call("askRecovery", link) == asked, "the same request, not a new one"
            assert await phone.call("recovery") == asked
            certificate = recovery.parse_request(asked["text"])
            assert asked["digits"] == recovery.digits(certificate.to_bytes())

            assert await refused(phone, "enterRecovered") == "order.unknown"
            # A slip of the hand, and a link for another line, cost no keys.
            with pytest.raises(NodeError, match=r"storage\.exists"):
                await phone.ask("activate", link=relay.code(), name=world.address("other"), pin="294817")
            cyd = await bureau.activated("cyd")
            await cyd.close()
            of_cyd = str(enrolling.link(ada, await line_at(ada, cyd.address)))
            assert await refused(phone, "askRecovery", of_cyd) == "storage.exists"
            assert await phone.call("recovery") == asked

            await enrolling.begin(ada, certificate, line, "left in a taxi")
            assert await refused(phone, "enterRecovered") == "order.two_officers"
            await ben.lines()
            ((seen, status),) = await enrolling.listed(ben)
            assert seen.digits == asked["digits"]
            await enrolling.approve(ben, seen, status)
            assert await refused(phone, "enterRecovered") == "order.stale"
            await ada.order("revoke", [Target(line.id, line.devices[0].id)], "lost")

        await ahead(relay, phone)
        await phone.call("enterRecovered")
        assert await phone.call("recovery") == asked | {"entered": True}
        await phone.call("enterRecovered")
        await phone.recovered()
        assert phone.address == address
        me = await phone.call("me")
        assert me["device"] == certificate.device_id.hex()
        assert me["hasPin"]
        assert await phone.call("recovery") is None
        await phone.settled()
        log = await phone.call("readLog")
        assert log["alarms"] == []
        assert [one["self"] for one in log["devices"] if one["revokedAt"] == 0] == [True]
        await phone.call("lock")
        await phone.ask("unlock", pin="294817")
        assert (await phone.call("me"))["address"] == address
    finally:
        phone.close()


async def test_a_request_that_was_given_up_leaves_nothing(bureau: Bureau, relay: RelayProcess) -> None:
    lost = await bureau.activated("max")
    await lost.close()
    phone = WebPhone(relay, "max")
    try:
        async with bureau.ada as ada:
            link = str(enrolling.link(ada, await line_at(ada, lost.address)))
        first = await phone.call("askRecovery", link)
        await phone.call("giveUpRecovery")
        assert await phone.call("recovery") is None
        assert await refused(phone, "enterRecovered") == "storage.missing"
        with pytest.raises(NodeError, match=r"storage\.missing"):
            await phone.recovered()
        again = await phone.call("askRecovery", link)
        assert (again["address"], again["text"] == first["text"]) == (lost.address, False)
    finally:
        phone.close()


async def test_an_announcement_that_was_taken_back_is_one_alarm(bureau: Bureau, relay: Shifted) -> None:
    """On the line's own page, which sees that officers announce a phone. What came of nothing is no ghost."""
    world = bureau.world
    page = WebPhone(relay, "max")
    try:
        link = str(ActivationLink(world.place, bureau.code(), bureau.ada.fleet_pair.public))
        address = (await page.ask("activate", link=link, name="max", pin="294817"))["address"]
        await page.settled()
        async with bureau.ada as ada, await bureau.second() as ben:
            line = await line_at(ada, address)
            other = new_line(address, world.place, int(time.time()), bureau.ada.fleet_pair.public, line.id)
            coming = await enrolling.begin(ada, other.certificate, line, "a mistake")
            await ben.lines()
            ((seen, status),) = await enrolling.listed(ben)
            await enrolling.approve(ben, seen, status)
            (alarm,) = (await read(page, lambda log: log["alarms"]))["alarms"]
            assert (alarm["code"], alarm["settled"]) == ("log.own_line", False)
            await page.call("settleAlarm", alarm["number"])
            await enrolling.withdraw(ada, coming.order)
            await read(page, lambda log: any(one["revokedAt"] for one in log["devices"]))
        # What goes on is told again after a day.
        await ahead(relay, page)
        newest = (await page.call("transparency"))["signedAt"]
        log = await read(page, lambda log: log["signedAt"] > newest)
        # The log was as old as a day for a moment.
        others = [one for one in log["alarms"] if one["code"] != "log.frozen"]
        assert [(one["code"], one["settled"]) for one in others] == [("log.own_line", True)]
    finally:
        page.close()
