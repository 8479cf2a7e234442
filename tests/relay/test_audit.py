"""The audit log: everything is in it, in the transaction of what it tells of; and a changed row is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from chappe.relay import organisations
from chappe.tlog.merkle import EMPTY_ROOT, tree_head
from chappe.wire import audit, fleet, orders
from chappe.wire.audit import AuditEntry
from chappe.wire.errors import ChappeError
from chappe.wire.orders import Receipt
from tests.relay.fleet_world import REASON, Organisation, Refusal, World, only, whole

DAY = 24 * 3600


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[World]:
    made = World(data_dir)
    yield made
    await made.close()


async def entries(world: World, of: Organisation) -> list[AuditEntry]:
    page = await world.audit(of)
    assert page.root == tree_head(page.entries)
    assert page.size == len(page.entries)
    return [audit.decode(entry) for entry in page.entries]


async def busy(world: World, of: Organisation) -> None:
    """One of everything."""
    one, two = of.officers
    ada, *others = [await world.line(of) for _ in range(7)]
    await world.give(of, "hold", whole(ada))
    waiting = await world.give(of, "erase", only(ada))
    await world.approve(of, waiting.order, two)
    signed = orders.sign_receipt(Receipt(1, waiting.order, ada.id, "erased", 1), "device", ada.key)
    await world.ask_as_device(ada, fleet.Report(signed), fleet.Ok)
    release = await world.give(of, "release", whole(ada))
    await world.approve(of, release.order, two)
    await world.give(of, "erase", *map(whole, others), by=one)
    await world.give_as_owner(others[0], "lock", only(others[0]))
    await world.ask(of, fleet.Amend(of.roster([one, two], [one, two])), fleet.Ok)


async def test_everything_is_in_it(world: World) -> None:
    of, others = world.organisation(), world.organisation("Le Temps")
    await busy(world, of)
    found = await entries(world, of)
    what = [entry.what for entry in found]
    assert what == [
        "roster.amended",
        *["line.activated"] * 7,
        "order.given",
        "line.held",
        "order.awaits",
        "order.approved",
        "share.destroyed",
        "receipt.taken",
        "order.awaits",
        "order.approved",
        "line.released",
        "order.awaits",
        "order.given",
        "roster.amended",
    ]
    one, two = of.officers
    awaits, approved = found[10], found[11]
    assert (awaits.officers, awaits.kind, awaits.reason) == ([one.id], "erase", REASON.text)
    assert (approved.officers, approved.order) == ([two.id], awaits.order)
    assert found[13].outcome == "erased"
    # The owner's is told by the line.
    assert (found[18].officers, found[18].kind) == ([], "lock")
    assert found[18].line is not None
    assert [entry.what for entry in await entries(world, others)] == ["roster.amended"]
    # In pieces, too.
    page = await world.ask(of, fleet.Audit(18), fleet.AuditPage)
    assert (page.start, len(page.entries), page.size) == (18, 2, 20)
    assert (await world.ask(of, fleet.Audit(99), fleet.AuditPage)).entries == []
    assert {known.name: known.log[0] for known in organisations.known(world.settings)} == {
        of.name: 20,
        "Le Temps": 1,
    }


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET entry = (SELECT entry FROM audit WHERE number = 4) WHERE number = 3",
        "UPDATE audit SET entry = entry || x'00' WHERE number = 9",
        f"UPDATE audit SET root = x'{'00' * 32}' WHERE number = 0",
        "DELETE FROM audit WHERE number = 5",
        "DELETE FROM audit WHERE number = (SELECT max(number) FROM audit)",
        "DELETE FROM audit WHERE number >= 3; UPDATE audit SET number = number",
        "UPDATE audit SET number = 99 WHERE number = 7",
        "INSERT INTO audit SELECT organisation, 20, at, entry, root FROM audit WHERE number = 19",
        "DELETE FROM audit_heads",
        "UPDATE audit_heads SET chain = x'00'",
    ],
)
async def test_a_changed_row_is_found(world: World, statement: str) -> None:
    of = world.organisation()
    await busy(world, of)
    assert organisations.known(world.settings)[0].log[0] == 20
    for one in statement.split(";"):
        world.sql(one)
    with pytest.raises(ChappeError, match=r"storage\.failed"):
        organisations.known(world.settings)


async def test_an_officer_finds_it_too(world: World) -> None:
    """With a root that he kept, whatever the operator makes of the rest."""
    of = world.organisation()
    await busy(world, of)
    kept = await world.audit(of)
    world.sql("UPDATE audit SET entry = ? WHERE number = 10", kept.entries[11])
    page = await world.audit(of)
    assert tree_head(page.entries) != kept.root


async def test_nothing_is_done_where_it_cannot_be_written_down(world: World) -> None:
    of = world.organisation()
    ada = await world.line(of)
    owner = await world.vault(ada)
    world.sql("UPDATE audit_heads SET chain = x'00'")
    before = world.dump()
    with pytest.raises(Refusal, match=r"storage\.failed"):
        await world.give(of, "erase", only(ada))
    assert world.dump() == before
    assert await world.guess(owner) == "open"


async def test_what_nobody_approved_lapses(world: World) -> None:
    of = world.organisation()
    lines = [await world.line(of) for _ in range(6)]
    given = await world.give(of, "erase", *map(whole, lines))
    world.now += 7 * DAY - 10
    await world.relay.sweep()
    assert (await world.status(of, given.order)).awaiting
    world.now += 11
    # Too late, swept or not.
    signature = orders.approve((await world.status(of)).order, of.officers[1].id, of.officers[1].key)
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.ask(of, fleet.Approve(given.order, signature), fleet.Given, of.officers[1])
    await world.relay.sweep()
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.status(of, given.order)
    last = (await entries(world, of))[-1]
    assert (last.what, last.order) == ("order.lapsed", given.order)


async def test_what_is_swept_and_what_stays(world: World) -> None:
    of = world.organisation()
    ada = await world.line(of)
    world.sql("INSERT INTO registers VALUES (?, x'00')", ada.id)
    given = await world.give(of, "erase", only(ada))
    post = fleet.Post(given.order, ada.id, [fleet.Posting(b"g" * 16, [fleet.Proposal(1, b"p")])])
    await world.ask(of, post, fleet.Ok)
    world.now += 30 * DAY - 10
    await world.relay.sweep()
    assert (
        world.sql("SELECT count(*) FROM registers") == world.sql("SELECT count(*) FROM proposals") == [(1,)]
    )
    world.now += 11
    await world.relay.sweep()
    assert (
        world.sql("SELECT count(*) FROM registers") == world.sql("SELECT count(*) FROM proposals") == [(0,)]
    )
    # The stages and the removal that is still open do.
    (stage,) = (await world.status(of, given.order)).devices
    assert (stage.conversations, stage.removed, stage.unreadable_at is not None) == (1, 0, True)


def test_entries_have_one_spelling() -> None:
    entry = AuditEntry(1, 5, "line.held", line=bytes(16))
    assert audit.decode(audit.encode(entry)) == entry
    for bad in (
        b"",
        b"\xc1",
        audit.encode(entry) + b"x",
        audit.encode(entry)[:-1],
        b"\xdf" + audit.encode(entry),
    ):
        with pytest.raises(ChappeError, match=r"order\.malformed"):
            audit.decode(bad)
    # The same map in another order.
    with pytest.raises(ChappeError, match=r"order\.malformed"):
        audit.decode(audit.encode(entry).replace(b"\xa7version\x01", b"", 1) + b"\xa7version\x01")
    assert tree_head([]) == EMPTY_ROOT
