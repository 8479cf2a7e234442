"""Several members of one group in one process, joined by hand: what one sends, the others process."""

from __future__ import annotations

from dataclasses import dataclass, field

from chappe.mls import (
    Add,
    ApplicationMessage,
    Capabilities,
    CipherSuite,
    CommitResult,
    Credential,
    Extension,
    Group,
    KeyPackageBundle,
    Proposal,
    SignatureKey,
    WireFormat,
    accept_any,
    cipher_suite,
    create_key_package,
    parse_key_package,
)

NOW = 1_790_000_000
DAY = 24 * 3600


@dataclass
class Client:
    """A client before it is in any group."""

    name: str
    suite: CipherSuite
    signer: SignatureKey
    bundle: KeyPackageBundle

    @classmethod
    def new(
        cls,
        suite: CipherSuite,
        name: str,
        *,
        last_resort: bool = False,
        capabilities: Capabilities | None = None,
    ) -> Client:
        signer = suite.generate_signature_key()
        bundle = create_key_package(
            suite,
            signer,
            Credential.basic(name.encode()),
            not_before=NOW - DAY,
            not_after=NOW + 90 * DAY,
            last_resort=last_resort,
            capabilities=capabilities,
        )
        return cls(name, suite, signer, bundle)

    @property
    def add(self) -> Add:
        return Add(parse_key_package(self.bundle.message))


@dataclass
class World:
    """The members of one group by name. Every operation checks that all agree on the epoch."""

    suite: CipherSuite
    groups: dict[str, Group] = field(default_factory=dict)
    capabilities: Capabilities | None = None

    @classmethod
    def of(
        cls,
        suite_id: int,
        *names: str,
        extensions: tuple[Extension, ...] = (),
        capabilities: Capabilities | None = None,
    ) -> World:
        """The first founds the group and adds the others in one commit."""
        suite = cipher_suite(suite_id)
        founder = suite.generate_signature_key()
        credential = Credential.basic(names[0].encode())
        world = cls(suite, capabilities=capabilities)
        world.groups[names[0]] = Group.create(
            suite,
            b"group" * 4,
            founder,
            credential,
            now=NOW,
            extensions=extensions,
            capabilities=capabilities,
        )
        if len(names) > 1:
            world.add(names[0], *names[1:])
        return world

    def add(self, by: str, *names: str) -> CommitResult:
        clients = [Client.new(self.suite, name, capabilities=self.capabilities) for name in names]
        result = self.commit(by, *(client.add for client in clients))
        assert result.welcome is not None
        for client in clients:
            self.groups[client.name] = Group.join(
                result.welcome, client.bundle, client.signer, authenticate=accept_any
            )
        self.check_agreement()
        return result

    def commit(
        self,
        by: str,
        *proposals: Proposal,
        update_path: bool = True,
        psks: dict[bytes, bytes] | None = None,
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
    ) -> CommitResult:
        result = self.groups[by].commit(
            proposals, now=NOW, update_path=update_path, psks=psks, wire_format=wire_format
        )
        self.follow(by, result, psks)
        return result

    def follow(self, by: str, result: CommitResult, psks: dict[bytes, bytes] | None = None) -> None:
        """Everyone else processes a commit that `by` made, and `by` adopts it."""
        for name, group in self.groups.items():
            if name != by:
                self.groups[name], _ = group.process(
                    result.message, now=NOW, authenticate=accept_any, psks=psks
                )
        self.groups[by] = result.group
        for name in [name for name, group in self.groups.items() if not group.is_active]:
            del self.groups[name]
        self.check_agreement()

    def send(self, by: str, data: bytes) -> bytes:
        """All others open it; gives the message for further use."""
        self.groups[by], message = self.groups[by].encrypt(data, now=NOW)
        for name in self.groups:
            if name != by:
                assert self.open(name, message).data == data
        return message

    def open(self, name: str, message: bytes) -> ApplicationMessage:
        self.groups[name], received = self.groups[name].process(message, now=NOW, authenticate=accept_any)
        assert isinstance(received, ApplicationMessage)
        return received

    def share(self, by: str, message: bytes) -> None:
        """Hand a proposal to everyone else."""
        for name in self.groups:
            if name != by:
                self.groups[name], _ = self.groups[name].process(message, now=NOW, authenticate=accept_any)

    def check_agreement(self) -> None:
        assert len({group.epoch_authenticator for group in self.groups.values()}) == 1
        assert len({group.epoch for group in self.groups.values()}) == 1
