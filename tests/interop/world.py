"""A group of members of both engines: what one sends, all others process, and all must agree."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from chappe.mls import (
    Add,
    ApplicationMessage,
    CipherSuite,
    CommitApplied,
    CommitResult,
    Credential,
    Group,
    KeyPackageBundle,
    Proposal,
    Remove,
    SignatureKey,
    accept_any,
    cipher_suite,
    create_key_package,
    parse_key_package,
)
from tests.interop.driver import TsApplication, TsCommit, TsCommitApplied, TsMls

DAY = 24 * 3600
GROUP = "g"
SUITES = (0x0001, 0x0003, 0xF00D)
"""Those that ts-mls serves here (node/client.mjs); the Python engine has more."""


def now() -> int:
    """The true time: ts-mls knows no other, and checks lifetimes against it."""
    return int(time.time())


@dataclass
class PyClient:
    """A client of the Python engine that is in no group yet."""

    signer: SignatureKey
    bundle: KeyPackageBundle

    @classmethod
    def new(cls, suite: CipherSuite, name: str) -> PyClient:
        signer = suite.generate_signature_key()
        bundle = create_key_package(
            suite,
            signer,
            Credential.basic(name.encode()),
            not_before=now() - DAY,
            not_after=now() + 30 * DAY,
        )
        return cls(signer, bundle)


@dataclass
class Mixed:
    """One group. A name that starts with "ts" is a client of ts-mls, any other one of the Python engine."""

    ts: TsMls
    suite: CipherSuite
    groups: dict[str, Group] = field(default_factory=dict)
    ts_members: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, ts: TsMls, suite_id: int, *names: str) -> Mixed:
        """The first founds the group and adds the others in one commit."""
        world = cls(ts, cipher_suite(suite_id))
        founder, group_id = names[0], b"group" * 4
        if is_ts(founder):
            ts.client(founder, suite=suite_id, identity=founder.encode())
            ts.create(founder, GROUP, group_id=group_id)
            world.ts_members.add(founder)
        else:
            signer, credential = world.suite.generate_signature_key(), Credential.basic(founder.encode())
            world.groups[founder] = Group.create(world.suite, group_id, signer, credential, now=now())
        if len(names) > 1:
            world.add(founder, *names[1:])
        return world

    @property
    def members(self) -> list[str]:
        return [*self.groups, *sorted(self.ts_members)]

    # Commits ----------------------------------------------------------------------------------------

    def add(self, by: str, *names: str) -> None:
        """All in one commit."""
        joiners = [self._joiner(name) for name in names]
        welcome = self.commit(by, add=[message for message, _ in joiners])
        assert welcome is not None
        for _, join in joiners:
            join(welcome)
        self.check_agreement()
        assert len(self.roster(by)) == len(self.members)

    def commit(
        self, by: str, *, add: Iterable[bytes] = (), remove: Iterable[str] = (), public: bool = False
    ) -> bytes | None:
        """What is given by value, what is pending by reference. Everybody processes it; gives the Welcome."""
        made = self.begin(by, add=add, remove=remove, public=public)
        for name in self.members:
            if name != by:
                self.process_commit(name, made.message)
        self.adopt(by, made)
        self.check_agreement()
        return made.welcome

    def begin(
        self, by: str, *, add: Iterable[bytes] = (), remove: Iterable[str] = (), public: bool = False
    ) -> CommitResult | TsCommit:
        """A commit that nobody has yet; `adopt` it once everybody does. `public` is for ts-mls only."""
        leaves = [self.leaf(name) for name in remove]
        if is_ts(by):
            return self.ts.commit(by, GROUP, add=list(add), remove=leaves, public=public)
        adds = [Add(parse_key_package(message)) for message in add]
        proposals: list[Proposal] = [*adds, *(Remove(leaf) for leaf in leaves)]
        return self.groups[by].commit(proposals, now=now())

    def adopt(self, by: str, made: CommitResult | TsCommit) -> None:
        if isinstance(made, CommitResult):
            self.groups[by] = made.group.carry_over(self.groups[by])
        else:
            self.ts.adopt(by, GROUP)

    def process_commit(self, name: str, message: bytes) -> None:
        """A member that the commit puts out leaves this world."""
        if name in self.groups:
            self.groups[name], applied = self.groups[name].process(
                message, now=now(), authenticate=accept_any
            )
            assert isinstance(applied, CommitApplied)
            if not self.groups[name].is_active:
                del self.groups[name]
        else:
            received = self.ts.process(name, GROUP, message)
            assert isinstance(received, TsCommitApplied)
            if not received.state.active:
                self.ts_members.remove(name)

    def share(self, by: str, message: bytes) -> None:
        """Hand a proposal to everyone else."""
        for name in self.members:
            if name in self.groups and name != by:
                group = self.groups[name]
                self.groups[name], _ = group.process(message, now=now(), authenticate=accept_any)
            elif name != by:
                self.ts.process(name, GROUP, message)

    # Messages ---------------------------------------------------------------------------------------

    def encrypt(self, by: str, data: bytes, *, aad: bytes = b"", padding: int = 0) -> bytes:
        if by not in self.groups:
            return self.ts.encrypt(by, GROUP, data, aad=aad, padding=padding)
        group = self.groups[by]
        self.groups[by], message = group.encrypt(data, now=now(), authenticated_data=aad, padding=padding)
        return message

    def open(self, name: str, message: bytes) -> tuple[bytes, bytes]:
        """The data and the authenticated data."""
        if name not in self.groups:
            received = self.ts.process(name, GROUP, message)
            assert isinstance(received, TsApplication)
            return received.data, received.aad
        self.groups[name], opened = self.groups[name].process(message, now=now(), authenticate=accept_any)
        assert isinstance(opened, ApplicationMessage)
        return opened.data, opened.authenticated_data

    def send(self, by: str, data: bytes, *, aad: bytes = b"", padding: int = 0) -> bytes:
        """All others open it; gives the message for further use."""
        message = self.encrypt(by, data, aad=aad, padding=padding)
        for name in self.members:
            if name != by:
                assert self.open(name, message) == (data, aad)
        return message

    def talk(self) -> None:
        """Everybody says something to all others."""
        for name in self.members:
            self.send(name, f"{name} speaks".encode(), aad=b"about it", padding=7)

    # Looking ----------------------------------------------------------------------------------------

    def leaf(self, name: str) -> int:
        if name in self.groups:
            return self.groups[name].own_leaf
        return self.ts.state(name, GROUP).own_leaf

    def roster(self, name: str) -> list[tuple[int, bytes, bytes]]:
        """Leaf, identity and signature key of each member, as this member sees them."""
        if name in self.groups:
            members = self.groups[name].members
            return [(m.leaf_index, m.credential.identity, m.signature_key) for m in members]
        return [(m.leaf, m.identity, m.signature_key) for m in self.ts.state(name, GROUP).members]

    def authenticator(self, name: str) -> tuple[int, bytes]:
        """The epoch and its authenticator."""
        if name in self.groups:
            return self.groups[name].epoch, self.groups[name].epoch_authenticator
        state = self.ts.state(name, GROUP)
        return state.epoch, state.epoch_authenticator

    def export(self, name: str) -> bytes:
        if name in self.groups:
            return self.groups[name].export("chappe test", b"context", 48)
        return self.ts.export(name, GROUP, "chappe test", b"context", 48)

    def check_agreement(self) -> None:
        """On the epoch and its authenticator, the roster and an exported secret."""
        views: list[Callable[[str], object]] = [self.authenticator, self.roster, self.export]
        for view in views:
            seen = [view(name) for name in self.members]
            assert all(one == seen[0] for one in seen)

    # Inside -----------------------------------------------------------------------------------------

    def _joiner(self, name: str) -> tuple[bytes, Callable[[bytes], None]]:
        """A new client's key package, and what it does with its Welcome."""
        if is_ts(name):
            self.ts.client(name, suite=self.suite.id, identity=name.encode())

            def ts_join(welcome: bytes) -> None:
                self.ts.join(name, GROUP, welcome)
                self.ts_members.add(name)

            return self.ts.key_package(name), ts_join
        client = PyClient.new(self.suite, name)

        def join(welcome: bytes) -> None:
            self.groups[name] = Group.join(welcome, client.bundle, client.signer, authenticate=accept_any)

        return client.bundle.message, join


def is_ts(name: str) -> bool:
    return name.startswith("ts")
