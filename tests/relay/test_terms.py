"""Terms at the relay: begun by a code, renewed by one, closed and forgotten; each once, and nobody else's."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chappe.relay.new_codes import new_codes
from chappe.relay.ports import Unit
from chappe.relay.storage import look, open_database
from chappe.wire import api, codes, fleet
from chappe.wire.clock_guard import ClockGuard
from chappe.wire.errors import ChappeError
from chappe.wire.terms import Stage
from tests.relay.fleet_world import Refusal, only, sibling_of, whole
from tests.relay.term_world import DAY, TermWorld, failed, fresh_term, renew_body
from tests.relay.world import add_device_body


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[TermWorld]:
    world = TermWorld(data_dir)
    yield world
    await world.close()


async def test_a_code_of_a_plan_begins_a_term_and_another_begins_none(world: TermWorld) -> None:
    device = await world.termed(6)
    assert world.term(device) == fresh_term(world, 6)
    plain = await world.line()
    assert world.sql("SELECT term_ends FROM lines WHERE line = ?", plain.certificate.line_id) == [(None,)]
    record = await world.record(plain)
    assert record.term is None


async def test_a_line_without_a_term_goes_on_for_ever(world: TermWorld) -> None:
    """As all lines that were there before terms."""
    device = await world.line()
    world.now += 20 * 365 * DAY
    await world.relay.sweep()
    record = await world.record(device)
    assert (record.term, record.revoked) == (None, False)
    assert failed(await world.renew(device, await world.code())) == "term.none"


async def test_a_code_renews_a_line_once_and_answers_the_same_again(world: TermWorld) -> None:
    device, code = await world.termed(6), await world.code(3)
    expected = world.term(device).renewed(3, int(world.now))
    first = await world.renew(device, codes.show(code).lower())
    second = await world.renew(device, code)
    assert first.content == second.content
    answer = api.decode(first.content, api.Renewed)
    assert (answer.stage, answer.ends, answer.suspends) == ("active", expected.ends, expected.suspends)
    assert world.term(device) == expected
    other = await world.termed(6)
    before = world.dump()
    assert failed(await world.renew(other, code)) == "code.used"
    assert failed(await world.activate(code)) == "code.used"
    assert world.dump() == before


async def test_a_code_that_made_a_line_renews_none(world: TermWorld) -> None:
    code = await world.code()
    assert (await world.activate(code)).status_code == 200
    assert failed(await world.renew(world.made, code)) == "code.used"
    assert world.term(world.made) == fresh_term(world)


async def test_whatever_is_wrong_uses_nothing_up(world: TermWorld) -> None:
    device, other = await world.termed(), await world.termed()
    code, short = await world.code(), await world.code(days=1)
    plain = new_codes(world.settings, 1).codes[0]
    before = world.dump()
    good = renew_body(device, code)
    wrong = {
        "signin.bad_signature": [
            renew_body(device, code, server="elsewhere"),
            api.Renew(code, api.to_base64(other.id), good.proof),
            api.Renew(code, good.device, api.to_base64(bytes(64))),
            api.Renew(code, good.device, ""),
        ],
        "signin.unknown_device": [api.Renew(code, api.to_base64(secrets.token_bytes(16)), good.proof)],
        "code.malformed": [api.Renew(code[:-1], good.device, good.proof)],
        "http.malformed": [api.Renew(code, good.device[:-1], good.proof), api.Renew(code, good.device, "=")],
        "code.unknown": [renew_body(device, codes.new())],
        "code.no_term": [renew_body(device, plain)],
    }
    for expected, bodies in wrong.items():
        for body in bodies:
            answer = await world.http.post("/v1/renew", content=api.encode(body))
            assert failed(answer) == expected, body
    for raw in (b"", b"{}", b'{"code": 3}', api.encode(good)[:-1], api.encode(good)[:-1] + b',"x":1}'):
        assert failed(await world.http.post("/v1/renew", content=raw)) == "http.malformed"
    assert world.dump() == before
    world.now += 2 * DAY
    assert failed(await world.renew(device, short)) == "code.expired"
    assert (await world.renew(device, code)).status_code == 200


async def test_a_line_stays_with_its_organisation(world: TermWorld) -> None:
    """Neither another's code renews it, nor one of none; nor does its code renew a line of none."""
    gazette, herald = world.organisation("La Gazette"), world.organisation("The Herald")
    ours, nobodys = await world.termed(6, gazette), await world.termed(6)
    theirs = await world.code(6, herald)
    before = world.term(ours)
    assert failed(await world.renew(ours, theirs)) == "term.transfer"
    assert failed(await world.renew(ours, await world.code(6))) == "term.transfer"
    assert failed(await world.renew(nobodys, theirs)) == "term.transfer"
    assert world.term(ours) == before
    assert (await world.renew(await world.termed(6, herald), theirs)).status_code == 200


