"""Removals from conversations: registers, what officers post, what members hear, and how it is settled."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from chappe.relay.locks import lock_of
from chappe.relay.ports import Found
from chappe.relay.usecases import removals
from chappe.wire import fleet, frames
from chappe.wire.registers import Membership, open_register, seal_register
from tests.relay.fleet_world import SERVER, LiveWorld, Organisation, Refusal, World, only, whole
from tests.relay.world import Device, RelayProcess, Wire


@pytest.fixture
async def world(relay: RelayProcess) -> AsyncIterator[LiveWorld]:
    made = LiveWorld(relay)
    yield made
    await made.close()


def opener(epoch: int) -> bytes:
    return bytes([epoch]) * 32


def commit(group: bytes, epoch: int, settles: list[bytes] | None = None) -> frames.Commit:
    fresh = secrets.token_bytes(16)
    next_lock = lock_of(opener(epoch + 1))
    return frames.Commit(1, fresh, group, epoch, opener(epoch), next_lock, [], b"commit", [], settles or [])


async def move(wire: Wire, group: bytes, epoch: int, settles: list[bytes] | None = None) -> None:
    await wire.say(commit(group, epoch, settles))
    await wire.hear(frames.Accepted)


async def watch(wire: Wire, *groups: bytes) -> None:
    await wire.say(frames.Watch(9, list(groups)))
    assert (await wire.hear(frames.Done)).ref == 9


def posting(group: bytes, *epochs: int) -> fleet.Posting:
    return fleet.Posting(group, [fleet.Proposal(epoch, b"proposal %d" % epoch) for epoch in epochs])


async def stage(world: LiveWorld, of: Organisation, order: bytes) -> fleet.DeviceStages:
    return (await world.status(of, order)).devices[0]


async def test_from_the_register_to_the_last_conversation(relay: RelayProcess, world: LiveWorld) -> None:
    of = world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    one, two, three = (secrets.token_bytes(16) for _ in range(3))
    places = [Membership(one, 3, 0), Membership(two, 1, 0), Membership(three, 7, 1)]
    async with relay.sign_in(ada) as wire:
        for content in ([], places):
            await wire.say(frames.Register(4, seal_register(of.seal.public, ada.id, content)))
            assert (await wire.hear(frames.Done)).ref == 4
    async with relay.sign_in(ben) as wire:
        for group in (one, two):
            await move(wire, group, 0)
        await move(wire, two, 1)
        await watch(wire, one, two)
        given = await world.give(of, "erase", only(ada))
        register = given.places[0].register
        assert register is not None
        assert open_register(of.seal.private, ada.id, register) == places
        epochs = await world.ask(of, fleet.Epochs([one, two, three]), fleet.EpochList)
        assert [known.epoch for known in epochs.epochs] == [1, 2, None]
        await wire.silence(0.05)

        post = fleet.Post(given.order, ada.id, [posting(one, 1, 2), posting(two, 1, 3)], last=False)
        await world.ask(of, post, fleet.Ok)
        told = {frame.group: frame for frame in [await wire.hear(frames.Posted) for _ in range(2)]}
        assert (told[one].epoch, told[one].proposal) == (1, b"proposal 1")
        # The group went on between: there is no proposal for where it is.
        assert (told[two].epoch, told[two].proposal) == (2, None)
        for frame in told.values():
            assert (frame.device, frame.rosters) == (ada.id, of.chain)
            assert frame.order == (await world.status(of, given.order)).order
        # Until the officer says that these were all, nobody knows how many there are.
        before = await stage(world, of, given.order)
        assert (before.conversations, before.removed) == (None, 0)
        await world.ask(of, fleet.Post(given.order, ada.id, [posting(three, 0)]), fleet.Ok)
        await wire.silence(0.05)
        assert (await stage(world, of, given.order)).conversations == 3

        await move(wire, one, 1, [secrets.token_bytes(16), given.order])
        after = await stage(world, of, given.order)
        assert (after.conversations, after.removed, after.removed_at) == (3, 1, None)
        await settle_with_errors(wire, two, given.order, ada)
        await move(wire, three, 0, [given.order])
        done = await stage(world, of, given.order)
        assert (done.removed, done.removed_at is not None) == (3, True)
        # Nothing of it is kept longer than it takes.
        assert world.sql("SELECT 1 FROM registers WHERE device = ?", ada.id) == []
        assert world.sql("SELECT 1 FROM proposals WHERE device = ?", ada.id) == []
        # Who watches now has nothing to hear.
        await watch(wire, one, two, three)
        await wire.silence(0.05)


async def settle_with_errors(wire: Wire, group: bytes, order: bytes, device: Device) -> None:
    """A group in epoch 2, whose members find the device in it no more."""

    def settled(**changes: object) -> frames.Settled:
        fields: dict[str, object] = {
            "ref": 5,
            "group": group,
            "epoch": 2,
            "opener": opener(2),
            "order": order,
            "device": device.id,
        }
        return frames.Settled(**(fields | changes))  # type: ignore[arg-type]

    for code, frame in (
        ("commit.bad_opener", settled(opener=opener(1))),
        ("commit.conflict", settled(epoch=1, opener=opener(1))),
        ("commit.unknown_group", settled(epoch=3, opener=opener(3))),
        ("commit.unknown_group", settled(group=bytes(16))),
        ("order.unknown", settled(order=bytes(16))),
        ("order.unknown", settled(device=bytes(16))),
    ):
        await wire.say(frame)
        assert await wire.refused() == code
    for _ in range(2):
        await wire.say(settled())
        assert (await wire.hear(frames.Done)).ref == 5


async def test_who_comes_later_is_told_what_is_still_open(relay: RelayProcess, world: LiveWorld) -> None:
    of = world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    one, two = secrets.token_bytes(16), secrets.token_bytes(16)
    given = await world.give(of, "revoke", only(ada))
    await world.ask(of, fleet.Post(given.order, ada.id, [posting(one, 1), posting(two, 0)]), fleet.Ok)
    async with relay.sign_in(ben) as wire:
        await watch(wire, one)
        frame = await wire.hear(frames.Posted)
        assert (frame.group, frame.epoch, frame.proposal) == (one, 0, None)
        await wire.silence(0.05)
        # In place of what was watched before.
        await watch(wire, two)
        assert (await wire.hear(frames.Posted)).proposal == b"proposal 0"
        await world.ask(of, fleet.Post(given.order, ada.id, [posting(one, 0)]), fleet.Ok)
        await wire.silence(0.05)
        # Posted again: the new proposals are in place of the old.
        await world.ask(of, fleet.Post(given.order, ada.id, [posting(two)]), fleet.Ok)
        assert (await wire.hear(frames.Posted)).proposal is None
    async with relay.sign_in(ben) as wire:
        # A new socket watches nothing.
        await world.ask(of, fleet.Post(given.order, ada.id, [posting(two, 0)]), fleet.Ok)
        await wire.silence(0.05)
    assert (await stage(world, of, given.order)).conversations == 2


async def test_a_device_in_no_conversation_is_removed_at_once(world: LiveWorld) -> None:
    of = world.organisation()
    ada = await world.line(of)
    given = await world.give(of, "erase", only(ada))
    await world.ask(of, fleet.Post(given.order, ada.id, []), fleet.Ok)
    found = await stage(world, of, given.order)
    assert (found.conversations, found.removed, found.removed_at is not None) == (0, 0, True)


async def test_an_owner_posts_without_proposals(relay: RelayProcess, world: LiveWorld) -> None:
    of = world.organisation()
    ada = await world.line(of)
    lost = await world.sibling(ada)
    group, other = secrets.token_bytes(16), secrets.token_bytes(16)
    async with relay.sign_in(ada) as wire:
        await move(wire, group, 0)
        await watch(wire, group)
        given = await world.give_as_owner(ada, "erase", only(lost), conversations=[group, other])
        frame = await wire.hear(frames.Posted)
        assert (frame.device, frame.proposal, frame.rosters) == (lost.id, None, [])
        assert frame.order.owner_signature is not None
        await move(wire, group, 1, [given.order])
    (status,) = (await world.ask_as_owner(ada, fleet.Status(given.order), fleet.Orders)).orders
    assert (status.devices[0].conversations, status.devices[0].removed) == (2, 1)
    # An officer sees it, and posts nothing for it.
    assert (await world.status(of, given.order)).devices[0].removed == 1
    with pytest.raises(Refusal, match=r"order\.unknown"):
        await world.ask(of, fleet.Post(given.order, lost.id, [posting(other)]), fleet.Ok)


async def test_posts_that_fit_no_order(world: LiveWorld) -> None:
    of, others = world.organisation(), world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    given = await world.give(of, "erase", only(ada))
    lock = await world.give(of, "lock", only(ben))
    lines = [await world.line(of) for _ in range(6)]
    awaiting = await world.give(of, "erase", *map(whole, lines))
    before = world.dump()
    for by, order, device in (
        (others, given.order, ada.id),
        (of, secrets.token_bytes(16), ada.id),
        (of, given.order, ben.id),
        (of, lock.order, ben.id),
        (of, awaiting.order, lines[0].id),
    ):
        with pytest.raises(Refusal, match=r"order\.unknown"):
            await world.ask(by, fleet.Post(order, device, [posting(bytes(16), 1)]), fleet.Ok)
    assert world.dump() == before


async def test_a_register_after_the_order_is_refused(relay: RelayProcess, world: LiveWorld) -> None:
    of = world.organisation()
    ada = await world.line(of)
    async with relay.sign_in(ada) as wire:
        await wire.say(frames.Register(1, b"sealed"))
        await wire.hear(frames.Done)
        given = await world.give(of, "erase", only(ada))
        await wire.hear(frames.OrderFrame)
        await wire.say(frames.Register(2, b"of a thief"))
        assert await wire.refused() == "signin.revoked"
    assert given.places[0].register == b"sealed"
    # Given again: until it is removed, the register is there.
    signed = (await world.status(of, given.order)).order
    envelope = fleet.Give(signed, (await world.status(of, given.order)).reason)
    assert (await world.ask(of, envelope, fleet.Given)).places == given.places
    assert relay.server_name == SERVER


async def test_what_is_told_of_is_bounded(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand groups, each with a chain of rosters: what does not fit is told when they are watched
    again."""
    monkeypatch.setattr(removals, "MAX_TOLD", 20_000)
    own = World(data_dir)
    of = own.organisation()
    ada = await own.line(of)
    given = await own.give(of, "erase", only(ada))
    groups = [bytes([number]) * 16 for number in range(50)]
    await own.ask(of, fleet.Post(given.order, ada.id, [posting(group, 0) for group in groups]), fleet.Ok)
    found = await own.relay.store.run(removals.FindPosted(tuple(groups)))
    assert isinstance(found, Found)
    assert 1 < len(found.posted) < 10
    monkeypatch.setattr(removals, "MAX_TOLD", 10)
    found = await own.relay.store.run(removals.FindPosted(tuple(groups)))
    assert isinstance(found, Found)
    assert len(found.posted) == 1
    await own.close()


async def test_what_a_commit_settles_is_part_of_it(relay: RelayProcess, world: LiveWorld) -> None:
    ada = await world.line()
    async with relay.sign_in(ada) as wire:
        frame = commit(secrets.token_bytes(16), 0, [bytes(16)])
        for _ in range(2):
            await wire.say(frame)
            await wire.hear(frames.Accepted)
        await wire.say(msgspec.structs.replace(frame, settles=[]))
        assert await wire.refused() == "id.reused"
