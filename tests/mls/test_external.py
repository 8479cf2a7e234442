"""From outside: proposals by those who are not in the group, and coming in by one's own commit."""

from __future__ import annotations

import pytest

from chappe.mls import (
    IMPLEMENTED,
    Add,
    CommitApplied,
    Credential,
    ExternalSender,
    Group,
    InvalidMessage,
    MalformedMessage,
    PreSharedKeyID,
    ProposalReceived,
    Remove,
    Update,
    WireFormat,
    WrongEpoch,
    accept_any,
    external_senders_extension,
    propose_from_outside,
    propose_own_add,
)
from chappe.mls.framing import FramedContent, Sender, SenderType
from tests.mls.world import NOW, Client, World

every_suite = pytest.mark.parametrize("suite", IMPLEMENTED)


def come_in(world: World, name: str, *, resync: bool = False, by: str = "ana") -> None:
    """`name` joins by a commit of its own, and all follow."""
    signer = world.suite.generate_signature_key()
    result = Group.join_by_commit(
        world.groups[by].group_info(),
        signer,
        Credential.basic(name.encode()),
        authenticate=accept_any,
        resync=resync,
    )
    world.groups.pop(name, None)
    world.groups[name] = result.group
    world.follow(name, result)


@every_suite
def test_coming_in_by_ones_own_commit(suite: int) -> None:
    world = World.of(suite, "ana", "ben")
    come_in(world, "cyd")
    come_in(world, "dan", by="cyd")
    for name in list(world.groups):
        world.send(name, b"hello")
        world.commit(name)


def test_what_the_members_are_told_of_it() -> None:
    world = World.of(1, "ana", "ben")
    result = Group.join_by_commit(
        world.groups["ana"].group_info(),
        world.suite.generate_signature_key(),
        Credential.basic(b"cyd"),
        authenticate=accept_any,
        authenticated_data=b"let me in",
    )
    _, event = world.groups["ben"].process(result.message, now=NOW, authenticate=accept_any)
    assert isinstance(event, CommitApplied)
    assert event == result.applied
    assert event.external
    assert [m.credential.identity for m in event.added] == [b"cyd"]
    assert event.committer == event.added[0]
    assert event.authenticated_data == b"let me in"


@every_suite
def test_resync_puts_out_the_old_leaf(suite: int) -> None:
    world = World.of(suite, "ana", "ben", "cyd", "dan")
    lost = world.groups["ben"]
    come_in(world, "ben", resync=True)
    assert [m.credential.identity for m in world.groups["ana"].members] == [b"ana", b"ben", b"cyd", b"dan"]
    world.send("ben", b"back")
    with pytest.raises(WrongEpoch):
        lost.process(world.send("ana", b"not for the old one"), now=NOW, authenticate=accept_any)


def test_the_old_leaf_of_a_resync_is_told_that_it_is_out() -> None:
    world = World.of(1, "ana", "ben")
    old = world.groups["ben"]
    result = Group.join_by_commit(
        world.groups["ana"].group_info(),
        world.suite.generate_signature_key(),
        Credential.basic(b"ben"),
        authenticate=accept_any,
        resync=True,
    )
    gone, event = old.process(result.message, now=NOW, authenticate=accept_any)
    assert isinstance(event, CommitApplied)
    assert event.removed_self
    assert not gone.is_active


def test_nobody_resyncs_in_anothers_place() -> None:
    """Mallory's commit names ben's leaf as hers; `succeeds` of the members refuses it."""
    world = World.of(1, "ana", "ben")
    result = Group.join_by_commit(
        world.groups["ana"].group_info(),
        world.suite.generate_signature_key(),
        Credential.basic(b"mallory"),
        authenticate=accept_any,
        succeeds=lambda old, new: old.identity == b"ben",
        resync=True,
    )
    with pytest.raises(InvalidMessage):
        world.groups["ana"].process(result.message, now=NOW, authenticate=accept_any)


def test_a_group_info_without_external_pub_or_tree_lets_nobody_in() -> None:
    world = World.of(1, "ana", "ben")
    ana, signer, cyd = world.groups["ana"], world.suite.generate_signature_key(), Credential.basic(b"cyd")
    with pytest.raises(InvalidMessage):
        Group.join_by_commit(ana.group_info(external_pub=False), signer, cyd, authenticate=accept_any)
    bare = ana.group_info(ratchet_tree=False)
    with pytest.raises(InvalidMessage):
        Group.join_by_commit(bare, signer, cyd, authenticate=accept_any)
    tree = ana._state.tree.encode()
    world.groups["cyd"] = (
        result := Group.join_by_commit(bare, signer, cyd, authenticate=accept_any, ratchet_tree=tree)
    ).group
    world.follow("cyd", result)
    with pytest.raises(MalformedMessage):
        Group.join_by_commit(
            Client.new(world.suite, "x").bundle.message, signer, cyd, authenticate=accept_any
        )


