"""The door: batches of codes, pages of lines, renewals, counts; and nothing of one organisation to
another."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, insert, select
from sqlalchemy.pool import StaticPool

from chappe.relay import door_lines, term_rows
from chappe.relay.door import DirectoryDoor, RelayDoor
from chappe.relay.schema import metadata
from chappe.relay.tables import lines
from chappe.wire import codes
from chappe.wire.door import BatchState, CodeBatch, Door, LineQuery, LineView, Renewal, StageCounts
from chappe.wire.errors import ChappeError
from chappe.wire.terms import begin
from tests.relay import stores
from tests.relay.fleet_world import Organisation, whole
from tests.relay.term_world import DAY, TermWorld
from tests.relay.world import Device

ID = bytes(16)


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[TermWorld]:
    world = TermWorld(data_dir)
    yield world
    await world.close()


def both(world: TermWorld) -> list[Door]:
    return [RelayDoor(world.relay), DirectoryDoor(world.settings, lambda: world.now)]


def batch(**changes: Any) -> CodeBatch:
    fields: dict[str, Any] = {"batch": secrets.token_bytes(16), "count": 3, "months": 6, "days": 30}
    return CodeBatch(**(fields | changes))


async def refusal(call: Any) -> str:
    with pytest.raises(ChappeError) as caught:
        await call
    return caught.value.code


def renewal(view: LineView, months: int = 6, **changes: Any) -> Renewal:
    assert view.term is not None
    fields = {"line": view.line, "organisation": view.organisation, "ends": view.term.ends, "by": "operator"}
    return Renewal(**(fields | {"months": months} | changes))


async def test_a_batch_is_made_once_counted_and_taken_back(world: TermWorld) -> None:
    for door in both(world):
        order = batch(count=4)
        made = await door.make_codes(order)
        assert len({codes.parse(code) for code in made.codes}) == 4
        assert made.expires_at == int(world.now) + 30 * DAY
        assert await refusal(door.make_codes(order)) == "id.reused"
        assert (await world.activate(made.codes[0])).status_code == 200
        assert await door.batch(order.batch) == BatchState(order.batch, 1, 3, 0, 0)
        assert await door.void_codes(order.batch) == 3
        assert await door.void_codes(order.batch) == 0
        assert await door.batch(order.batch) == BatchState(order.batch, 1, 0, 0, 3)
        # No code is in the database, only what is told from it.
        assert made.codes[1] not in repr(world.dump())
    late = batch()
    await world.door.make_codes(late)
    world.now += 31 * DAY
    assert await world.door.batch(late.batch) == BatchState(late.batch, 0, 0, 3, 0)
    assert await world.door.batch(ID) == BatchState(ID, 0, 0, 0, 0)


async def test_codes_are_of_an_organisation_that_is_there(world: TermWorld) -> None:
    gazette = world.organisation()
    made = await world.door.make_codes(batch(organisation=gazette.id))
    assert made.fleet_key == gazette.fleet_key
    assert await refusal(world.door.make_codes(batch(organisation=ID))) == "organisation.unknown"


@pytest.mark.parametrize(
    "changes",
    [
        {"count": 0},
        {"count": 10_001},
        {"months": 0},
        {"months": 61},
        {"days": 0},
        {"batch": b"x"},
        {"seller": b""},
    ],
)
async def test_what_does_not_fit_is_refused(world: TermWorld, changes: dict[str, Any]) -> None:
    before = world.dump()
    assert await refusal(world.door.make_codes(batch(**changes))) == "http.malformed"
    assert await refusal(world.door.allow_seller(b"short")) == "http.malformed"
    assert await refusal(world.door.lines(LineQuery(limit=201))) == "http.malformed"
    assert await refusal(world.door.renew([])) == "http.malformed"
    assert await refusal(world.door.taken_addresses(["a"] * 1_001)) == "http.malformed"
    assert world.dump() == before


async def test_ten_thousand_codes_in_one_batch(world: TermWorld) -> None:
    made = await world.door.make_codes(batch(count=10_000))
    assert len(set(made.codes)) == 10_000


async def test_lines_are_paged_searched_and_sorted(world: TermWorld) -> None:
    gazette = world.organisation()
    for number, name in enumerate(("ada", "ben", "cyd", "a_a", "axa")):
        await world.activate(await world.code(number + 1, gazette), gazette, name)
    await world.line(None, "zoe")
    mine = LineQuery(organisation=gazette.id)

    async def addresses(query: LineQuery) -> list[str]:
        seen: list[str] = []
        after: bytes | None = None
        for door in both(world):
            seen, after = [], None
            while True:
                page = await door.lines(msgspec.structs.replace(query, after=after, limit=2))
                seen += [line.address.partition("@")[0] for line in page.lines]
                assert len(page.lines) <= 2
                if not page.more:
                    assert page.total == len(seen)
                    break
                after = page.lines[-1].line
        return seen

    assert await addresses(mine) == ["a_a", "ada", "axa", "ben", "cyd"]
    assert await addresses(LineQuery()) == ["a_a", "ada", "axa", "ben", "cyd", "zoe"]
    assert await addresses(LineQuery(of_none=True)) == ["zoe"]
    assert await addresses(LineQuery(order="ends")) == ["ada", "ben", "cyd", "a_a", "axa", "zoe"]
    # What a person types is looked for as it stands: no wildcard, no statement.
    assert await addresses(LineQuery(search="A_A")) == ["a_a"]
    assert await addresses(LineQuery(search="%")) == []
    assert await addresses(LineQuery(search="'; DROP TABLE lines; --")) == []
    assert await addresses(LineQuery(stage="none")) == ["zoe"]
    soon = begin(2, int(world.now)).ends
    assert await addresses(LineQuery(ends_before=soon)) == ["ada"]


async def test_an_organisation_sees_its_own_and_a_guess_is_as_unknown_as_nothing(world: TermWorld) -> None:
    gazette, herald = world.organisation("La Gazette"), world.organisation("The Herald")
    ours, theirs = await world.termed(6, gazette), await world.termed(6, herald)
    line, door = theirs.certificate.line_id, world.door
    assert (await door.lines(LineQuery(organisation=gazette.id))).total == 1
    view = await door.line(line)
    code = await world.code(6, herald)
    before = world.dump()
    for guess in (line, ID):
        asked = [
            door.line(guess, gazette.id),
            door.devices(guess, gazette.id),
            door.lines(LineQuery(organisation=gazette.id, after=guess)),
            door.renew([renewal(view, line=guess, organisation=gazette.id)]),
            door.renew_with_code(guess, gazette.id, code),
            door.renew(
                [
                    renewal(await door.line(ours.certificate.line_id)),
                    renewal(view, line=guess, organisation=gazette.id),
                ]
            ),
        ]
        assert {await refusal(call) for call in asked} == {"line.unknown"}
    assert await refusal(door.audit(ID, 0, 10)) == "organisation.unknown"
    given = await world.give(herald, "lock", whole(theirs))
    assert await refusal(door.orders(gazette.id, given.order)) == "order.unknown"
    assert await door.orders(gazette.id) == []
    after = world.dump()
    assert {name: after[name] for name in ("lines", "codes")} == {
        name: before[name] for name in ("lines", "codes")
    }


async def test_a_renewal_is_made_once_however_often_it_is_clicked(world: TermWorld) -> None:
    device = await world.termed(6)
    for door in both(world):
        seen = await door.line(device.certificate.line_id)
        (renewed,) = await door.renew([renewal(seen, 3)])
        assert renewed.term is not None
        assert renewed.term.months == 3
        assert await refusal(door.renew([renewal(seen, 3)])) == "term.changed"
        assert await refusal(door.renew([renewal(renewed), renewal(renewed)])) == "term.changed"
        assert await door.line(device.certificate.line_id) == renewed


async def test_many_are_renewed_together_or_none(world: TermWorld) -> None:
    gazette = world.organisation()
    made = [await world.termed(1, gazette) for _ in range(3)]
    plain = await world.line(gazette)
    door = world.door
    views = [await door.line(device.certificate.line_id) for device in made]
    before = world.dump()
    bad = Renewal(plain.certificate.line_id, gazette.id, 6, 0, "officer")
    assert await refusal(door.renew([*map(renewal, views), bad])) == "term.none"
    assert world.dump() == before
    renewed = await door.renew([renewal(view, by="officer") for view in views])
    assert [view.address for view in renewed] == [device.address for device in made]
    page = await door.audit(gazette.id, 0, 200)
    assert sum(b"line.renewed" in entry for entry in page.entries) == 3


async def test_an_officer_redeems_a_code_for_a_line(world: TermWorld) -> None:
    gazette = world.organisation()
    device, code = await world.termed(1, gazette), await world.code(6, gazette)
    view = await world.door.renew_with_code(device.certificate.line_id, gazette.id, codes.show(code))
    assert view.term is not None
    assert world.term(device).ends == view.term.ends
    again = await world.door.renew_with_code(device.certificate.line_id, gazette.id, code)
    assert again == view
    other = await world.termed(1, gazette)
    assert await refusal(world.door.renew_with_code(other.certificate.line_id, None, code)) == "code.used"


async def test_taken_addresses(world: TermWorld) -> None:
    await world.activate(await world.code(1), None, "ada")
    world.to(world.term(world.made).closes)
    await world.relay.sweep()
    asked = ["zoe@localhost", "ada@localhost"]
    assert await world.door.taken_addresses(asked) == ["ada@localhost"]
    world.now += 30 * DAY
    await world.relay.sweep()
    assert world.sql("SELECT count(*) FROM lines") == [(0,)]
    assert await world.door.taken_addresses(asked) == ["ada@localhost"]


async def test_the_overview_counts_what_is_there(world: TermWorld) -> None:
    gazette = world.organisation()
    devices: list[Device] = [await world.termed(1, gazette) for _ in range(3)]
    await world.line(gazette)
    await world.termed(6)
    owner = await world.vault(devices[0])
    world.to(world.term(devices[0]).ends - 6 * DAY)
    mine = await world.door.overview(gazette.id)
    assert mine.lines == StageCounts(none=1, active=3, within_30_days=3, within_7_days=3)
    assert (mine.load, mine.unlocks) == (None, None)
    everyone = await world.door.overview()
    assert everyone.lines.active == 4
    assert everyone.load is not None
    assert everyone.load.devices == 5
    await world.give(gazette, "erase", whole(devices[0]))
    await world.give(gazette, "erase", whole(devices[1]))
    counted = (await world.door.overview(gazette.id)).erasures
    assert (counted.awaiting, counted.ordered, counted.unreadable) == (0, 0, 2)
    assert await world.guess(owner) == "gone"
    beside = await DirectoryDoor(world.settings, lambda: world.now).overview()
    assert beside.lines == (await world.door.overview()).lines
    assert (beside.load, beside.unlocks) == (None, None)


async def test_orders_show_their_stages_and_no_key(world: TermWorld) -> None:
    gazette = world.organisation()
    device = await world.termed(6, gazette)
    await world.vault(device)
    given = await world.give(gazette, "erase", whole(device))
    (order,) = await world.door.orders(gazette.id)
    assert (order.order, order.kind, order.awaiting) == (given.order, "erase", False)
    (stage,) = order.devices
    assert stage.unreadable_at == int(world.now)
    assert not stage.reported
    shown = msgspec.msgpack.encode(order)
    for secret in (device.certificate.signature_key, device.certificate.identity_key, gazette.fleet_key):
        assert secret not in shown
    (known,) = await world.door.organisations()
    assert (known.name, known.lines, known.officers) == ("La Gazette", 0, 2)


async def test_no_answer_holds_a_key_of_a_line(world: TermWorld) -> None:
    gazette: Organisation = world.organisation()
    device = await world.termed(6, gazette)
    page = await world.door.lines(LineQuery())
    shown = msgspec.msgpack.encode((page, await world.door.devices(device.certificate.line_id)))
    for secret in (
        device.certificate.signature_key,
        device.certificate.identity_key,
        device.certificate.to_bytes(),
    ):
        assert secret not in shown


async def test_a_command_works_where_no_relay_ever_ran(data_dir: Path) -> None:
    from chappe.relay.config import load_settings

    settings = load_settings({}, data_dir=data_dir, **stores.given(data_dir))
    door = DirectoryDoor(settings)
    assert (await door.lines(LineQuery())).total == 0
    assert stores.rows(settings, "SELECT count(*) FROM sellers") == [(0,)]


NOW = 2_000_000_000


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(st.tuples(st.integers(-200, 200), st.booleans(), st.booleans(), st.booleans()), max_size=12),
    st.integers(0, DAY),
)
def test_a_stage_is_the_same_in_sql_and_in_python(
    made: list[tuple[int, bool, bool, bool]], second: int
) -> None:
    """To the second, for every line, held or closed or without a term."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    now = NOW + second
    with engine.connect() as connection:
        for number, (offset, has_term, held, closed) in enumerate(made):
            term = begin(1, now + offset * DAY)
            connection.execute(
                insert(lines).values(
                    line=number.to_bytes(16, "big"),
                    address=str(number),
                    identity_key=b"",
                    salt=b"",
                    created_at=0,
                    held_at=1 if held else None,
                    closed_at=1 if closed else None,
                    **(term_rows.columns(term, 1) if has_term else {}),
                )
            )
        rows = connection.execute(select(lines, door_lines.stage_sql(now).label("stage"))).all()
        assert [row.stage for row in rows] == [term_rows.line_stage(row, now) for row in rows]
    engine.dispose()
