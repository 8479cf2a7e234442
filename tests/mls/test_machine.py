"""A group under everything that may happen to it, in any order that hypothesis thinks of.

Clients found, join late, commit, race, lose and rebase, crash and come back, lag behind, are put out and keep
trying; messages come late, out of order, again, or forged. tests/mls/model.py says what must come of it.

    pytest tests/mls/test_machine.py                                  bounded, as in CI
    CHAPPE_MACHINE_EXAMPLES=1000 pytest tests/mls/test_machine.py     as long as it takes

Randomness is seeded, but for the HPKE encapsulation inside `cryptography`: a failure replays.
"""

from __future__ import annotations

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from hypothesis.stateful import MultipleResults as Several

from chappe.mls import (
    Add,
    AlreadyConsumed,
    Extension,
    Group,
    InvalidMessage,
    MLSError,
    NotMember,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    Remove,
    SetExtensions,
    accept_any,
)
from tests.mls.model import KIND, MOST, Intent, Model, Peer, Sent

EXAMPLES = int(os.environ.get("CHAPPE_MACHINE_EXAMPLES", "40"))
STEPS = 50 if EXAMPLES <= 100 else 100

suites = st.sampled_from([0x0001] * 5 + [0xF00D])
some = st.integers(0, 30)
intents = st.builds(
    lambda adds, removes, psk, extension, path, public: (adds, removes, psk, extension, path, public),
    st.sampled_from([0, 1, 2, 3]),
    st.sampled_from([0, 0, 0, 1, 2]).flatmap(lambda n: st.lists(some, min_size=n, max_size=n)),
    st.sampled_from([False, False, True]),
    st.sampled_from([None, None, b"one", b"two"]),
    st.booleans(),
    st.booleans(),
)
Wish = tuple[int, list[int], bool, bytes | None, bool, bool]