def test_an_external_commit_may_ask_for_a_psk() -> None:
    world = World.of(1, "ana", "ben")
    psk_id = PreSharedKeyID.external(b"word", bytes(world.suite.nh))
    result = Group.join_by_commit(
        world.groups["ana"].group_info(),
        world.suite.generate_signature_key(),
        Credential.basic(b"cyd"),
        authenticate=accept_any,
        psk_ids=[psk_id],
        psks={b"word": b"secret"},
    )
    with pytest.raises(InvalidMessage):
        world.groups["ana"].process(result.message, now=NOW, authenticate=accept_any)
    with pytest.raises(InvalidMessage):
        world.groups["ana"].process(
            result.message, now=NOW, authenticate=accept_any, psks={b"word": b"another"}
        )
    world.groups["cyd"] = result.group
    world.follow("cyd", result, {b"word": b"secret"})


@every_suite
def test_a_sender_from_outside_proposes(suite: int) -> None:
    officer = World.of(suite, "x").suite.generate_signature_key()
    extension = external_senders_extension(ExternalSender(officer.public, Credential.basic(b"officer")))
    world = World.of(suite, "ana", "ben", "cyd", extensions=(extension,))
    ben = world.groups["ben"]
    message = propose_from_outside(
        world.suite, ben.group_id, ben.epoch, officer, 0, Remove(ben.own_leaf), now=NOW
    )
    for name, group in world.groups.items():
        world.groups[name], received = group.process(message, now=NOW, authenticate=accept_any)
        assert isinstance(received, ProposalReceived)
        assert received.sender == Sender(SenderType.EXTERNAL, 0)
    result = world.commit("ana")
    assert [m.credential.identity for m in result.applied.removed] == [b"ben"]
    assert set(world.groups) == {"ana", "cyd"}


def test_senders_that_are_not_listed_or_sign_with_another_key_are_refused() -> None:
    world = World.of(1, "ana", "ben")
    listed, other = (world.suite.generate_signature_key() for _ in range(2))
    extension = external_senders_extension(ExternalSender(listed.public, Credential.basic(b"officer")))
    known = World.of(1, "ana", "ben", extensions=(extension,))
    for group, signer, index in (
        (world.groups["ana"], listed, 0),
        (known.groups["ana"], listed, 1),
        (known.groups["ana"], other, 0),
    ):
        message = propose_from_outside(
            world.suite, group.group_id, group.epoch, signer, index, Remove(1), now=NOW
        )
        with pytest.raises(InvalidMessage):
            group.process(message, now=NOW, authenticate=accept_any)
    ana = known.groups["ana"]
    _, update = known.groups["ben"].propose_update(wire_format=WireFormat.PUBLIC_MESSAGE)
    taken, received = ana.process(update, now=NOW, authenticate=accept_any)
    assert isinstance(received, ProposalReceived)
    assert isinstance(received.proposal, Update)
    forged = propose_from_outside(known.suite, ana.group_id, ana.epoch, listed, 0, received.proposal, now=NOW)
    with pytest.raises(InvalidMessage):
        ana.process(forged, now=NOW, authenticate=accept_any)
    assert taken.pending_proposals


@every_suite
def test_a_client_asks_to_be_let_in(suite: int) -> None:
    world = World.of(suite, "ana", "ben")
    cyd, ana = Client.new(world.suite, "cyd"), world.groups["ana"]
    message = propose_own_add(ana.group_id, ana.epoch, cyd.bundle.key_package, cyd.signer, now=NOW)
    for name, group in world.groups.items():
        world.groups[name], _ = group.process(message, now=NOW, authenticate=accept_any)
    result = world.commit("ben")
    assert result.welcome is not None
    world.groups["cyd"] = Group.join(result.welcome, cyd.bundle, cyd.signer, authenticate=accept_any)
    world.send("cyd", b"thanks")


def test_nobody_asks_for_another() -> None:
    world = World.of(1, "ana", "ben")
    cyd, mallory, ana = Client.new(world.suite, "cyd"), Client.new(world.suite, "m"), world.groups["ana"]
    message = propose_own_add(ana.group_id, ana.epoch, cyd.bundle.key_package, mallory.signer, now=NOW)
    with pytest.raises(InvalidMessage):
        ana.process(message, now=NOW, authenticate=accept_any)


def test_an_unwanted_proposal_can_be_dropped() -> None:
    world = World.of(1, "ana", "ben")
    cyd = Client.new(world.suite, "cyd")
    _, message = world.groups["ben"].propose(Add(cyd.bundle.key_package), now=NOW)
    after, received = world.groups["ana"].process(message, now=NOW, authenticate=accept_any)
    assert isinstance(received, ProposalReceived)
    assert after.without_proposal(received.ref).pending_proposals == ()
    assert len(after.without_proposal(b"another").pending_proposals) == 1


@pytest.mark.parametrize("wire_format", [WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE])
def test_handshakes_in_both_wire_formats(wire_format: WireFormat) -> None:
    world = World.of(1, "ana", "ben", "cyd")
    for name in list(world.groups):
        world.groups[name], message = world.groups[name].propose_update(wire_format=wire_format)
        world.share(name, message)
        world.commit("ana" if name != "ana" else "ben", wire_format=wire_format)
    world.commit("cyd", Client.new(world.suite, "dan").add, wire_format=wire_format)


def test_external_content_is_signed_without_a_context() -> None:
    """Section 6.1: only members and external committers sign the GroupContext."""
    content = FramedContent(b"g", 1, Sender(SenderType.EXTERNAL, 0), b"", Remove(0))
    assert content.to_be_signed(WireFormat.PUBLIC_MESSAGE, b"context").endswith(content.encoded)
