"""Groups of members of both engines, as the two clients use them: every commit has a path, handshakes travel
encrypted, a Welcome has the tree inside. A name that starts with "ts" is a phone, any other one is Python."""

from __future__ import annotations

import random
import secrets
import time
from dataclasses import dataclass, field
from typing import Any, Final

from chappe.mls import (
    XWING_AES256,
    Add,
    ApplicationMessage,
    CommitApplied,
    Credential,
    Extension,
    ExternalSender,
    Group,
    KeyPackageBundle,
    ProposalReceived,
    Remove,
    SetExtensions,
    SignatureKey,
    accept_any,
    cipher_suite,
    create_key_package,
    default_capabilities,
    external_senders_extension,
    parse_key_package,
    propose_from_outside,
)
from tests.web.lines import Node

SUITE: Final = cipher_suite(XWING_AES256)
DESCRIPTION: Final = 0xF0C4
DAY: Final = 24 * 3600


def now() -> int:
    return int(time.time())


@dataclass
class Py:
    """A member of the Python engine."""

    signer: SignatureKey
    identity: bytes
    bundle: KeyPackageBundle | None = None
    group: Group | None = None
    next: Group | None = None

    @property
    def here(self) -> Group:
        assert self.group is not None
        return self.group


@dataclass
class Mixed:
    """One group. `fleet`: keys in its `external_senders`."""

    node: Node
    fleet: list[SignatureKey] = field(default_factory=list)
    py: dict[str, Py] = field(default_factory=dict)
    present: list[str] = field(default_factory=list)
    id: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    names: dict[str, str] = field(default_factory=dict)
    """Within the Node process: groups of other tests live there too."""

    def ts(self, op: str, name: str, **args: Any) -> Any:
        return self.node(op, client=self.names[name], **args)

    # Coming and going -------------------------------------------------------------------------------

    def client(self, name: str) -> None:
        if name.startswith("ts"):
            self.names[name] = f"{name}-{secrets.token_hex(4)}"
            self.ts("client", name, identity=name.encode().hex())
        else:
            self.py[name] = Py(SUITE.generate_signature_key(), name.encode())

    def key_package(self, name: str) -> bytes:
        self.client(name)
        if name.startswith("ts"):
            return bytes.fromhex(self.ts("key_package", name))
        member = self.py[name]
        member.bundle = create_key_package(
            SUITE,
            member.signer,
            Credential.basic(member.identity),
            not_before=now() - DAY,
            not_after=now() + 90 * DAY,
            capabilities=default_capabilities((DESCRIPTION,)),
        )
        return member.bundle.message

    def found(self, name: str, description: bytes = b"first") -> None:
        self.client(name)
        senders = [ExternalSender(key.public, Credential.basic(b"fleet")) for key in self.fleet]
        listed = external_senders_extension(*senders)
        if name.startswith("ts"):
            more = {"senders": listed.data.hex()} if senders else {}
            self.ts("create", name, group=self.id.hex(), description=description.hex(), **more)
        else:
            member = self.py[name]
            member.group = Group.create(
                SUITE,
                self.id,
                member.signer,
                Credential.basic(member.identity),
                now=now(),
                extensions=(Extension(DESCRIPTION, description), *((listed,) if senders else ())),
                capabilities=default_capabilities((DESCRIPTION,)),
            )
        self.present = [name]

    # Commits ----------------------------------------------------------------------------------------

    def begin(
        self, by: str, *, add: list[str], remove: list[str], description: bytes | None
    ) -> tuple[bytes, bytes | None]:
        """A commit under way, and its Welcome. Pending proposals go along."""
        packages = [self.key_package(name) for name in add]
        leaves = [self.leaf(name) for name in remove]
        if by.startswith("ts"):
            changes: list[dict[str, Any]] = [{"kind": "add", "key_package": p.hex()} for p in packages]
            changes += [{"kind": "remove", "leaf": leaf} for leaf in leaves]
            if description is not None:
                changes.append({"kind": "extension", "type": DESCRIPTION, "data": description.hex()})
            made = self.ts("commit", by, changes=changes)
            welcome = made["welcome"]
            return bytes.fromhex(made["message"]), None if welcome is None else bytes.fromhex(welcome)
        member = self.py[by]
        others = tuple(e for e in member.here.extensions if e.type != DESCRIPTION)
        result = member.here.commit(
            [
                *(Add(parse_key_package(p)) for p in packages),
                *(Remove(leaf) for leaf in leaves),
                *([SetExtensions((*others, Extension(DESCRIPTION, description)))] if description else []),
            ],
            now=now(),
        )
        member.next = result.group
        return result.message, result.welcome

    def adopt(self, by: str) -> None:
        if by.startswith("ts"):
            self.ts("adopt", by)
        else:
            member = self.py[by]
            assert member.next is not None
            member.group, member.next = member.next.carry_over(member.here), None

    def commit(
        self,
        by: str,
        *,
        add: list[str] | None = None,
        remove: list[str] | None = None,
        description: bytes | None = None,
        gone: list[str] | None = None,
    ) -> None:
        """Everybody processes it, whoever came joins, and all agree. `gone`: by pending proposals."""
        add, remove = add or [], remove or []
        message, welcome = self.begin(by, add=add, remove=remove, description=description)
        out = {*remove, *(gone or [])}
        for name in self.present:
            if name != by:
                assert self.process(name, message)["removedSelf"] is (name in out), name
        self.adopt(by)
        self.present = [name for name in self.present if name not in out] + add
        assert (welcome is None) is (not add)
        for name in add:
            assert welcome is not None
            self.join(name, welcome)
        self.check_agreement()

    def join(self, name: str, welcome: bytes) -> None:
        if name.startswith("ts"):
            self.ts("join", name, welcome=welcome.hex())
        else:
            member = self.py[name]
            assert member.bundle is not None
            member.group = Group.join(welcome, member.bundle, member.signer, authenticate=accept_any)

    def propose_leave(self, name: str) -> bytes:
        """Asks the others to put this member out."""
        if name.startswith("ts"):
            return bytes.fromhex(self.ts("propose_remove", name, leaf=self.leaf(name)))
        member = self.py[name]
        member.group, message = member.here.propose(Remove(member.here.own_leaf), now=now())
        return message

    def order_out(self, sender: int, name: str, *, signer: SignatureKey | None = None) -> bytes:
        """A Remove by entry `sender` of the list."""
        return propose_from_outside(
            SUITE,
            self.id,
            self.epoch,
            signer or self.fleet[sender],
            sender,
            Remove(self.leaf(name)),
            now=now(),
        )

    # Messages ---------------------------------------------------------------------------------------

    def encrypt(self, name: str, data: bytes) -> bytes:
        if name.startswith("ts"):
            return bytes.fromhex(self.ts("encrypt", name, data=data.hex(), padding=len(data)))
        member = self.py[name]
        member.group, message = member.here.encrypt(data, now=now(), padding=7)
        return message

    def process(self, name: str, message: bytes) -> dict[str, Any]:
        """As the phone's driver tells it, for members of both engines."""
        if name.startswith("ts"):
            found: dict[str, Any] = self.ts("process", name, message=message.hex())
            return found
        member = self.py[name]
        member.group, received = member.here.process(message, now=now(), authenticate=accept_any)
        if isinstance(received, ApplicationMessage):
            return {"kind": "application", "data": received.data.hex(), "sender": received.sender}
        if isinstance(received, ProposalReceived):
            assert isinstance(received.proposal, Remove)
            sender = received.sender
            return {"kind": "proposal", "leaf": received.proposal.removed, "external": not sender.is_member}
        assert isinstance(received, CommitApplied)
        return {"kind": "commit", "removedSelf": received.removed_self}

    def everybody_reads(self, by: str, data: bytes) -> None:
        message = self.encrypt(by, data)
        for name in self.present:
            if name != by:
                read = self.process(name, message)
                assert (read["kind"], read["data"], read["sender"]) == (
                    "application",
                    data.hex(),
                    self.leaf(by),
                )

    # Looking ----------------------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        return int(self.view(self.present[0])["epoch"])

    def leaf(self, name: str) -> int:
        view = self.view(next(n for n in self.present if n != name) if len(self.present) > 1 else name)
        return next(int(leaf) for leaf, identity in view["members"] if identity == name.encode().hex())

    def view(self, name: str) -> dict[str, Any]:
        if name.startswith("ts"):
            found = self.ts("view", name)
            found["members"] = [(leaf, identity) for leaf, identity, _ in found["members"]]
            return {k: found[k] for k in ("epoch", "authenticator", "opener", "members", "description")}
        group = self.py[name].here
        description = next(e.data for e in group.extensions if e.type == DESCRIPTION)
        return {
            "epoch": group.epoch,
            "authenticator": group.epoch_authenticator.hex(),
            "opener": group.export("chappe lock", b"", 32).hex(),
            "members": [(m.leaf_index, m.credential.identity.hex()) for m in group.members],
            "description": description.hex(),
        }

    def check_agreement(self) -> None:
        views = [self.view(name) for name in self.present]
        assert all(view == views[0] for view in views)
        assert sorted(bytes.fromhex(i).decode() for _, i in views[0]["members"]) == sorted(self.present)


