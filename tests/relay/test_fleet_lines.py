"""Lines of organisations: codes and certificates that name one, closed lines, rosters, and who may ask."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import msgspec
import pytest

from chappe.relay import organisations
from chappe.relay.config import load_settings
from chappe.relay.new_codes import new_codes
from chappe.wire import api, codes, fleet
from chappe.wire.errors import ChappeError
from chappe.wire.orders import SignedReceipt
from chappe.wire.rosters import OfficerSignature
from tests.relay.fleet_world import (
    REASON,
    SERVER,
    Organisation,
    Person,
    Refusal,
    World,
    new_device,
    only,
    sibling_of,
    whole,
)
from tests.relay.world import activate, add_device_body

HOUR = 3600


@pytest.fixture
async def world(data_dir: Path) -> AsyncIterator[World]:
    made = World(data_dir)
    yield made
    await made.close()


def failure(answer: httpx.Response) -> str:
    return api.decode(answer.content, api.Failure).code


def code_of(world: World, of: Organisation | None) -> str:
    return new_codes(world.settings, 1, None if of is None else of.name).codes[0]


async def test_a_code_makes_a_line_of_its_organisation_alone(world: World) -> None:
    of, others = world.organisation(), world.organisation("Le Temps")
    for code_for, certificate_for in ((of, None), (of, others), (None, of)):
        device, code = new_device(certificate_for, f"ada@{SERVER}"), code_of(world, code_for)
        before = world.dump()
        assert failure(await activate(world.http, device, code)) == "certificate.invalid"
        assert world.dump() == before
    ada = new_device(of, f"ada@{SERVER}")
    code = code_of(world, of)
    assert (await activate(world.http, ada, code)).status_code == 200
    assert (await activate(world.http, ada, code)).status_code == 200
    (line,) = (await world.ask(of, fleet.Lines(), fleet.LineList)).lines
    assert (line.line, line.address) == (ada.certificate.line_id, ada.address)
    assert [device.certificate for device in line.devices] == [ada.certificate.to_bytes()]
    assert (await world.ask(others, fleet.Lines(), fleet.LineList)).lines == []


async def test_a_second_device_is_of_the_same_organisation(world: World) -> None:
    of = world.organisation()
    ada = await world.line(of)
    good = sibling_of(ada)
    for fleet_key in (b"", bytes(32)):
        bad = sibling_of(ada, fleet_key)
        answer = await world.http.post("/v1/devices", content=api.encode(add_device_body(bad)))
        assert failure(answer) == "certificate.invalid"
    assert (
        await world.http.post("/v1/devices", content=api.encode(add_device_body(good)))
    ).status_code == 200


async def test_whose_line_a_code_makes(world: World) -> None:
    of = world.organisation()

    async def ask(code: str) -> httpx.Response:
        return await world.http.post("/v1/activate/organisation", content=api.encode(api.CodeFor(code)))

    code = code_of(world, of)
    found = api.decode((await ask(codes.show(code).lower())).content, api.Organisation)
    assert (found.name, api.from_base64(found.fleet_key)) == (of.name, of.fleet_key)
    nobodys = api.decode((await ask(code_of(world, None))).content, api.Organisation)
    assert (nobodys.name, nobodys.fleet_key) == ("", "")
    assert failure(await ask(codes.new())) == "code.unknown"
    assert failure(await ask("x")) == "code.malformed"
    # Used: its phone may not have heard that it has a line.
    assert (await activate(world.http, new_device(of, f"ada@{SERVER}"), code)).status_code == 200
    assert api.decode((await ask(code)).content, api.Organisation) == found
    late = code_of(world, of)
    world.now += 31 * 24 * HOUR
    assert failure(await ask(late)) == "code.expired"


async def test_a_closed_line_and_its_address_again(world: World) -> None:
    """It takes no device any more; its address is free for a new code of the same organisation, and for
    nobody else."""
    of, others = world.organisation(), world.organisation("Le Temps")
    ada = await world.line(of, "ada")
    await world.give(of, "erase", whole(ada))
    answer = await world.http.post("/v1/devices", content=api.encode(add_device_body(sibling_of(ada))))
    assert failure(answer) == "line.closed"
    answer = await world.http.post("/v1/devices", content=api.encode(add_device_body(ada)))
    assert failure(answer) == "line.closed"
    for stranger in (others, None):
        device = new_device(stranger, ada.address)
        assert failure(await activate(world.http, device, code_of(world, stranger))) == "address.taken"
    again = await world.line(of, "ada")
    assert again.address == ada.address
    # The old line stays closed, whatever its devices say.
    answer = await world.http.post("/v1/devices", content=api.encode(add_device_body(sibling_of(ada))))
    assert failure(answer) == "line.closed"
    assert (await world.sibling(again)).address == ada.address
    assert (
        failure(await activate(world.http, new_device(of, ada.address), code_of(world, of)))
        == "address.taken"
    )
    lines = (await world.ask(of, fleet.Lines(), fleet.LineList)).lines
    assert sorted(line.closed_at is None for line in lines) == [False, True]
    # And once more.
    await world.give(of, "erase", whole(again))
    await world.line(of, "ada")


async def test_the_address_of_a_closed_line_of_nobody_is_given_for_good(world: World) -> None:
    ada = await world.line(None, "ada")
    await world.give_as_owner(ada, "erase", whole(ada))
    device = new_device(None, ada.address)
    assert failure(await activate(world.http, device, code_of(world, None))) == "address.taken"


async def test_lines_come_in_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fleet, "PAGE", 2)
    of = world.organisation()
    made = {(await world.line(of)).certificate.line_id for _ in range(5)}
    seen: list[bytes] = []
    more = True
    while more:
        page = await world.ask(of, fleet.Lines(seen[-1] if seen else b""), fleet.LineList)
        seen += [line.line for line in page.lines]
        more = page.more
    assert (len(seen), set(seen)) == (5, made)


# --- rosters


async def test_rosters_follow_each_other(world: World) -> None:
    of = world.organisation()
    one, two = of.officers
    three = Person("three")
    bad = [
        of.roster([one, three], [one]),
        of.roster([one, three], [one, three]),
        of.roster([one], [one, two], version=3),
        of.roster([one], [one, two], previous=bytes(32)),
        of.roster([one], [one, two], organisation=bytes(16)),
        Organisation(of.name, [one], id=of.id).chain[0],
    ]
    before = world.dump()
    for roster in bad:
        with pytest.raises(Refusal, match=r"roster\.invalid"):
            await world.ask(of, fleet.Amend(roster), fleet.Ok)
    assert world.dump() == before
    good = of.roster([one, two, three], [one, two])
    for _ in range(2):
        await world.ask(of, fleet.Amend(good), fleet.Ok)
    of.chain.append(good)
    assert (await world.ask(of, fleet.Rosters(), fleet.RosterChain, three)).rosters == of.chain
    world.organisation("Le Temps")
    with pytest.raises(Refusal, match=r"roster\.invalid"):
        await world.ask(of, fleet.Amend(of.roster([one], [one, two], name="Le Temps")), fleet.Ok)
    # Under a new name it has new codes.
    renamed = of.roster([one, two], [two, three], name="Gazette du soir")
    await world.ask(of, fleet.Amend(renamed), fleet.Ok)
    assert new_codes(world.settings, 1, "Gazette du soir").fleet_key == of.fleet_key
    with pytest.raises(ChappeError, match=r"organisation\.unknown"):
        new_codes(world.settings, 1, of.name)


async def test_a_former_officer_does_nothing(world: World) -> None:
    """He still has the fleet key."""
    of = world.organisation()
    one, two = of.officers
    ada = await world.line(of)
    lines = [await world.line(of) for _ in range(6)]
    waiting = await world.give(of, "erase", *map(whole, lines), by=two)
    amended = of.roster([one], [one, two])
    await world.ask(of, fleet.Amend(amended), fleet.Ok)
    before = world.dump()
    for ask in (fleet.Rosters(), fleet.Give(of.sign(world.order(of, "erase", [only(ada)]), two), REASON)):
        with pytest.raises(Refusal, match=r"order\.forged"):
            await world.ask(of, ask, fleet.Ok, two)
    assert world.dump() == before
    # What he signed counts for nothing any more: the other's word is not enough.
    three = Person("three")
    of.chain.append(amended)
    await world.ask(of, fleet.Amend(of.roster([one, three], [one])), fleet.Ok)
    assert (await world.approve(of, waiting.order, one)).awaiting
    assert (await world.approve(of, waiting.order, three)).unreadable


# --- who may ask what

ASKS: list[fleet.Ask] = [
    fleet.Amend(Organisation("x", [Person("x")]).chain[0]),
    fleet.Rosters(),
    fleet.Lines(),
    fleet.Approve(bytes(16), OfficerSignature(bytes(16), bytes(64))),
    fleet.Epochs([]),
    fleet.Post(bytes(16), bytes(16), []),
    fleet.Audit(),
]


async def test_every_ask_by_everybody_who_may_not(world: World) -> None:
    of = world.organisation()
    ada = await world.line(of)
    signed = of.sign(world.order(of, "erase", [only(ada)]), of.officers[0])
    before = world.dump()
    for ask in ASKS:
        with pytest.raises(Refusal, match=r"http\.malformed"):
            await world.ask_as_owner(ada, ask, fleet.Ok)
    asks = [ask for ask in ASKS if not isinstance(ask, fleet.Rosters)]
    for ask in (*asks, fleet.Give(signed, REASON), fleet.Status()):
        with pytest.raises(Refusal, match=r"http\.malformed"):
            await world.ask_as_device(ada, ask, fleet.Ok)
    for ask in (fleet.Waiting(), fleet.Report(SignedReceipt(b"x", "device", bytes(64)))):
        with pytest.raises(Refusal, match=r"http\.malformed"):
            await world.ask(of, ask, fleet.Ok)
        with pytest.raises(Refusal, match=r"http\.malformed"):
            await world.ask_as_owner(ada, ask, fleet.Ok)
    # An owner who gives an officers' order, and an officer who gives an owner's.
    with pytest.raises(Refusal, match=r"order\.forged"):
        await world.ask_as_owner(ada, fleet.Give(signed, REASON), fleet.Given)
    assert world.dump() == before


async def test_strangers_are_slowed_down_and_officers_are_not(data_dir: Path) -> None:
    world = World(data_dir)
    await world.close()
    world.settings = world.settings.model_copy(update={"attempts_burst": 3, "attempts_per_minute": 0.001})
    world.start()
    of = world.organisation()
    for _ in range(6):
        await world.ask(of, fleet.Rosters(), fleet.RosterChain)
        with pytest.raises(Refusal, match=r"order\.unknown"):
            await world.ask(of, fleet.Status(bytes(16)), fleet.Orders)
    good = fleet.by_officer(
        SERVER, of.id, of.officers[0].id, of.officers[0].key, int(world.now), fleet.Rosters()
    )
    forged = msgspec.structs.replace(good, signature=bytes(64))
    seen = []
    for _ in range(5):
        with pytest.raises(Refusal) as caught:
            await world.post(forged)
        seen.append(str(caught.value))
    assert seen == ["order.forged"] * 3 + ["limit.rate"] * 2
    await world.close()


# --- the operator's side


def test_organisations_that_are_not_taken_on(data_dir: Path) -> None:
    world_of = Organisation("La Gazette", [Person("one"), Person("two")])
    settings = load_settings({}, data_dir=data_dir)
    assert organisations.add(settings, world_of.file).name == "La Gazette"
    assert organisations.add(settings, world_of.file).name == "La Gazette"
    second = world_of.roster(world_of.officers, world_of.officers)
    same_name = Organisation("La Gazette", [Person("one")])
    same_id = Organisation("Other", [Person("one")], id=world_of.id)
    same_key = Organisation("Third", [Person("one")], fleet=world_of.fleet)
    forged = msgspec.structs.replace(same_id.chain[0], fleet_signature=bytes(64))
    for data in (
        b"",
        b"\xc1" * 40,
        bytes(organisations.MAX_FILE + 1),
        world_of.file[:-1],
        msgspec.msgpack.encode(second),
        msgspec.msgpack.encode(forged),
        same_name.file,
        same_id.file,
        same_key.file,
    ):
        with pytest.raises(ChappeError, match=r"roster\.invalid"):
            organisations.add(settings, data)
    (known,) = organisations.known(settings)
    assert (known.name, known.officers, known.lines, known.log[0]) == ("La Gazette", 2, 0, 1)
    with pytest.raises(ChappeError, match=r"organisation\.unknown"):
        new_codes(settings, 1, "Nobody")
