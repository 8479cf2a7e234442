"""A group of members of both engines: what one sends, all others process, and all must agree."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from chappe.mls import (
    Add,
    ApplicationMessage,
    CipherSuite,
    CommitApplied,
    CommitResult,
    Credential,
    Group,
    KeyPackageBundle,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    Remove,
    SignatureKey,
    WireFormat,
    accept_any,
    cipher_suite,
    create_key_package,
    parse_key_package,
)
from tests.interop.driver import ProposalKind, TsApplication, TsCommit, TsCommitApplied, TsMls, TsState

DAY = 24 * 3600
Join: TypeAlias = Callable[[bytes], None]
"""What a client does with its Welcome."""

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
    psks: Mapping[bytes, bytes] = field(default_factory=dict)
    """External PSKs that all clients know."""

    @classmethod
    def of(cls, ts: TsMls, suite_id: int, *names: str, psks: Mapping[bytes, bytes] | None = None) -> Mixed:
        """The first founds the group and adds the others in one commit."""
        world = cls(ts, cipher_suite(suite_id), psks=psks or {})
        founder, group_id = names[0], b"group" * 4
        if is_ts(founder):
            world._ts_client(founder)
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
        joiners = [self.joiner(name) for name in names]
        welcome = self.commit(by, add=[message for message, _ in joiners])
        assert welcome is not None
        for _, join in joiners:
            join(welcome)
        self.check_agreement()
        assert len(self.roster(by)) == len(self.members)

    def commit(
        self,
        by: str,
        *,
        add: Iterable[bytes] = (),
        remove: Iterable[str] = (),
        psk: Iterable[bytes] = (),
        public: bool = False,
    ) -> bytes | None:
        """What is given by value, what is pending by reference. Everybody processes it; gives the Welcome."""
        made = self.begin(by, add=add, remove=remove, psk=psk, public=public)
        self.land(by, made)
        return made.welcome

    def joiner(self, name: str) -> tuple[bytes, Join]:
        """A new client's key package, and what it does with its Welcome."""
        if is_ts(name):
            self._ts_client(name)

            def ts_join(welcome: bytes) -> None:
                self.ts.join(name, GROUP, welcome)
                self.ts_members.add(name)

            return self.ts.key_package(name), ts_join
        client = PyClient.new(self.suite, name)

        def join(welcome: bytes) -> None:
            self.groups[name] = Group.join(
                welcome, client.bundle, client.signer, authenticate=accept_any, psks=self.psks
            )

        return client.bundle.message, join

    def begin(
        self,
        by: str,
        *,
        add: Iterable[bytes] = (),
        remove: Iterable[str] = (),
        psk: Iterable[bytes] = (),
        public: bool = False,
        path: bool = True,
    ) -> CommitResult | TsCommit:
        """A commit that nobody has yet; `land` it. Whether there is a path beyond need is ts-mls's own choice
        (quirk 12)."""
        leaves = [self.leaf(name) for name in remove]
        if is_ts(by):
            return self.ts.commit(by, GROUP, add=list(add), remove=leaves, psk=list(psk), public=public)
        adds = [Add(parse_key_package(message)) for message in add]
        removes = [Remove(leaf) for leaf in leaves]
        proposals: list[Proposal] = [*adds, *removes, *(self._psk(psk_id) for psk_id in psk)]
        return self.groups[by].commit(
            proposals, now=now(), wire_format=_wire_format(public), psks=self.psks, update_path=path
        )

    def come_in(
        self, by: str, group_info: bytes, *, resync: bool = False, psk: Iterable[bytes] = ()
    ) -> CommitResult | TsCommit:
        """An external commit that nobody has yet; `land` it. ts-mls cannot carry a `psk` (quirk 11)."""
        if is_ts(by):
            if not resync:
                self._ts_client(by)
            return TsCommit(self.ts.external_join(by, GROUP, group_info, resync=resync), None, 0)
        psk_ids = [PreSharedKeyID.external(psk_id, os.urandom(self.suite.nh)) for psk_id in psk]
        return Group.join_by_commit(
            group_info,
            self.suite.generate_signature_key(),
            Credential.basic(by.encode()),
            authenticate=accept_any,
            resync=resync,
            psk_ids=psk_ids,
            psks=self.psks,
        )

    def land(self, by: str, made: CommitResult | TsCommit) -> None:
        """The commit is accepted: everybody processes it, and all must agree."""
        for name in self.members:
            if name != by:
                self.process_commit(name, made.message)
        self.adopt(by, made)
        self.check_agreement()

    def adopt(self, by: str, made: CommitResult | TsCommit) -> None:
        if isinstance(made, TsCommit):
            self.ts.adopt(by, GROUP)
            self.ts_members.add(by)
        elif made.applied.external:
            self.groups[by] = made.group
        else:
            self.groups[by] = made.group.carry_over(self.groups[by])

    def process_commit(self, name: str, message: bytes) -> None:
        """A member that the commit puts out leaves this world."""
        if name in self.groups:
            self.groups[name], applied = self.groups[name].process(
                message, now=now(), authenticate=accept_any, psks=self.psks
            )
            assert isinstance(applied, CommitApplied)
            if not self.groups[name].is_active:
                del self.groups[name]
        else:
            received = self.ts.process(name, GROUP, message)
            assert isinstance(received, TsCommitApplied)
            if not received.state.active:
                self.ts_members.remove(name)

    def propose(
        self, by: str, kind: ProposalKind, *, what: bytes = b"", who: str = "", public: bool = False
    ) -> None:
        """By reference; everybody hears it. `what`: the key package of an Add, the id of a PSK."""
        group, leaf = self.groups.get(by), self.leaf(who) if kind == "remove" else None
        if group is None:
            key_package, psk_id = (what if kind == of else None for of in ("add", "psk"))
            message = self.ts.propose(
                by, GROUP, kind, leaf=leaf, key_package=key_package, psk_id=psk_id, public=public
            )
        elif kind == "update":
            self.groups[by], message = group.propose_update(wire_format=_wire_format(public))
        else:
            proposal = self._proposal(kind, what, leaf)
            self.groups[by], message = group.propose(proposal, now=now(), wire_format=_wire_format(public))
        self.share(by, message)

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
        return _ts_roster(self.ts.state(name, GROUP))

    def authenticator(self, name: str) -> tuple[int, bytes]:
        """The epoch and its authenticator."""
        if name in self.groups:
            return self.groups[name].epoch, self.groups[name].epoch_authenticator
        state = self.ts.state(name, GROUP)
        return state.epoch, state.epoch_authenticator

    def group_info(self, name: str) -> bytes:
        """With all that is needed to come in by one's own commit."""
        return self.groups[name].group_info() if name in self.groups else self.ts.group_info(name, GROUP)

    def check_agreement(self) -> None:
        """On the epoch and its authenticator, the roster and an exported secret."""
        seen = {name: self._view(name) for name in self.members}
        first = seen[self.members[0]]
        assert {name for name, view in seen.items() if view != first} == set()

    # Inside -----------------------------------------------------------------------------------------

    def _view(self, name: str) -> tuple[int, bytes, list[tuple[int, bytes, bytes]], bytes]:
        label, context, length = "chappe test", b"context", 48
        if name in self.groups:
            group = self.groups[name]
            exported = group.export(label, context, length)
            return group.epoch, group.epoch_authenticator, self.roster(name), exported
        state = self.ts.state(name, GROUP)
        exported = self.ts.export(name, GROUP, label, context, length)
        return state.epoch, state.epoch_authenticator, _ts_roster(state), exported

    def _psk(self, psk_id: bytes) -> PreSharedKey:
        return PreSharedKey(PreSharedKeyID.external(psk_id, os.urandom(self.suite.nh)))

    def _proposal(self, kind: ProposalKind, what: bytes, leaf: int | None) -> Proposal:
        if kind == "add":
            return Add(parse_key_package(what))
        if kind == "psk":
            return self._psk(what)
        assert leaf is not None
        return Remove(leaf)

    def _ts_client(self, name: str) -> None:
        """A new client of that name; what an old one of the name held is forgotten."""
        self.ts.client(name, suite=self.suite.id, identity=name.encode())
        for psk_id, secret in self.psks.items():
            self.ts.add_psk(name, psk_id, secret)


def is_ts(name: str) -> bool:
    return name.startswith("ts")


def _ts_roster(state: TsState) -> list[tuple[int, bytes, bytes]]:
    return [(m.leaf, m.identity, m.signature_key) for m in state.members]


def _wire_format(public: bool) -> WireFormat:
    return WireFormat.PUBLIC_MESSAGE if public else WireFormat.PRIVATE_MESSAGE
