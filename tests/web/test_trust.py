"""Hostile members and a hostile relay, and what becomes of it on the phone (as tests/client/test_trust.py).

What a member sends goes through the real relay, as a client with another program would send it."""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from chappe.client import Phone
from chappe.client.groups import CAPABILITIES, SUITE, Description
from chappe.client.identity import Me, new_line
from chappe.mls import Add, Group, Remove, create_key_package, parse_key_package
from chappe.wire import content as c
from chappe.wire import frames
from tests.client.test_trust import described, impostor, let_in
from tests.client.world import PATIENCE, World, say, texts, until
from tests.relay.world import RelayProcess
from tests.web.lines import NodeError, need_phone
from tests.web.phones import WebPhone

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    need_phone()
    running = RelayProcess(tmp_path_factory.mktemp("relay") / "data", attempts_burst=10_000)
    yield running
    running.kill()


@pytest.fixture(scope="module")
async def ada(relay: RelayProcess, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[WebPhone]:
    phone = await WebPhone.activate(World(relay, tmp_path_factory.mktemp("ada")), "ada")
    await phone.settled()
    yield phone
    phone.close()


@pytest.fixture
async def world(relay: RelayProcess, tmp_path: Path) -> AsyncIterator[World]:
    made = World(relay, tmp_path)
    yield made
    await made.close()


async def send(phone: Phone, to: WebPhone, *payloads: bytes) -> None:
    """Past the phone's own outbox."""
    device = bytes.fromhex((await to.call("me"))["device"])
    for payload in payloads:
        await phone._engine.connection.ask(
            lambda ref, p=payload: frames.Send(ref, secrets.token_bytes(16), [device], p),  # type: ignore[misc]
            frames.Accepted,
        )


async def heard(ada: WebPhone, code: str, since: int) -> None:
    await until(
        lambda: any(e.get("code") == code for e in ada.events[since:] if e["type"] == "failed"),
        f"{code} among {ada.events[since:]}",
    )


async def met(ada: WebPhone, ben: Phone) -> tuple[str, bytes]:
    mine = (await ada.call("conversationWith", ben.address))["id"]
    await until(lambda: any(one.name == ada.address for one in ben.conversations()), "the conversation")
    await acquainted(ada, ben, bytes.fromhex(mine))
    return mine, bytes.fromhex(mine)


async def acquainted(ada: WebPhone, ben: Phone, chat: bytes) -> None:
    """Each has the other's token: what they say by themselves comes before what a test lets them say."""
    tokens, (device,) = ben._engine.tokens, ben._engine.groups.other_devices(chat)
    await until(lambda: tokens.of([device]) is not None, "the phone's token")
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while not await ada.ask("knows", device=ben._engine.core.me.device_id.hex()):
        assert asyncio.get_running_loop().time() < deadline, "the terminal's token"
        await asyncio.sleep(0.05)
    await ben.settled(PATIENCE)
    await ada.settled()


async def take_answer(ada: WebPhone, me: Me) -> None:
    certificate = me.certificate
    await ada.ask(
        "take_answer",
        address=me.address,
        line=me.line_id.hex(),
        identity_key=certificate.identity_key.hex(),
        devices=[[me.device_id.hex(), certificate.to_bytes().hex()]],
    )


async def test_a_relay_that_gives_another_key(ada: WebPhone, world: World) -> None:
    (ben,) = await world.phones("ben")
    mine, _ = await met(ada, ben)
    before = await ada.call("safetyNumber", ben.address)
    await ada.call("markVerified", ben.address, before["identity"])
    fake = new_line(ben.address, world.place, 0)
    with pytest.raises(NodeError) as changed:
        await take_answer(ada, fake)
    assert changed.value.code == "identity.changed"
    # What is compared is what would be accepted, never the number of the one that was known.
    seen = await ada.call("safetyNumber", ben.address)
    assert seen["number"] != before["number"]
    for method, *args in (("sendText", mine, "secret", None), ("createGroup", "with ben", [ben.address])):
        with pytest.raises(NodeError) as stopped:
            await ada.call(method, *args)
        assert stopped.value.code == "identity.changed"
    assert (await ada.call("contact", ben.address))["changed"] is True
    notice = (await ada.messages(mine))[-1]["notice"]
    assert notice == {"what": "identity_changed", "who": [ben.address], "value": ""}
    # The relay gives yet another one between looking and accepting: nobody has seen that.
    with pytest.raises(NodeError):
        await take_answer(ada, new_line(ben.address, world.place, 0))
    for method, identity in (
        ("acceptIdentity", seen["identity"]),
        ("markVerified", seen["identity"]),
        ("markVerified", before["identity"]),
    ):
        with pytest.raises(NodeError) as raced:
            await ada.call(method, ben.address, identity)
        assert raced.value.code == "identity.changed"
    assert (await ada.call("contact", ben.address))["changed"] is True
    with pytest.raises(NodeError):
        await take_answer(ada, fake)
    await ada.call("acceptIdentity", ben.address, seen["identity"])
    contact = await ada.call("contact", ben.address)
    assert (contact["changed"], contact["verified"]) == (False, False)
    assert contact["identity"] == seen["identity"]
    assert await ada.call("safetyNumber", ben.address) == seen
    assert texts(ben) == []


async def test_a_ghost_device_of_ones_own_line(ada: WebPhone, world: World) -> None:
    with pytest.raises(NodeError) as problem:
        await take_answer(ada, new_line(ada.address, world.place, 0))
    assert problem.value.code == "certificate.invalid"


async def test_a_third_in_a_direct_conversation_is_refused(ada: WebPhone, world: World) -> None:
    ben, cyd = await world.phones("ben", "cyd")
    mine, id_ = await met(ada, ben)
    engine = ben._engine
    (package,) = await engine.changes.packages_for(id_, cyd.address)
    result = engine.groups.group(id_).commit([Add(parse_key_package(package))], now=engine.core.now())
    epoch, since = (await ada.ask("state", conversation=mine))["epoch"], len(ada.events)
    await send(ben, ada, result.message)
    await heard(ada, "certificate.invalid", since)
    assert (await ada.ask("state", conversation=mine))["epoch"] == epoch
    assert cyd.address not in [one["address"] for one in await ada.call("contacts")]


async def test_a_conversation_does_not_change_its_kind(ada: WebPhone, world: World) -> None:
    (ben,) = await world.phones("ben")
    mine, id_ = await met(ada, ben)
    group, now = ben._engine.groups.group(id_), int(time.time())
    result = group.commit([described(group, Description("group", "x", 0))], now=now)
    since = len(ada.events)
    await send(ben, ada, result.message)
    await heard(ada, "content.malformed", since)
    # The control: what is allowed is followed.
    result = group.commit([described(group, Description("direct", "", 60))], now=now)
    await send(ben, ada, result.message)
    epoch = group.epoch + 1
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE
    while (await ada.ask("state", conversation=mine))["epoch"] != epoch:
        assert loop.time() < deadline
        await asyncio.sleep(0.05)
    assert (await ada.call("conversation", mine))["timer"] == 60


async def test_a_member_proposes_nothing_but_to_leave(ada: WebPhone, world: World) -> None:
    ben, cyd = await world.phones("ben", "cyd")
    shown = await ada.call("createGroup", "table", [ben.address, cyd.address])
    id_ = bytes.fromhex(shown["id"])
    await until(lambda: all(any(one.id == id_ for one in p.conversations()) for p in (ben, cyd)), "the group")
    await ada.settled()
    group, since = ben._engine.groups.group(id_), len(ada.events)
    leaf_of_cyd = cyd._engine.groups.group(id_).own_leaf
    await send(ben, ada, group.propose(Remove(leaf_of_cyd), now=int(time.time()))[1])
    await heard(ada, "message.unreadable", since)
    assert (await ada.ask("state", conversation=shown["id"]))["waiting"] == 0
    await ada.call("sendText", shown["id"], "nothing holds it back", None)
    await until(lambda: texts(cyd, id_) == ["nothing holds it back"])
    await ben.leave(id_)
    await until(lambda: ben.address not in cyd.conversation(id_.hex()).members, "ben left")


async def test_a_welcome_cannot_replace_a_conversation_that_goes_on(ada: WebPhone, world: World) -> None:
    ben, cyd = await world.phones("ben", "cyd")
    shown = await ada.call("createGroup", "ours", [ben.address])
    id_, me = bytes.fromhex(shown["id"]), cyd._engine.core.me
    trap = Group.create(
        SUITE,
        id_,
        me.signer,
        me.credential,
        now=int(time.time()),
        extensions=(Description("group", "ours", 0).extension(),),
        capabilities=CAPABILITIES,
    )
    packages = await cyd._engine.changes.packages_for(secrets.token_bytes(16), ada.address)
    welcome = trap.commit([Add(parse_key_package(p)) for p in packages], now=int(time.time())).welcome
    assert welcome is not None
    since = len(ada.events)
    await send(cyd, ada, welcome)
    await heard(ada, "message.unreadable", since)
    await ada.call("sendText", shown["id"], "still ours", None)
    await until(lambda: texts(ben, id_) == ["still ours"])


@pytest.mark.parametrize("kind", ["direct", "group"])
async def test_a_member_cannot_pass_for_a_line_not_met_yet(ada: WebPhone, world: World, kind: str) -> None:
    cyd, eve = await world.phones("cyd", "eve")
    fake, since = impostor(eve, cyd.address), len(ada.events)
    id_ = await let_in(eve, fake, kind, _Guest(ada))  # type: ignore[arg-type]
    await heard(ada, "certificate.invalid", since)
    await ada.settled()
    said = [one for one in await ada.messages(id_.hex()) if one["kind"] != "notice"]
    assert all(one["from"] == "" for one in said)
    shown = await ada.call("conversation", id_.hex())
    assert shown["state"] == "left" or shown["members"] == [ada.address]
    mine = await ada.call("conversationWith", cyd.address)
    await ada.call("sendText", mine["id"], "are you there?", None)
    await until(lambda: texts(cyd) == ["are you there?"])


class _Guest:
    """What `let_in` asks of its guest."""

    def __init__(self, phone: WebPhone) -> None:
        self.address = phone.address
        (event,) = [phone.node("call", method="me", args=[])]
        self.device_id = bytes.fromhex(event["device"])


async def test_replayed_reordered_and_early_messages(ada: WebPhone, world: World) -> None:
    (ben,) = await world.phones("ben")
    mine, id_ = await met(ada, ben)
    engine, now = ben._engine, int(time.time())
    group, payloads = engine.groups.group(id_), []
    for number in range(5):
        group, payload = say(ben, group, engine.messages.new(id_, c.Text(str(number)))[1])
        payloads.append(payload)
    await send(ben, ada, payloads[4], payloads[0], payloads[0], payloads[2], *reversed(payloads[:4]))
    await ada.reads(mine, "4", "0", "2", "3", "1")
    held = []
    for number in range(3):
        result = group.commit([], now=now)
        data = engine.messages.new(id_, c.Text(f"epoch {number}"))[1]
        group, payload = say(ben, result.group, data)
        held += [result.message, payload]
    await send(ben, ada, *held[1:])
    await send(ben, ada, held[0])
    await ada.reads(mine, "1", "epoch 0", "epoch 1", "epoch 2")


async def test_what_a_relay_keeps_back_is_said_and_taken_back_when_it_comes(
    ada: WebPhone, world: World
) -> None:
    (ben,) = await world.phones("ben")
    mine, id_ = await met(ada, ben)
    await ada.ask("keep_back", conversation=mine, counts=[2, 3])
    for text in ("1", "2", "3", "4"):
        await ben.send_text(id_, text)
    await ada.reads(mine, "1", "4")
    await ada.notes(mine, {"what": "gap", "who": [ben.address], "value": "2"})
    await ada.ask("hand_over", which=0)
    await ada.notes(mine, {"what": "gap", "who": [ben.address], "value": "1"})
    assert await ada.ask("replays", conversation=mine) == 0
    await ada.ask("hand_over", which=1)
    await ada.ask("hand_over", which=1)
    assert await ada.ask("replays", conversation=mine) == 1
    assert await ada.texts(mine) == ["1", "4", "2", "3"]
    await ada.notes(mine)
    # A device whose store was put back from an old copy tells two stories.
    with ben._engine.core.change():
        ben._engine.core.store.run("UPDATE conversations SET counter = 1 WHERE id = ?", id_)
    for text in ("5", "6"):
        await ben.send_text(id_, text)
    await ada.reads(mine, "1", "4", "2", "3", "5", "6")
    await ada.notes(mine, {"what": "fork", "who": [ben.address], "value": ""})


async def test_a_message_of_another_history_is_told_from_a_damaged_one(ada: WebPhone, world: World) -> None:
    (ben,) = await world.phones("ben")
    mine, id_ = await met(ada, ben)
    now, group = int(time.time()), ben._engine.groups.group(id_)
    data = ben._engine.messages.new(id_, c.Text("hello"))[1]
    # Two commits of one epoch: a relay that shows each to other members has made two histories.
    one, other = group.commit([], now=now), group.commit([], now=now)
    whole = say(ben, one.group, data)[1]
    damaged = bytearray(whole)
    damaged[-1] ^= 1
    await send(ben, ada, one.message, bytes(damaged), whole)
    await ada.reads(mine, "hello")
    await ada.notes(mine)
    there = say(ben, other.group, data)[1]
    await send(ben, ada, there, there)
    await ada.notes(mine, {"what": "fork_history", "who": [], "value": ""})


async def test_nothing_in_an_envelope_stops_what_comes_after(ada: WebPhone, world: World) -> None:
    """Random, cut and changed envelopes, content that is none, and then a real message."""
    (ben,) = await world.phones("ben")
    mine, id_ = await met(ada, ben)
    engine, now, rng = ben._engine, int(time.time()), random.Random(7)
    group = engine.groups.group(id_)
    group, broken = say(ben, group, b"\xff not CBOR")
    group, real = say(ben, group, engine.messages.new(id_, c.Text("real"))[1])
    me = engine.core.me
    bundle = create_key_package(SUITE, me.signer, me.credential, not_before=0, not_after=2**40)
    hostile = [broken]
    for seed in (real, group.commit([], now=now).message, bundle.message):
        for _ in range(12):
            changed = bytearray(seed)
            changed[rng.randrange(len(seed))] ^= rng.randrange(1, 256)
            hostile += [
                rng.randbytes(rng.randint(1, 200)),
                seed[: rng.randrange(1, len(seed))],
                bytes(changed),
            ]
    await send(ben, ada, *hostile)
    await send(ben, ada, real)
    await ada.reads(mine, "real")
    assert {one["kind"] for one in await ada.messages(mine)} <= {"text", "unreadable"}
    await ada.call("sendText", mine, "all is well", None)
    await until(lambda: texts(ben)[-1:] == ["all is well"])


async def test_what_was_queued_waits_for_the_person(ada: WebPhone, world: World) -> None:
    (ben,) = await world.phones("ben")
    mine, _ = await met(ada, ben)
    relay = world.relay
    relay.kill()
    await ada.call("sendText", mine, "held back", None)
    with pytest.raises(NodeError):
        await take_answer(ada, new_line(ben.address, world.place, 0))
    relay.start()
    await ada.call("touch")
    await ada.settled()
    await asyncio.sleep(0.3)
    assert texts(ben) == []
    seen = (await ada.call("contact", ben.address))["identity"]
    await ada.call("acceptIdentity", ben.address, seen)
    await until(lambda: texts(ben) == ["held back"], seconds=PATIENCE)


async def test_a_relay_tells_no_time_to_come(ada: WebPhone, world: World) -> None:
    """No clock shows it, a conversation would stay on top of the list, and what disappears would stay."""
    (ben,) = await world.phones("ben")
    mine, id_ = await met(ada, ben)
    await ada.ask("deliver_at", at=2**53)
    try:
        await ben.send_text(id_, "from the year 285428751")
        await ada.reads(mine, "from the year 285428751")
        (found,) = [one for one in await ada.messages(mine) if one["kind"] == "text"]
        assert found["at"] <= time.time() + 1
        assert (await ada.conversation(ben.address))["at"] <= time.time() + 1
    finally:
        await ada.ask("deliver_at", at=None)
