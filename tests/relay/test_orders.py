"""Orders: who may give them, what they do in the tables, and that they are done once."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from chappe.relay.mailroom import SendOperation
from chappe.relay.session import ReadPage
from chappe.relay.usecases.key_packages import PublishKeyPackages
from chappe.relay.usecases.look_up import LookUp
from chappe.wire import fleet, frames, orders
from chappe.wire.errors import ChappeError
from chappe.wire.orders import Reason, SignedOrder, Target
from chappe.wire.rosters import OfficerSignature
from tests.relay.fleet_world import REASON, Organisation, Refusal, World, only, whole
from tests.relay.world import Device

DAY = 24 * 3600


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[World]:
    made = World(data_dir)
    yield made
    await made.close()


async def found(world: World, device: Device) -> list[bytes]:
    answer = await world.relay.store.run(LookUp(frames.Lookup(1, device.address)))
    assert isinstance(answer, frames.Line)
    return [entry.device for entry in answer.devices]


async def test_an_erase_order_ends_a_device_in_one_go(world: World) -> None:
    of = world.organisation()
    ada = await world.line(of)
    lost = await world.sibling(ada)
    owner = await world.vault(lost)
    record = await world.record(lost)
    await world.relay.store.run(PublishKeyPackages(record.mailbox, (b"one", b"two"), b"last"))
    await world.relay.store.run(SendOperation(bytes(16), [lost.id, ada.id], b"m" * 99))
    assert await world.guess(owner) == "open"

    given = await world.give(of, "erase", only(lost))
    assert (given.awaiting, given.unreadable) == (False, True)
    assert [(place.device, place.line) for place in given.places] == [(lost.id, lost.certificate.line_id)]

    assert await world.guess(owner) == "gone"
    after = await world.record(lost)
    assert (after.revoked, after.key_packages, after.last_resort) == (True, 0, False)
    assert (await world.relay.page(record, ReadPage(0, 100, 10**6))).envelopes == []
    assert await found(world, ada) == [ada.id]
    # The others' mail is where it was, and the payload is gone with the last who had it.
    assert len((await world.relay.page(await world.record(ada), ReadPage(0, 9, 10**6))).envelopes) == 1
    # Who does not know yet goes on: the mail of the others arrives.
    sent = SendOperation(b"2" * 16, [lost.id, ada.id], b"more")
    await world.relay.store.run(sent)
    assert len((await world.relay.page(await world.record(ada), ReadPage(0, 9, 10**6))).envelopes) == 2
    assert world.sql("SELECT count(*) FROM entries WHERE mailbox = ?", record.mailbox) == [(0,)]
    with pytest.raises(ChappeError, match=r"mailbox\.unknown_recipient"):
        await world.relay.store.run(SendOperation(b"3" * 16, [bytes(16)], b"more"))

    status = await world.status(of, given.order)
    (stage,) = status.devices
    assert (status.awaiting, status.kind, status.reason) == (False, "erase", REASON)
    assert (stage.ordered_at, stage.unreadable_at) == (int(world.now), int(world.now))
    assert (stage.conversations, stage.removed, stage.removed_at, stage.done_at) == (None, 0, None, None)
    # The line itself goes on, and takes devices.
    assert (await world.record(ada)).revoked is False
    await world.sibling(ada)


async def test_revoking_leaves_the_share(world: World) -> None:
    of = world.organisation()
    ada = await world.line(of)
    owner = await world.vault(ada)
    given = await world.give(of, "revoke", only(ada))
    assert not given.unreadable
    assert world.shares.asked == []
    assert (await world.record(ada)).revoked
    assert await world.guess(owner) == "open"
    # And may be erased later still.
    given = await world.give(of, "erase", only(ada))
    assert given.unreadable
    assert await world.guess(owner) == "gone"


async def test_a_whole_line_is_closed(world: World) -> None:
    of = world.organisation()
    ada = await world.line(of)
    more = [await world.sibling(ada) for _ in range(3)]
    owners = [await world.vault(device) for device in (ada, *more)]
    given = await world.give(of, "erase", whole(ada))
    assert {place.device for place in given.places} == {device.id for device in (ada, *more)}
    # One change of keys for all of them.
    assert [set(asked) for asked in world.shares.asked] == [{device.id for device in (ada, *more)}]
    for owner in owners:
        assert await world.guess(owner) == "gone"
    (line,) = (await world.ask(of, fleet.Lines(), fleet.LineList)).lines
    assert (line.address, line.closed_at) == (ada.address, int(world.now))
    assert {device.order for device in line.devices} == {given.order}


async def test_the_same_order_again_is_answered_again(world: World) -> None:
    of = world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    officer = of.officers[0]
    signed = of.sign(world.order(of, "erase", [only(ada)]), officer)
    first = await world.ask(of, fleet.Give(signed, REASON), fleet.Given)
    before = world.dump()
    # Also when the clock has gone on: its answer was lost, and it is asked once more.
    world.now += 3 * DAY
    assert await world.ask(of, fleet.Give(signed, REASON), fleet.Given) == first
    assert world.dump() == before
    order = orders.read_order(signed)
    for other in (
        of.sign(msgspec.structs.replace(order, targets=[only(ben)]), officer),
        of.sign(msgspec.structs.replace(order, kind="revoke"), officer),
    ):
        with pytest.raises(Refusal, match=r"id\.reused"):
            await world.ask(of, fleet.Give(other, REASON), fleet.Given)
    assert world.dump() == before


async def test_orders_that_are_not_what_they_say(world: World) -> None:
    """Forged, replayed, unsigned, of another organisation, for another server, of another time, or with
    another reason: nothing is erased, and nothing is left of them."""
    of, others = world.organisation(), world.organisation("Le Temps")
    ada, theirs, nobodys = await world.line(of), await world.line(others), await world.line()
    vaults = [await world.vault(device) for device in (ada, theirs, nobodys)]
    officer, stranger = of.officers[0], others.officers[0]
    good = world.order(of, "erase", [only(ada)])
    fine = of.sign(good, officer)
    replaced = msgspec.structs.replace
    foreign = Organisation(of.name, of.officers, id=of.id)
    before = world.dump()

    bad: list[tuple[str, SignedOrder, Reason]] = [
        ("order.malformed", SignedOrder(b"x", fine.fleet_signature, fine.officers), REASON),
        ("order.malformed", fine, Reason("another reason", REASON.salt)),
        ("order.malformed", fine, Reason(REASON.text, b"pepper".ljust(16, b"."))),
        # Unsigned, or by half of those who must.
        ("order.forged", SignedOrder(fine.body), REASON),
        ("order.forged", replaced(fine, fleet_signature=None), REASON),
        ("order.forged", replaced(fine, officers=[]), REASON),
        # Another fleet key, a signature over something else, an officer of others.
        ("order.forged", foreign.sign(good, officer), REASON),
        ("order.forged", replaced(fine, officers=[OfficerSignature(officer.id, bytes(64))]), REASON),
        ("order.forged", replaced(fine, body=msgspec.msgpack.encode(replaced(good, kind="lock"))), REASON),
        ("order.forged", of.sign(good, stranger), REASON),
        # Signed by the second officer alone, and given by the first.
        ("order.forged", of.sign(good, of.officers[1]), REASON),
        ("order.forged", of.sign(world.order(of, "erase", [only(ada)], server="elsewhere"), officer), REASON),
        ("order.forged", of.sign(world.order(others, "erase", [only(ada)]), officer), REASON),
        ("order.forged", orders.sign_as_owner(good, ada.identity), REASON),
        # Of another time.
        ("order.stale", of.sign(replaced(good, issued_at=int(world.now) - 601), officer), REASON),
        ("order.stale", of.sign(replaced(good, issued_at=int(world.now) + 601), officer), REASON),
    ]
    for target in (
        only(theirs),
        only(nobodys),
        whole(theirs),
        Target(secrets.token_bytes(16)),
        Target(ada.certificate.line_id, theirs.id),
        Target(ada.certificate.line_id, secrets.token_bytes(16)),
    ):
        bad.append(
            ("order.not_yours", of.sign(world.order(of, "erase", [only(ada), target]), officer), REASON)
        )
    for code, signed, reason in bad:
        with pytest.raises(Refusal, match=code.replace(".", r"\.")):
            await world.ask(of, fleet.Give(signed, reason), fleet.Given)
    assert world.dump() == before
    assert world.shares.asked == []
    for owner in vaults:
        assert await world.guess(owner) == "open"
    # A good one is still taken: none of the bad ones used its id up.
    assert (await world.ask(of, fleet.Give(fine, REASON), fleet.Given)).unreadable


async def test_envelopes_that_do_not_hold(world: World) -> None:
    of, others = world.organisation(), world.organisation("Le Temps")
    ada = await world.line(of)
    officer = of.officers[0]
    ask = fleet.Give(of.sign(world.order(of, "erase", [only(ada)]), officer), REASON)
    now = int(world.now)

    def by(**changes: object) -> fleet.ByOfficer:
        good = fleet.by_officer(SERVER_NAME, of.id, officer.id, officer.key, now, ask)
        return msgspec.structs.replace(good, **changes)

    late = fleet.by_officer(SERVER_NAME, of.id, officer.id, officer.key, now - 601, ask)
    early = fleet.by_officer(SERVER_NAME, of.id, officer.id, officer.key, now + 601, ask)
    elsewhere = fleet.by_officer("elsewhere", of.id, officer.id, officer.key, now, ask)
    owner = fleet.by_owner(SERVER_NAME, ada.certificate.line_id, ada.key, now, ask)
    before = world.dump()
    for code, envelope in (
        ("order.forged", by(signature=bytes(64))),
        ("order.forged", by(ask=fleet.encode(fleet.Rosters()))),
        ("order.forged", by(at=now + 1)),
        ("order.forged", by(officer=of.officers[1].id)),
        ("order.forged", by(officer=bytes(16))),
        ("order.forged", by(organisation=others.id)),
        ("organisation.unknown", by(organisation=bytes(16))),
        ("order.forged", elsewhere),
        ("order.stale", late),
        ("order.stale", early),
        # Not the identity key; no such line.
        ("order.forged", owner),
        ("order.forged", msgspec.structs.replace(owner, line=bytes(16))),
        ("http.malformed", b""),
        ("http.malformed", b"\xc1"),
        ("http.malformed", fleet.encode(by())[:-1]),
        ("http.malformed", fleet.encode(by()) + b"x"),
        ("http.oversized", bytes(fleet.MAX_BODY + 1)),
    ):
        with pytest.raises(Refusal, match=code.replace(".", r"\.")):
            await world.post(envelope)
    assert world.dump() == before


SERVER_NAME = "localhost"


async def test_what_takes_two_waits_for_the_second(world: World) -> None:
    of = world.organisation(officers=3)
    one, two, three = of.officers
    devices = [await world.line(of) for _ in range(6)]
    vaults = [await world.vault(device) for device in devices]
    given = await world.give(of, "erase", *map(whole, devices))
    assert (given.awaiting, given.unreadable, given.places) == (True, False, [])
    status = await world.status(of)
    assert (status.awaiting, status.devices) == (True, [])
    assert not any([(await world.record(device)).revoked for device in devices])
    # Not by the same, not by a stranger, not with a signature over something else.
    with pytest.raises(Refusal, match=r"order\.two_officers"):
        await world.approve(of, given.order, one)
    for signature in (
        OfficerSignature(two.id, bytes(64)),
        OfficerSignature(one.id, one.key.sign(orders.order_bytes(status.order.body))),
    ):
        with pytest.raises(Refusal, match=r"order\.forged"):
            await world.ask(of, fleet.Approve(given.order, signature), fleet.Given, two)
    others = world.organisation("Le Temps")
    stranger = others.officers[0]
    signature = OfficerSignature(stranger.id, bytes(64))
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.ask(others, fleet.Approve(given.order, signature), fleet.Given)
    assert [await world.guess(owner) for owner in vaults] == ["open"] * 6
    # Two race to be the second: it is done once, and both are told so.
    answers = await asyncio.gather(*(world.approve(of, given.order, by) for by in (two, three)))
    assert all(answer.unreadable and not answer.awaiting for answer in answers)
    assert [await world.guess(owner) for owner in vaults] == ["gone"] * 6
    assert len(world.shares.asked) == 1
    assert await world.approve(of, given.order, two) == answers[0]
    assert {one.officer for one in (await world.status(of)).order.officers} == {one.id, two.id, three.id}


async def test_two_signatures_at_once_need_no_waiting(world: World) -> None:
    of = world.organisation()
    devices = [await world.line(of) for _ in range(6)]
    signed = of.sign(world.order(of, "erase", [whole(device) for device in devices]), *of.officers)
    given = await world.ask(of, fleet.Give(signed, REASON), fleet.Given)
    assert given.unreadable


async def test_the_sixth_line_within_a_day_takes_two(world: World) -> None:
    """However many orders they come in; of another officer, or a day later, they begin anew."""
    of = world.organisation(officers=3)
    devices = [await world.line(of) for _ in range(10)]
    for device in devices[:4]:
        assert not (await world.give(of, "erase", whole(device))).awaiting
    assert (await world.give(of, "erase", whole(devices[4]), whole(devices[5]))).awaiting
    assert not (await world.give(of, "revoke", whole(devices[4]))).awaiting
    # A line that counts already counts once.
    assert not (await world.give(of, "erase", only(devices[4]))).awaiting
    seventh = await world.give(of, "revoke", whole(devices[6]))
    assert seventh.awaiting
    assert not (await world.give(of, "lock", whole(devices[6]))).awaiting
    assert not (await world.give(of, "erase", whole(devices[7]), by=of.officers[1])).awaiting
    # What two signed counts for nobody.
    await world.approve(of, seventh.order, of.officers[1])
    world.now += DAY + 1
    assert not (await world.give(of, "erase", *map(whole, devices[5:10]))).awaiting


async def test_one_officer_alone_appoints_a_second_first(world: World) -> None:
    of = world.organisation(officers=1)
    devices = [await world.line(of) for _ in range(6)]
    before = world.dump()
    with pytest.raises(Refusal, match=r"order\.two_officers"):
        await world.give(of, "erase", *map(whole, devices))
    assert world.dump() == before
    assert not (await world.give(of, "erase", *map(whole, devices[:5]))).awaiting
    with pytest.raises(Refusal, match=r"order\.two_officers"):
        await world.give(of, "erase", whole(devices[5]))


async def test_a_hold_keeps_one_person_from_erasing(world: World) -> None:
    of = world.organisation()
    two = of.officers[1]
    ada = await world.line(of)
    second = await world.sibling(ada)
    held = await world.give(of, "hold", whole(ada))
    assert (held.awaiting, held.places) == (False, [])
    (line,) = (await world.ask(of, fleet.Lines(), fleet.LineList)).lines
    assert line.held_at == int(world.now)
    before = world.dump()
    for kind in ("erase", "revoke"):
        with pytest.raises(Refusal, match=r"order\.hold"):
            await world.give_as_owner(ada, kind, only(second))
    assert world.dump() == before
    assert not (await world.give_as_owner(ada, "lock", only(second))).awaiting
    waiting = await world.give(of, "erase", only(second))
    assert waiting.awaiting
    # Letting go takes two, too.
    release = await world.give(of, "release", whole(ada))
    assert release.awaiting
    assert not (await world.approve(of, release.order, two)).awaiting
    (line,) = (await world.ask(of, fleet.Lines(), fleet.LineList)).lines
    assert line.held_at is None
    assert not (await world.record(second)).revoked
    assert (await world.give_as_owner(ada, "erase", only(second))).unreadable


async def test_an_owner_orders_about_the_own_line_alone(world: World) -> None:
    of = world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    lost = await world.sibling(ada)
    before = world.dump()
    for target in (only(ben), whole(ben), Target(ada.certificate.line_id, ben.id)):
        with pytest.raises(Refusal, match=r"order\.(forged|not_yours)"):
            await world.give_as_owner(ada, "erase", target)
    for kind in ("policy", "hold", "release"):
        with pytest.raises(Refusal, match=r"order\.malformed"):
            await world.give_as_owner(ada, kind, whole(ada))
    assert world.dump() == before
    groups = [b"g" * 16, b"h" * 16]
    given = await world.give_as_owner(ada, "erase", only(lost), conversations=groups)
    assert given.unreadable
    assert [(place.device, place.register) for place in given.places] == [(lost.id, None)]
    mine = await world.ask_as_owner(ada, fleet.Status(), fleet.Orders)
    assert [order.devices[0].conversations for order in mine.orders] == [2]
    assert (await world.ask_as_owner(ben, fleet.Status(), fleet.Orders)).orders == []
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.ask_as_owner(ben, fleet.Status(given.order), fleet.Orders)
    # The whole line: closed, and its owner says nothing more.
    assert (await world.give_as_owner(ada, "erase", whole(ada))).unreadable
    with pytest.raises(Refusal, match=r"line\.closed"):
        await world.give_as_owner(ada, "lock", whole(ada))


async def test_an_owner_of_no_organisation(world: World) -> None:
    ada = await world.line()
    lost = await world.sibling(ada)
    assert (await world.give_as_owner(ada, "erase", only(lost))).unreadable
    assert world.sql("SELECT count(*) FROM audit") == [(0,)]