async def test_a_code_whose_seller_may_not_sell_does_nothing(world: TermWorld) -> None:
    seller = secrets.token_bytes(16)
    with pytest.raises(ChappeError) as caught:
        await world.code(seller=seller)
    assert caught.value.code == "code.withheld"
    await world.door.allow_seller(seller)
    first, second = await world.code(seller=seller), await world.code(seller=seller)
    device = await world.termed()
    await world.door.withhold_seller(seller)
    before = world.dump()
    asked = await world.http.post("/v1/activate/organisation", content=api.encode(api.CodeFor(first)))
    answers = [asked, await world.activate(first), await world.renew(device, first)]
    for answer in answers:
        assert failed(answer) == "code.withheld"
        assert "operator" in answer.json()["message"]
    assert world.dump() == before
    await world.door.allow_seller(seller)
    assert (await world.activate(first)).status_code == 200
    assert (await world.renew(device, second)).status_code == 200


async def test_a_code_that_was_made_for_a_seller_nobody_accredited_does_nothing(world: TermWorld) -> None:
    """Whatever wrote it into the table: a seller that is not there may not sell."""
    code = await world.code()
    world.sql("UPDATE codes SET seller = ?", secrets.token_bytes(16))
    assert failed(await world.activate(code)) == "code.withheld"


async def test_a_code_that_was_taken_back_is_unknown(world: TermWorld) -> None:
    code = await world.code()
    (batch,) = world.sql("SELECT batch FROM codes")[0]
    assert await world.door.void_codes(batch) == 1
    assert failed(await world.activate(code)) == "code.unknown"


async def test_stages_of_a_line_at_sign_in(world: TermWorld) -> None:
    device = await world.termed(1)
    term = world.term(device)
    for at, stage in (
        (term.ends - 1, "active"),
        (term.ends, "grace"),
        (term.suspends, "suspended"),
        (term.closes, "closed"),
    ):
        world.to(at)
        told = (await world.record(device)).term
        assert told is not None
        assert told.stage == stage
        assert (told.ends, told.suspends, told.closes, told.forgotten) == (
            term.ends,
            term.suspends,
            term.closes,
            term.forgotten,
        )


async def test_no_device_is_added_to_a_line_that_is_suspended(world: TermWorld) -> None:
    device = await world.termed(1)
    added = api.encode(add_device_body(sibling_of(device)))
    world.to(world.term(device).suspends)
    before = world.dump()
    assert failed(await world.http.post("/v1/devices", content=added)) == "certificate.invalid"
    # With a clock that is right on both sides.
    world.sql("UPDATE lines SET term_ends = ?", _midnight(world.made.certificate.issued_at) - 20 * DAY)
    world.sql("UPDATE lines SET term_day = ?", _day(_midnight(world.made.certificate.issued_at) - 20 * DAY))
    world.to(world.made.certificate.issued_at)
    assert failed(await world.http.post("/v1/devices", content=added)) == "term.suspended"
    assert len(world.dump()["devices"]) == len(before["devices"])


def _midnight(at: int) -> int:
    return at - at % DAY


def _day(ends: int) -> int:
    from chappe.wire.terms import utc_date

    return utc_date(ends - 1).day


async def test_a_suspended_line_is_renewed_and_begins_anew(world: TermWorld) -> None:
    device, code = await world.termed(1), await world.code(6)
    world.to(world.term(device).closes - 1)
    assert (await world.renew(device, code)).status_code == 200
    assert world.term(device) == fresh_term(world, 6)
    told = (await world.record(device)).term
    assert told is not None
    assert told.stage == "active"


