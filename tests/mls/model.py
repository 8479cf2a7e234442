"""Clients of one group and the relay that puts their commits in order, with what each of them should see.

The model knows nothing of keys. It knows who was a member in which epoch, which messages a client has opened
and until when a client keeps an epoch that is over; from that it says what the engine must do with a message.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random

import pytest

from chappe.mls import (
    Add,
    AlreadyConsumed,
    ApplicationMessage,
    CipherSuite,
    CommitApplied,
    CommitResult,
    Credential,
    Extension,
    Group,
    InvalidMessage,
    KeyPackageBundle,
    MLSError,
    NotMember,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ProposalReceived,
    ProposalsPending,
    Remove,
    SetExtensions,
    SignatureKey,
    WireFormat,
    WrongEpoch,
    accept_any,
    cipher_suite,
    create_key_package,
    default_capabilities,
    welcome_refs,
)
from chappe.mls.state import MAX_PAST_EPOCHS, PAST_EPOCH_SECONDS
from tests.mls.world import DAY, NOW

KIND = 0xF0C4
"""An extension type of the application, which every client supports."""
CAPABILITIES = default_capabilities((KIND,))
PSKS = {b"word": b"a secret that all were told"}
MOST = 8
"""Members, at most."""


@dataclass(eq=False)
class Sent:
    """An application message that is on its way for as long as anybody cares to deliver it."""

    data: bytes
    aad: bytes
    message: bytes
    sender: Peer
    leaf: int
    epoch: int


@dataclass(frozen=True)
class Intent:
    """What a commit is to do, told without leaf indices so that it can be tried again in a later epoch."""

    adds: tuple[Peer, ...] = ()
    removes: tuple[str, ...] = ()
    psk: bool = False
    extension: bytes | None = None
    path: bool = True
    public: bool = False


@dataclass(eq=False)
class Made:
    """A commit that its author has not adopted. `accepted`: what the relay said; None as yet."""

    result: CommitResult
    epoch: int
    intent: Intent
    ends: dict[int, int]
    removed: frozenset[str]
    accepted: bool | None = None


@dataclass(eq=False)
class Proposed:
    message: bytes
    by: Peer
    public: bool


@dataclass(eq=False)
class Step:
    """The commit that took the group from `epoch` to the next, as the relay hands it out."""

    message: bytes
    epoch: int
    by: Peer


@dataclass(eq=False)
class Peer:
    """One client. `ends`: the epochs over that it still opens messages of, and until when."""

    name: str
    signer: SignatureKey
    bundle: KeyPackageBundle
    stubborn: bool = False
    group: Group | None = None
    welcome: bytes | None = None
    made: Made | None = None
    lost: Intent | None = None
    opened: set[Sent] = field(default_factory=set)
    seen: set[Proposed] = field(default_factory=set)
    ends: dict[int, int] = field(default_factory=dict)
    checked: Group | None = None

    @property
    def credential(self) -> Credential:
        return Credential.basic(self.name.encode())

    @property
    def here(self) -> Group:
        assert self.group is not None
        return self.group


def moved(ends: dict[int, int], epoch: int, now: int) -> dict[int, int]:
    """Which past epochs a client keeps once it leaves `epoch`."""
    kept = [(e, until) for e, until in {**ends, epoch: now + PAST_EPOCH_SECONDS}.items() if until > now]
    return dict(kept[-MAX_PAST_EPOCHS:])


class Model:
    """Everything that was sent, and what should come of it."""

    def __init__(self, suite: int, seed: int) -> None:
        self.suite: CipherSuite = cipher_suite(suite)
        self.rng = Random(seed)
        self.now = NOW
        self.head = 0
        self.steps: dict[int, Step] = {}
        self.late: list[tuple[int, bytes]] = []
        self.proposals: dict[int, list[Proposed]] = {0: []}
        self.members: dict[int, frozenset[Peer]] = {}
        self.agreed: dict[int, tuple[object, ...]] = {}
        self.sent: list[Sent] = []
        self.peers: list[Peer] = []
        self.counter = 0

    # Clients ----------------------------------------------------------------------------------------

    def random(self, length: int) -> bytes:
        return self.rng.randbytes(length)

    def client(self, name: str | None = None, signer: SignatureKey | None = None) -> Peer:
        """One more client, in no group yet. Some never accept that they were put out."""
        self.counter += 1
        signer = signer or self.suite.signature_key(self.random(32))
        name = name or f"peer{self.counter}"
        bundle = create_key_package(
            self.suite,
            signer,
            Credential.basic(name.encode()),
            not_before=NOW - DAY,
            not_after=NOW + 300 * DAY,
            capabilities=CAPABILITIES,
            random=self.random,
        )
        peer = Peer(name, signer, bundle, stubborn=self.rng.random() < 0.3)
        self.peers.append(peer)
        return peer

    def found(self) -> Peer:
        peer = self.client()
        peer.group = Group.create(
            self.suite,
            b"the group's id!!",
            peer.signer,
            peer.credential,
            now=self.now,
            capabilities=CAPABILITIES,
            random=self.random,
        )
        self.members[0] = frozenset({peer})
        return peer

    def present(self) -> frozenset[Peer]:
        """The members of the newest epoch."""
        return self.members[self.head]

    # Refusals ---------------------------------------------------------------------------------------

    def refused(self, peer: Peer, message: bytes, kind: type[MLSError] = MLSError) -> None:
        """The engine refuses the message, and the client is as it was."""
        before = peer.here.to_bytes()
        with pytest.raises(kind):
            peer.here.process(message, now=self.now, authenticate=accept_any, psks=PSKS)
        assert peer.here.to_bytes() == before

    # Application messages ---------------------------------------------------------------------------

    def send(self, peer: Peer, aad: bytes, padding: int) -> Sent | None:
        group, data = peer.here, b"message %d" % len(self.sent)
        why = NotMember if not group.is_active else ProposalsPending if group.pending_proposals else None
        if why is not None:
            with pytest.raises(why):
                group.encrypt(data, now=self.now)
            return None
        peer.group, message = group.encrypt(
            data, now=self.now, authenticated_data=aad, padding=padding, random=self.random
        )
        sent = Sent(data, aad, message, peer, group.own_leaf, group.epoch)
        self.sent.append(sent)
        return sent

    def expected(self, peer: Peer, sent: Sent) -> type[MLSError] | None:
        """Why the engine must refuse the message; None where it must open it."""
        group = peer.here
        if not group.is_active:
            return NotMember
        past = sent.epoch < group.epoch and peer.ends.get(sent.epoch, 0) <= self.now
        if sent.epoch > group.epoch or past:
            return WrongEpoch
        if sent.sender is peer:
            return InvalidMessage
        return AlreadyConsumed if sent in peer.opened else None

    def deliver(self, peer: Peer, sent: Sent) -> None:
        why = self.expected(peer, sent)
        if why is not None:
            self.refused(peer, sent.message, why)
            return
        peer.group, got = peer.here.process(sent.message, now=self.now, authenticate=accept_any)
        peer.opened.add(sent)
        assert isinstance(got, ApplicationMessage)
        assert (got.data, got.authenticated_data) == (sent.data, sent.aad)
        assert (got.sender, got.epoch) == (sent.leaf, sent.epoch)
        assert got.sender_member.credential == sent.sender.credential
        self.refused(peer, sent.message, AlreadyConsumed)

    def pretend(self, peer: Peer, sent: Sent) -> None:
        """A client out of an epoch that claims to be in it opens nothing with the secrets that it has."""
        if peer in self.members[sent.epoch] or not peer.here.is_active:
            return
        state = peer.here._state
        claimed = Group(replace(state, context=replace(state.context, epoch=sent.epoch)))
        with pytest.raises(MLSError):
            claimed.process(sent.message, now=self.now, authenticate=accept_any)

    # Proposals --------------------------------------------------------------------------------------

    def propose(self, peer: Peer, proposal: Proposal | None, public: bool) -> None:
        """`None`: an Update. Only members of the newest epoch are asked: nobody wants an old proposal."""
        form = WireFormat.PUBLIC_MESSAGE if public else WireFormat.PRIVATE_MESSAGE
        if proposal is None:
            peer.group, message = peer.here.propose_update(wire_format=form, random=self.random)
        else:
            peer.group, message = peer.here.propose(
                proposal, wire_format=form, random=self.random, now=self.now
            )
        self.proposals[self.head].append(Proposed(message, peer, public))

    def take_proposal(self, peer: Peer, proposed: Proposed) -> None:
        if proposed.by is peer or proposed in peer.seen:
            return
        peer.group, got = peer.here.process(proposed.message, now=self.now, authenticate=accept_any)
        peer.seen.add(proposed)
        assert isinstance(got, ProposalReceived)
        assert got.sender.index in {m.leaf_index for m in peer.here.members}

    def take_proposals(self, peer: Peer) -> None:
        for proposed in self.proposals[peer.here.epoch]:
            self.take_proposal(peer, proposed)

    # Commits ----------------------------------------------------------------------------------------

    def proposals_of(self, group: Group, intent: Intent) -> list[Proposal]:
        """The intent's proposals as far as they make sense in this epoch."""
        there = {m.credential.identity.decode(): m.leaf_index for m in group.members}
        out: list[Proposal] = []
        gone = [there[n] for n in intent.removes if n in there and there[n] != group.own_leaf]
        out += [Remove(leaf) for leaf in gone]
        room = MOST - len(there) + len(gone)
        news = [p for p in intent.adds if p.name not in there and p.group is None and p.made is None]
        out += [Add(p.bundle.key_package) for p in news[: max(0, room)]]
        if intent.psk:
            out.append(PreSharedKey(PreSharedKeyID.external(b"word", self.random(self.suite.nh))))
        if intent.extension is not None:
            out.append(SetExtensions((Extension(KIND, intent.extension),)))
        return out

    def make(self, peer: Peer, intent: Intent) -> None:
        """A commit that waits for the relay's word."""
        group = peer.here
        result = group.commit(
            self.proposals_of(group, intent),
            now=self.now,
            update_path=intent.path,
            wire_format=WireFormat.PUBLIC_MESSAGE if intent.public else WireFormat.PRIVATE_MESSAGE,
            psks=PSKS,
            random=self.random,
        )
        removed = frozenset(m.credential.identity.decode() for m in result.applied.removed)
        peer.made = Made(result, group.epoch, intent, moved(peer.ends, group.epoch, self.now), removed)

    def make_external(self, host: Peer, peer: Peer, *, resync: bool) -> None:
        """A commit by which a client comes in, or in again."""
        result = Group.join_by_commit(
            host.here.group_info(),
            peer.signer,
            peer.credential,
            authenticate=accept_any,
            resync=resync,
            capabilities=CAPABILITIES,
            random=self.random,
        )
        removed = frozenset({peer.name}) if resync else frozenset()
        peer.made = Made(result, host.here.epoch, Intent(), {}, removed)

    def settle(self, peer: Peer) -> None:
        """The relay takes the first commit of an epoch and no other."""
        made = peer.made
        if made is None or made.accepted is not None:
            return
        made.accepted = made.epoch == self.head
        if not made.accepted:
            self.late.append((made.epoch, made.result.message))
            return
        added = frozenset(self._invited(made.result.welcome))
        stay = frozenset(p for p in self.present() if p.name not in made.removed)
        self.steps[self.head] = Step(made.result.message, self.head, peer)
        self.head += 1
        self.members[self.head] = stay | added | {peer}
        self.proposals[self.head] = []

    def _invited(self, welcome: bytes | None) -> list[Peer]:
        if welcome is None:
            return []
        refs = set(welcome_refs(welcome))
        invited = [p for p in self.peers if p.bundle.ref in refs]
        for peer in invited:
            peer.welcome = welcome
        return invited

    def join(self, peer: Peer) -> None:
        """Follow a Welcome, however late."""
        if peer.welcome is None or peer.group is not None:
            return
        peer.group = Group.join(peer.welcome, peer.bundle, peer.signer, authenticate=accept_any, psks=PSKS)
        peer.made = peer.lost = None

    def adopt(self, peer: Peer) -> None:
        """The author learns what the relay said."""
        made = peer.made
        if made is None or made.accepted is None:
            return
        peer.made = None
        if not made.accepted:
            peer.lost = made.intent
        elif peer.group is None:
            peer.group = made.result.group
        else:
            kept = {*peer.ends, made.epoch}
            peer.group = made.result.group.carry_over(peer.group)
            peer.ends = {e: until for e, until in made.ends.items() if e in kept}

    def follow(self, peer: Peer) -> None:
        """The next commit in the relay's order."""
        if peer.group is None or not peer.group.is_active or peer.group.epoch == self.head:
            return
        step = self.steps[peer.group.epoch]
        if step.by is peer:
            self.refused(peer, step.message)
            self.adopt(peer)
            return
        stays = peer in self.members[step.epoch + 1]
        if peer.stubborn and not stays:
            return
        self.take_proposals(peer)
        peer.group, event = peer.here.process(step.message, now=self.now, authenticate=accept_any, psks=PSKS)
        self._check_event(peer, step, event)
        peer.ends = moved(peer.ends, step.epoch, self.now)
        if peer.made is not None and peer.made.accepted is None:
            self.settle(peer)
        self.adopt(peer)

    def _check_event(self, peer: Peer, step: Step, event: object) -> None:
        before, after = self.members[step.epoch], self.members[step.epoch + 1]
        assert isinstance(event, CommitApplied)
        assert event.epoch == step.epoch + 1
        assert event.removed_self is (peer not in after)
        assert peer.here.is_active is (peer in after)
        assert {m.credential.identity.decode() for m in event.removed} == {p.name for p in before - after}
        if peer in after:
            assert event.committer is not None
            assert event.committer.credential == step.by.credential
            assert {m.credential.identity.decode() for m in event.added} == {p.name for p in after - before}

    def catch_up(self, peer: Peer) -> None:
        self.join(peer)
        for _ in range(self.head + 1):
            self.follow(peer)

    # What always holds ------------------------------------------------------------------------------

    def check(self, peer: Peer) -> None:
        """Agreement with everybody who is or was in this epoch; a stored form that comes back as it was."""
        group = peer.group
        if group is None or group is peer.checked:
            return
        peer.checked = group
        stored = group.to_bytes()
        assert Group.from_bytes(stored).to_bytes() == stored
        assert Group.from_parts(group.shared_bytes(), group.secret_bytes()).to_bytes() == stored
        if not group.is_active:
            return
        view = (
            group.epoch_authenticator,
            tuple(group.members),
            group.extensions,
            group.export("machine", b"", 32),
        )
        assert self.agreed.setdefault(group.epoch, view) == view
        names = sorted(m.credential.identity.decode() for m in group.members)
        assert names == sorted(p.name for p in self.members[group.epoch])
