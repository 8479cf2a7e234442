"""Changes of conversations: intents become commits, and a lost race is run again on the epoch that won.

A commit is durable here, with the state that it leads to, before it is said; that state is adopted when the
relay has accepted it. The same commit said again is answered again, so a kill in between costs nothing.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from dataclasses import dataclass, field
from typing import Final

import msgspec

from chappe.client import intents as i
from chappe.client.connection import TRY_LATER, Connection
from chappe.client.contacts import Contacts, certificate_of
from chappe.client.core import Core
from chappe.client.events import ConversationChanged, Failed
from chappe.client.groups import (
    ACTIVE,
    LEFT,
    Description,
    Groups,
    changed,
    extensions_proposal,
    lock,
    opener,
)
from chappe.client.log_watch import LogWatch
from chappe.client.outbox import Outbox
from chappe.client.senders import removed_from_outside
from chappe.mls import (
    MAX_LEAF_LIFETIME,
    Add,
    Group,
    InvalidMessage,
    MLSError,
    Proposal,
    Remove,
    parse_key_package,
)
from chappe.wire import frames
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import ChappeError, error
from chappe.wire.orders import REMOVAL_CONTEXT

LEAF_SECONDS: Final = 7 * 24 * 3600
LEAF_MESSAGES: Final = 1000
"""A member renews its leaf after so long or so many of its own messages."""
MAX_ADDS: Final = 200
JITTER: Final = 0.3
RETRY_SECONDS: Final = 1.0

_IMPOSTOR: Final = "Somebody in this conversation is not the line that they claim to be, and is put out."


@dataclass(slots=True)
class _Plan:
    """What one commit will do, and the intents that it carries out."""

    proposals: list[Proposal] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    joiners: list[DeviceCertificate] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    description: Description | None = None
    renews: bool = False
    by_order: bool = False
    group: Group | None = None
    """With the proposals of the fleet key that the commit refers to."""
    proposals_of_fleet: list[bytes] = field(default_factory=list)
    settles: list[bytes] = field(default_factory=list)
    gone: list[bytes] = field(default_factory=list)
    """Devices that an order puts out: they get nothing any more."""


class Changes:
    def __init__(
        self,
        core: Core,
        groups: Groups,
        contacts: Contacts,
        outbox: Outbox,
        connection: Connection,
        log: LogWatch,
    ) -> None:
        self._core = core
        self._store = core.store
        self._groups = groups
        self._contacts = contacts
        self._outbox = outbox
        self._connection = connection
        self._waiters: dict[int, asyncio.Future[None]] = {}
        self._log = log

    # --- intents

    def want(self, conversation: bytes, intent: i.AnyIntent) -> int:
        """Keep an intent; gives its row. The same one is not kept twice."""
        data = i.encode(intent)
        row = self._store.one(
            "SELECT row FROM intents WHERE conversation = ? AND data = ?", conversation, data
        )
        if row is not None:
            return int(row[0])
        return self._store.run(
            "INSERT INTO intents (conversation, kind, data) VALUES (?, ?, ?)",
            conversation,
            i.tag(intent),
            data,
        )

    def want_out(self, conversation: bytes, intent: i.RemoveDevice) -> int:
        """Put a device out by an order. One intent for each device and order, with the latest proposal."""
        self._store.run(
            "INSERT OR IGNORE INTO gone_devices (device, ordered) VALUES (?, ?)", intent.device, intent.order
        )
        for row, kept in self._intents(conversation):
            same = isinstance(kept, i.RemoveDevice) and kept.device == intent.device
            if same and intent.proposal is None:
                return row
            if same:
                self._store.run("UPDATE intents SET data = ? WHERE row = ?", i.encode(intent), row)
                return row
        return self.want(conversation, intent)

    def ordered_out(self, device: bytes) -> bytes | None:
        """The order that put a device out for good, if one did."""
        row = self._store.one("SELECT ordered FROM gone_devices WHERE device = ?", device)
        return None if row is None else row[0]

    async def outcome(self, row: int, seconds: float) -> None:
        """Wait until an intent is carried out. Raises what it failed with; network.timeout, it then stays."""
        if self._store.one("SELECT 1 FROM intents WHERE row = ?", row) is None:
            return
        future = self._waiters.setdefault(row, asyncio.get_running_loop().create_future())
        try:
            async with asyncio.timeout(seconds):
                await asyncio.shield(future)
        except TimeoutError:
            raise error("network.timeout") from None

    def want_fresh_leaves(self) -> None:
        """Intents for the leaves that are due (DESIGN section 4)."""
        due = self._store.all(
            "SELECT id FROM conversations WHERE active = ? "
            "AND (leaf_at <= ? OR leaf_at > ? OR leaf_sent >= ?)",
            ACTIVE,
            self._core.now() - LEAF_SECONDS,
            # Made while the clock was wrong.
            self._core.now() + LEAF_SECONDS,
            LEAF_MESSAGES,
        )
        for (conversation,) in due:
            with self._core.change():
                self.want(conversation, i.Refresh())

    @property
    def idle(self) -> bool:
        """No commit is under way and no intent waits, but to leave."""
        return (
            self._store.one("SELECT 1 FROM pending_commits LIMIT 1") is None
            and self._store.one("SELECT 1 FROM intents WHERE kind <> 'leave' LIMIT 1") is None
        )

    def abandon(self, conversation: bytes, problem: ChappeError) -> None:
        """This device is out: nothing more can be changed."""
        self._store.run("DELETE FROM pending_commits WHERE conversation = ?", conversation)
        for row, intent in self._intents(conversation):
            self._end(row, None if isinstance(intent, i.Leave) else problem)

    def _intents(self, conversation: bytes) -> list[tuple[int, i.AnyIntent]]:
        rows = self._store.all(
            "SELECT row, data FROM intents WHERE conversation = ? ORDER BY row", conversation
        )
        return [(row, i.decode(data)) for row, data in rows]

    def _end(self, row: int, problem: ChappeError | None) -> None:
        self._store.run("DELETE FROM intents WHERE row = ?", row)
        waiter = self._waiters.pop(row, None)
        if waiter is not None and not waiter.done():
            if problem is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(problem)
                waiter.exception()  # Who waited may have gone; the event below tells all the same.

    def _fail(self, conversation: bytes, rows: list[int], problem: ChappeError) -> None:
        with self._core.change():
            ended = [intent for row, intent in self._intents(conversation) if row in rows]
            for row in rows:
                self._end(row, problem)
            if any(isinstance(intent, i.RemoveLine) and intent.impostor for intent in ended):
                self._groups.set_active(conversation, LEFT)
            if self._groups.lacks_peer(conversation):
                # Never found its other line: what was written there must not pass for sent.
                self._groups.set_active(conversation, LEFT)
            self._core.tell(Failed(conversation, problem.code, problem.message))

    # --- carrying out

    async def pump(self) -> bool:
        """Carry out what can be. True if something is left that may succeed soon. Raises network.*."""
        again = False
        for (conversation,) in self._store.all(
            "SELECT conversation FROM pending_commits UNION SELECT conversation FROM intents"
        ):
            again = await self._advance(conversation) or again
        return again

    async def _advance(self, conversation: bytes) -> bool:
        if self._store.one("SELECT 1 FROM pending_commits WHERE conversation = ?", conversation):
            return await self._say(conversation)
        if self._groups.activity(conversation) == LEFT:
            with self._core.change():
                self.abandon(conversation, error("conversation.left"))
            return False
        if self._is_behind(conversation):
            return False
        self._propose_leave(conversation)
        try:
            await self._fetch_packages(conversation)
        except ChappeError as problem:
            if problem.code in TRY_LATER:
                return True
            raise
        if self._make(conversation):
            return await self._say(conversation)
        return self._store.one(
            "SELECT 1 FROM intents WHERE conversation = ? AND kind <> 'leave'", conversation
        ) is not None and not self._is_behind(conversation)

    def _is_behind(self, conversation: bytes) -> bool:
        """A race was lost, and the winner's commit has not come yet."""
        row = self._store.one("SELECT blocked_epoch FROM conversations WHERE id = ?", conversation)
        return row is not None and self._groups.group(conversation).epoch <= row[0]

    async def _fetch_packages(self, conversation: bytes) -> None:
        """Key packages for the lines to let in. An intent that cannot be is ended here."""
        for row, intent in self._intents(conversation):
            if isinstance(intent, i.AddLine) and intent.packages is None:
                try:
                    packages = await self.packages_for(conversation, intent.address)
                except ChappeError as problem:
                    if problem.code.startswith("network.") or problem.code in TRY_LATER:
                        raise
                    self._fail(conversation, [row], problem)
                    continue
                with self._core.change():
                    kept = i.AddLine(intent.address, packages)
                    self._store.run("UPDATE intents SET data = ? WHERE row = ?", i.encode(kept), row)

    async def packages_for(self, conversation: bytes, address: str) -> tuple[bytes, ...]:
        """A key package for each device of a line that is not in the conversation."""
        present = {place.device for place in self._groups.places(conversation)}
        wanted: list[bytes] | None = None
        if any(place.address == address for place in self._groups.places(conversation)):
            line = await self._connection.ask(lambda ref: frames.Lookup(ref, address), frames.Line)
            devices = [c.device_id for c, _ in self._contacts.take_answer(address, line)]
            wanted = [device for device in devices if device not in present]
            if not wanted:
                return ()
        line = await self._connection.ask(
            lambda ref: frames.Lookup(ref, address, key_packages=True, devices=wanted), frames.Line
        )
        found: list[bytes] = []
        missing = unlogged = False
        for certificate, package in self._contacts.take_answer(address, line):
            if certificate.device_id in present or (wanted and certificate.device_id not in wanted):
                continue
            missing = missing or package is None
            if package is not None:
                _check_package(package, certificate, self._core.now())
                if await self._is_logged(certificate):
                    found.append(package)
                else:
                    unlogged = True
        if unlogged and not found and address != self._core.me.address:
            raise error("log.not_there")
        # A device that has never been online is let in later, by its own line's other devices.
        if missing and not found and address != self._core.me.address:
            raise error("packages.none_left")
        return tuple(found)

    async def _is_logged(self, certificate: DeviceCertificate) -> bool:
        """Whether the log has a device that is to be let in; an alarm, if not. Raises network.*."""
        try:
            await self._log.check_package(certificate)
        except ChappeError as problem:
            if problem.code != "log.not_there":
                raise
            return False
        return True

    # --- commits

    def _make(self, conversation: bytes) -> bool:
        """Make the next commit durable. False if there is nothing to commit."""
        with self._core.change():
            group = self._groups.group(conversation)
            plan = self._plan(conversation, group)
            if not plan.rows:
                return False
            group = plan.group or group
            if not plan.proposals and not plan.renews and not group.pending_proposals:
                for row in plan.rows:
                    self._end(row, None)
                return False
            said = REMOVAL_CONTEXT + b"".join(plan.settles) if plan.settles else b""
            try:
                result = group.commit(plan.proposals, now=self._core.now(), authenticated_data=said)
            except (MLSError, ChappeError):
                self._fail(conversation, plan.rows, error("certificate.invalid"))
                return False
            welcomes = []
            if result.welcome is not None:
                joiners = [certificate.device_id for certificate in plan.joiners]
                welcomes = [frames.WelcomeFor(joiners, result.welcome)]
            others = [d for d in self._groups.other_devices(conversation) if d not in plan.gone]
            first = [
                frames.encode(frames.Send(0, secrets.token_bytes(16), others, proposal))
                for proposal in plan.proposals_of_fleet
                if others
            ]
            frame = frames.Commit(
                0,
                secrets.token_bytes(16),
                conversation,
                group.epoch,
                opener(group),
                lock(result.group),
                others,
                result.message,
                welcomes,
                plan.settles,
            )
            self._store.run(
                "INSERT INTO pending_commits (conversation, epoch, frame, shared, secret, intents, first) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                conversation,
                group.epoch,
                frames.encode(frame),
                result.group.shared_bytes(),
                result.group.secret_bytes(),
                msgspec.msgpack.encode(plan.rows),
                msgspec.msgpack.encode(first),
            )
        return True

    def _plan(self, conversation: bytes, group: Group) -> _Plan:
        """As many intents, in order, as one commit can do."""
        plan = _Plan()
        places = self._groups.places(conversation)
        present = {place.device for place in places}
        for row, intent in self._intents(conversation):
            if isinstance(intent, i.Leave):
                continue
            # A removal by order is a commit of its own: it says by which.
            if plan.rows and isinstance(intent, i.RemoveDevice) != plan.by_order:
                break
            if isinstance(intent, i.RemoveDevice):
                if len(plan.rows) >= frames.MAX_SETTLED:
                    break
                self._plan_out(conversation, group, plan, intent)
                plan.rows.append(row)
                continue
            if isinstance(intent, i.AddLine) and intent.packages is None:
                break
            if isinstance(intent, i.AddLine | i.RemoveLine):
                if intent.address in plan.touched or len(plan.joiners) >= MAX_ADDS:
                    break
                plan.touched.add(intent.address)
            if isinstance(intent, i.AddLine):
                for package in intent.packages or ():
                    key_package = parse_key_package(package)
                    certificate = certificate_of(key_package.leaf_node.credential)
                    if certificate.device_id not in present and not self.ordered_out(certificate.device_id):
                        present.add(certificate.device_id)
                        plan.joiners.append(certificate)
                        plan.proposals.append(Add(key_package))
            elif isinstance(intent, i.RemoveLine):
                leaves = [p.leaf for p in places if p.address == intent.address]
                plan.proposals += [Remove(leaf) for leaf in leaves if leaf != group.own_leaf]
            elif isinstance(intent, i.Describe):
                before = plan.description or Description.of(group)
                plan.description = changed(before, intent.name, intent.timer)
            elif isinstance(intent, i.Refresh):
                plan.renews = True
            plan.rows.append(row)
        wanted = extensions_proposal(group, plan.description, [c.fleet_key for c in plan.joiners])
        if wanted is not None:
            plan.proposals.append(wanted)
        return plan

    def _plan_out(self, conversation: bytes, group: Group, plan: _Plan, intent: i.RemoveDevice) -> None:
        """By the fleet key's proposal, if it fits the epoch; else by an own Remove."""
        plan.by_order = True
        places = self._groups.places(conversation)
        leaf = next((p.leaf for p in places if p.device == intent.device), None)
        if leaf is None:
            self.on_gone(conversation, intent)
        if leaf is None or leaf == group.own_leaf or intent.device in plan.gone:
            return
        plan.gone.append(intent.device)
        plan.settles.append(intent.order)
        with_it = _with_proposal(plan.group or group, leaf, intent, self._core.now())
        if with_it is None:
            plan.proposals.append(Remove(leaf))
        else:
            assert intent.proposal is not None
            plan.group = with_it
            plan.proposals_of_fleet.append(intent.proposal)

    def on_gone(self, conversation: bytes, intent: i.RemoveDevice) -> None:
        """Set by the owner: a device that is to be put out is not there any more."""

    async def _say(self, conversation: bytes) -> bool:
        """Say the commit that waits, and take the answer. True if it should be tried again soon."""
        row = self._store.one("SELECT frame, first FROM pending_commits WHERE conversation = ?", conversation)
        if row is None:
            return True
        frame = frames.decode_from_device(row[0])
        assert isinstance(frame, frames.Commit)
        try:
            if not await self._say_first(conversation, row[1]):
                return True
            await self._connection.ask(lambda ref: msgspec.structs.replace(frame, ref=ref), frames.Accepted)
        except ChappeError as problem:
            if problem.code.startswith("network."):
                raise
            return await self._refused(conversation, frame, problem)
        self._adopt(conversation, frame)
        return True

    async def _say_first(self, conversation: bytes, first: bytes) -> bool:
        """The proposals that a commit refers to, to those who will get it. False where the relay takes none:
        then the commit is made anew without. Raises what passes, network.* among it."""
        for data in msgspec.msgpack.decode(first, type=list[bytes]):
            frame = frames.decode_from_device(data)
            assert isinstance(frame, frames.Send)
            try:
                await self._connection.ask(
                    lambda ref, f=frame: msgspec.structs.replace(f, ref=ref),  # type: ignore[misc]
                    frames.Accepted,
                )
            except ChappeError as problem:
                if problem.code.startswith("network.") or problem.code in TRY_LATER:
                    raise
                self._without_proposals(conversation)
                return False
        return True

    def _without_proposals(self, conversation: bytes) -> None:
        with self._core.change():
            self._store.run("DELETE FROM pending_commits WHERE conversation = ?", conversation)
            for row, intent in self._intents(conversation):
                if isinstance(intent, i.RemoveDevice):
                    own = msgspec.structs.replace(intent, proposal=None)
                    self._store.run("UPDATE intents SET data = ? WHERE row = ?", i.encode(own), row)

    def _adopt(self, conversation: bytes, frame: frames.Commit) -> None:
        """The commit is the group's next epoch."""
        with self._core.change():
            row = self._store.one(
                "SELECT epoch, shared, secret, intents FROM pending_commits WHERE conversation = ?",
                conversation,
            )
            before = self._groups.group(conversation)
            if row is None or row[0] != frame.epoch or before.epoch != frame.epoch:
                return
            after = Group.from_parts(row[1], row[2]).carry_over(before)
            self._groups.enter(conversation, after)
            self._store.run(
                "UPDATE conversations SET leaf_at = ?, leaf_sent = 0 WHERE id = ?",
                self._core.now(),
                conversation,
            )
            self._store.run("DELETE FROM pending_commits WHERE conversation = ?", conversation)
            self._contacts.learn(certificate_of(member.credential) for member in after.members)
            for number in msgspec.msgpack.decode(row[3], type=list[int]):
                self._end(number, None)
            self._core.tell(ConversationChanged(self._groups.shown(conversation), "members"))
            if frame.settles:
                self.removed_by_order(conversation, gone_between(before, after))
            if self._groups.activity(conversation) == LEFT:
                return
        self.on_epoch(conversation)

    def removed_by_order(self, conversation: bytes, gone: list[DeviceCertificate]) -> None:
        """A notice for each device; a direct conversation whose other line has none left ends."""
        for certificate in gone:
            shown = self._groups.shown(conversation)
            self._core.tell(ConversationChanged(shown, "removed_by_order", certificate.address))
        if gone and self._groups.lacks_peer(conversation):
            self._groups.forget(conversation)
            self.abandon(conversation, error("conversation.left"))
            self._core.tell(ConversationChanged(self._groups.shown(conversation), "left"))

    def on_epoch(self, conversation: bytes) -> None:
        """Set by the owner: an epoch began; what was held for it can be opened."""

    async def _refused(self, conversation: bytes, frame: frames.Commit, problem: ChappeError) -> bool:
        if problem.code in TRY_LATER:
            await asyncio.sleep(RETRY_SECONDS)
            return True
        with self._core.change():
            row = self._store.one(
                "SELECT intents FROM pending_commits WHERE conversation = ? AND epoch = ?",
                conversation,
                frame.epoch,
            )
            if row is None:
                return True
            self._store.run("DELETE FROM pending_commits WHERE conversation = ?", conversation)
            if problem.code == "commit.conflict":
                self._store.run(
                    "UPDATE conversations SET blocked_epoch = ? WHERE id = ?", frame.epoch, conversation
                )
        if problem.code == "commit.conflict":
            await asyncio.sleep(random.uniform(0, JITTER))  # noqa: S311 - jitter, not a secret
            return True
        if problem.code != "id.reused":
            self._fail(conversation, msgspec.msgpack.decode(row[0], type=list[int]), problem)
        return True

    def put_out(self, address: str, identity_key: bytes | None) -> None:
        """Leaves of this address with another key are not the line's: they get no word more, and what they
        said is nobody's. A direct conversation ends; a group goes on without them."""
        for conversation in self._groups.active():
            leaves = [
                certificate_of(member.credential) for member in self._groups.group(conversation).members
            ]
            if all(c.address != address or c.identity_key == identity_key for c in leaves):
                continue
            self._store.run(
                "UPDATE messages SET address = '' WHERE conversation = ? AND address = ?",
                conversation,
                address,
            )
            self._core.tell(Failed(conversation, "certificate.invalid", _IMPOSTOR))
            if self._groups.shown(conversation).kind == "group":
                self.want(conversation, i.RemoveLine(address, impostor=True))
                continue
            self._groups.forget(conversation)
            self.abandon(conversation, error("conversation.left"))
            self._core.tell(ConversationChanged(self._groups.shown(conversation), "left"))

    def superseded(self, conversation: bytes, epoch: int) -> None:
        """Another member's commit ended `epoch`: what was made for it is void, the intents are not."""
        self._store.run(
            "DELETE FROM pending_commits WHERE conversation = ? AND epoch <= ?", conversation, epoch
        )

    # --- leaving

    def _propose_leave(self, conversation: bytes) -> None:
        """In each epoch until somebody commits it: put this line's devices out."""
        for row, intent in self._intents(conversation):
            group = self._groups.group(conversation)
            if not isinstance(intent, i.Leave) or intent.epoch == group.epoch:
                continue
            with self._core.change():
                mine, others = self._sides(conversation)
                if not others:
                    self._groups.set_active(conversation, LEFT)
                    self._end(row, None)
                    continue
                for leaf in mine:
                    group, message = group.propose(Remove(leaf), now=self._core.now())
                    self._outbox.put_proposal(conversation, group.epoch, message)
                self._groups.keep(conversation, group)
                data = i.encode(i.Leave(group.epoch))
                self._store.run("UPDATE intents SET data = ? WHERE row = ?", data, row)

    def _sides(self, conversation: bytes) -> tuple[list[int], list[int]]:
        """Leaves of this line, and of the others."""
        places, address = self._groups.places(conversation), self._core.me.address
        mine = [p.leaf for p in places if p.address == address]
        return mine, [p.leaf for p in places if p.address != address]


