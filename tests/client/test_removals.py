"""Removals by order from groups: by the fleet key's proposal, or by a member's own commit, and never without
an order that was verified."""

from __future__ import annotations

import secrets
import time
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.client import Phone, events, ordering
from chappe.client.senders import extension_for, keys_of
from chappe.mls import ContentType, SetExtensions, WireFormat, peek
from chappe.wire import fleet, frames
from chappe.wire.certificate import issue
from chappe.wire.errors import ChappeError, error
from chappe.wire.orders import Receipt, SignedOrder, Target, sign_receipt
from tests.client.office import Office, registered, target
from tests.client.test_orders import Watch, _overheard
from tests.client.world import World, gather, meet, members, texts, until


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


def hand(phone: Phone, payload: bytes) -> None:
    """As the relay delivers it."""
    with phone._engine.core.change():
        phone._engine.inbox.take(payload, int(time.time()))


def posted(
    office: Office, group: bytes, device: bytes, signed: SignedOrder, epoch: int, proposal: bytes | None
) -> frames.Posted:
    return frames.Posted(group, device, signed, office.of.chain, epoch, proposal)


def leaf_of(phone: Phone, group: bytes, other: Phone) -> int:
    places = phone._engine.groups.places(group)
    return next(place.leaf for place in places if place.device == other.device_id)


def epoch_of(phone: Phone, group: bytes) -> int:
    return phone._engine.groups.group(group).epoch


async def test_groups_name_the_organisations_of_their_lines(world: World, office: Office) -> None:
    """The creator's first; another's at the end, in the commit that lets its line in; all agree."""
    other = Office(world, "Le Temps")
    ada, ben = await office.phone("ada"), await other.phone("ben")
    nobodys = await world.phone("cyd")
    await world.ready(nobodys)
    group = await gather(ada, nobodys)
    assert keys_of(ada._engine.groups.group(group)) == [office.of.fleet_key]
    epoch = epoch_of(ada, group)
    await ada.add(group, ben.address)
    await until(lambda: members(nobodys, group) == ["ada", "ben", "cyd"])
    await until(lambda: any(c.id == group for c in ben.conversations()))
    for phone in (ada, ben, nobodys):
        assert keys_of(phone._engine.groups.group(group)) == [office.of.fleet_key, other.of.fleet_key]
        assert epoch_of(phone, group) == epoch + 1
    # A line of none makes a group of none, until one of an organisation comes.
    free = await gather(nobodys, ben, name="free")
    assert keys_of(ben._engine.groups.group(free)) == [other.of.fleet_key]
    await registered(ben)
    (seen,) = [m for m in ben._engine.removals._memberships(other.of.fleet_key) if m.group == group]
    assert seen.sender == 1


async def test_by_the_fleet_keys_proposal(world: World, office: Office) -> None:
    """It is sent to the others, committed by reference, and settled; the one removed gets nothing of it."""
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await registered(cyd)
    leaf = leaf_of(ada, group, cyd)
    said = [_overheard(phone) for phone in (ada, ben)]
    given = await office.give("revoke", target(cyd))
    await office.remove(given)
    await until(lambda: len(members(ada, group)) == len(members(ben, group)) == 2, "the removal")
    public = [
        seen
        for seen in map(peek, said[0] + said[1])
        if seen.wire_format is WireFormat.PUBLIC_MESSAGE and seen.content_type is ContentType.PROPOSAL
    ]
    assert public
    assert leaf not in [place.leaf for place in ada._engine.groups.places(group)]
    stages = await office.stages(given.order)
    assert (stages.conversations, stages.removed) == (1, 1)
    assert stages.removed_at is not None
    await ben.send_text(group, "on")
    await until(lambda: texts(ada) == ["on"])


async def test_by_an_own_commit_where_no_proposal_fits(world: World, office: Office) -> None:
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await registered(cyd)
    said = _overheard(ada) + _overheard(ben)
    given = await office.give("erase", target(cyd))
    assert await office.remove(given, ahead=0) == 1
    await until(lambda: len(members(ada, group)) == len(members(ben, group)) == 2, "the removal")
    assert all(peek(one).wire_format is not WireFormat.PUBLIC_MESSAGE for one in said)
    assert (await office.stages(given.order)).removed_at is not None


