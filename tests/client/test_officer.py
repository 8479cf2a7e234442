"""Officers on the real relay, with real phones: the whole story of a lost one, and who may not tell it."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import delete, func, select

from chappe.client import Phone, appointing
from chappe.client.officer import Officer
from chappe.client.officer_lines import choose_all
from chappe.client.order_views import DeviceView, OrderView
from chappe.relay import brought_back, organisations
from chappe.relay.fleet_tables import rosters
from chappe.relay.new_codes import new_codes
from chappe.relay.storage import change, open_database
from chappe.relay.tables import log_entries
from chappe.vault import keeping, keys
from chappe.wire import audit
from chappe.wire.errors import ChappeError
from chappe.wire.orders import FleetPolicy, Target
from tests.client.office import registered
from tests.client.world import World, gather, until
from tests.vault.service import CHEAP

WORDS = "violets at the ministry"


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id that takes no half second."""
    monkeypatch.setattr(keys.stretch, "__defaults__", (CHEAP,))
    monkeypatch.setattr(keeping.prepare, "__defaults__", (CHEAP,))


class Bureau:
    """An organisation that was founded as officers do it."""

    def __init__(self, world: World, folder: Path, ada: Officer) -> None:
        self.world, self.folder, self.ada = world, folder, ada
        self.name = ada.chain.roster.name

    def code(self) -> str:
        return new_codes(self.world.relay.settings, 1, self.name).codes[0]

    async def activated(self, name: str, home: Path | None = None) -> Phone:
        """A line whose device has not connected yet."""
        home, address = home or self.world.home(name), self.world.address(name)
        key = self.ada.fleet_pair.public
        return await Phone.activate(home, self.world.place, self.code(), address, key)

    async def phone(self, name: str) -> Phone:
        """Online."""
        made = await self.world._enter(name, await self.activated(name))
        await self.world.ready(made)
        return made

    async def second(self, name: str = "ben") -> Officer:
        """One more officer, appointed by Ada alone: she is the only one."""
        ben = Officer.ask_in(self.folder / f"{name}.chappe", WORDS, name)
        answer = await appointing.publish(self.ada, await appointing.appoint(self.ada, ben.request))
        assert answer is not None
        appointing.accept(ben, answer)
        return Officer.open(self.folder / f"{name}.chappe", WORDS)

    async def targets(self, *names: str) -> list[Target]:
        addresses = [self.world.address(name) for name in names]
        return [one.target for one in choose_all(addresses, await self.ada.lines())]


@pytest.fixture
async def bureau(world: World, tmp_path: Path) -> Bureau:
    ada = await Officer.found(
        tmp_path / "ada.chappe", WORDS, world.place, organisation=f"Gazette {tmp_path.name}", name="Ada"
    )
    organisations.add(world.relay.settings, msgspec.msgpack.encode(ada.state.rosters[0]))
    return Bureau(world, tmp_path, ada)


async def view_of(officer: Officer, order: bytes) -> OrderView:
    (found,) = await officer.orders(order)
    return found


async def device_of(officer: Officer, order: bytes) -> DeviceView:
    (found,) = (await view_of(officer, order)).devices
    return found


async def until_done(officer: Officer, order: bytes) -> OrderView:
    """Once the receipts are there."""
    for _ in range(200):
        found = await view_of(officer, order)
        if all(device.stage == "done" for device in found.devices):
            return found
        await asyncio.sleep(0.05)
    raise AssertionError("no receipt came")


async def refused(code: str, officer: Officer, kind: str, targets: list[Target], reason: str = "why") -> None:
    with pytest.raises(ChappeError) as caught:
        await officer.order(kind, targets, reason)  # type: ignore[arg-type]
    assert caught.value.code == code


