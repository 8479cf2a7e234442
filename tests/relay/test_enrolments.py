"""A line that lost every phone: two officers let a new one in, and it comes a day later, not before."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from chappe.client.log_state import LogState
from chappe.relay.usecases.look_up import LookUp
from chappe.wire import audit as audit_entries
from chappe.wire import enrolments, fleet, frames
from chappe.wire.errors import ChappeError
from chappe.wire.orders import Target
from chappe.wire.rosters import OfficerSignature
from tests.relay.enrol_world import EnrolWorld, new_phone, refused, with_key
from tests.relay.fleet_world import REASON, Organisation, Refusal, only, whole
from tests.relay.log_world import of_relay
from tests.relay.world import Device

DAY = 24 * 3600


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[EnrolWorld]:
    made = EnrolWorld(data_dir)
    # Organisations are added by the clock of this machine, which is not to be ahead.
    made.to(int(made.now) + 3_600)
    await made.relay.log.start()
    yield made
    await made.relay.log.close()
    await made.close()


async def state_of(world: EnrolWorld) -> LogState:
    """The log as it is served, replayed by the rules of `chappe audit`."""
    await world.relay.log.publish()
    _, entries = await of_relay(world.http)
    state = LogState()
    for index, entry in enumerate(entries):
        state.apply(index, entry)
    return state


async def lost_line(world: EnrolWorld) -> tuple[Organisation, Device]:
    """A line whose only phone is lost, and signed out."""
    of = world.organisation()
    lost = await world.line(of)
    await world.give(of, "revoke", only(lost))
    return of, lost


async def test_a_line_that_lost_its_phone_has_a_new_one_after_a_day(world: EnrolWorld) -> None:
    of, lost = await lost_line(world)
    phone, body = await world.announced(of, lost)
    assert len((await state_of(world)).announced) == 1
    world.to(int(world.now) + DAY - 60)
    answer = await world.enter(phone)
    assert refused(answer) == "order.stale"
    assert "UTC" in answer.json()["message"], "it says when"
    world.to(int(world.now) + 60)
    for _ in range(2):
        answer = await world.enter(phone)
        assert answer.status_code == 200, answer.text
    before = world.dump()
    await world.relay.log.close()
    await world.restart()
    await world.relay.log.start()
    assert (await world.enter(phone)).status_code == 200, "cut off before the answer, it says the same again"
    assert world.dump()["devices"] == before["devices"]
    line = await world.relay.store.run(LookUp(frames.Lookup(1, lost.address)))
    assert isinstance(line, frames.Line)
    assert (line.line, line.identity_key) == (lost.certificate.line_id, phone.certificate.identity_key)
    assert [one.device for one in line.devices] == [phone.id]
    state = await state_of(world)
    (logged,) = state.lines.values()
    assert (logged.identity_key, state.announced) == (phone.certificate.identity_key, [])
    page = await world.audit(of)
    said = [audit_entries.decode(one) for one in page.entries]
    assert [one.what for one in said if one.what.startswith("line.phone")] == [
        "line.phone_awaits",
        "line.phone_announced",
        "line.phone_entered",
    ]
    (shown,) = (await world.ask(of, fleet.ShowEnrolments(), fleet.Enrolments)).enrolments
    assert (shown.enrolment.body, shown.added_at) == (body, int(world.now))


async def test_a_phone_that_came_and_was_signed_out_since_hears_so(world: EnrolWorld) -> None:
    """Before it has a PIN, too: it would ask for one for ever."""
    of, lost = await lost_line(world)
    phone, _ = await world.announced(of, lost)
    world.to(int(world.now) + DAY)
    assert (await world.enter(phone)).status_code == 200
    await world.give(of, "revoke", only(phone))
    assert refused(await world.enter(phone)) == "signin.revoked"


async def test_one_officer_alone_lets_nobody_in(world: EnrolWorld) -> None:
    of, lost = await lost_line(world)
    one, two = of.officers
    phone = new_phone(lost, world.now)
    body = world.enrolment(of, lost, phone)
    await world.enrol(of, body)
    await world.enrol(of, body)
    with pytest.raises(Refusal, match=r"order\.two_officers"):
        await world.second(of, body, one)
    # Nor with the other's name under a signature of one's own.
    forged = OfficerSignature(two.id, enrolments.sign(body, one.id, one.key).signature)
    for signature, by in ((forged, two), (forged, one)):
        with pytest.raises(Refusal, match=r"order\.forged"):
            await world.approve_with(of, body, signature, by)
    both = [enrolments.sign(body, each.id, each.key) for each in (one, two)]
    with pytest.raises(Refusal, match=r"order\.forged"):
        await world.ask(
            of, fleet.Enrol(enrolments.SignedEnrolment(body, both[1:]), REASON), fleet.Enrolments, one
        )
    world.to(int(world.now) + 2 * DAY)
    assert refused(await world.enter(phone)) == "order.two_officers"
    assert (await state_of(world)).announced == []
    world.to(int(world.now) + 6 * DAY)
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.second(of, body)
    await world.relay.sweep()
    assert world.sql("SELECT * FROM enrolments") == []


async def test_an_organisation_with_one_officer_appoints_a_second_first(world: EnrolWorld) -> None:
    of = world.organisation(officers=1)
    lost = await world.line(of)
    with pytest.raises(Refusal, match=r"order\.two_officers"):
        await world.enrol(of, world.enrolment(of, lost, new_phone(lost, world.now)))


async def test_what_is_not_this_organisations_is_refused(world: EnrolWorld) -> None:
    of, lost = await lost_line(world)
    others = world.organisation("Le Courrier")
    theirs = await world.line(others)
    before = world.sql("SELECT * FROM enrolments")
    fleet_key = others.fleet_key
    cases: list[tuple[Organisation, bytes, str]] = [
        # Another organisation's line, by its own name and by ours.
        (others, world.enrolment(others, lost, new_phone(lost, world.now)), "certificate.invalid"),
        (others, world.enrolment(of, lost, new_phone(lost, world.now)), "order.forged"),
        (
            others,
            world.enrolment(others, lost, new_phone(lost, world.now, fleet_key=fleet_key)),
            "order.not_yours",
        ),
        (of, world.enrolment(of, lost, new_phone(lost, world.now, address=theirs.address)), "certificate"),
        (of, world.enrolment(of, lost, new_phone(lost, world.now, device_id=lost.id)), "certificate.invalid"),
        (of, world.enrolment(of, lost, new_phone(lost, world.now), salt=bytes(32)), "order.not_yours"),
        (of, world.enrolment(of, lost, new_phone(lost, world.now), former_key=bytes(32)), "certificate"),
        (of, world.enrolment(of, lost, new_phone(lost, world.now), server="elsewhere"), "certificate"),
        (of, world.enrolment(of, lost, new_phone(lost, world.now), issued_at=1), "order.stale"),
        (of, world.enrolment(of, lost, new_phone(lost, world.now), reason_digest=bytes(32)), "malformed"),
    ]
    for number, (organisation, body, code) in enumerate(cases):
        # Some an honest officer's program does not sign; the relay reads them by the same rules.
        with pytest.raises((Refusal, ChappeError)) as caught:
            await world.enrol(organisation, body)
        assert code in getattr(caught.value, "code", str(caught.value)), (number, code)
    assert world.sql("SELECT * FROM enrolments") == before


async def test_only_the_phone_that_was_announced_comes(world: EnrolWorld) -> None:
    of, lost = await lost_line(world)
    phone, body = await world.announced(of, lost)
    world.to(int(world.now) + DAY)
    other = new_phone(lost, world.now, device_id=phone.id)
    assert refused(await world.enter(other)) == "certificate.invalid"
    assert refused(await world.enter(with_key(phone))) == "certificate.invalid"
    assert refused(await world.enter(new_phone(lost, world.now))) == "order.unknown"
    # The two signatures are for this order: with another id, or another phone, they are worth nothing.
    swapped = msgspec.structs.replace(enrolments.read(body).order, id=bytes(16))
    again = msgspec.msgpack.encode(swapped)
    (shown,) = (await world.ask(of, fleet.ShowEnrolments(), fleet.Enrolments)).enrolments
    moved = enrolments.SignedEnrolment(again, shown.enrolment.officers[:1])
    with pytest.raises(Refusal, match=r"order\.forged"):
        await world.ask(of, fleet.Enrol(moved, shown.reason), fleet.Enrolments)
    assert (await world.enter(phone)).status_code == 200


@pytest.mark.parametrize("by", ["officer", "device"])
async def test_what_was_taken_back_does_not_come(world: EnrolWorld, by: str) -> None:
    of = world.organisation()
    lost = await world.line(of)
    other = await world.sibling(lost)
    phone, body = await world.announced(of, lost)
    order = enrolments.read(body).order.id
    (shown,) = (await world.ask_as_device(lost, fleet.ShowEnrolments(), fleet.Enrolments)).enrolments
    assert shown.enrolment.body == body
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.ask_as_device(await world.line(of), fleet.Withdraw(order), fleet.Ok)
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.ask(world.organisation("Le Courrier"), fleet.Withdraw(order), fleet.Ok)
    # A lost phone that was signed out has no say any more.
    await world.give(of, "revoke", only(other))
    with pytest.raises(Refusal, match=r"signin\.revoked"):
        await world.ask_as_device(other, fleet.Withdraw(order), fleet.Ok)
    for _ in range(2):
        if by == "officer":
            await world.ask(of, fleet.Withdraw(order), fleet.Ok, of.officers[1])
        else:
            await world.ask_as_device(lost, fleet.Withdraw(order), fleet.Ok)
    await world.give(of, "revoke", only(lost))
    world.to(int(world.now) + 2 * DAY)
    assert refused(await world.enter(phone)) == "order.unknown"
    assert (await state_of(world)).announced == []
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.second(of, body)
    with pytest.raises(Refusal, match=r"certificate\.invalid"):
        await world.enrol(of, world.enrolment(of, lost, phone))
    fresh, _ = await world.announced(of, lost)
    world.to(int(world.now) + DAY)
    assert (await world.enter(fresh)).status_code == 200
    await state_of(world)


async def test_a_line_that_has_a_phone_or_ended_takes_no_new_one(world: EnrolWorld) -> None:
    of = world.organisation()
    lost = await world.line(of)
    phone, body = await world.announced(of, lost)
    another = world.enrolment(of, lost, new_phone(lost, world.now))
    with pytest.raises(Refusal, match=r"devices\.too_many"):
        await world.enrol(of, another)
    world.to(int(world.now) + DAY)
    assert refused(await world.enter(phone)) == "devices.too_many"
    await world.give(of, "revoke", only(lost))
    line = Target(lost.certificate.line_id)
    held = await world.give(of, "hold", line)
    assert refused(await world.enter(phone)) == "order.hold"
    assert held.awaiting is False
    release = await world.give(of, "release", line)
    await world.approve(of, release.order, of.officers[1])
    await world.give(of, "erase", whole(lost))
    assert refused(await world.enter(phone)) == "line.closed"
    with pytest.raises(Refusal, match=r"line\.closed"):
        await world.enrol(of, world.enrolment(of, lost, new_phone(lost, world.now)))
    world.to(int(world.now) + 30 * DAY)
    await world.relay.sweep()
    assert refused(await world.enter(phone)) == "order.unknown"
    assert (await state_of(world)).announced == []
    assert enrolments.read(body).certificate == phone.certificate


async def test_a_clock_that_was_put_back_makes_no_day_shorter(world: EnrolWorld) -> None:
    of, lost = await lost_line(world)
    now = int(world.now)
    world.to(now + 3600)
    await world.line(of)
    world.to(now)
    phone, _ = await world.announced(of, lost)
    world.to(now + DAY)
    assert refused(await world.enter(phone)) == "order.stale"
    world.to(now + DAY + 3600)
    assert (await world.enter(phone)).status_code == 200
    await state_of(world)