async def test_a_device_that_is_not_there_any_more_is_settled(world: World, office: Office) -> None:
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await registered(cyd)
    given = await office.give("erase", target(cyd))
    await ada.remove(group, world.address("cyd"))
    await office.remove(given)
    for _ in range(100):
        stages = await office.stages(given.order)
        if stages.removed_at is not None:
            break
        await ada.settled(10)
    assert (stages.removed, stages.removed_at is not None) == (1, True)


async def test_the_next_member_online_does_it(world: World, office: Office) -> None:
    """Nobody is there when it is posted; who comes then is told at once, and what is written waits."""
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await registered(ada, cyd)
    for name in ("ada", "ben"):
        await world.shut(name)
    given = await office.give("revoke", target(cyd))
    await office.remove(given)
    ben = await world.open("ben")
    await until(lambda: members(ben, group) == ["ada", "ben"], "the removal")
    await ben.send_text(group, "to those who stay")
    ada = await world.open("ada")
    await until(lambda: texts(ada) == ["to those who stay"])
    assert members(ada, group) == ["ada", "ben"]
    assert texts(cyd) == []


async def test_several_lines_of_one_order(world: World, office: Office) -> None:
    """What settles an order for a group removes all that it names there."""
    ada, ben, cyd, dan = await office.phones("ada", "ben", "cyd", "dan")
    group = await gather(ada, ben, cyd, dan)
    order = office.order("revoke", target(cyd), target(dan))
    epoch = epoch_of(ada, group)
    frame = posted(office, group, cyd.device_id, office.sign(order), epoch, None)
    ada._engine.posted(frame)
    await until(lambda: members(ben, group) == ["ada", "ben"], "the removal")
    assert epoch_of(ben, group) == epoch + 1


async def test_a_kill_between_the_proposal_and_the_commit(world: World, office: Office) -> None:
    """What was durable is said again with the same ids: the others have one proposal, and one commit."""
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await registered(cyd)
    for name in ("ben", "cyd"):
        await world.shut(name)
    given = await office.give("revoke", target(cyd))
    real, said = ada._engine.connection.ask, []

    async def ask(make: Any, kind: Any) -> Any:
        frame = make(0)
        if isinstance(frame, frames.Commit):
            raise error("network.unreachable")
        if isinstance(frame, frames.Send):
            said.append(frame.id)
        return await real(make, kind)

    ada._engine.connection.ask = ask  # type: ignore[method-assign]
    await office.remove(given)
    await until(lambda: bool(said), "the proposal")
    await ada.send_text(group, "waits for it")
    await world.shut("ada")
    ada = await world.open("ada")
    await until(lambda: members(ada, group) == ["ada", "ben"], "the removal")
    ben = await world.open("ben")
    await until(lambda: texts(ben) == ["waits for it"])
    assert members(ben, group) == ["ada", "ben"]
    assert ben._engine.core.store.all("SELECT 1 FROM outside") == []
    assert (await office.stages(given.order)).removed_at is not None


async def test_a_direct_conversation_ends_with_its_last_other_device(world: World, office: Office) -> None:
    """It says so, instead of letting what is written wait for ever; another one may begin."""
    ada, ben = await office.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await registered(ben)
    given = await office.give("erase", target(ben))
    await office.remove(given)
    await until(lambda: not ada.conversations()[0].active, "the end")
    with pytest.raises(ChappeError, match=r"conversation\.left"):
        await ada.send_text(mine.id, "to nobody")
    await ada.settled(20)


# --- what is no order