async def test_a_lost_phone_that_is_off(bureau: Bureau) -> None:
    """Ordered and unreadable at once; removed by the next member; erased when it shows up, with a receipt
    that holds; all of it in a log that holds."""
    max_, lea, tom = [await bureau.phone(name) for name in ("max", "lea", "tom")]
    await gather(lea, max_, tom)
    await registered(max_)
    for name in ("max", "lea", "tom"):
        await bureau.world.shut(name)
    async with bureau.ada as ada:
        given = await ada.order("erase", await bureau.targets("max"), " left in a taxi ")
        assert (given.awaiting, given.unreadable, given.unsealed) == (False, True, ())
        silent = await device_of(ada, given.order)
        # It never had a PIN, so nobody calls it unreadable (test_officer_views.py has one that had).
        assert (silent.stage, silent.conversations, silent.removed) == ("ordered", 1, 0)
        assert silent.unreadable_at is not None

        lea = await bureau.world.open("lea")
        await until(lambda: len(lea.conversations()[0].members) == 2, "the removal")
        await lea.settled(20)
        removed = await device_of(ada, given.order)
        assert (removed.stage, removed.removed, removed.receipt) == ("removed", 1, "none")

        max_ = await bureau.world.open("max")
        await until(lambda: max_._erased is not None, "the erasing")
        shown = await until_done(ada, given.order)
        assert (shown.devices[0].stage, shown.devices[0].receipt) == ("done", "holds")
        assert shown.finished
        assert (shown.by, shown.reason, shown.missing) == (("Ada",), "left in a taxi", ())

        audited = await ada.audit()
        told = [audit.decode(entry) for entry in audited.entries]
        assert [one.what for one in told][-3:] == ["order.given", "share.destroyed", "receipt.taken"]
        assert [one.reason for one in told if one.reason] == ["left in a taxi"]
        assert (await ada.audit()).seen == audited.size
        lines = {line.address: line for line in await ada.lines()}
        assert lines[bureau.world.address("max")].closed_at is not None


async def test_what_the_file_remembers(bureau: Bureau) -> None:
    """Lines, the log's head and the removals are there again when it is opened."""
    await bureau.activated("max")
    async with bureau.ada as ada:
        await ada.order("erase", await bureau.targets("max"), "why")
        await ada.audit()
        again = Officer.open(bureau.folder / "ada.chappe", WORDS)
        assert again.state == ada.state
        assert again.state.audit is not None
        assert [line.address for line in again.state.lines] == [bureau.world.address("max")]


async def test_six_lines_take_two(bureau: Bureau) -> None:
    names = ["l1", "l2", "l3", "l4", "l5", "l6"]
    for name in names:
        await bureau.activated(name)
    async with bureau.ada as ada:
        await refused("order.two_officers", ada, "erase", await bureau.targets(*names))
        async with await bureau.second() as ben:
            given = await ada.order("erase", await bureau.targets(*names), "a raid")
            assert (given.awaiting, given.unreadable) == (True, False)
            waiting = await view_of(ben, given.order)
            assert (waiting.awaiting, waiting.by, waiting.devices) == (True, ("Ada",), ())
            assert await ben.addresses_of(given.order) == sorted(map(bureau.world.address, names))
            with pytest.raises(ChappeError, match=r"order\.two_officers"):
                await ada.approve(given.order)
            done = await ben.approve(given.order)
            assert (done.awaiting, done.unreadable) == (False, True)
            shown = await view_of(ada, given.order)
            assert set(shown.by) == {"Ada", "ben"}
            assert {device.stage for device in shown.devices} == {"ordered"}
            assert all(device.unreadable_at is not None for device in shown.devices)
            assert len(shown.devices) == 6


async def test_legal_hold(bureau: Bureau) -> None:
    await bureau.activated("max")
    async with bureau.ada as ada, await bureau.second() as ben:
        target = await bureau.targets("max")
        await ada.order("hold", target, "a court asked")
        assert (await ada.lines())[0].held_at is not None
        assert (await ada.order("erase", target, "lost")).awaiting
        release = await ada.order("release", target, "the court is done")
        assert release.awaiting
        await ben.approve(release.order)
        assert (await ada.lines())[0].held_at is None