async def test_a_line_whose_term_is_long_over_is_closed(world: TermWorld) -> None:
    gazette = world.organisation()
    device, code = await world.termed(1, gazette), await world.code(6, gazette)
    owner = await world.vault(device)
    term = world.term(device)
    world.to(term.closes - 1)
    await world.relay.sweep()
    assert not (await world.record(device)).revoked
    world.to(term.closes)
    await world.relay.sweep()
    record = await world.record(device)
    assert record.revoked
    assert record.term is not None
    assert record.term.stage == "closed"
    assert failed(await world.renew(device, code)) == "term.closed"
    # What is on the phone can still be read there, until the line is forgotten.
    assert await world.guess(owner) == "open"
    entry = (await world.door.audit(gazette.id, 0, 200)).entries[-1]
    assert b"line.lapsed" in entry


async def test_a_closed_line_is_forgotten_after_its_retention(world: TermWorld) -> None:
    gazette = world.organisation()
    device = await world.termed(1, gazette)
    owner, kept = await world.vault(device), await world.termed(60, gazette)
    line, term = device.certificate.line_id, world.term(device)
    world.to(term.closes)
    await world.relay.sweep()
    world.to(term.forgotten - 1)
    await world.relay.sweep()
    assert await world.guess(owner) == "open"
    world.to(term.forgotten)
    await world.relay.sweep()
    assert await world.guess(owner) == "gone"
    assert await world.relay.store.device(device.id) is None
    # Nothing is left but that the address was given, the device's bare id, and the audit log.
    left = {
        name
        for name, rows in world.dump().items()
        for row in rows
        if any(value in (line, device.id, device.address) for value in row)
    }
    assert left == {"gone_devices"}
    assert not any(device.address.encode() in repr(row).encode() for row in world.dump()["given_addresses"])
    assert not (await world.record(kept)).revoked
    assert b"line.forgotten" in (await world.door.audit(gazette.id, 0, 200)).entries[-1]


async def test_the_address_of_a_forgotten_line_is_its_organisations(world: TermWorld) -> None:
    gazette, herald = world.organisation("La Gazette"), world.organisation("The Herald")
    await world.activate(await world.code(1, gazette), gazette, "chief")
    nobodys = await world.code(1)
    assert (await world.activate(nobodys, None, "lone")).status_code == 200
    world.to(world.term(world.made).forgotten)
    await world.relay.sweep()
    world.now += 30 * DAY
    await world.relay.sweep()
    assert world.sql("SELECT count(*) FROM lines") == [(0,)]
    # Certificates are of today.
    world.now = float(world.made.certificate.issued_at)
    for of, name, expected in (
        (herald, "chief", "address.taken"),
        (None, "chief", "address.taken"),
        (None, "lone", "address.taken"),
        (gazette, "lone", "address.taken"),
    ):
        assert failed(await world.activate(await world.code(1, of), of, name)) == expected
    assert (await world.activate(await world.code(1, gazette), gazette, "chief")).status_code == 200


async def test_where_the_share_service_is_away_a_line_is_forgotten_later(world: TermWorld) -> None:
    device = await world.termed(1)
    owner = await world.vault(device)
    world.to(world.term(device).forgotten)
    await world.relay.sweep()
    world.now += 30 * DAY
    world.shares.is_away = True
    with pytest.raises(ChappeError):
        await world.relay.sweep()
    assert await world.relay.store.device(device.id) is not None
    world.shares.is_away = False
    await world.relay.sweep()
    assert await world.relay.store.device(device.id) is None
    assert await world.guess(owner) == "gone"


async def test_a_line_under_legal_hold_is_neither_closed_nor_forgotten(world: TermWorld) -> None:
    gazette = world.organisation()
    device = await world.termed(1, gazette)
    await world.give(gazette, "hold", whole(device))
    term = world.term(device)
    for at in (term.closes, term.forgotten, term.forgotten + 365 * DAY):
        world.to(at)
        await world.relay.sweep()
        record = await world.record(device)
        assert not record.revoked
        assert record.term is not None
        assert record.term.stage == "suspended"
    assert (await world.renew(device, await world.code(6, gazette))).status_code == 200


@pytest.mark.parametrize("at", ["ends", "suspends", "closes"])
async def test_an_order_to_erase_reaches_a_line_whose_term_is_over(world: TermWorld, at: str) -> None:
    gazette = world.organisation()
    device = await world.termed(1, gazette)
    owner = await world.vault(device)
    world.to(getattr(world.term(device), at))
    await world.relay.sweep()
    given = await world.give(gazette, "erase", whole(device))
    assert given.unreadable
    assert await world.guess(owner) == "gone"
    # For ever, whoever comes with its keys: a line that was erased is not forgotten.
    world.now += 400 * DAY
    await world.relay.sweep()
    waiting = await world.ask_as_device(device, fleet.Waiting(), fleet.ForDevice)
    assert len(waiting.orders) == 1
    assert (await world.record(device)).term is None


