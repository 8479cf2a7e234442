"""Fleet orders and the phone in the browser: obeyed open and locked, and carried out in conversations."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chappe.client import Phone, ordering
from chappe.client.officer import Officer
from chappe.relay import organisations
from chappe.relay.new_codes import new_codes
from chappe.wire.orders import FleetPolicy, Target
from tests.client.world import PATIENCE, World, place_of, texts, until
from tests.relay.world import RelayProcess
from tests.web.lines import NodeError, need_phone
from tests.web.phones import PIN, WebPhone

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    need_phone()
    running = RelayProcess(tmp_path_factory.mktemp("relay") / "data", attempts_burst=10_000)
    yield running
    running.kill()


@pytest.fixture
async def world(relay: RelayProcess, tmp_path: Path) -> AsyncIterator[World]:
    made = World(relay, tmp_path)
    yield made
    await made.close()


async def becomes(phone: WebPhone, stage: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while (found := await phone.call("stage")) != stage:
        assert loop.time() < deadline, f"{phone.name} is {found}"
        await asyncio.sleep(0.05)


async def test_the_owner_locks_and_erases_from_another_device(world: World) -> None:
    ada = await WebPhone.activate(world, "ada")
    try:
        (ben,) = await world.phones("ben")
        mine = (await ada.call("conversationWith", ben.address))["id"]
        await ada.call("sendText", mine, "hello", None)
        shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        linking = asyncio.create_task(Phone.link(world.home("other"), world.place, shown.set_result))
        giving = asyncio.create_task(ada.call("giveLink", await shown))
        other = await world._enter("other", await linking)
        await giving
        await other.settled(PATIENCE)
        device = bytes.fromhex((await ada.call("me"))["device"])

        await ordering.give(other._engine, "lock", device, "left on a desk")
        await becomes(ada, "locked")
        await ada.ask("unlock", pin=PIN)
        await ada.settled()
        await ada.call("lock")

        # Off, it hears nothing; it asks when the PIN no longer opens it.
        await ordering.give(other._engine, "erase", device, "left in a taxi")
        with pytest.raises(NodeError) as problem:
            await ada.ask("unlock", pin=PIN)
        assert problem.value.code == "device.erased"
        assert await ada.call("stage") == "erased"
        erased = await ada.call("erased")
        assert (erased["reason"], erased["receiptDelivered"]) == ("left in a taxi", True)
        await until(lambda: device not in _devices(ben), "removed from the conversation")
    finally:
        ada.close()


async def test_the_owner_orders_from_the_phone(world: World) -> None:
    """Another device of the line is locked, then erased, and each stage shows with its time; one is signed
    out."""
    ada = await WebPhone.activate(world, "ada")
    other: WebPhone | None = None
    try:
        (ben,) = await world.phones("ben")
        mine = (await ada.call("conversationWith", ben.address))["id"]
        await ada.call("sendText", mine, "hello", None)
        other = await WebPhone.linked(world, "other", ada)
        await asyncio.gather(ada.settled(), other.settled())
        device = (await other.call("me"))["device"]
        for kind, about, reason in (
            ("erase", (await ada.call("me"))["device"], "mine"),
            ("erase", device, " "),
            ("lock", device, "x" * 501),
        ):
            with pytest.raises(NodeError) as refused:
                await ada.call("orderDevice", kind, about, reason)
            assert refused.value.code == "usage.invalid"
        with pytest.raises(NodeError) as foreign:
            await ada.call("orderDevice", "erase", ben._engine.core.me.device_id.hex(), "his")
        assert foreign.value.code == "order.not_yours"
        assert await ada.call("ownOrders") == []

        await ada.call("orderDevice", "lock", device, "left on a desk")
        await becomes(other, "locked")
        (locked,) = await _orders(ada, lambda all_: all_[0]["doneAt"] > 0)
        assert (locked["kind"], locked["reason"], locked["device"]) == ("lock", "left on a desk", device)

        given = await ada.call("orderDevice", "erase", device, "left in a taxi")
        await until(lambda: bytes.fromhex(device) not in _devices(ben), "removed from the conversation")
        erased = _erasure(await _orders(ada, lambda all_: _erasure(all_)["removed"] == 1))
        assert (erased["order"], erased["conversations"], erased["hasPin"]) == (given, 1, True)
        assert erased["unreadableAt"] >= erased["orderedAt"] > 0
        assert erased["doneAt"] == 0, "it has not shown up, and the relay's word is no receipt"
        with pytest.raises(NodeError) as problem:
            await other.ask("unlock", pin=PIN)
        assert problem.value.code == "device.erased"
        assert (await other.call("erased"))["reason"] == "left in a taxi"
        await _orders(ada, lambda all_: _erasure(all_)["doneAt"] > 0)
        assert [one["device"] for one in await ada.call("devices")] == [(await ada.call("me"))["device"]]

        # The erased one starts anew, as another device of the line; that one is signed out.
        receiving = asyncio.create_task(other.ask("receive_link", pin=PIN))
        before = [e["link"] for e in other.events if e["type"] == "link"]
        await until(lambda: len([e for e in other.events if e["type"] == "link"]) > len(before), "the link")
        link = [e["link"] for e in other.events if e["type"] == "link"][-1]
        giving = asyncio.create_task(ada.call("giveLink", link))
        fresh = (await receiving)["device"]
        await giving
        assert (await other.call("stage"), fresh != device) == ("open", True)
        await ada.call("orderDevice", "revoke", fresh, "sold")
        await _orders(ada, lambda all_: any(o["kind"] == "revoke" and o["removed"] == 1 for o in all_))
    finally:
        ada.close()
        if other is not None:
            other.close()


def _erasure(all_: list[Any]) -> Any:
    """By its kind: of two orders of one second nobody says which is the newer."""
    return next(one for one in all_ if one["kind"] == "erase")


async def _orders(phone: WebPhone, holds: Callable[[list[Any]], bool]) -> list[Any]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while not holds(found := await phone.call("ownOrders")):
        assert loop.time() < deadline, found
        await asyncio.sleep(0.1)
    return list(found)


async def test_an_organisation_bounds_erases_and_removes(
    world: World, relay: RelayProcess, tmp_path: Path
) -> None:
    officer = await Officer.found(
        tmp_path / "officer",
        "seven otters juggle wet umbrellas",
        place_of(relay),
        organisation="Press",
        name="Olga",
    )
    organisations.add(relay.settings, msgspec.msgpack.encode(officer.state.rosters[0]))
    phones: list[WebPhone] = []
    try:
        ada, dan = [await _member(world, relay, name, phones) for name in ("ada", "dan")]
        (eve,) = await world.phones("eve")
        desk = await ada.call("createGroup", "desk", [dan.address, eve.address])
        await until(lambda: any(c.name == "desk" for c in eve.conversations()), "the group")
        await asyncio.gather(ada.settled(), dan.settled())
        await eve.send_text(bytes.fromhex(desk["id"]), "of no organisation")
        await ada.reads(desk["id"], "of no organisation")
        await _a_report_holds(officer, ada, dan, desk["id"])
        await world.shut("eve")

        assert (await ada.call("bounds"), (await ada.call("settings"))["lockOnHide"]) == (None, False)
        policy = FleetPolicy(1, 120, 8, True, disappear_default=300, disappear_max=86_400, receipts="off")
        await officer.order("policy", [], "for everybody", policy)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + PATIENCE
        # What is bounded is bounded from the moment that it shows.
        while (settings := await ada.call("settings"))["idleSeconds"] != 120:
            assert loop.time() < deadline
            await asyncio.sleep(0)
        assert settings["lockOnHide"] is True
        for beyond in ({"idleSeconds": 600}, {"offlineHours": 2}, {"lockOnHide": False}):
            with pytest.raises(NodeError) as refused:
                await ada.call("saveSettings", {**settings, **beyond})
            assert refused.value.code == "usage.invalid", beyond
        bounds: dict[str, Any] = {"idleSeconds": 120, "offlineHours": 1, "pinLength": 8, "lockOnHide": True}
        bounds |= {"disappearFirst": 300, "disappearMax": 86_400, "receipts": "off"}
        assert await ada.call("bounds") == bounds
        (told,) = [one for one in ada.events if one["type"] == "settings"]
        assert (told["settings"], told["bounds"]) == (settings, bounds)
        for timer in (0, 86_401):
            with pytest.raises(NodeError) as long:
                await ada.call("setTimer", desk["id"], timer)
            assert long.value.code == "usage.invalid"
        begun = await ada.call("createGroup", "night", [eve.address])
        assert (begun["timer"], (await ada.call("conversation", desk["id"]))["timer"]) == (300, 0)
        await _first_pins_are_held_to_it(world, relay, ada, phones)
        # Out of sight it locks, whatever the person wants.
        await ada.call("visible", False)
        await becomes(ada, "locked")
        await ada.ask("unlock", pin=PIN)
        assert (await ada.call("settings"))["lockOnHide"] is True
        with pytest.raises(NodeError) as short:
            await ada.ask("change_pin", old=PIN, next="731864")
        assert short.value.code == "vault.weak_pin"

        me = await dan.call("me")
        target = Target(bytes.fromhex(me["line"]), bytes.fromhex(me["device"]))
        # Nothing that is under way keeps what an order destroys.
        await dan.ask("stuck")
        given = await officer.order("erase", [target], "lost in a taxi")
        await becomes(dan, "erased")
        await _has_members(ada, desk["id"], ada.address, eve.address)
        last = [one["notice"] for one in await ada.messages(desk["id"]) if one["kind"] == "notice"][-1]
        assert (last["what"], last["who"]) == ("removed_by_order", [dan.address])
        await _done(officer, given.order)

        # Who was away takes the commit that refers to the fleet key's proposal.
        eve = await world.open("eve")
        await ada.call("sendText", desk["id"], "still here", None)
        await until(lambda: texts(eve)[-1:] == ["still here"])
        # Members agreed on no timer: what she writes carries her organisation's, for every reader.
        (group,) = [one.id for one in eve.conversations() if one.name == "desk"]
        await eve.mark_read(group)
        (said,) = [one for one in eve.messages(group) if one.text == "still here"]
        assert said.expires_at is not None
        assert 0 <= said.expires_at - said.at - 86_400 < PATIENCE
    finally:
        await officer.close()
        for phone in phones:
            phone.close()


async def _first_pins_are_held_to_it(
    world: World, relay: RelayProcess, ada: WebPhone, phones: list[WebPhone]
) -> None:
    """A new line's, as the relay says before; a linked device's, by the signed policy that waits for it."""
    (code,) = new_codes(relay.settings, 1, "Press").codes
    gil, two = WebPhone(relay, "gil"), WebPhone(relay, "two")
    phones += [gil, two]
    assert await gil.call("organisationOf", code) == {"name": "Press", "pinLength": 8}
    assert await gil.call("organisationOf", relay.code()) == {"name": "", "pinLength": 6}
    assert await gil.call("judgePin", PIN, "gil", 8) == {"reason": "short", "least": 8}
    assert await gil.call("judgePin", PIN, "gil") is None
    with pytest.raises(NodeError) as short:
        await gil.ask("activate", link=code, name=world.address("gil"), pin=PIN)
    assert short.value.code == "vault.weak_pin"
    assert await gil.call("stage") == "none"
    await gil.ask("activate", link=code, name=world.address("gil"), pin="40718263")
    assert (await gil.call("settings"))["idleSeconds"] == 120

    receiving = asyncio.create_task(two.ask("receive_link", pin=PIN))
    await until(lambda: any(e["type"] == "link" for e in two.events), "the link")
    link = next(e["link"] for e in two.events if e["type"] == "link")
    giving = asyncio.create_task(ada.call("giveLink", link))
    with pytest.raises(NodeError) as linked:
        await receiving
    assert linked.value.code == "vault.weak_pin"
    me = await two.ask("receive_link", pin="40718263")
    await giving
    assert me["address"] == ada.address
    assert (await two.call("bounds"))["pinLength"] == 8


async def _a_report_holds(officer: Officer, ada: WebPhone, dan: WebPhone, desk: str) -> None:
    """What one phone sent the other proves to the officer; what came from outside it does not offer to."""
    said = await dan.call("sendText", desk, "you will regret it", None)
    await ada.reads(desk, "you will regret it")
    await dan.call("edit", desk, said, "have a nice day")
    await ada.reads(desk, "have a nice day")
    (outside,) = [one["id"] for one in await ada.messages(desk) if one["text"] == "of no organisation"]
    assert await ada.call("reportView", outside) is None
    assert await dan.call("reportView", said) is None, "it is his own"
    view = await ada.call("reportView", said)
    assert (view["from"], view["conversation"], view["reporter"]) == (dan.address, "desk", ada.address)
    assert [one["text"] for one in view["said"]] == ["you will regret it", "have a nice day"]
    file = bytes.fromhex(await ada.ask("make_report", message=said, reason="a threat"))
    checked = await officer.check_report(file)
    assert [one.text for one in checked.said] == [one["text"] for one in view["said"]]
    assert (checked.sender.address, checked.reporter.address) == (dan.address, ada.address)
    assert (checked.conversation.hex(), checked.name, checked.reason) == (desk, "desk", "a threat")
    await dan.call("deleteForAll", desk, said)
    await ada.shows(desk, said, kind="deleted")
    assert await ada.call("reportView", said) is None


async def _member(world: World, relay: RelayProcess, name: str, phones: list[WebPhone]) -> WebPhone:
    (code,) = new_codes(relay.settings, 1, "Press").codes
    phone = WebPhone(relay, name)
    phones.append(phone)
    phone.address = (await phone.ask("activate", link=code, name=world.address(name), pin=PIN))["address"]
    await phone.settled()
    return phone


async def _has_members(phone: WebPhone, conversation: str, *addresses: str) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while (found := (await phone.call("conversation", conversation))["members"]) != sorted(addresses):
        assert loop.time() < deadline, found
        await asyncio.sleep(0.05)


async def _done(officer: Officer, order: bytes) -> None:
    """The console sees every stage: unreadable, removed from one of one conversations, receipt checked."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while True:
        (view,) = await officer.orders(order)
        (device,) = view.devices
        if (device.conversations, device.removed, device.receipt) == (1, 1, "holds"):
            assert device.unreadable_at is not None
            return
        assert loop.time() < deadline, view
        await asyncio.sleep(0.1)


def _devices(phone: Phone) -> list[bytes]:
    groups = phone._engine.groups
    return [place.device for shown in phone.conversations() for place in groups.places(shown.id)]