def play(world: Mixed, seed: int, steps: int, *, most: int) -> dict[str, int]:
    """A scenario that is a pure function of its seed, keys apart. Gives how often each step was done."""
    rng = random.Random(seed)
    count = iter(range(10_000))
    done: dict[str, int] = {}

    def new() -> str:
        return f"{rng.choice(('ts', 'py'))}{next(count)}"

    world.found(new())
    world.commit(world.present[0], add=[new() for _ in range(rng.randint(1, most // 2))])
    for number in range(steps):
        by = rng.choice(world.present)
        others = [name for name in world.present if name != by]
        steps_now = ["message", "update", "describe"]
        steps_now += ["add"] * (len(world.present) < most)
        steps_now += ["remove", "swap", "leave", "order"] * (len(others) > 1)
        step = rng.choice(steps_now)
        done[f"{step} by {by[:2]}"] = done.get(f"{step} by {by[:2]}", 0) + 1
        victim = rng.choice(others) if others else ""
        match step:
            case "message":
                world.everybody_reads(by, rng.randbytes(rng.randint(0, 300)))
            case "update":
                world.commit(by)
            case "describe":
                world.commit(by, description=b"name %d" % number)
            case "add":
                world.commit(
                    by, add=[new() for _ in range(rng.randint(1, min(4, most - len(world.present))))]
                )
            case "remove":
                world.commit(by, remove=[victim])
            case "swap":
                world.commit(by, remove=[victim], add=[new()])
            case "leave" | "order":
                _put_out(world, step, by, victim, rng)
    return done


def _put_out(world: Mixed, step: str, by: str, victim: str, rng: random.Random) -> None:
    """By a proposal that everybody hears and `by` commits; at times with the same removal beside it."""
    if step == "leave":
        proposal = world.propose_leave(victim)
    else:
        proposal = world.order_out(rng.randrange(len(world.fleet)), victim)
    for name in world.present:
        if name != victim or step == "order":
            heard = world.process(name, proposal)
            assert (heard["kind"], heard["external"]) == ("proposal", step == "order")
    again = [victim] if rng.random() < 0.3 else []
    world.commit(by, remove=again, gone=[victim])
