"""Fleet orders on real phones and the real relay: carried out when they are signed, and not otherwise."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import time
from collections.abc import Awaitable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.client import Phone, Policy, events
from chappe.mls import MLSError
from chappe.vault import disk, erasing, files, keeping, keys, session
from chappe.wire import frames
from chappe.wire.errors import ChappeError
from chappe.wire.orders import Reason, SignedOrder, Target, check_receipt, sign_as_owner
from tests.client.office import REASON, Office, registered, target
from tests.client.world import World, gather, members, texts, until
from tests.vault.image import holds, image
from tests.vault.service import CHEAP

PIN, OTHER = "48029713", "90376155"


@pytest.fixture
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Argon2id that takes no half second."""
    monkeypatch.setattr(keys.stretch, "__defaults__", (CHEAP,))
    monkeypatch.setattr(keeping.prepare, "__defaults__", (CHEAP,))


@pytest.fixture
def office(world: World) -> Office:
    return Office(world)


async def refused(code: str, call: Awaitable[Any]) -> str:
    with pytest.raises(ChappeError) as caught:
        await call
    assert caught.value.code == code
    return caught.value.message


class Watch:
    """What a phone tells, from here on."""

    def __init__(self, phone: Phone) -> None:
        self.queue: asyncio.Queue[events.Event] = asyncio.Queue()
        phone._engine.core.watchers.add(self.queue)
        self.told: list[events.Event] = []

    def of(self, kind: type[Any]) -> list[Any]:
        while not self.queue.empty():
            self.told.append(self.queue.get_nowait())
        return [event for event in self.told if isinstance(event, kind)]

    def notices(self) -> list[str]:
        return [e.address for e in self.of(events.ConversationChanged) if e.what == "removed_by_order"]


# --- whose line it is


async def test_a_line_knows_its_organisation(world: World, office: Office) -> None:
    """By the link, or by what the relay says of a code; on every device; in the certificate."""
    ada = await office.phone("ada")
    by_code = await Phone.activate(world.home("ben"), world.place, office.code(), world.address("ben"))
    ben = await world._enter("ben", by_code)
    other = await world.linked("ada2", ada)
    nobodys = await world.phone("cyd")
    for phone in (ada, ben, other):
        assert phone.organisation is not None
        assert (phone.organisation.name, phone.organisation.fleet_key) == (
            office.of.name,
            office.of.fleet_key,
        )
        assert phone._engine.core.me.certificate.fleet_key == office.of.fleet_key
    assert len(ada.organisation.fingerprint.split(" ")) == 8  # type: ignore[union-attr]
    assert nobodys.organisation is None


async def test_a_relay_that_names_another_organisation(world: World, office: Office) -> None:
    """The link's key counts: nothing is made."""
    for code in (office.code(), world.relay.code()):
        await refused(
            "network.untrusted",
            Phone.activate(world.home("eve"), world.place, code, world.address("eve"), bytes(32)),
        )
        assert not (world.home("eve") / "phone.db").exists()


# --- erasing


async def test_two_go_on_and_the_third_is_erased(world: World, office: Office) -> None:
    """Its folder holds nothing; who copied it before opens nothing after, and cannot sign in."""
    ada, ben, cyd = await office.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await cyd.send_text(group, "from cyd, who will be erased")
    await until(lambda: all(len(texts(p)) == 1 for p in (ada, ben, cyd)))
    await registered(cyd)
    key, home, notices = (world.home("cyd") / "key").read_bytes(), world.home("cyd"), Watch(ben)
    taken = _stolen(cyd, group)
    shutil.copytree(home, world.home("thief"))
    given = await office.give("erase", target(cyd))
    await until(lambda: cyd._erased is not None, "erasing")
    assert await office.remove(given) == 1
    await until(lambda: len(members(ada, group)) == len(members(ben, group)) == 2, "the removal")
    assert notices.notices() == [world.address("cyd")]

    said = _overheard(ada)
    await ada.send_text(group, "after")
    await until(lambda: texts(ben)[-1:] == ["after"])
    await ben.send_text(group, "and on")
    await until(lambda: texts(ada)[-1:] == ["and on"])
    for payload in said:
        with pytest.raises(MLSError):
            taken.process(payload, now=int(time.time()), authenticate=lambda *_: None)

    stages = await office.done(given.order)
    certificate = cyd_certificate(stages.certificate)
    assert stages.receipt is not None
    receipt = check_receipt(stages.receipt, signature_key=certificate, unlock_key=None)
    assert (receipt.order, receipt.outcome) == (given.order, "erased")
    assert (stages.conversations, stages.removed) == (1, 1)
    await world._open["cyd"].close()
    left = image(home)
    assert set(left) == {"erased", "lock"}
    assert holds(left, key) == holds(left, b"from cyd, who will be erased") == []
    assert REASON.text in await refused("device.erased", Phone.open(home))
    await refused("device.erased", cyd.send_text(group, "no more"))
    thief = await world._enter("thief", await Phone.open(world.home("thief")))
    # A program that obeys erases itself; one that does not: test_a_thief_who_obeys_nothing.
    await refused("device.erased", thief.wait_online(20))
    assert set(image(world.home("thief"))) == {"erased", "lock"}


