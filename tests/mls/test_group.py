"""Groups through their public calls: who agrees, who opens what, and what a refusal leaves."""

from __future__ import annotations

import pytest

from chappe.mls import (
    Add,
    AlreadyConsumed,
    ApplicationMessage,
    CommitApplied,
    Credential,
    Extension,
    Group,
    InvalidMessage,
    MalformedMessage,
    MLSError,
    NotMember,
    ProposalReceived,
    Remove,
    SetExtensions,
    WrongEpoch,
    accept_any,
    check_evidence,
    cipher_suite,
    create_key_package,
    default_capabilities,
    peek,
    welcome_refs,
)
from chappe.mls.secret_tree import MAX_SKIPPED_GENERATIONS
from chappe.mls.state import PAST_EPOCH_SECONDS
from tests.mls.world import DAY, NOW, Client, World

SUITES = (0x0001, 0xF00D)
both_suites = pytest.mark.parametrize("suite", SUITES)


@both_suites
def test_everyone_opens_what_everyone_sends(suite: int) -> None:
    world = World.of(suite, "ana", "ben", "cyd", "dan", "eve")
    for name in list(world.groups):
        world.send(name, f"from {name}".encode())
        world.commit(name)
        world.send(name, b"again")


@both_suites
def test_who_was_not_there_can_check_who_said_what(suite: int) -> None:
    world = World.of(suite, "ana", "ben")
    _, received = world.groups["ben"].process(world.send("ana", b"yes"), now=NOW, authenticate=accept_any)
    assert isinstance(received, ApplicationMessage)
    signed, key = received.signed, received.sender_member.signature_key
    evidence = check_evidence(signed, received.signature, key)
    assert (evidence.data, evidence.epoch, evidence.leaf) == (b"yes", received.epoch, received.sender)
    assert evidence.group_id == world.groups["ben"].group_id
    for changed, other in ((signed.replace(b"yes", b"nay"), key), (signed, bytes(len(key)))):
        with pytest.raises(InvalidMessage):
            check_evidence(changed, received.signature, other)
    for cut in (signed[:-1], signed + b"\0", b""):
        with pytest.raises(MLSError):
            check_evidence(cut, received.signature, key)


def test_an_epoch_and_those_kept_say_which_history_they_are_of() -> None:
    world = World.of(0xF00D, "ana", "ben")
    before, epoch = world.groups["ana"].transcript_hash(world.groups["ana"].epoch), world.groups["ana"].epoch
    world.commit("ben")
    for group in world.groups.values():
        assert group.transcript_hash(epoch) == before
        assert group.transcript_hash(epoch + 2) is None
    hashes = {group.transcript_hash(epoch + 1) for group in world.groups.values()}
    assert len(hashes) == 1
    assert hashes != {before}


@both_suites
def test_a_removed_member_opens_nothing_sent_after(suite: int) -> None:
    world = World.of(suite, "ana", "ben", "cyd")
    ben = world.groups["ben"]
    result = world.commit("ana", Remove(ben.own_leaf))
    assert [m.credential.identity for m in result.applied.removed] == [b"ben"]
    message = world.send("cyd", b"without ben")
    with pytest.raises(WrongEpoch) as caught:
        ben.process(message, now=NOW, authenticate=accept_any)
    assert caught.value.ahead
    after, event = ben.process(result.message, now=NOW, authenticate=accept_any)
    assert isinstance(event, CommitApplied)
    assert event.removed_self
    assert not after.is_active
    with pytest.raises(NotMember):
        after.process(message, now=NOW, authenticate=accept_any)
    with pytest.raises(NotMember):
        after.encrypt(b"x", now=NOW)


@both_suites
def test_proposals_by_reference_from_two_members(suite: int) -> None:
    world = World.of(suite, "ana", "ben", "cyd", "dan")
    fay = Client.new(world.suite, "fay")
    world.groups["ben"], update = world.groups["ben"].propose_update()
    world.share("ben", update)
    world.groups["cyd"], removal = world.groups["cyd"].propose(Remove(world.groups["dan"].own_leaf), now=NOW)
    world.share("cyd", removal)
    world.groups["ana"], addition = world.groups["ana"].propose(fay.add, now=NOW)
    world.share("ana", addition)
    result = world.commit("cyd")
    assert [m.credential.identity for m in result.applied.added] == [b"fay"]
    assert [m.credential.identity for m in result.applied.removed] == [b"dan"]
    assert [m.credential.identity for m in result.applied.updated] == [b"ben"]
    assert result.welcome is not None
    world.groups["fay"] = Group.join(result.welcome, fay.bundle, fay.signer, authenticate=accept_any)
    world.check_agreement()
    for name in list(world.groups):
        world.send(name, b"after")
        world.commit(name)


