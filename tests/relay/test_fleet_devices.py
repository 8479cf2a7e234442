"""What devices hear of orders, and what they answer: on real sockets, and locked ones over HTTP."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.wire import api, fleet, frames, orders
from chappe.wire.orders import FleetPolicy, Receipt, SignedReceipt, check_officers_order, read_order
from chappe.wire.rosters import check_chain
from tests.relay.fleet_world import REASON, SERVER, LiveWorld, Organisation, Refusal, only, whole
from tests.relay.shares.world import Owner
from tests.relay.world import Device, RelayProcess, Wire


@pytest.fixture
async def world(relay: RelayProcess) -> AsyncIterator[LiveWorld]:
    made = LiveWorld(relay)
    yield made
    await made.close()


def receipt(
    device: Device, order: bytes, outcome: str, *, of: Device | None = None, at: int = 1
) -> SignedReceipt:
    made = Receipt(1, order, (of or device).id, outcome, at)  # type: ignore[arg-type]
    return orders.sign_receipt(made, "device", device.key)


def check(frame: frames.OrderFrame, of: Organisation) -> orders.Order:
    """As a phone does."""
    chain = check_chain(frame.rosters, fleet_key=of.fleet_key)
    verified = check_officers_order(frame.order, chain.roster, SERVER)
    assert verified.complete
    assert frame.reason.digest() == verified.order.reason_digest
    return verified.order


async def hear_last(wire: Wire) -> None:
    """Nothing more but why it closes."""
    assert await wire.refused() == "signin.revoked"
    assert await wire.closed() == 1008


async def test_a_device_that_is_here_is_told_at_once_and_nothing_else(
    relay: RelayProcess, world: LiveWorld
) -> None:
    of = world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    async with relay.sign_in(ada) as wire, relay.sign_in(ben) as sender:
        await sender.send_accepted([ada], b"before")
        assert (await wire.hear(frames.Deliver)).payload == b"before"
        given = await world.give(of, "erase", only(ada))
        order = await wire.hear(frames.OrderFrame)
        assert (check(order, of).id, order.reason) == (given.order, REASON)
        # The others go on, and it hears and does nothing more.
        await sender.send_accepted([ada, ben], b"after")
        await wire.send([ben], b"mine")
        assert await wire.refused() == "signin.revoked"
        await wire.say(frames.Lookup(2, ben.address, True))
        assert await wire.refused() == "signin.revoked"
        await wire.say(frames.Ack(1))
        await wire.silence()
        await wire.say(frames.Report(7, receipt(ada, given.order, "locked")))
        assert await wire.refused() == "receipt.invalid"
        await wire.say(frames.Report(8, receipt(ada, given.order, "erased")))
        assert (await wire.hear(frames.Done)).ref == 8
        await hear_last(wire)
    (stage,) = (await world.status(of, given.order)).devices
    assert stage.done_at is not None
    assert stage.receipt == receipt(ada, given.order, "erased")
    # Whoever comes with its keys from now on may be a copy of it.
    for _ in range(2):
        async with relay.connect() as wire:
            await wire.say(ada.sign_in(wire.hello))
            assert check(await wire.hear(frames.OrderFrame), of).id == given.order
            await wire.say(frames.Report(9, receipt(ada, given.order, "erased")))
            assert (await wire.hear(frames.Done)).ref == 9
            await hear_last(wire)


async def test_a_device_that_shows_up_is_handed_the_order_and_nothing_else(
    relay: RelayProcess, world: LiveWorld
) -> None:
    of = world.organisation()
    ada = await world.line(of)
    await world.give(of, "revoke", only(ada))
    given = await world.give(of, "erase", only(ada))
    async with relay.connect() as wire:
        bad = ada.sign_in(wire.hello)
        await wire.say(frames.SignIn(bad.device, bytes(64)))
        assert await wire.refused() == "signin.bad_signature"
    for _ in range(2):
        async with relay.connect() as wire:
            await wire.say(ada.sign_in(wire.hello))
            handed = [await wire.hear(frames.OrderFrame) for _ in range(2)]
            assert {check(frame, of).kind for frame in handed} == {"revoke", "erase"}
            await wire.say(frames.Enrol(1, b"x"))
            assert await wire.refused() == "signin.revoked"
            await wire.say(ada.sign_in(wire.hello))
            assert await wire.refused() == "frame.unexpected"
    async with relay.connect() as wire:
        await wire.say(ada.sign_in(wire.hello))
        two = [read_order((await wire.hear(frames.OrderFrame)).order) for _ in range(2)]
        first, second = sorted(two, key=lambda order: order.kind, reverse=True)
        await wire.say(frames.Report(1, receipt(ada, second.id, "erased")))
        assert (await wire.hear(frames.Done)).ref == 1
        await wire.say(frames.Report(2, receipt(ada, first.id, "revoked")))
        assert (await wire.hear(frames.Done)).ref == 2
        await hear_last(wire)
    assert given.order == second.id


async def test_a_lock_comes_until_its_receipt_is_here(relay: RelayProcess, world: LiveWorld) -> None:
    of = world.organisation()
    ada = await world.line(of)
    away = await world.sibling(ada)
    async with relay.sign_in(ada) as wire:
        given = await world.give(of, "lock", whole(ada))
        assert {place.device for place in given.places} == {ada.id, away.id}
        assert check(await wire.hear(frames.OrderFrame), of).id == given.order
        await wire.say(frames.Report(3, receipt(ada, given.order, "locked")))
        assert (await wire.hear(frames.Done)).ref == 3
        # It goes on: it was locked, and not signed out.
        await wire.send_accepted([away], b"x")
    async with relay.sign_in(ada) as wire:
        await wire.silence()
    for _ in range(2):
        async with relay.sign_in(away) as wire:
            assert check(await wire.hear(frames.OrderFrame), of).id == given.order
    stages = (await world.status(of, given.order)).devices
    assert {stage.device: stage.done_at is not None for stage in stages} == {ada.id: True, away.id: False}


async def test_a_policy_for_all_is_for_those_who_come_later_too(
    relay: RelayProcess, world: LiveWorld
) -> None:
    of, others = world.organisation(), world.organisation()
    ada, stranger = await world.line(of), await world.line(others)
    async with relay.sign_in(ada) as wire:
        first = await world.give(of, "policy")
        assert check(await wire.hear(frames.OrderFrame), of).id == first.order
        # A phone carries out what was issued after what it carried out.
        later = int(world.now) + 1
        ruled = FleetPolicy(0, 60, disappear_default=300, disappear_max=3600, receipts="off")
        second = await world.give(of, "policy", policy=ruled, issued_at=later)
        assert check(await wire.hear(frames.OrderFrame), of).id == second.order
    ben = await world.line(of)
    for device in (ada, ben, await world.sibling(ben)):
        async with relay.sign_in(device) as wire:
            order = check(await wire.hear(frames.OrderFrame), of)
            assert (order.id, order.policy) == (second.order, ruled)
            await wire.say(frames.Report(1, receipt(device, order.id, "policy")))
            await wire.hear(frames.Done)
            await wire.silence(0.05)
    async with relay.sign_in(stranger) as wire:
        await wire.silence(0.05)


async def test_receipts_that_do_not_hold(relay: RelayProcess, world: LiveWorld) -> None:
    of = world.organisation()
    ada, ben = await world.line(of), await world.line(of)
    given = await world.give(of, "erase", only(ada))
    lock = await world.give(of, "lock", only(ben))
    good = receipt(ada, given.order, "erased")
    before = world.dump()
    for code, bad in (
        ("receipt.invalid", receipt(ada, given.order, "revoked")),
        ("receipt.invalid", receipt(ada, given.order, "erased", of=ben)),
        (
            "receipt.invalid",
            orders.sign_receipt(Receipt(1, given.order, ada.id, "erased", 1), "device", ben.key),
        ),
        ("receipt.invalid", SignedReceipt(good.body + b"x", "device", good.signature)),
        ("receipt.invalid", SignedReceipt(good.body, "unlock", good.signature)),
        ("order.unknown", receipt(ada, secrets.token_bytes(16), "erased")),
        ("order.unknown", receipt(ada, lock.order, "locked")),
    ):
        with pytest.raises(Refusal, match=code.replace(".", r"\.")):
            await world.ask_as_device(ada, fleet.Report(bad), fleet.Ok)
    # Another device's good one; of one that is not here.
    for device, code in ((ben.id, r"receipt\.invalid"), (bytes(16), r"signin\.unknown_device")):
        with pytest.raises(Refusal, match=code):
            await world.post(fleet.unsigned_report(device, good))
    assert world.dump() == before
    # Whoever carries it: its device may have no key left.
    assert await world.post(fleet.unsigned_report(ada.id, good)) == fleet.Ok()
    done = (await world.status(of, given.order)).devices[0].done_at
    # The first one counts.
    await world.ask_as_device(ada, fleet.Report(receipt(ada, given.order, "erased", at=99)), fleet.Ok)
    (stage,) = (await world.status(of, given.order)).devices
    assert (stage.done_at, stage.receipt) == (done, good)


async def test_a_locked_phone_asks_with_the_key_of_its_guesses(relay: RelayProcess, world: LiveWorld) -> None:
    of = world.organisation()
    ada = await world.line(of)
    owner = Owner(ada.id)
    private = Ed25519PrivateKey.from_private_bytes(owner.key)
    info = api.decode((await world.http.get("/v1/info")).content, api.Info)
    sealed = owner.enrolment(api.from_base64(info.share_key))
    proof = ada.key.sign(orders.unlock_key_bytes(ada.id, owner.unlock_key))

    async def waiting() -> fleet.ForDevice:
        envelope = fleet.by_device(SERVER, ada.id, "unlock", private, int(world.now), fleet.Waiting())
        answer = await world.post(envelope)
        assert isinstance(answer, fleet.ForDevice)
        return answer

    with pytest.raises(Refusal, match=r"order\.forged"):
        await waiting()
    async with relay.sign_in(ada) as wire:
        for key, by in (
            (owner.unlock_key, bytes(64)),
            (bytes(32), proof),
            (None, proof),
            (owner.unlock_key, None),
        ):
            await wire.say(frames.Enrol(1, sealed, key, by))
            assert await wire.refused() == "unlock.bad_signature"
        await wire.say(frames.Enrol(2, sealed, owner.unlock_key, proof))
        assert (await wire.hear(frames.Done)).ref == 2
    assert (await waiting()).orders == []
    rosters = await world.ask_as_device(ada, fleet.Rosters(), fleet.RosterChain)
    assert rosters.rosters == of.chain
    assert (await world.ask_as_device(await world.line(), fleet.Rosters(), fleet.RosterChain)).rosters == []
    given = await world.give(of, "erase", only(ada))
    (order,) = (await waiting()).orders
    assert check(order, of).id == given.order
    signed = orders.sign_receipt(Receipt(1, given.order, ada.id, "erased", 5), "unlock", private)
    envelope = fleet.by_device(SERVER, ada.id, "unlock", private, int(world.now), fleet.Report(signed))
    assert await world.post(envelope) == fleet.Ok()
    # A copy of the phone that is unlocked later hears of it too.
    assert (await waiting()).orders == [order]
    (stage,) = (await world.status(of, given.order)).devices
    assert (stage.receipt, stage.unlock_key, stage.unlock_proof) == (signed, owner.unlock_key, proof)
    assert stage.certificate == ada.certificate.to_bytes()
    with pytest.raises(Refusal, match=r"signin\.unknown_device"):
        await world.post(
            fleet.by_device(SERVER, bytes(16), "device", private, int(world.now), fleet.Waiting())
        )


async def test_an_order_outlives_the_officer_who_gave_it(relay: RelayProcess, world: LiveWorld) -> None:
    """He leaves before the phone shows up: another officer's approval holds for it."""
    of = world.organisation(officers=3)
    one, two, three = of.officers
    ada = await world.line(of)
    given = await world.give(of, "erase", only(ada))
    amended = of.roster([two, three], [one, two])
    await world.ask(of, fleet.Amend(amended), fleet.Ok, two)
    of.chain.append(amended)
    with pytest.raises(Refusal, match=r"order\.forged"):
        await world.ask(of, fleet.Rosters(), fleet.RosterChain, one)
    await world.approve(of, given.order, three)
    async with relay.connect() as wire:
        await wire.say(ada.sign_in(wire.hello))
        frame = await wire.hear(frames.OrderFrame)
        assert frame.rosters == of.chain
        assert check(frame, of).id == given.order


async def test_one_that_is_signed_out_has_one_socket(relay: RelayProcess, world: LiveWorld) -> None:
    """As every other: else a phone that was erased took all the connections there are. And its messages stay
    small."""
    of = world.organisation()
    ada = await world.line(of)
    await world.give(of, "erase", only(ada))
    async with relay.connect() as first, relay.connect() as second:
        await first.say(ada.sign_in(first.hello))
        await first.hear(frames.OrderFrame)
        await second.say(ada.sign_in(second.hello))
        await second.hear(frames.OrderFrame)
        assert await first.refused() == "signin.superseded"
        assert await first.closed() == 1008
        await second.say_raw(bytes(2_000))
        assert await second.refused() == "frame.oversized"
        assert await second.closed() == 1009


async def test_nobody_gives_orders_without_number(world: LiveWorld) -> None:
    ada = await world.line()
    for _ in range(20):
        await world.give_as_owner(ada, "lock", only(ada))
    with pytest.raises(Refusal, match=r"limit\.rate"):
        await world.give_as_owner(ada, "lock", only(ada))