def cyd_certificate(data: bytes) -> bytes:
    from chappe.wire.certificate import DeviceCertificate

    certificate = DeviceCertificate.from_bytes(data)
    certificate.verify()
    return certificate.signature_key


def _stolen(phone: Phone, group: bytes) -> Any:
    """The group's state as who copied the store has it."""
    return phone._engine.groups.group(group)


def _overheard(phone: Phone) -> list[bytes]:
    """Payloads of all that it says from here on."""
    said: list[bytes] = []
    real = phone._engine.connection.say

    async def say(frame: frames.Frame) -> None:
        if isinstance(frame, frames.Send | frames.Commit):
            said.append(frame.payload)
        await real(frame)

    phone._engine.connection.say = say  # type: ignore[method-assign]
    return said


async def test_a_thief_who_obeys_nothing(world: World, office: Office) -> None:
    """A program that ignores orders: the relay does not let it in, and the group is closed to it."""
    ada, cyd = await office.phones("ada", "cyd")
    group = await gather(ada, cyd)
    await registered(cyd)
    await world.shut("cyd")
    thief = await Phone.open(world.home("cyd"))
    thief._engine.obeying.take = lambda _: None  # type: ignore[method-assign, assignment]
    state = _stolen(thief, group)
    given = await office.give("erase", target(thief))
    await office.remove(given)
    await until(lambda: members(ada, group) == ["ada"], "the removal")
    await world._enter("cyd", thief)
    await refused("signin.revoked", thief.wait_online(20))
    said = _overheard(ada)
    await ada.send_text(group, "closed to you")
    await ada.settled(10)
    for payload in said:
        with pytest.raises(MLSError):
            state.process(payload, now=int(time.time()), authenticate=lambda *_: None)
    assert (await office.stages(given.order)).done_at is None


async def test_a_phone_that_stays_silent(world: World, office: Office, cheap: None) -> None:
    """It is unreadable, and nobody says that it is erased."""
    ada = await office.phone("ada")
    lost = target(ada)
    await ada.set_pin(PIN)
    await ada.lock()
    given = await office.give("erase", lost)
    stages = await office.stages(given.order)
    assert given.unreadable
    assert stages.unreadable_at is not None
    assert stages.done_at is None
    assert (world.home("ada") / "vault").exists()


async def test_a_locked_phone_erases_when_it_is_unlocked(world: World, office: Office, cheap: None) -> None:
    ada = await office.phone("ada")
    lost = target(ada)
    await ada.set_pin(PIN)
    await ada.lock()
    home = world.home("ada")
    given = await office.give("erase", lost)
    assert REASON.text in await refused("device.erased", Phone.unlock(home, PIN))
    assert set(image(home)) == {"erased", "lock"}
    stages = await office.done(given.order)
    assert stages.receipt is not None
    assert stages.receipt.key == "unlock"
    receipt = check_receipt(stages.receipt, signature_key=bytes(32), unlock_key=stages.unlock_key)
    assert receipt.outcome == "erased"
    # The folder may be used again.
    again = await Phone.activate(home, world.place, office.code(), world.address("ada-again"))
    await again.close()
    assert "erased" not in image(home)