def test_rival_proposals_are_sorted_out_by_the_committer() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    world.groups["ben"], update = world.groups["ben"].propose_update()
    world.share("ben", update)
    world.groups["cyd"], removal = world.groups["cyd"].propose(Remove(world.groups["ben"].own_leaf), now=NOW)
    world.share("cyd", removal)
    world.commit("ana")
    assert set(world.groups) == {"ana", "cyd"}


def test_commit_race_the_loser_rebases() -> None:
    world = World.of(0xF00D, "ana", "ben", "cyd")
    dan, eve = Client.new(world.suite, "dan"), Client.new(world.suite, "eve")
    lost = world.groups["ben"].commit([eve.add], now=NOW)
    won = world.commit("ana", dan.add)
    with pytest.raises(WrongEpoch):
        world.groups["ana"].process(lost.message, now=NOW, authenticate=accept_any)
    assert won.welcome is not None
    world.groups["dan"] = Group.join(won.welcome, dan.bundle, dan.signer, authenticate=accept_any)
    again = world.commit("ben", eve.add)
    assert again.welcome is not None
    world.groups["eve"] = Group.join(again.welcome, eve.bundle, eve.signer, authenticate=accept_any)
    world.check_agreement()


def test_late_messages_of_two_past_epochs_open_and_no_older_ones() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    late = []
    for number in range(3):
        world.groups["ana"], message = world.groups["ana"].encrypt(b"%d" % number, now=NOW)
        late.append(message)
        world.commit("cyd")
    with pytest.raises(WrongEpoch) as caught:
        world.open("ben", late[0])
    assert not caught.value.ahead
    assert [world.open("ben", m).data for m in late[1:]] == [b"1", b"2"]


def test_past_epochs_end_after_a_day() -> None:
    world = World.of(1, "ana", "ben")
    world.groups["ana"], message = world.groups["ana"].encrypt(b"late", now=NOW)
    world.commit("ben")
    with pytest.raises(WrongEpoch):
        world.groups["ben"].process(message, now=NOW + PAST_EPOCH_SECONDS, authenticate=accept_any)
    assert world.open("ben", message).data == b"late"


def test_a_late_message_of_someone_since_removed_opens_as_theirs() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    cyd = world.groups["cyd"]
    _, message = cyd.encrypt(b"my last word", now=NOW)
    world.commit("ana", Remove(cyd.own_leaf))
    world.add("ana", "new")
    received = world.open("ben", message)
    assert received.sender_member.credential.identity == b"cyd"


def test_messages_out_of_order_within_the_window() -> None:
    world = World.of(1, "ana", "ben")
    messages = []
    for number in range(50):
        world.groups["ana"], message = world.groups["ana"].encrypt(b"%d" % number, now=NOW)
        messages.append(message)
    for number in (49, 0, 25, 1, 48):
        assert world.open("ben", messages[number]).data == b"%d" % number
    with pytest.raises(AlreadyConsumed):
        world.open("ben", messages[25])


def test_too_many_skipped_generations_are_refused() -> None:
    world = World.of(1, "ana", "ben")
    for _ in range(MAX_SKIPPED_GENERATIONS + 2):
        world.groups["ana"], message = world.groups["ana"].encrypt(b"", now=NOW)
    before = world.groups["ben"].to_bytes()
    with pytest.raises(AlreadyConsumed):
        world.open("ben", message)
    assert world.groups["ben"].to_bytes() == before


def test_own_messages_are_not_processed() -> None:
    world = World.of(1, "ana", "ben")
    world.groups["ana"], message = world.groups["ana"].encrypt(b"mine", now=NOW)
    with pytest.raises(MLSError):
        world.open("ana", message)


@both_suites
def test_state_survives_storing(suite: int) -> None:
    world = World.of(suite, "ana", "ben", "cyd", "dan", "eve")
    world.groups["ana"], late = world.groups["ana"].encrypt(b"late", now=NOW)
    world.groups["ben"], update = world.groups["ben"].propose_update()
    world.share("ben", update)
    for name, group in world.groups.items():
        stored = Group.from_bytes(group.to_bytes())
        assert stored.to_bytes() == group.to_bytes()
        world.groups[name] = Group.from_parts(stored.shared_bytes(), stored.secret_bytes())
    world.commit("dan")
    assert world.open("eve", late).data == b"late"
    for name in list(world.groups):
        world.send(name, b"x")
        world.commit(name)


