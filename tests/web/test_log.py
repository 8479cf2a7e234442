"""The page's watch over the transparency log, on real relays, beside phones of the Python SDK."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.client.test_log_watch import ghost_of
from tests.client.world import World, until
from tests.relay.world import RelayProcess
from tests.web.lines import NodeError, need_phone
from tests.web.phones import WebPhone

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    need_phone()
    made = World(RelayProcess(tmp_path / "relay", attempts_burst=10_000), tmp_path)
    yield made
    await made.close()
    made.relay.stop()


async def standing(phone: WebPhone) -> dict[str, Any]:
    return dict(await phone.call("readLog"))


async def alarmed(phone: WebPhone, code: str) -> dict[str, Any]:
    """Wait for the one alarm."""
    for _ in range(600):
        found = (await phone.call("transparency"))["alarms"]
        if found:
            break
        await asyncio.sleep(0.1)
    assert [one["code"] for one in found] == [code], found
    return dict(found[0])


async def test_the_page_watches_the_log(world: World) -> None:
    ada = await WebPhone.activate(world, "ada")
    await ada.settled()
    ben = await world.phone("ben")
    second = await WebPhone.linked(world, "ada-2", ada)
    try:
        conversation = await ada.call("conversationWith", ben.address)
        await ada.call("sendText", conversation["id"], "hello", None)
        await until(lambda: any(one.name == ada.address for one in ben.conversations()), "the conversation")
        await ben.send_text(ben.conversation(ada.address).id, "hello page")
        for phone in (ada, second):
            await phone.settled()
            found = await standing(phone)
            assert (found["watched"], found["origin"], found["alarms"]) == (True, "localhost/chappe", [])
            assert [one["known"] for one in found["devices"]] == [True, True]
            assert found["root"] == (await standing(ada))["root"]
        await ben.log.refresh()
        assert ben.log.standing().root.hex() == (await standing(ada))["root"]
        assert ben.log.alarms == []
        # A device without an entry: the page lets in the other one alone, and says so.
        await ada.ask("hasten")
        cleo = await world.phone("cleo")
        await world.ready(cleo)
        ghost_of(cleo, world.home("ghost"), world.relay.data_dir)
        ghost = await world.open("ghost")
        await world.ready(ghost)
        with_cleo = await ada.call("conversationWith", cleo.address)
        await ada.call("sendText", with_cleo["id"], "for cleo alone", None)
        await until(lambda: cleo.conversations() != [], "the conversation")
        alarm = await alarmed(ada, "log.not_there")
        assert (alarm["address"], alarm["device"]) == (cleo.address, ghost.device_id.hex())
        assert ghost.conversations() == []
        # One that somebody else let in: nothing is sent there until a person has decided.
        ben._engine.log._ledger, ben._engine.log._met = None, True
        group = await ben.create_group("trap", [ada.address, cleo.address])
        for _ in range(600):
            trap = next((one for one in await ada.call("conversations") if one["name"] == "trap"), None)
            if trap is not None and trap["unlogged"]:
                break
            await asyncio.sleep(0.1)
        assert trap is not None
        assert trap["unlogged"] == [cleo.address]
        with pytest.raises(NodeError) as refused:
            await ada.call("sendText", trap["id"], "never", None)
        assert refused.value.code == "log.not_there"
        await ada.call("acceptUnlogged", trap["id"])
        await ada.call("sendText", trap["id"], "accepted", None)
        await until(lambda: any(m.text == "accepted" for m in ghost.messages(group.id)), "what was accepted")
        assert '"theirs"' in await ada.call("logEvidence")
        # A page that nobody else was shown.
        await ada.call("runs", "ab" * 32)
        for _ in range(600):
            codes = [one["code"] for one in (await ada.call("transparency"))["alarms"]]
            if "log.release" in codes:
                break
            await asyncio.sleep(0.1)
        assert "log.release" in codes
    finally:
        ada.close()
        second.close()


async def test_the_page_finds_a_log_with_two_pasts(world: World, tmp_path: Path) -> None:
    ada = await WebPhone.activate(world, "ada")
    ben = await world.phone("ben")
    try:
        await world.ready(ben)
        chat = await ada.call("conversationWith", ben.address)
        await until(lambda: any(one.name == ada.address for one in ben.conversations()), "the conversation")
        await world.shut("ben")
        await ada.settled()
        first = await standing(ada)
        copy = tmp_path / "copy"
        one = world.relay
        one.stop()
        shutil.copytree(one.data_dir, copy)
        one.start()
        await world.phone("carl")
        await world.shut("carl")
        await ada.settled()
        # The one past has to be read before there is another: its head comes a moment after what it tells of.
        for _ in range(600):
            seen = await standing(ada)
            if seen["entries"] > first["entries"]:
                break
            await asyncio.sleep(0.1)
        assert seen["entries"] > first["entries"]
        assert seen["alarms"] == []
        one.stop()
        two = RelayProcess(copy, start=False, attempts_burst=10_000)
        two.port = one.port
        two.start()
        world.relay = two
        await world.phone("dora")
        await world.shut("dora")
        await ada.settled()
        await standing(ada)
        alarm = await alarmed(ada, "log.forked")
        assert not alarm["settled"]
        assert (await standing(ada))["root"] == seen["root"], "the log that was believed stays"
        # Nothing that a person writes is sent before they have decided, to believe the other log here.
        with pytest.raises(NodeError, match=r"^log\.not_there"):
            await ada.call("sendText", chat["id"], "never", None)
        over = await ada.call("startOver")
        assert over["root"] != seen["root"]
        assert [one["settled"] for one in over["alarms"] if one["code"] == "log.forked"] == [True]
        await ada.call("sendText", chat["id"], "decided", None)
    finally:
        ada.close()