async def test_a_refusal_is_not_an_order(
    world: World, office: Office, cheap: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that says gone, or revoked, and shows no order or a forged one, erases nothing."""
    ada, ben = await office.phones("ada", "ben")
    await ada.set_pin(PIN)
    await ada.lock()
    home, his = world.home("ada"), target(ben)
    given = await office.give("erase", his)
    forged = office.frame(office.sign(office.order("erase", his)))
    for shown in ([], [forged], [msgspec.structs.replace(forged, rosters=[])]):
        before = image(home)

        async def waiting(*_: Any, shown: list[frames.OrderFrame] = shown) -> list[frames.OrderFrame]:
            return shown

        async def gone(*_: Any) -> bytearray:
            raise ChappeError("vault.destroyed")

        monkeypatch.setattr("chappe.client.waiting.waiting_for", waiting)
        monkeypatch.setattr("chappe.client.locking._ask", gone)
        await refused("vault.destroyed", Phone.unlock(home, PIN))
        assert image(home) == before
    assert given.unreadable


async def test_a_receipt_waits_for_the_relay(world: World, office: Office, monkeypatch: Any) -> None:
    """Erased while the relay does not answer: the next start of any command hands the receipt in."""
    ada = await office.phone("ada")
    home = world.home("ada")
    signed = office.sign(office.order("erase", target(ada)))
    real = erasing.plan

    def elsewhere(*arguments: Any) -> Any:
        plan = real(*arguments)
        return msgspec.structs.replace(plan, port=1)

    monkeypatch.setattr(erasing, "plan", elsewhere)
    ada._engine.ordered(office.frame(signed))
    await until(lambda: ada._erased is not None, "erasing")
    await ada.close()
    left = erasing.buried(home)
    assert left is not None
    assert not left.delivered
    from chappe.wire import fleet

    await office.ask(fleet.Give(signed, REASON), fleet.Given)
    disk.write(
        home / erasing.TOMBSTONE, msgspec.msgpack.encode(msgspec.structs.replace(left, port=world.place.port))
    )
    await refused("device.erased", Phone.open(home))
    left = erasing.buried(home)
    assert left is not None
    assert left.delivered
    assert (await office.stages(left.order)).done_at is not None


# --- orders that are none


async def test_forged_orders_change_nothing_and_stop_nothing(world: World, office: Office) -> None:
    ada, ben = await office.phones("ada", "ben")
    elsewhere, home = Office(world, "Le Temps"), world.home("ada")
    order = office.order("erase", target(ada))
    good = office.sign(order)
    stranger = Ed25519PrivateKey.generate()
    signed_by_fleet_alone = msgspec.structs.replace(good, officers=[])
    wrong = [
        (office.frame(good, Reason("another reason", b"salt" * 4)), "order.forged"),
        (office.frame(signed_by_fleet_alone), "order.forged"),
        (msgspec.structs.replace(office.frame(good), rosters=elsewhere.of.chain), "roster.invalid"),
        (msgspec.structs.replace(office.frame(good), rosters=[]), "roster.invalid"),
        (elsewhere.frame(elsewhere.sign(elsewhere.order("erase", target(ada)))), "roster.invalid"),
        (office.frame(office.sign(office.order("erase", target(ben)))), "order.not_yours"),
        (office.frame(office.sign(office.order("erase", target(ada), server="elsewhere"))), "order.forged"),
        (office.frame(office.sign(office.order("hold", Target(ada.line_id)))), "order.not_yours"),
        (_owners(office, ada, stranger), "order.forged"),
        (_owners(office, ada, ben._engine.core.me.identity), "order.forged"),
        (office.frame(SignedOrder(b"\xc1")), "order.malformed"),
        (office.frame(_unfinished(office, ada)), "order.two_officers"),
    ]
    watch, before = Watch(ada), set(image(home))
    for frame, code in wrong:
        ada._engine.ordered(frame)
        assert [e.code for e in watch.of(events.OrderRefused)][-1:] == [code], code
    assert len(watch.of(events.OrderRefused)) == len(wrong)
    assert set(image(home)) == before
    assert ada.online
    await ada.settled(10)
    # The control: what is signed by whom it must be is carried out.
    ada._engine.ordered(office.frame(good))
    await until(lambda: ada._erased is not None)


def _owners(office: Office, phone: Phone, key: Ed25519PrivateKey) -> frames.OrderFrame:
    order = office.order("erase", target(phone), organisation=b"")
    return frames.OrderFrame(sign_as_owner(order, key), [], REASON)


def _unfinished(office: Office, phone: Phone) -> SignedOrder:
    """Six lines, and one officer."""
    others = [Target(secrets.token_bytes(16)) for _ in range(5)]
    return office.sign(office.order("erase", target(phone), *others))


async def test_officers_of_before_order_nothing(world: World, office: Office) -> None:
    """Once a newer roster was seen, the chain that ends before it is refused."""
    ada = await office.phone("ada")
    of, gone = office.of, office.of.officers[0]
    old = list(of.chain)
    stays = of.officers[1]
    of.chain.append(of.roster([stays], of.officers))
    of.officers = [stays]
    lock = office.frame(office.sign(office.order("policy")))
    ada._engine.ordered(lock)
    assert ada._engine.obeying.known.roster_version == 2
    watch = Watch(ada)
    back = of.sign(office.order("erase", target(ada)), gone)
    ada._engine.ordered(frames.OrderFrame(back, old, REASON))
    ada._engine.ordered(frames.OrderFrame(back, of.chain, REASON))
    assert [e.code for e in watch.of(events.OrderRefused)] == ["roster.invalid", "order.forged"]
    assert ada.online


# --- lock, policy, revoke


async def test_an_order_to_lock(world: World, office: Office, cheap: None) -> None:
    ada = await office.phone("ada")
    await ada.set_pin(PIN)
    home = world.home("ada")
    session.keep(home, ada._profile.key, ada.device_id, 900)
    given = await office.give("lock", target(ada))
    await until(lambda: ada._opened is None, "locking")
    assert not session.alive(home)
    await refused("vault.locked", ada.settled(1))
    assert ada._profile.key == bytearray(32)
    again = await world._enter("ada", await Phone.unlock(home, PIN))
    await again.settled(20)
    stages = await office.done(given.order)
    assert stages.receipt is not None
    # Handed out again, by a relay that plays it again, it locks nothing.
    (frame,) = [office.frame(await _order_of(office, given.order))]
    again._engine.ordered(frame)
    await asyncio.sleep(0.2)
    await again.settled(20)


async def test_erasing_does_not_wait_for_locking(
    world: World, office: Office, cheap: None, monkeypatch: Any
) -> None:
    """A lock waits for its receipt to go out: an order to erase that comes meanwhile is not passed over."""
    ada = await office.phone("ada")
    await ada.set_pin(PIN)
    held = asyncio.Event()

    async def never() -> None:
        held.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(ada._engine.removals, "report", never)
    ada._engine.ordered(office.frame(office.sign(office.order("lock", target(ada)))))
    await held.wait()
    ada._engine.ordered(office.frame(office.sign(office.order("erase", target(ada)))))
    await ada.close()
    assert ada.ended is not None
    assert ada.ended.code == "device.erased"
    left = erasing.buried(world.home("ada"))
    assert left is not None
    assert left.receipt is not None


async def _order_of(office: Office, order: bytes) -> SignedOrder:
    from chappe.wire import fleet

    (one,) = (await office.ask(fleet.Status(order), fleet.Orders)).orders
    return one.order


async def test_no_pin_no_lock(world: World, office: Office) -> None:
    """It cannot, and does not say that it did."""
    ada = await office.phone("ada")
    watch = Watch(ada)
    given = await office.give("lock", target(ada))
    await until(lambda: bool(watch.of(events.OrderRefused)))
    assert watch.of(events.OrderRefused)[0].code == "vault.no_pin"
    assert (await office.stages(given.order)).done_at is None


async def test_a_policy_bounds_what_a_phone_allows_itself(world: World, office: Office, cheap: None) -> None:
    ada = await office.phone("ada")
    home = world.home("ada")
    await ada.set_pin(PIN, Policy(24, 600))
    await ada.lock()
    ada = await world._enter("ada", await Phone.unlock(home, PIN))
    assert (home / files.OFFLINE).exists()
    session.keep(home, ada._profile.key, ada.device_id, 600)
    given = await office.give("policy", target(ada))
    await until(lambda: ada.policy == Policy(1, 60), "the policy")
    assert not (home / files.OFFLINE).exists()
    found = session.use(home)
    assert found is not None
    assert found.idle == 60
    await office.done(given.order)
    with pytest.raises(ChappeError, match=r"usage\.invalid"):
        ada.set_policy(Policy(2, 60))
    with pytest.raises(ChappeError, match=r"usage\.invalid"):
        ada.set_policy(Policy(1, 61))
    ada.set_policy(Policy(0, 30))
    await refused("vault.weak_pin", ada.set_pin("480297"))
    await refused("usage.invalid", ada.set_pin(OTHER, Policy(24, 600)))
    await ada.set_pin(OTHER)
    await ada.lock()
    ada = await world._enter("ada", await Phone.unlock(home, OTHER))
    # An older policy, played again, frees nothing.
    watch = Watch(ada)
    old = office.order("policy", target(ada), issued_at=1)
    ada._engine.ordered(office.frame(office.sign(old)))
    assert [e.code for e in watch.of(events.OrderRefused)] == ["order.stale"]
    session.destroy(home)


async def test_a_device_that_is_revoked_keeps_what_it_has(world: World, office: Office) -> None:
    ada, ben = await office.phones("ada", "ben")
    group = await gather(ada, ben)
    await ada.send_text(group, "kept")
    await ada.settled(10)
    watch = Watch(ada)
    given = await office.give("revoke", target(ada))
    await until(lambda: ada._engine.connection.fatal is not None, "signing out")
    await refused("signin.revoked", ada.wait_online(5))
    assert texts(ada) == ["kept"]
    assert [(e.kind, e.reason) for e in watch.of(events.OrderObeyed)] == [("revoke", REASON.text)]
    stages = await office.done(given.order)
    assert stages.receipt is not None
    receipt = check_receipt(
        stages.receipt, signature_key=cyd_certificate(stages.certificate), unlock_key=None
    )
    assert receipt.outcome == "revoked"
