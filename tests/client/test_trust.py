"""A hostile relay and hostile members: what they may try, and what becomes of it."""

from __future__ import annotations

import contextlib
import secrets
import time
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from chappe.client import Phone, events
from chappe.client.contacts import Check
from chappe.client.groups import CAPABILITIES, LEFT, SUITE, Description, extensions_proposal, lock, opener
from chappe.client.identity import Me, new_line
from chappe.client.transport import HttpApi, tls_context
from chappe.mls import (
    Add,
    Credential,
    Extension,
    Group,
    Remove,
    SetExtensions,
    SignatureKey,
    accept_any,
    create_key_package,
    parse_key_package,
    propose_own_add,
)
from chappe.wire import content as c
from chappe.wire import frames
from chappe.wire.certificate import issue
from chappe.wire.errors import ChappeError
from chappe.wire.links import RelayPlace
from tests.client.world import PATIENCE, World, all_messages, gather, meet, members, say, seal, texts, until
from tests.relay.world import RelayProcess


async def refused(code: str, call: object) -> None:
    with pytest.raises(ChappeError) as caught:
        await call  # type: ignore[misc]
    assert caught.value.code == code


def hand(phone: Phone, *payloads: bytes) -> None:
    """Put envelopes into a phone, as a relay would."""
    engine = phone._engine
    with engine.core.change():
        for payload in payloads:
            engine.inbox.take(payload, int(time.time()))
        engine.inbox.confirm()


def answer(me: Me, **changes: object) -> frames.Line:
    """What a relay says of a line."""
    fields: dict[str, object] = {
        "ref": 1,
        "line": me.line_id,
        "address": me.address,
        "identity_key": me.certificate.identity_key,
        "devices": [frames.DeviceEntry(me.device_id, me.certificate.to_bytes())],
        "salt": bytes(32),
    }
    return frames.Line(**(fields | changes))  # type: ignore[arg-type]


async def test_a_relay_that_gives_another_key(world: World) -> None:
    """The first time it is believed (the safety number tells); from then on a change stops sending."""
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await ada.contact(ben.address)
    known = await ada.contact(ben.address)
    ada.mark_verified(ben.address, known.identity)
    before = await ada.safety_number(ben.address)
    heard = ada.events()
    impostor = new_line(ben.address, world.place, 0)
    with pytest.raises(ChappeError, match=r"identity\.changed"):
        ada._engine.contacts.take_answer(ben.address, answer(impostor))
    assert await anext(heard) == events.IdentityChanged(ben.address)
    await refused("identity.changed", ada.send_text(mine.id, "secret"))
    await refused("identity.changed", ada.create_group("with ben", [ben.address]))
    (contact,) = [one for one in ada.contacts() if one.address == ben.address]
    assert (contact.changed, contact.verified) == (True, True)
    # What is compared is what would be accepted, never the number of the one that was known.
    assert await ada.safety_number(ben.address) != before
    with pytest.raises(ChappeError, match=r"identity\.changed"):
        ada.mark_verified(ben.address, known.identity)
    # The relay gives yet another one between looking and accepting: nobody has seen that.
    with pytest.raises(ChappeError, match=r"identity\.changed"):
        ada._engine.contacts.take_answer(ben.address, answer(new_line(ben.address, world.place, 0)))
    for take in (ada.accept_identity, ada.mark_verified):
        with pytest.raises(ChappeError, match=r"identity\.changed"):
            take(ben.address, contact.identity)
    await refused("identity.changed", ada.send_text(mine.id, "secret"))
    with pytest.raises(ChappeError, match=r"identity\.changed"):
        ada._engine.contacts.take_answer(ben.address, answer(impostor))
    ada.accept_identity(ben.address, contact.identity)
    (contact,) = [one for one in ada.contacts() if one.address == ben.address]
    assert (contact.changed, contact.verified) == (False, False)
    assert contact.identity_key == impostor.certificate.identity_key
    assert await ada.safety_number(ben.address) != before