def test_parts_of_different_epochs_are_refused() -> None:
    world = World.of(1, "ana", "ben")
    shared = world.groups["ana"].shared_bytes()
    world.commit("ben")
    with pytest.raises(MalformedMessage):
        Group.from_parts(shared, world.groups["ana"].secret_bytes())


def test_any_flipped_byte_is_refused_and_changes_nothing() -> None:
    world = World.of(1, "ana", "ben")
    ben = world.groups["ben"]
    before = ben.to_bytes()
    _, application = world.groups["ana"].encrypt(b"hello", now=NOW, padding=16)
    commit = world.groups["ana"].commit([], now=NOW).message
    for message in (application, commit):
        for at in range(0, len(message), 3):
            forged = bytearray(message)
            forged[at] ^= 0x40
            with pytest.raises(MLSError):
                ben.process(bytes(forged), now=NOW, authenticate=accept_any)
    assert ben.to_bytes() == before


def test_a_member_cannot_speak_for_another() -> None:
    """Ana knows all secrets of the epoch; only Ben's signature key makes a message Ben's."""
    world = World.of(1, "ana", "ben", "cyd")
    from dataclasses import replace

    state = world.groups["ana"]._state
    forged = Group(replace(state, own_leaf=world.groups["ben"].own_leaf))
    _, message = forged.encrypt(b"I am ben", now=NOW)
    with pytest.raises(InvalidMessage):
        world.open("cyd", message)


def test_authenticate_may_refuse_a_leaf() -> None:
    class NotOurs(Exception):
        pass

    def refuse(credential: Credential, signature_key: bytes) -> None:
        if credential.identity == b"mallory":
            raise NotOurs

    world = World.of(1, "ana", "ben")
    mallory = Client.new(world.suite, "mallory")
    result = world.groups["ana"].commit([mallory.add], now=NOW)
    before = world.groups["ben"].to_bytes()
    with pytest.raises(NotOurs):
        world.groups["ben"].process(result.message, now=NOW, authenticate=refuse)
    assert world.groups["ben"].to_bytes() == before
    assert result.welcome is not None
    with pytest.raises(NotOurs):
        Group.join(result.welcome, mallory.bundle, mallory.signer, authenticate=refuse)


def test_welcome_only_for_its_key_package() -> None:
    world = World.of(1, "ana")
    ben, cyd = Client.new(world.suite, "ben"), Client.new(world.suite, "cyd")
    result = world.groups["ana"].commit([ben.add], now=NOW)
    assert result.welcome is not None
    assert welcome_refs(result.welcome) == [ben.bundle.ref]
    with pytest.raises(InvalidMessage):
        Group.join(result.welcome, cyd.bundle, cyd.signer, authenticate=accept_any)
    forged = bytearray(result.welcome)
    forged[-1] ^= 1
    with pytest.raises(InvalidMessage):
        Group.join(bytes(forged), ben.bundle, ben.signer, authenticate=accept_any)


def test_key_packages_out_of_time_or_forged_are_not_added() -> None:
    world = World.of(1, "ana")
    ben = Client.new(world.suite, "ben")
    with pytest.raises(InvalidMessage):
        world.groups["ana"].commit([ben.add], now=NOW + 91 * DAY)
    package = ben.add.key_package
    from dataclasses import replace

    other = Client.new(world.suite, "eve")
    stolen = replace(package, init_key=other.bundle.key_package.init_key)
    with pytest.raises(InvalidMessage):
        world.groups["ana"].commit([Add(stolen)], now=NOW)


def test_the_same_client_is_not_added_twice() -> None:
    world = World.of(1, "ana")
    ben = Client.new(world.suite, "ben")
    with pytest.raises(InvalidMessage):
        world.groups["ana"].commit([ben.add, ben.add], now=NOW)
    result = world.commit("ana", ben.add)
    assert result.welcome is not None
    with pytest.raises(InvalidMessage):
        world.groups["ana"].commit([ben.add], now=NOW)


def test_remove_and_add_in_one_commit() -> None:
    """How a device that lost its place comes back."""
    world = World.of(0xF00D, "ana", "ben", "cyd")
    again = Client.new(world.suite, "ben")
    lost = world.groups.pop("ben")
    result = world.commit("ana", Remove(lost.own_leaf), again.add)
    assert result.welcome is not None
    world.groups["ben"] = Group.join(result.welcome, again.bundle, again.signer, authenticate=accept_any)
    world.send("ben", b"back")