async def test_the_relays_word_removes_nobody(world: World, office: Office) -> None:
    """Forged, of another organisation, for another device, not destroying, not signed by enough."""
    ada, ben = await office.phones("ada", "ben")
    group = await gather(ada, ben)
    elsewhere, epoch = Office(world, "Le Temps"), epoch_of(ada, group)
    leaf = leaf_of(ada, group, ben)
    good = office.order("revoke", target(ben))
    proposal = office.proposal(group, epoch, leaf, good.id)
    many = [target(ben), *(Target(secrets.token_bytes(16)) for _ in range(5))]
    fleet_alone = SignedOrder(office.sign(good).body, office.sign(good).fleet_signature)
    wrong = [
        posted(office, group, ben.device_id, fleet_alone, epoch, proposal),
        posted(elsewhere, group, ben.device_id, elsewhere.sign(good), epoch, proposal),
        posted(office, group, ben.device_id, elsewhere.sign(good), epoch, proposal),
        posted(office, group, ben.device_id, office.sign(office.order("revoke", target(ada))), epoch, None),
        posted(office, group, ben.device_id, office.sign(office.order("lock", target(ben))), epoch, proposal),
        posted(office, group, ben.device_id, office.sign(office.order("revoke", *many)), epoch, proposal),
        posted(office, bytes(16), ben.device_id, office.sign(good), epoch, proposal),
    ]
    watch = Watch(ada)
    for frame in wrong:
        ada._engine.posted(frame)
    assert len(watch.of(events.OrderRefused)) == len(wrong) - 1
    await ada.send_text(group, "still here")
    await until(lambda: texts(ben) == ["still here"])
    assert epoch_of(ada, group) == epoch
    assert ada.online


async def test_a_proposal_for_another_leaf_is_not_the_orders(world: World, office: Office) -> None:
    """The register may lie about leaves: the order names the device, and that device goes."""
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    order = office.order("revoke", target(cyd))
    epoch = epoch_of(ada, group)
    lying = office.proposal(group, epoch, leaf_of(ada, group, ben), order.id)
    ada._engine.posted(posted(office, group, cyd.device_id, office.sign(order), epoch, lying))
    await until(lambda: members(ben, group) == ["ada", "ben"], "the removal")


async def test_the_fleet_key_alone_removes_nobody(world: World, office: Office) -> None:
    """A former officer has it, and knows the group: no commit carries the proposal, and nothing waits."""
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await ada.settled(10)
    epoch = epoch_of(ada, group)
    proposal = office.proposal(group, epoch, leaf_of(ada, group, cyd), secrets.token_bytes(16))
    for phone in (ada, ben, cyd):
        hand(phone, proposal)
    await ada.send_text(group, "nothing waits")
    await until(lambda: texts(cyd) == ["nothing waits"])
    await ada.rename(group, "another name")
    await until(lambda: epoch_of(cyd, group) == epoch + 1)
    assert members(ben, group) == ["ada", "ben", "cyd"]


async def test_proposals_from_outside_that_are_none(world: World, office: Office) -> None:
    """By another organisation of the group; by a key of none; anything but a Remove."""
    other = Office(world, "Le Temps")
    ada, ben = await office.phone("ada"), await other.phone("ben")
    group = await gather(ada, ben)
    epoch, watch = epoch_of(ada, group), Watch(ada)
    ours, theirs = leaf_of(ada, group, ada), leaf_of(ada, group, ben)
    id_ = secrets.token_bytes(16)
    for payload in (
        # Le Temps may not put out a line of La Gazette, nor the other way.
        other.proposal(group, epoch, ours, id_, 1),
        office.proposal(group, epoch, theirs, id_, 0),
        # With the other's place.
        other.proposal(group, epoch, theirs, id_, 0),
        Office(world, "nobody").proposal(group, epoch, theirs, id_, 0),
        Office(world, "nobody").proposal(group, epoch, theirs, id_, 7),
        office.proposal(group, epoch, 77, id_, 0),
    ):
        hand(ada, payload)
    assert len(watch.of(events.Unreadable)) == 6
    assert ada._engine.core.store.all("SELECT 1 FROM outside") == []