def gone_between(before: Group, after: Group) -> list[DeviceCertificate]:
    """The devices that one epoch has and the next has not."""
    staying = {member.credential.identity for member in after.members}
    return [
        certificate_of(member.credential)
        for member in before.members
        if member.credential.identity not in staying
    ]


def _with_proposal(group: Group, leaf: int, intent: i.RemoveDevice, now: int) -> Group | None:
    """The group with the fleet key's proposal, if that is for this epoch, this leaf and this order."""
    if intent.proposal is None:
        return None
    try:
        after, received = group.process(intent.proposal, now=now, authenticate=_nobody)
        if removed_from_outside(group, received) != leaf:
            return None
    except (MLSError, ChappeError):
        return None
    said = getattr(received, "authenticated_data", b"")
    return after if said == REMOVAL_CONTEXT + intent.order else None


def _nobody(_credential: object, _key: bytes) -> None:
    """A Remove brings nobody in."""
    raise error("certificate.invalid")


def _check_package(package: bytes, certificate: DeviceCertificate, now: int) -> None:
    """A key package is of the device that it came for. Raises certificate.invalid."""
    try:
        key_package = parse_key_package(package)
        key_package.validate(now=now, max_lifetime=MAX_LEAF_LIFETIME)
    except (MLSError, InvalidMessage):
        raise error("certificate.invalid") from None
    leaf = key_package.leaf_node
    if certificate_of(leaf.credential) != certificate or leaf.signature_key != certificate.signature_key:
        raise error("certificate.invalid")