def test_group_extensions_are_agreed_on_and_can_change() -> None:
    suite, kind = cipher_suite(1), 0xF0C4
    capabilities = default_capabilities((kind,))
    signers = [suite.generate_signature_key() for _ in range(2)]
    first, second = Extension(kind, b"first"), Extension(kind, b"second")
    ana = Group.create(
        suite,
        b"g" * 16,
        signers[0],
        Credential.basic(b"ana"),
        now=NOW,
        extensions=[first],
        capabilities=capabilities,
    )
    bundle = create_key_package(
        suite,
        signers[1],
        Credential.basic(b"ben"),
        not_before=NOW,
        not_after=NOW + 1,
        capabilities=capabilities,
    )
    result = ana.commit([Add(bundle.key_package)], now=NOW)
    assert result.welcome is not None
    ben = Group.join(result.welcome, bundle, signers[1], authenticate=accept_any)
    assert ben.extensions == (first,)
    changed = ben.commit([SetExtensions((second,))], now=NOW)
    ana, event = result.group.process(changed.message, now=NOW, authenticate=accept_any)
    assert isinstance(event, CommitApplied)
    assert event.extensions_changed
    assert ana.extensions == (second,)
    with pytest.raises(InvalidMessage):  # a client that does not know the extension cannot come in
        ana.commit([Client.new(suite, "old").add], now=NOW)


def test_a_commit_of_an_unseen_proposal_is_refused() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    world.groups["ana"], proposal = world.groups["ana"].propose_update()
    world.groups["ben"], received = world.groups["ben"].process(proposal, now=NOW, authenticate=accept_any)
    assert isinstance(received, ProposalReceived)
    commit = world.groups["ben"].commit([], now=NOW)
    with pytest.raises(InvalidMessage):
        world.groups["cyd"].process(commit.message, now=NOW, authenticate=accept_any)


def test_nobody_commits_their_own_removal() -> None:
    world = World.of(1, "ana", "ben")
    with pytest.raises(InvalidMessage):
        world.groups["ana"].commit([Remove(0)], now=NOW)
    with pytest.raises(InvalidMessage):
        world.groups["ana"].commit([Remove(7)], now=NOW)


def test_peek_tells_group_epoch_and_kind() -> None:
    world = World.of(1, "ana", "ben")
    _, message = world.groups["ana"].encrypt(b"x", now=NOW)
    seen = peek(message)
    assert (seen.group_id, seen.epoch) == (world.groups["ana"].group_id, 1)
    assert seen.content_type is not None
    assert seen.content_type.name == "APPLICATION"


@both_suites
def test_a_commit_adopted_late_spends_the_keys_that_were_used_meanwhile(suite: int) -> None:
    world = World.of(suite, "ana", "ben")
    _, opened_before = world.groups["ben"].encrypt(b"first", now=NOW)
    pending = world.groups["ana"].commit(now=NOW)
    world.groups["ana"], mine = world.groups["ana"].encrypt(b"while it is under way", now=NOW)
    assert world.open("ana", opened_before).data == b"first"
    stale, fresh = pending.group, pending.group.carry_over(world.groups["ana"])
    # The control: without it the key is still there, and a replay would be taken for a message.
    stale.process(opened_before, now=NOW, authenticate=accept_any)
    with pytest.raises(AlreadyConsumed):
        fresh.process(opened_before, now=NOW, authenticate=accept_any)
    assert world.open("ben", mine).data == b"while it is under way"
    assert fresh.epoch_authenticator == stale.epoch_authenticator
    with pytest.raises(InvalidMessage):
        fresh.carry_over(fresh)


def test_the_exporter_agrees_and_parts_by_label_context_and_epoch() -> None:
    world = World.of(1, "ana", "ben")
    ana, ben = world.groups["ana"], world.groups["ben"]
    assert ana.export("chappe lock", b"", 32) == ben.export("chappe lock", b"", 32)
    values = {ana.export(label, context, 32) for label in ("a", "b") for context in (b"", b"x")}
    world.commit("ana")
    values.add(world.groups["ana"].export("a", b"", 32))
    assert len(values) == 5


def test_no_key_shows_in_a_repr() -> None:
    world = World.of(1, "ana", "ben")
    ben = Client.new(world.suite, "ben")
    text = repr(world.groups["ana"]) + repr(world.groups["ana"]._state) + repr(ben) + repr(ben.bundle)
    state = world.groups["ana"]._state
    for secret in (
        state.signer.private,
        state.secrets.init_secret,
        ben.bundle.init_private,
        *state.private_keys.values(),
    ):
        assert repr(secret) not in text
        assert secret.hex() not in text