async def test_a_commit_that_touches_the_senders(world: World, office: Office) -> None:
    """Dropped, reordered, or joined by a key that no member names: the commit is not followed."""
    other = Office(world, "Le Temps")
    ada, ben = await office.phone("ada"), await other.phone("ben")
    group = await gather(ada, ben)
    await ben.settled(10)
    state, epoch = ben._engine.groups.group(group), epoch_of(ada, group)
    kept = [e for e in state.extensions if e.type != extension_for([]).type]
    first, second = keys_of(state)
    for keys in ([], [first], [second, first], [first, second, bytes(range(32))], [first, second, second]):
        changed = SetExtensions((*kept, extension_for(keys)))
        hand(ada, state.commit([changed], now=int(time.time())).message)
        assert epoch_of(ada, group) == epoch
    hand(ada, state.commit([SetExtensions(tuple(kept))], now=int(time.time())).message)
    assert epoch_of(ada, group) == epoch
    # The control.
    hand(ada, state.commit([], now=int(time.time())).message)
    assert epoch_of(ada, group) == epoch + 1


# --- the owner


async def test_the_owner_erases_another_device(world: World) -> None:
    """Out of all conversations; not let in again; its receipt checked; the line's other device goes on."""
    ada, ben = await world.phones("ada", "ben")
    lost = await world.linked("lost", ada)
    group = await gather(ada, ben)
    mine, his = await meet(ada, ben)
    await ada.send_text(group, "to all")
    await until(lambda: texts(lost, group) == ["to all"])
    device = lost.device_id
    await until(lambda: ben._engine.groups.of_device(device) == {group, his.id}, "the new device")
    notices = Watch(ben)
    order = await ada.erase_device(device, "left in a taxi")
    await until(lambda: lost._erased is not None, "erasing")
    await until(lambda: ben._engine.groups.of_device(device) == set(), "the removal")
    assert notices.notices() == [ada.address, ada.address]
    await ada._engine.reconcile()
    await ada.settled(20)
    assert ada._engine.groups.of_device(device) == set()
    assert [one.device_id for one in await ada.devices()] == [ada.device_id]
    await ben.send_text(mine.id, "only to one")
    await until(lambda: texts(ada, mine.id) == ["only to one"])
    for _ in range(200):
        (progress,) = await ada.order_status(order)
        if progress.done_at is not None and progress.removed_at is not None:
            break
    assert (progress.kind, progress.reason, progress.device) == ("erase", "left in a taxi", device)
    assert progress.unreadable_at is not None
    assert (progress.conversations, progress.removed) == (2, 2)
    with pytest.raises(ChappeError, match=r"usage\.invalid"):
        await ada.erase_device(ada.device_id, "this one")
    with pytest.raises(ChappeError, match=r"usage\.invalid"):
        await ada.erase_device(device, " ")


async def test_the_relay_cannot_vouch_for_a_receipt(world: World, monkeypatch: Any) -> None:
    """Made by a key of the relay's own: it does not count."""
    ada = await world.phone("ada")
    lost = await world.linked("lost", ada)
    order = await ada.erase_device(lost.device_id, "left in a taxi")
    await until(lambda: lost._erased is not None, "erasing")
    await lost.close()
    (progress,) = await ada.order_status(order)
    assert progress.done_at is not None
    real = ordering._asked

    async def forged(engine: Any, ask: fleet.Ask, kind: Any) -> Any:
        answer = await real(engine, ask, kind)
        (one,) = answer.orders
        (stages,) = one.devices
        key = Ed25519PrivateKey.generate()
        certificate = issue(
            Ed25519PrivateKey.generate(),
            line_id=stages.line,
            address=stages.address,
            device_id=stages.device,
            signature_key=key.public_key().public_bytes_raw(),
            issued_at=1,
        )
        receipt = sign_receipt(Receipt(1, order, stages.device, "erased", 1), "device", key)
        mine = msgspec.structs.replace(stages, certificate=certificate.to_bytes(), receipt=receipt)
        return msgspec.structs.replace(answer, orders=[msgspec.structs.replace(one, devices=[mine])])

    monkeypatch.setattr(ordering, "_asked", forged)
    (progress,) = await ada.order_status(order)
    assert progress.done_at is None