async def test_an_owner_erases_a_phone_of_a_closed_line_and_the_line_is_not_forgotten(
    world: TermWorld,
) -> None:
    device = await world.termed(1)
    world.to(world.term(device).closes)
    await world.relay.sweep()
    await world.give_as_owner(device, "erase", only(device))
    world.now += 400 * DAY
    await world.relay.sweep()
    assert len((await world.ask_as_device(device, fleet.Waiting(), fleet.ForDevice)).orders) == 1


async def test_a_device_that_was_signed_out_by_order_renews_nothing(world: TermWorld) -> None:
    gazette = world.organisation()
    device = await world.termed(1, gazette)
    stays = await world.sibling(device)
    await world.give(gazette, "revoke", only(device))
    code = await world.code(6, gazette)
    assert failed(await world.renew(device, code)) == "signin.revoked"
    assert (await world.renew(stays, code)).status_code == 200


async def test_messages_for_a_forgotten_device_are_passed_over(world: TermWorld) -> None:
    """It may still be in conversations: who writes there is not refused because of it."""
    device, stays = await world.termed(1), await world.line()
    world.to(world.term(device).closes)
    await world.relay.sweep()
    world.now += 30 * DAY
    await world.relay.sweep()
    with look(open_database(world.relay.settings)) as connection:
        found = world.relay.store.mailroom.resolve(Unit(connection, int(world.now)), [device.id, stays.id])
    assert found == ((await world.record(stays)).mailbox,)
    world.relay.store.mailroom.forget()
    with look(open_database(world.relay.settings)) as connection, pytest.raises(ChappeError):
        world.relay.store.mailroom.resolve(Unit(connection, int(world.now)), [secrets.token_bytes(16)])


async def test_many_lines_are_closed_and_forgotten_in_pieces(
    world: TermWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chappe.relay.usecases.lapse.AT_ONCE", 2)
    made = [await world.termed(1) for _ in range(5)]
    world.to(world.term(made[0]).closes)
    await world.relay.sweep()
    assert world.sql("SELECT count(*) FROM lines WHERE lapsed_at IS NULL") == [(0,)]
    world.now += 30 * DAY
    await world.relay.sweep()
    assert world.sql("SELECT count(*) FROM lines") == [(0,)]
    assert world.sql("SELECT count(*) FROM gone_devices") == [(5,)]


async def test_every_renewal_is_in_the_organisations_audit_log(world: TermWorld) -> None:
    gazette = world.organisation()
    device = await world.termed(6, gazette)
    await world.renew(device, await world.code(3, gazette))
    page = await world.audit(gazette)
    from chappe.wire.audit import decode

    entry = decode(page.entries[-1])
    assert (entry.what, entry.line, entry.number, entry.outcome) == (
        "line.renewed",
        device.certificate.line_id,
        3,
        "code",
    )
    assert world.term(device).stage(int(world.now)) is Stage.ACTIVE


async def test_who_is_no_officer_learns_nothing_of_terms(world: TermWorld) -> None:
    gazette, herald = world.organisation("La Gazette"), world.organisation("The Herald")
    device = await world.termed(6, gazette)
    with pytest.raises(Refusal):
        await world.give(herald, "erase", whole(device))


async def test_a_clock_that_jumps_closes_and_forgets_nothing_until_it_is_confirmed(world: TermWorld) -> None:
    device = await world.termed(1)
    owner = await world.vault(device)
    term, before = world.term(device), world.now
    await world.relay.sweep_if_due()
    world.to(term.forgotten)
    await world.relay.sweep_if_due()
    assert not world.sql("SELECT line FROM lines WHERE closed_at IS NOT NULL")
    assert await world.guess(owner) == "open"
    # It is put right: nothing was done, and nothing is done twice.
    world.to(int(before))
    await world.relay.sweep_if_due()
    assert not (await world.record(device)).revoked
    # It was right: the operator says so beside the data, as `chappe desk clock --confirm` does.
    world.to(term.forgotten)
    ClockGuard(world.relay.settings.data_dir, lambda: world.now).confirm()
    await world.relay.sweep_if_due()
    assert (await world.record(device)).revoked