async def test_no_reason_no_order(bureau: Bureau) -> None:
    await bureau.activated("max")
    async with bureau.ada as ada:
        for reason in ("", "  \n", "x" * 501):
            await refused("usage.invalid", ada, "erase", await bureau.targets("max"), reason)
        assert await ada.orders() == []


async def test_another_organisations_lines(bureau: Bureau, world: World, tmp_path: Path) -> None:
    await bureau.activated("max")
    other = await Officer.found(
        tmp_path / "eve.chappe", WORDS, world.place, organisation=f"Rival {tmp_path.name}", name="Eve"
    )
    organisations.add(world.relay.settings, msgspec.msgpack.encode(other.state.rosters[0]))
    async with other as eve, bureau.ada:
        assert await eve.lines() == []
        await refused("order.not_yours", eve, "erase", await bureau.targets("max"))


async def test_an_officer_who_was_removed(bureau: Bureau) -> None:
    await bureau.activated("max")
    async with bureau.ada as ada, await bureau.second() as ben:
        target = await bureau.targets("max")
        given = await ben.order("lock", target, "why")
        draft = await appointing.dismiss(ada, ben.state.id)
        await appointing.publish(ada, appointing.with_my_signature(ben, draft))
        with pytest.raises(ChappeError) as caught:
            await ben.lines()
        assert caught.value.code == "order.forged"
        # What he gave is told of still, with his name.
        assert (await view_of(ada, given.order)).by == ("ben",)
        await ada.approve(given.order)
        assert (await view_of(ada, given.order)).by == ("Ada",)


async def test_a_relay_that_was_brought_back_is_given_the_newest_roster_again(bureau: Bureau) -> None:
    """By whichever officer is on both; until then nobody orders. The log tells of it once."""
    settings = bureau.world.relay.settings
    async with bureau.ada as ada, await bureau.second() as ben:
        organisation = ada.chain.roster.organisation
        with change(open_database(settings)) as connection:
            logged = connection.execute(select(func.count()).select_from(log_entries)).scalar()
            connection.execute(
                delete(rosters).where(rosters.c.organisation == organisation, rosters.c.version == 2)
            )
            brought_back.mark_roster(connection, organisation, 2)
        with pytest.raises(ChappeError) as caught:
            await ada.lines()
        assert caught.value.code == "roster.invalid"
        with pytest.raises(ChappeError) as caught:
            await ben.refresh()
        assert caught.value.code == "order.forged"
        assert len((await ada.refresh()).hashes) == 2
        assert await ada.lines() == await ben.lines() == []
        with change(open_database(settings)) as connection:
            assert connection.execute(select(func.count()).select_from(log_entries)).scalar() == logged


async def test_policy_for_everybody(bureau: Bureau) -> None:
    phone = await bureau.phone("max")
    async with bureau.ada as ada:
        given = await ada.order("policy", [], "house rules", FleetPolicy(0, 60, 8))
        await until(lambda: phone.online)
        shown = await until_done(ada, given.order)
        assert [device.receipt for device in shown.devices] == ["holds"]


async def test_a_log_that_the_operator_rewrites(bureau: Bureau) -> None:
    """With the relay's own tables in hand."""
    async with bureau.ada as ada:
        await bureau.activated("max")
        await ada.audit()
        organisation = ada.chain.roster.organisation
        with sqlite3.connect(bureau.world.relay.data_dir / "relay.db") as database:
            database.execute(
                "UPDATE audit SET entry = ? WHERE organisation = ? AND number = 1", (b"nothing", organisation)
            )
        with pytest.raises(ChappeError, match=r"audit\.rewritten"):
            await ada.audit()


async def test_a_relay_that_is_away(bureau: Bureau) -> None:
    """The file stays as it was."""
    before = (bureau.folder / "ada.chappe").read_bytes()
    nowhere = msgspec.structs.replace(bureau.ada.place, port=1)
    bureau.ada.file.state = msgspec.structs.replace(bureau.ada.state, place=nowhere)
    with pytest.raises(ChappeError, match=r"network\.unreachable"):
        await bureau.ada.lines()
    assert (bureau.folder / "ada.chappe").read_bytes() == before