async def test_what_was_queued_waits_for_the_person(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    with ada._engine.core.change():
        ada._engine.contacts._learn(ben.address, b"x" * 16, b"k" * 32)
        ada._engine.outbox.put(mine.id, ada._engine.messages.new(mine.id, c.Text("held back"))[1], None)
    ada._engine.wake()
    await ada.settled(PATIENCE)
    assert texts(ben) == []
    ada.accept_identity(ben.address, b"x" * 16 + b"k" * 32)
    await until(lambda: texts(ben) == ["held back"])


async def test_answers_that_contradict_themselves(world: World) -> None:
    (ada,) = await world.phones("ada")
    address = world.address("zoe")
    honest = new_line(address, world.place, 0)
    other = new_line(address, world.place, 0)
    entry = frames.DeviceEntry(honest.device_id, honest.certificate.to_bytes())
    forged = replace(honest.certificate, identity_key=other.certificate.identity_key)
    wrong = [
        answer(honest, address=world.address("yan")),
        answer(honest, line=other.line_id),
        answer(honest, identity_key=other.certificate.identity_key),
        answer(honest, devices=[frames.DeviceEntry(other.device_id, entry.certificate)]),
        answer(honest, devices=[entry, frames.DeviceEntry(other.device_id, other.certificate.to_bytes())]),
        answer(honest, devices=[frames.DeviceEntry(honest.device_id, forged.to_bytes())]),
        answer(honest, devices=[frames.DeviceEntry(honest.device_id, b"nonsense")]),
        answer(new_line("zoe@elsewhere.example", world.place, 0), address=address),
    ]
    for line in wrong:
        with pytest.raises(ChappeError, match=r"certificate\.invalid"):
            ada._engine.contacts.take_answer(address, line)
    assert ada.contacts() == []
    ada._engine.contacts.take_answer(address, answer(honest))
    assert [one.address for one in ada.contacts()] == [address]


async def test_a_ghost_device_of_ones_own_line(world: World) -> None:
    """A relay cannot add a device to a line: its certificate needs the line's identity key."""
    (ada,) = await world.phones("ada")
    ghost = new_line(ada.address, world.place, 0)
    with pytest.raises(ChappeError, match=r"certificate\.invalid"):
        ada._engine.contacts.take_answer(ada.address, answer(ghost))
    check = Check(ada._engine.contacts)
    with pytest.raises(ChappeError, match=r"certificate\.invalid"):
        check(ghost.credential, ghost.signer.public)
    check(ada._engine.core.me.credential, ada._engine.core.me.signer.public)


async def test_leaves_that_are_refused(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    check = Check(ada._engine.contacts)
    me = ben._engine.core.me
    check(me.credential, me.signer.public)
    raw = me.certificate.to_bytes()
    for credential, key in (
        (me.credential, SignatureKey.from_private(b"1" * 32).public),
        # A flipped bit, not a fixed byte: one Ed25519 signature in sixteen ends in zero by itself.
        (Credential.basic(raw[:-1] + bytes([raw[-1] ^ 1])), me.signer.public),
        (Credential.basic(b""), me.signer.public),
        (Credential(2, me.credential.identity), me.signer.public),
    ):
        with pytest.raises(ChappeError, match=r"certificate\.invalid"):
            check(credential, key)
    assert len(check.seen) == 1


async def test_a_third_in_a_direct_conversation_is_refused(world: World) -> None:
    """A peer with another program lets a third line in: the other end does not follow."""
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    _, his = await meet(ada, ben)
    engine = ben._engine
    (package,) = await engine.changes.packages_for(his.id, cyd.address)
    result = engine.groups.group(his.id).commit([Add(parse_key_package(package))], now=engine.core.now())
    before = ada._engine.groups.group(his.id).to_bytes()
    heard = ada.events()
    hand(ada, result.message)
    assert isinstance(await anext(heard), events.Unreadable)
    assert ada._engine.groups.group(his.id).to_bytes() == before
    assert ada.conversation(ben.address).members == tuple(sorted((ada.address, ben.address)))
    assert [one.address for one in ada.contacts()] == [ben.address]


async def test_a_conversation_does_not_change_its_kind(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    _, his = await meet(ada, ben)
    engine = ben._engine
    group = engine.groups.group(his.id)
    for extension in (Description("group", "x", 0).extension(), Extension(0xF0C4, b"\xff")):
        result = group.commit([SetExtensions((extension,))], now=engine.core.now())
        hand(ada, result.message)
        assert ada._engine.groups.group(his.id).epoch == group.epoch
    result = group.commit([SetExtensions(())], now=engine.core.now())
    hand(ada, result.message)
    assert ada._engine.groups.group(his.id).epoch == group.epoch
    # A value with a tag: 60 as a big number.
    tagged = b"\xa3" + b"\x64kind\x66direct" + b"\x64name\x60" + b"\x65timer" + b"\xc2\x41\x3c"
    result = group.commit([SetExtensions((Extension(0xF0C4, tagged),))], now=engine.core.now())
    hand(ada, result.message)
    assert ada._engine.groups.group(his.id).epoch == group.epoch
    # The control: what is allowed is followed.
    result = group.commit([described(group, Description("direct", "", 60))], now=engine.core.now())
    hand(ada, result.message)
    assert ada.conversation(ben.address).timer == 60


async def test_nobody_lets_themselves_in(world: World) -> None:
    """An outsider who knows all that a member may tell: a proposal to let them in is not kept for the next
    commit to carry out, and a commit of their own is not followed."""
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    id_ = await gather(ada, ben)
    engine, me, now = ada._engine, cyd._engine.core.me, cyd._engine.core.now()
    group = ben._engine.groups.group(id_)
    before = engine.groups.group(id_).to_bytes()
    package = create_key_package(
        SUITE, me.signer, me.credential, not_before=now, not_after=now + 60, capabilities=CAPABILITIES
    )
    hand(ada, propose_own_add(id_, group.epoch, package.key_package, me.signer, now=now))
    commit = Group.join_by_commit(
        group.group_info(), me.signer, me.credential, authenticate=accept_any, capabilities=CAPABILITIES
    )
    hand(ada, commit.message)
    assert engine.groups.group(id_).to_bytes() == before
    # The control: the engine itself takes both.
    group.process(commit.message, now=now, authenticate=accept_any)


def described(group: Group, description: Description) -> SetExtensions:
    proposal = extensions_proposal(group, description, [])
    assert proposal is not None
    return proposal


async def test_a_member_proposes_nothing_but_to_leave(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    id_ = await gather(ada, ben, cyd)
    group, engine = ben._engine.groups.group(id_), ada._engine
    before = engine.groups.group(id_).to_bytes()
    leaf_of_cyd = cyd._engine.groups.group(id_).own_leaf
    for proposal in (Remove(leaf_of_cyd), described(group, Description("group", "mine", 0))):
        hand(ada, group.propose(proposal, now=int(time.time()))[1])
    hand(ada, group.propose_update()[1])
    assert engine.groups.group(id_).to_bytes() == before
    hand(ada, group.propose(Remove(group.own_leaf), now=int(time.time()))[1])
    await until(lambda: members(ada, id_) == ["ada", "cyd"])


async def test_a_welcome_cannot_replace_a_conversation_that_goes_on(world: World) -> None:
    """Who knows a conversation's id makes another group of that id and lets its members in to it."""
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await ada.remove(group, cyd.address)
    await until(lambda: not cyd.conversation(group.hex()).active)
    me = cyd._engine.core.me
    trap = Group.create(
        SUITE,
        group,
        me.signer,
        me.credential,
        now=cyd._engine.core.now(),
        extensions=(Description("group", "table", 0).extension(),),
        capabilities=CAPABILITIES,
    )
    packages = await cyd._engine.changes.packages_for(secrets.token_bytes(16), ada.address)
    welcome = trap.commit([Add(parse_key_package(p)) for p in packages], now=cyd._engine.core.now()).welcome
    assert welcome is not None
    before = ada._engine.groups.group(group).to_bytes()
    hand(ada, welcome)
    assert ada._engine.groups.group(group).to_bytes() == before
    await ada.send_text(group, "still ours")
    await until(lambda: texts(ben) == ["still ours"])


def impostor(eve: Phone, address: str) -> Me:
    """Another line's address over keys of one's own, on a device that the relay knows."""
    made = new_line(address, eve.place, 0)
    claims = made.certificate
    certificate = issue(
        made.identity,
        line_id=claims.line_id,
        address=address,
        device_id=eve.device_id,
        signature_key=claims.signature_key,
        issued_at=0,
    )
    return replace(made, certificate=certificate)


async def let_in(eve: Phone, founder: Me, kind: str, guest: Phone) -> bytes:
    """Eve makes a conversation in which she is `founder`, lets a guest in, and writes; gives its id."""
    now, wire = eve._engine.core.now(), eve._engine.connection
    group = Group.create(
        SUITE,
        secrets.token_bytes(16),
        founder.signer,
        founder.credential,
        now=now,
        extensions=(Description(kind, "table" if kind == "group" else "", 0).extension(),),
        capabilities=CAPABILITIES,
    )
    packages = await eve._engine.changes.packages_for(group.group_id, guest.address)
    result = group.commit([Add(parse_key_package(package)) for package in packages], now=now)
    assert result.welcome is not None
    welcomes = [frames.WelcomeFor([guest.device_id], result.welcome)]
    fields: tuple[Any, ...] = (
        group.group_id,
        0,
        opener(group),
        lock(result.group),
        [],
        result.message,
        welcomes,
    )
    await wire.ask(lambda ref: frames.Commit(ref, secrets.token_bytes(16), *fields), frames.Accepted)
    _, text = seal(result.group, c.encode(c.Message(bytes(16), c.Text("it is me"))), now)
    await wire.ask(
        lambda ref: frames.Send(ref, secrets.token_bytes(16), [guest.device_id], text), frames.Accepted
    )
    return group.group_id


@pytest.mark.parametrize("name", ["cyd", "nobody"])
@pytest.mark.parametrize("kind", ["direct", "group"])
async def test_a_member_cannot_pass_for_a_line_not_met_yet(world: World, name: str, kind: str) -> None:
    """Who makes a group can put any address into a leaf: the relay is asked who that is."""
    ada, cyd, eve = await world.phones("ada", "cyd", "eve")
    heard = ada.events()
    fake = impostor(eve, world.address(name))
    conversation = await let_in(eve, fake, kind, ada)
    while not isinstance(event := await anext(heard), events.Failed):
        pass
    assert event.code == "certificate.invalid"
    with contextlib.suppress(ChappeError):
        await ada.send_text(conversation, "secret")
    await ada.settled(PATIENCE)
    assert all(one.mine or one.sender == "" for one in ada.messages(conversation))
    known = {one.address: one.identity_key for one in ada.contacts()}
    assert known.get(fake.address) != fake.certificate.identity_key
    shown = ada._engine.groups.shown(conversation)
    assert not shown.active or shown.members == (ada.address,)
    mine = await ada.conversation_with(cyd.address)
    await ada.send_text(mine.id, "are you there?")
    await until(lambda: texts(cyd) == ["are you there?"])


async def test_nothing_is_sent_to_a_line_that_the_relay_has_not_confirmed(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    with ada._engine.core.change():
        ada._engine.core.store.run("INSERT INTO unconfirmed VALUES (?)", ben.address)
        await ada.send_text(mine.id, "for ben")
        assert ada._engine.outbox._prepare() == []
    await until(lambda: texts(ben) == ["for ben"])
    assert ada._engine.contacts.unconfirmed() == []


async def test_a_line_first_met_in_a_group_is_confirmed(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    group = await gather(ada, ben, cyd)
    await ben.send_text(group, "hello")
    await until(lambda: texts(cyd) == ["hello"])
    await until(lambda: ben._engine.contacts.unconfirmed() == [])
    assert [one.address for one in ben.contacts()] == sorted((ada.address, cyd.address))


async def test_a_direct_conversation_that_was_left_does_not_come_back_with_a_third(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    await ada.leave(mine.id)
    await until(lambda: ada._engine.groups.activity(mine.id) == LEFT)
    me, now = ben._engine.core.me, ben._engine.core.now()
    description = Description("group", ada.address, 0).extension()
    trap = Group.create(
        SUITE,
        mine.id,
        me.signer,
        me.credential,
        now=now,
        extensions=(description,),
        capabilities=CAPABILITIES,
    )
    (package,) = await ben._engine.changes.packages_for(secrets.token_bytes(16), ada.address)
    welcome = trap.commit([Add(parse_key_package(package))], now=now).welcome
    assert welcome is not None
    hand(ada, welcome)
    assert ada._engine.groups.activity(mine.id) == LEFT


async def test_replayed_reordered_and_dropped_envelopes(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    engine = ada._engine
    group = engine.groups.group(mine.id)
    payloads = []
    for number in range(6):
        data = engine.messages.new(mine.id, c.Text(str(number)))[1]
        group, payload = say(ada, group, data)
        payloads.append(payload)
    await world.shut("ada")
    hand(ben, payloads[4], payloads[0], payloads[0], payloads[2], payloads[4], *reversed(payloads[:4]))
    assert texts(ben, his.id) == ["4", "0", "2", "3", "1"]
    hand(ben, *payloads)
    assert texts(ben, his.id) == ["4", "0", "2", "3", "1", "5"]


async def test_the_same_content_encrypted_twice_is_shown_once(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    engine = ada._engine
    group, data = engine.groups.group(mine.id), engine.messages.new(mine.id, c.Text("once"))[1]
    with engine.core.change():
        link = engine.chains.link(mine.id, group.epoch, data)
    group, first = seal(group, data, engine.core.now(), link)
    group, second = seal(group, data, engine.core.now(), link)
    await world.shut("ada")
    hand(ben, first, second)
    assert texts(ben) == ["once"]


async def test_a_message_of_an_epoch_to_come_waits_for_it(world: World) -> None:
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    group_id = await gather(ada, ben, cyd)
    engine = ada._engine
    group = engine.groups.group(group_id)
    held = []
    for number in range(3):
        result = group.commit([], now=engine.core.now())
        held.append(result.message)
        group, payload = say(ada, result.group, engine.messages.new(group_id, c.Text(f"epoch {number}"))[1])
        held.append(payload)
    await world.shut("ada")
    hand(ben, *held[1:])
    assert texts(ben) == []
    hand(ben, held[0])
    assert texts(ben) == ["epoch 0", "epoch 1", "epoch 2"]
    assert ben._engine.core.store.one("SELECT 1 FROM held") is None
    hand(cyd, *reversed(held))
    assert texts(cyd) == ["epoch 0", "epoch 1", "epoch 2"]


async def test_content_that_cannot_be_read_leaves_its_place(world: World) -> None:
    ada, ben = await world.phones("ada", "ben")
    mine, his = await meet(ada, ben)
    engine = ada._engine
    group = engine.groups.group(mine.id)
    group, broken = say(ada, group, b"\xff not CBOR")
    group, fine = say(ada, group, engine.messages.new(mine.id, c.Text("fine"))[1])
    await world.shut("ada")
    hand(ben, broken, fine)
    assert [m.kind for m in ben.messages(his.id)] == ["unreadable", "text"]
    assert ben.messages(his.id)[0].sender == ada.address


async def test_nothing_in_an_envelope_stops_what_comes_after(world: World) -> None:
    """Random, cut and changed envelopes, and then a real one."""
    world.is_honest = False
    ada, ben = await world.phones("ada", "ben")
    mine, _ = await meet(ada, ben)
    engine = ada._engine
    group = engine.groups.group(mine.id)
    _, real = say(ada, group, engine.messages.new(mine.id, c.Text("real"))[1])
    commit = group.commit([], now=engine.core.now()).message
    bundle = create_key_package(
        SUITE, engine.core.me.signer, engine.core.me.credential, not_before=0, not_after=2**40
    )
    await world.shut("ada")
    seeds = [real, commit, bundle.message]

    @settings(max_examples=300, deadline=None)
    @given(st.data())
    def hostile(draw: st.DataObject) -> None:
        seed = draw.draw(st.sampled_from(seeds))
        kind = draw.draw(st.sampled_from(["random", "cut", "changed"]))
        if kind == "random":
            payload = draw.draw(st.binary(min_size=1, max_size=200))
        elif kind == "cut":
            payload = seed[: draw.draw(st.integers(1, len(seed) - 1))]
        else:
            changed = bytearray(seed)
            changed[draw.draw(st.integers(0, len(seed) - 1))] ^= draw.draw(st.integers(1, 255))
            payload = bytes(changed)
        hand(ben, payload)

    hostile()
    assert "real" not in texts(ben)
    hand(ben, real)
    assert texts(ben)[-1] == "real"
    assert {m.kind for m in all_messages(ben)} <= {"text", "unreadable", "fork"}


async def test_a_member_cannot_speak_for_another(world: World) -> None:
    """Removing somebody else is a member's right; a proposal in another's name is not opened."""
    ada, ben, cyd = await world.phones("ada", "ben", "cyd")
    group_id = await gather(ada, ben, cyd)
    group = ben._engine.groups.group(group_id)
    leaf = ada._engine.groups.group(group_id).own_leaf
    _, proposal = group.propose(Remove(leaf), now=int(time.time()))
    hand(cyd, proposal)
    assert cyd._engine.changes.idle, "a proposal to remove another is not carried out by itself"
    assert len(cyd.conversation(group_id.hex()).members) == 3


async def test_another_certificate_than_the_pinned_one(relay: RelayProcess, world: World) -> None:
    wrong = RelayPlace("localhost", relay.port, b"\0" * 32)
    await refused("network.untrusted", tls_context(wrong))
    home = world.folder / "x"
    await refused("network.untrusted", Phone.activate(home, wrong, relay.code(), world.address("x")))
    assert not (home / "phone.db").exists()
    # Without a pin the certificate has to be one that systems trust; this one is not.
    api = await HttpApi.to(RelayPlace("localhost", relay.port, None))
    await refused("network.untrusted", api.info())
    await api.close()


async def test_a_phone_stops_at_a_relay_with_another_certificate(relay: RelayProcess, world: World) -> None:
    await world.phone("ada")
    await world.shut("ada")
    phone = await Phone.open(world.home("ada"))
    me = phone._engine.core.me
    with phone._engine.core.change():
        replace(me, place=RelayPlace("localhost", relay.port, b"\1" * 32)).keep(phone._engine.core.store)
    await phone.close()
    phone = await Phone.open(world.home("ada"))
    async with phone:
        started = time.monotonic()
        await refused("network.untrusted", phone.wait_online(30))
        assert time.monotonic() - started < 10


def test_keys_do_not_show(tmp_path: object) -> None:
    key = Ed25519PrivateKey.generate()
    del key
    me = new_line("ada@localhost", RelayPlace("localhost", 1, None), 0)
    assert me.signer.private.hex() not in repr(me)
    assert repr(me.signer.private)[2:-1] not in repr(me)
