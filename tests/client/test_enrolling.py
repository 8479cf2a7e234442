"""A line whose only phone is lost, on a real relay: two officers, a day, and a new identity key."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.client import Phone, enrolling, recovering
from chappe.client.identity import Me
from chappe.client.officer import Officer
from chappe.client.officer_lines import FleetLine
from chappe.wire import log_entries, recovery
from chappe.wire.errors import ChappeError
from chappe.wire.orders import Target
from tests.client.test_officer import Bureau, bureau, cheap
from tests.client.world import World, gather, until
from tests.relay.world import RelayProcess

__all__ = ["bureau", "cheap"]
DAY = 24 * 3600


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """One of its own: a device that came in before its day was over breaks the log for every phone that is
    not told otherwise."""
    process = RelayProcess(tmp_path_factory.mktemp("relay") / "data", attempts_burst=10_000)
    yield process
    assert process.stop() == 0


def a_day_passes(world: World) -> None:
    """The relay's clock is this machine's; what it kept is a day old now."""
    with sqlite3.connect(world.relay.settings.database, timeout=10) as connection:
        connection.execute("UPDATE enrolments SET announced_at = announced_at - ?", (DAY,))


async def refused(code: str, work: object) -> None:
    with pytest.raises(ChappeError) as caught:
        await work  # type: ignore[misc]
    assert caught.value.code == code


async def line_at(officer: Officer, address: str) -> FleetLine:
    return next(line for line in await officer.lines() if line.address == address)


async def test_a_line_on_a_new_phone(bureau: Bureau, tmp_path: Path) -> None:
    world, address = bureau.world, bureau.world.address("max")
    lost = await bureau.activated("max")
    old_key = lost._engine.core.me.certificate.identity_key
    await lost.close()
    home = tmp_path / "new"
    async with bureau.ada as ada, await bureau.second() as ben:
        line = await line_at(ada, address)
        link = recovery.parse_link(str(enrolling.link(ada, line)))
        assert (link.address, link.line, link.fleet_key) == (address, line.id, ada.fleet_pair.public)
        certificate = await recovering.begin(home, link)
        assert await recovering.begin(home, link) == certificate, "stopped in between, it goes on"
        asked = recovery.parse_request(recovery.request(certificate))
        assert enrolling.line_of(ada, asked, [line]) == line
        await refused("order.unknown", recovering.finish(home))
        await refused("storage.exists", bureau.activated("max", home))
        assert recovering.waiting(home) == certificate, "a slip of the hand costs no keys"

        coming = await enrolling.begin(ada, asked, line, "left in a taxi")
        assert (coming.state, coming.by) == ("awaits", ("Ada",))
        assert coming.digits == recovery.digits(certificate.to_bytes())
        await refused("order.two_officers", recovering.finish(home))
        await ben.lines()
        ((seen, status),) = await enrolling.listed(ben)
        assert (seen.digits, seen.reason) == (coming.digits, "left in a taxi")
        await refused("order.two_officers", enrolling.approve(ada, seen, status))
        announced = await enrolling.approve(ben, seen, status)
        assert (announced.state, set(announced.by)) == ("announced", {"Ada", "ben"})
        await refused("order.stale", recovering.finish(home))

        a_day_passes(world)
        await refused("devices.too_many", recovering.finish(home))
        await ada.order("revoke", [Target(line.id, line.devices[0].id)], "lost")
        opened = await recovering.finish(home)
        try:
            me = Me.kept(opened.store)
            assert (me.certificate, me.address) == (certificate, address)
        finally:
            opened.close()
        assert certificate.identity_key != old_key
        for officer in (ada, ben):
            assert (await line_at(officer, address)).identity_key == certificate.identity_key
            (known,) = (one for one in officer.state.lines if one.address == address)
            assert known.identity_key == certificate.identity_key
        ((entered, _),) = await enrolling.listed(ada)
        assert entered.state == "entered"
        await refused("order.unknown", enrolling.withdraw(ada, entered.order))


async def test_who_talks_with_the_line_is_told(
    bureau: Bureau, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole way to a group again. For readers of the log in this process a day is no time; the
    relay's own clock goes on as it does."""
    monkeypatch.setattr(log_entries, "ANNOUNCED_SECONDS", 0)
    world, address, home = bureau.world, bureau.world.address("max"), bureau.world.home("new")
    lea = await bureau.phone("lea")
    max_ = await bureau.phone("max")
    await gather(lea, max_)
    await world.shut("max")
    async with bureau.ada as ada, await bureau.second() as ben:
        line = await line_at(ada, address)
        certificate = await recovering.begin(home, enrolling.link(ada, line))
        await ada.order("revoke", [Target(line.id, line.devices[0].id)], "lost")
        await enrolling.begin(ada, certificate, await line_at(ada, address), "lost")
        await ben.lines()
        ((seen, status),) = await enrolling.listed(ben)
        await enrolling.approve(ben, seen, status)
    a_day_passes(world)
    new = await world._enter("new", await Phone.recover(home))
    await world.ready(new)
    with pytest.raises(ChappeError, match=r"identity\.changed"):
        await lea.create_group("again", [address])
    (contact,) = [one for one in lea.contacts() if one.address == address]
    assert contact.changed
    lea.accept_identity(address, contact.identity)
    group = await gather(lea, new, name="again")
    await lea.send_text(group, "welcome back")
    await until(lambda: bool(new.unseen()), "the message")
    for phone in (lea, new):
        assert phone.log.standing().alarms == ()


async def test_a_key_that_no_two_officers_signed_is_not_taken(bureau: Bureau) -> None:
    await (await bureau.activated("max")).close()
    async with bureau.ada as ada:
        line = await line_at(ada, bureau.world.address("max"))
        known = ada.state.lines
        swapped = FleetLine(line.id, line.address, bytes(32), 0, None, None, ())
        assert enrolling.followed(known, [swapped], await enrolling.new_keys(ada)) == known