class Machine(RuleBasedStateMachine):
    peers: Bundle[Peer] = Bundle("peers")
    messages: Bundle[Sent] = Bundle("messages")

    # Coming in --------------------------------------------------------------------------------------

    @initialize(target=peers, suite=suites, seed=st.integers(0, 2**32), others=st.integers(1, 7))
    def found(self, suite: int, seed: int, others: int) -> Several[Peer]:
        self.model = Model(suite, seed)
        founder = self.model.found()
        clients = tuple(self.model.client() for _ in range(others))
        self.model.make(founder, Intent(adds=clients))
        self.model.settle(founder)
        self.model.adopt(founder)
        for client in clients:
            self.model.join(client)
        return multiple(founder, *clients)

    @rule(target=peers)
    def newcomer(self) -> Several[Peer]:
        waiting = [p for p in self.model.peers if p.group is None]
        return multiple() if len(waiting) > 3 else multiple(self.model.client())

    @rule(peer=peers)
    def join(self, peer: Peer) -> None:
        self.model.join(peer)

    @rule(target=peers, by=some, old=peers, fresh=st.booleans(), now=st.booleans())
    def come_in_by_commit(self, by: int, old: Peer, fresh: bool, now: bool) -> Several[Peer]:
        """A client that waits, or one that lost its state and takes its own old place."""
        hosts = [p for p in self.model.peers if self._is_current(p)]
        if not hosts or old.made is not None or (old.group is None and old.welcome is not None):
            return multiple()
        host = hosts[by % len(hosts)]
        if old.group is None and old.name not in {p.name for p in self.model.present()}:
            return self._by_commit(host, old, now, resync=False) if self._room() else multiple()
        again = self.model.client(old.name, None if fresh else old.signer)
        if old not in self.model.present():
            if old.name not in {p.name for p in self.model.present()}:
                with pytest.raises(InvalidMessage):
                    self.model.make_external(host, again, resync=True)
            return multiple()
        return self._by_commit(host, again, now, resync=True)

    def _by_commit(self, host: Peer, peer: Peer, now: bool, *, resync: bool) -> Several[Peer]:
        self.model.make_external(host, peer, resync=resync)
        if now:
            self.model.settle(peer)
            self.model.adopt(peer)
        return multiple(peer) if resync else multiple()

    def _room(self) -> bool:
        return len(self.model.present()) < MOST

    def _is_current(self, peer: Peer) -> bool:
        group = peer.group
        return group is not None and group.is_active and group.epoch == self.model.head

    # Commits ----------------------------------------------------------------------------------------

    def _intent(self, wish: Wish) -> Intent:
        adds, removes, psk, extension, path, public = wish
        waiting = [p for p in self.model.peers if p.group is None and p.made is None]
        names = sorted(p.name for p in self.model.present())
        gone = {names[n % len(names)] for n in removes} if len(names) > 2 else set()
        return Intent(tuple(waiting[:adds]), tuple(sorted(gone)), psk, extension, path, public)

    def _make(self, peer: Peer, intent: Intent) -> bool:
        if peer.group is None or peer.made is not None:
            return False
        if not peer.group.is_active:
            with pytest.raises(NotMember):
                peer.group.commit(now=self.model.now)
            return False
        self.model.make(peer, intent)
        return True

    @rule(peer=peers, wish=intents, far=st.integers(0, 2))
    def commit(self, peer: Peer, wish: Wish, far: int) -> None:
        """Made only; made and decided on; made, decided on and adopted."""
        if self._make(peer, self._intent(wish)) and far:
            self.model.settle(peer)
            if far == 2:
                self.model.adopt(peer)

    @rule(one=peers, other=peers, wish=intents, wish2=intents, crash=st.booleans())
    def race(self, one: Peer, other: Peer, wish: Wish, wish2: Wish, crash: bool) -> None:
        """Two commit at once; the loser follows the winner and does again what it was about to do."""
        for peer in (one, other):
            self.model.catch_up(peer)
        if one is other or not (self._is_current(one) and self._is_current(other)):
            return
        self._make(one, self._intent(wish))
        self._make(other, self._intent(wish2))
        if crash:
            self.crash(one, True)
            self.crash(other, False)
        for peer in (one, other):
            self.model.settle(peer)
        self.model.adopt(one)
        self.rebase(other)

    @rule(peer=peers, talker=peers, wish=intents, crash=st.booleans(), skip=st.integers(0, 3))
    def go_on_meanwhile(self, peer: Peer, talker: Peer, wish: Wish, crash: bool, skip: int) -> None:
        """While a commit is under way its author sends and opens messages; their keys stay spent after it."""
        for one in (peer, talker):
            self.model.settle(one)
            self.model.adopt(one)
            self.model.catch_up(one)
        if peer is talker or not (self._is_current(peer) and self._is_current(talker)):
            return
        self.model.take_proposals(talker)
        sent = [self.model.send(talker, b"", 0) for _ in range(4)]
        if not self._make(peer, self._intent(wish)):
            return
        mine = self.model.send(peer, b"", 0)
        there = [s for s in sent if s is not None]
        for message in there[skip:]:
            self.model.deliver(peer, message)
        if crash:
            self.crash(peer, True)
        self.model.settle(peer)
        self.model.adopt(peer)
        for message in there:
            self.model.deliver(peer, message)
        if mine is not None:
            self.model.deliver(talker, mine)

    @rule(peer=peers)
    def rebase(self, peer: Peer) -> None:
        """The loser of a race follows what was accepted, and tries again."""
        self.model.settle(peer)
        self.model.adopt(peer)
        self.model.catch_up(peer)
        intent, peer.lost = peer.lost, None
        if intent is not None and self._is_current(peer) and self._make(peer, intent):
            self.model.settle(peer)
            self.model.adopt(peer)

    @rule(peer=peers)
    def settle(self, peer: Peer) -> None:
        self.model.settle(peer)

    @rule(peer=peers)
    def adopt(self, peer: Peer) -> None:
        self.model.adopt(peer)

    @rule(peer=peers)
    def follow(self, peer: Peer) -> None:
        self.model.follow(peer)

    @rule(peer=peers)
    def catch_up(self, peer: Peer) -> None:
        self.model.catch_up(peer)

    @rule()
    def all_catch_up(self) -> None:
        for peer in self.model.peers:
            self.model.settle(peer)
            self.model.adopt(peer)
            self.model.catch_up(peer)

    # Proposals --------------------------------------------------------------------------------------

    @rule(peer=peers, kind=st.sampled_from("uuuaarpx"), which=some, public=st.booleans())
    def propose(self, peer: Peer, kind: str, which: int, public: bool) -> None:
        if not self._is_current(peer):
            return
        proposal = self._proposal(kind, which)
        if proposal is not None or kind == "u":
            self.model.propose(peer, proposal, public)

    def _proposal(self, kind: str, which: int) -> Proposal | None:
        model = self.model
        if kind == "a":
            waiting = [p for p in model.peers if p.group is None and p.made is None and p.welcome is None]
            few = len(model.present()) < MOST - 2
            return Add(waiting[which % len(waiting)].bundle.key_package) if waiting and few else None
        if kind == "r":
            leaves = [m.leaf_index for p in model.peers if self._is_current(p) for m in p.here.members]
            return Remove(leaves[which % len(leaves)]) if len(model.present()) > 3 else None
        if kind == "p":
            return PreSharedKey(PreSharedKeyID.external(b"word", model.random(model.suite.nh)))
        return SetExtensions((Extension(KIND, b"%d" % which),)) if kind == "x" else None

    @rule(peer=peers)
    def take_proposals(self, peer: Peer) -> None:
        if peer.group is not None and peer.group.is_active:
            self.model.take_proposals(peer)

    # Messages ---------------------------------------------------------------------------------------

    @rule(target=messages, peer=peers, aad=st.binary(max_size=3), padding=st.integers(0, 64))
    def send(self, peer: Peer, aad: bytes, padding: int) -> Several[Sent]:
        sent = self.model.send(peer, aad, padding) if peer.group is not None else None
        return multiple() if sent is None else multiple(sent)

    @rule(target=messages, peer=peers, count=st.integers(2, 8))
    def send_many(self, peer: Peer, count: int) -> Several[Sent]:
        sent = [self.model.send(peer, b"", 0) for _ in range(count)] if peer.group is not None else []
        return multiple(*[s for s in sent if s is not None])

    @rule(peer=peers, sent=messages)
    def deliver(self, peer: Peer, sent: Sent) -> None:
        if peer.group is not None:
            self.model.deliver(peer, sent)

    @rule(sent=messages, skip=some)
    def deliver_to_all(self, sent: Sent, skip: int) -> None:
        """To all but one, who gets it later or never."""
        for number, peer in enumerate(self.model.peers):
            if peer.group is not None and number != skip:
                self.model.deliver(peer, sent)

    # What must not work -----------------------------------------------------------------------------

    @rule(peer=peers, sent=messages)
    def pretend(self, peer: Peer, sent: Sent) -> None:
        if peer.group is not None:
            self.model.pretend(peer, sent)

    @rule(peer=peers, which=some, at=st.integers(0, 2**16), bit=st.integers(0, 7))
    def forge(self, peer: Peer, which: int, at: int, bit: int) -> None:
        """One bit of anything that was ever sent."""
        model = self.model
        everything = [s.message for s in model.sent] + [s.message for s in model.steps.values()]
        everything += [p.message for of_epoch in model.proposals.values() for p in of_epoch]
        if peer.group is None or not everything:
            return
        forged = bytearray(everything[-1 - which % len(everything)])
        forged[at % len(forged)] ^= 1 << bit
        model.refused(peer, bytes(forged))

    @rule(peer=peers)
    def replay_the_handshake(self, peer: Peer) -> None:
        """Commits that are not the next one, and proposals once more."""
        model = self.model
        if peer.group is None:
            return
        for step in model.steps.values():
            if step.epoch != peer.here.epoch:
                model.refused(peer, step.message)
        for epoch, message in model.late:
            if epoch != peer.here.epoch:
                model.refused(peer, message)
        for epoch, of_epoch in model.proposals.items():
            for proposed in of_epoch:
                if epoch != peer.here.epoch or not peer.here.is_active or proposed.by is peer:
                    self._again_refused(peer, proposed.message, own=proposed.by is peer)
                elif proposed in peer.seen and not proposed.public:
                    model.refused(peer, proposed.message, AlreadyConsumed)

    def _again_refused(self, peer: Peer, message: bytes, *, own: bool) -> None:
        """An own proposal that comes back in the clear is known, and changes nothing."""
        before = peer.here.to_bytes()
        try:
            after, _ = peer.here.process(message, now=self.model.now, authenticate=accept_any)
        except MLSError:
            after = peer.here
        else:
            assert own
        assert after.to_bytes() == before

    # The world --------------------------------------------------------------------------------------

    @rule(peer=peers, whole=st.booleans())
    def crash(self, peer: Peer, whole: bool) -> None:
        """The process ends; what was stored is all that is left, a commit under way included."""
        if peer.group is not None:
            peer.group = stored(peer.group, whole)
        if peer.made is not None:
            result = peer.made.result
            peer.made.result = replace(result, group=stored(result.group, whole))

    @rule(hours=st.sampled_from([1, 1, 9, 25]))
    def tick(self, hours: int) -> None:
        self.model.now += hours * 3600

    @invariant()
    def all_agree(self) -> None:
        for peer in self.model.peers if hasattr(self, "model") else ():
            self.model.check(peer)

    def teardown(self) -> None:
        """Everybody catches up, gets everything that was ever sent, and still talks to everybody."""
        if not hasattr(self, "model"):
            return
        self.all_catch_up()
        self.all_catch_up()
        for peer in self.model.peers:
            if peer.group is not None:
                for sent in self.model.sent:
                    self.model.deliver(peer, sent)
        self._everybody_still_talks()
        self.all_agree()

    def _everybody_still_talks(self) -> None:
        here = [p for p in self.model.peers if self._is_current(p)]
        assert here, "nobody is left in the newest epoch"
        self.model.take_proposals(here[0])
        self.model.make(here[0], Intent())
        self.all_catch_up()
        for peer in [p for p in here if self._is_current(p)]:
            sent = self.model.send(peer, b"", 0)
            assert sent is not None
            for other in here:
                self.model.deliver(other, sent)


def stored(group: Group, whole: bool) -> Group:
    """The group as it comes back from the disk."""
    if whole:
        return Group.from_bytes(group.to_bytes())
    return Group.from_parts(group.shared_bytes(), group.secret_bytes())


@pytest.mark.slow
@pytest.mark.timeout(0)
def test_a_group_under_everything_that_may_happen() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=EXAMPLES <= 100,
            suppress_health_check=list(HealthCheck),
        ),
    )
