"""What comes from the mailbox. Nothing that a peer or a relay can send stops what comes after it."""

from __future__ import annotations

from typing import Final

from chappe.client import intents as i
from chappe.client.chains import Chains, Heed
from chappe.client.changes import Changes, gone_between
from chappe.client.contacts import Check, Contacts, certificate_of
from chappe.client.core import Core
from chappe.client.events import ConversationChanged, Unreadable
from chappe.client.groups import LEFT, Description, Groups
from chappe.client.keys import Keys
from chappe.client.log_alarms import Alarms, Evidence
from chappe.client.messages import Incoming, Messages
from chappe.client.outbox import Outbox
from chappe.client.parked import Parked
from chappe.client.proofs import Proofs, Received
from chappe.client.senders import check_followed, check_form, check_leaves, removed_from_outside
from chappe.client.tokens import Tokens
from chappe.mls import (
    AlreadyConsumed,
    ApplicationMessage,
    CommitApplied,
    ContentType,
    Group,
    InvalidMessage,
    MLSError,
    Peeked,
    ProposalReceived,
    Remove,
    WireFormat,
    WrongEpoch,
    peek,
    welcome_refs,
)
from chappe.wire import chain
from chappe.wire import content as c
from chappe.wire.errors import ChappeError, StorageFailure, error
from chappe.wire.orders import REMOVAL_CONTEXT

MAX_OUTSIDE: Final = 64
"""Proposals from outside that are kept aside, per conversation."""
MAX_PROPOSAL: Final = 16 * 1024
"""The most that one of them is, in bytes."""


class Inbox:
    def __init__(
        self,
        core: Core,
        groups: Groups,
        contacts: Contacts,
        keys: Keys,
        messages: Messages,
        chains: Chains,
        proofs: Proofs,
        changes: Changes,
        outbox: Outbox,
        tokens: Tokens,
        alarms: Alarms,
    ) -> None:
        self._core = core
        self._store = core.store
        self._parked = Parked(core.store)
        self._groups = groups
        self._contacts = contacts
        self._keys = keys
        self._messages = messages
        self._chains = chains
        self._proofs = proofs
        self._changes = changes
        self._outbox = outbox
        self._tokens = tokens
        self._alarms = alarms

    def on_heard(self) -> None:
        """A message opened: somebody of the conversation has written it, and it is new."""

    def take(self, payload: bytes, at: int) -> None:
        """One envelope, inside a change. Raises StorageFailure only."""
        try:
            seen = peek(payload)
        except MLSError:
            self._core.tell(Unreadable(None, "message.unreadable"))
            return
        if seen.wire_format is WireFormat.WELCOME:
            self._join(payload)
        elif seen.wire_format is WireFormat.PRIVATE_MESSAGE and seen.group_id is not None:
            if not self._groups.has(seen.group_id):
                self._core.tell(Unreadable(None, "conversation.unknown"))
            elif self._groups.activity(seen.group_id) != LEFT and self._open(seen, payload, at):
                self.open_held(seen.group_id)
        elif seen.wire_format is WireFormat.PUBLIC_MESSAGE and seen.content_type is ContentType.PROPOSAL:
            self._take_from_outside(seen, payload, at)
        else:
            # Members' handshakes travel encrypted; one in the clear is not of a Chappe client.
            self._core.tell(Unreadable(None, "message.unreadable"))

    def confirm(self) -> None:
        """Queue receipts for what came in direct conversations."""
        waiting, self._messages.to_confirm = self._messages.to_confirm, {}
        for conversation, ids in waiting.items():
            for start in range(0, len(ids), c.MAX_STATUSES):
                part = ids[start : start + c.MAX_STATUSES]
                receipt = c.Receipt(tuple((id_, c.Status.DELIVERED) for id_ in part))
                _, data = self._messages.new(conversation, receipt)
                self._outbox.put(conversation, data, None)

    # --- Welcomes

    def _join(self, payload: bytes) -> None:
        try:
            bundle = self._keys.find(welcome_refs(payload))
            if bundle is None:
                self._look_at_spent(payload)
                return
            check = Check(self._contacts)
            group = Group.join(payload, bundle, self._core.me.signer, authenticate=check)
            description = Description.of(group)
            check_leaves(group)
            check_form(group)
            peer = self._peer(group, description)
        except StorageFailure:
            raise
        except (MLSError, ChappeError) as problem:
            self._core.tell(Unreadable(None, _code(problem)))
            return
        self._keys.spend(bundle, payload)
        # A Welcome to a conversation that goes on here would replace it: only a stranger gains by that.
        # One that was left begins again as what it was, or not at all: it is shown under its old name.
        if self._groups.has(group.group_id) and (
            self._groups.activity(group.group_id) != LEFT
            or self._kind_and_peer(group.group_id) != (description.kind, peer)
        ):
            self._core.tell(Unreadable(group.group_id, "message.unreadable"))
            return
        self._contacts.learn(check.seen)
        self._groups.insert(group, description, peer)
        self._core.tell(ConversationChanged(self._groups.shown(group.group_id), "joined"))

    def _look_at_spent(self, payload: bytes) -> None:
        """A key package is for one Welcome. Another to one that has served: the relay handed it out twice, or
        whoever had it first has used it twice. The same Welcome may come again."""
        ref = self._keys.reused(welcome_refs(payload), payload)
        if ref is not None:
            said = f"a Welcome to the key package {ref.hex()}, which another Welcome has used up"
            self._alarms.raise_("relay.key_reused", Evidence(said=said), about=ref)

    def _kind_and_peer(self, conversation: bytes) -> tuple[str, str | None] | None:
        return self._store.one("SELECT kind, peer FROM conversations WHERE id = ?", conversation)

    def _peer(self, group: Group, description: Description) -> str | None:
        """The other line of a direct conversation. Raises certificate.invalid if there is not just one."""
        if description.kind != "direct":
            return None
        addresses = {certificate_of(member.credential).address for member in group.members}
        others = addresses - {self._core.me.address}
        if len(others) != 1:
            raise error("certificate.invalid")
        return others.pop()

    # --- messages

    def _open(self, seen: Peeked, payload: bytes, at: int) -> bool:
        """Open one message; True if it began an epoch."""
        conversation = seen.group_id
        assert conversation is not None
        group = self._groups.group(conversation)
        check = Check(self._contacts, self._allowed(conversation))
        if seen.content_type is ContentType.COMMIT:
            group = self._with_outside(conversation, group)
        try:
            after, received = group.process(payload, now=self._core.now(), authenticate=check)
            if isinstance(received, CommitApplied):
                self._check_commit(group, after, received)
            elif isinstance(received, ProposalReceived):
                self._check_proposal(conversation, received)
        except AlreadyConsumed:
            if seen.content_type is ContentType.APPLICATION:
                self._chains.replayed(conversation)
            return False
        except WrongEpoch as problem:
            if problem.ahead:
                self._parked.add(conversation, payload, at)
            else:
                self._unreadable(seen, at, problem)
            return False
        except (MLSError, ChappeError) as problem:
            self._unreadable(seen, at, problem)
            return False
        self.on_heard()
        if isinstance(received, ApplicationMessage):
            self._groups.keep(conversation, after)
            self._take_content(conversation, after, received, at)
            return False
        if isinstance(received, ProposalReceived):
            self._groups.keep(conversation, after)
            self._take_proposal(conversation, received)
            return False
        self._contacts.learn(check.seen)
        self._take_commit(conversation, group, after, received)
        return not received.removed_self

    def _allowed(self, conversation: bytes) -> frozenset[str] | None:
        row = self._store.one("SELECT kind, peer FROM conversations WHERE id = ?", conversation)
        if row is None or row[0] != "direct":
            return None
        return frozenset({self._core.me.address, row[1]})

    def _check_commit(self, before: Group, after: Group, applied: CommitApplied) -> None:
        """A conversation does not change its kind, and nobody lets themselves in."""
        if applied.external or applied.reinit is not None:
            raise error("message.unreadable")
        if applied.removed_self:
            return
        if Description.of(after).kind != Description.of(before).kind:
            raise error("content.malformed")
        for member in applied.added:
            certificate_of(member.credential)
        check_followed(before, after)

    def _check_proposal(self, conversation: bytes, received: ProposalReceived) -> None:
        """The one proposal that Chappe makes: a line that leaves puts its own devices out. Whatever is kept
        is carried out by the next commit, so nothing else may be."""
        addresses = {place.leaf: place.address for place in self._groups.places(conversation)}
        if not isinstance(received.proposal, Remove) or not received.sender.is_member:
            raise error("message.unreadable")
        if addresses.get(received.proposal.removed) != addresses.get(received.sender.index):
            raise error("message.unreadable")

    def _take_proposal(self, conversation: bytes, received: ProposalReceived) -> None:
        """Who leaves cannot commit it: the others do, whoever is first."""
        places = self._groups.places(conversation)
        leaving = next(place.address for place in places if place.leaf == received.sender.index)
        if leaving != self._core.me.address:
            self._changes.want(conversation, i.Settle())

    def _take_content(self, conversation: bytes, group: Group, received: ApplicationMessage, at: int) -> None:
        try:
            sender = certificate_of(received.sender_member.credential)
        except ChappeError:
            self._messages.insert_unreadable(conversation, "", at)
            return
        if not self._contacts.speaks_for_its_line(sender):
            self._messages.insert_unreadable(conversation, "", at)
            return
        address = sender.address
        try:
            item = chain.decode(received.data)
            self._chains.check_history(group, received.epoch, received.authenticated_data, address)
            heed = self._chains.take(conversation, sender, item)
            if heed is Heed.NOT:
                return
            message = c.decode(item.body)
            if (item.link is None) != isinstance(message.body, c.Typing):
                raise error("content.malformed")
        except ChappeError as problem:
            if problem.code != "content.malformed":
                raise
            self._messages.insert_unreadable(conversation, address, at)
            return
        if isinstance(message.body, c.Delivery):
            self._tokens.learn(sender.device_id, message.body)
            return
        id_ = self._messages.id_of(conversation, address, item.body)
        incoming = Incoming(conversation, id_, address, at, message)
        self._messages.apply(incoming)
        if heed is Heed.LATE and isinstance(message.body, c.Text | c.Attachment) and message.replaces is None:
            self._chains.late(conversation, address)
        self._proofs.keep(incoming, Received(received, received.sender_member.credential.identity))

    def _take_commit(self, conversation: bytes, before: Group, after: Group, applied: CommitApplied) -> None:
        self._changes.superseded(conversation, before.epoch)
        if applied.removed_self:
            self._groups.forget(conversation)
            self._changes.abandon(conversation, error("conversation.left"))
            self._core.tell(ConversationChanged(self._groups.shown(conversation), "left"))
            return
        self._groups.enter(conversation, after)
        self._put_out_again(conversation, applied)
        what = "members" if applied.added or applied.removed else "description"
        if applied.added or applied.removed or applied.extensions_changed:
            self._core.tell(ConversationChanged(self._groups.shown(conversation), what))
        if applied.authenticated_data.startswith(REMOVAL_CONTEXT):
            self._changes.removed_by_order(conversation, gone_between(before, after))

    def _put_out_again(self, conversation: bytes, applied: CommitApplied) -> None:
        """Who had not heard of an order let in a device that it had put out."""
        for member in applied.added:
            device = certificate_of(member.credential).device_id
            order = self._changes.ordered_out(device)
            if order is not None:
                self._changes.want_out(conversation, i.RemoveDevice(device, order))

    # --- proposals from outside

    def _take_from_outside(self, seen: Peeked, payload: bytes, at: int) -> None:
        """An organisation's Remove, sent on by the member who will commit it. It is kept aside, not in the
        group: whose order it carries out that member has verified, and this one has not, so nothing is held
        back for it and no commit of this device carries it."""
        conversation = seen.group_id
        assert conversation is not None
        if not self._groups.has(conversation) or self._groups.activity(conversation) == LEFT:
            self._core.tell(Unreadable(None, "conversation.unknown"))
            return
        group, epoch = self._groups.group(conversation), seen.epoch or 0
        absurd = len(payload) > MAX_PROPOSAL
        if absurd or (epoch == group.epoch and self._with_one(group, payload) is None):
            self._unreadable(seen, at, error("message.unreadable"))
            return
        kept = self._store.all("SELECT payload FROM outside WHERE conversation = ?", conversation)
        if epoch >= group.epoch and len(kept) < MAX_OUTSIDE and (payload,) not in kept:
            self._store.run(
                "INSERT INTO outside (conversation, epoch, payload) VALUES (?, ?, ?)",
                conversation,
                epoch,
                payload,
            )

    def _with_one(self, group: Group, payload: bytes) -> Group | None:
        try:
            after, received = group.process(payload, now=self._core.now(), authenticate=Check(self._contacts))
            removed_from_outside(group, received)
        except (MLSError, ChappeError):
            return None
        return after

    def _with_outside(self, conversation: bytes, group: Group) -> Group:
        """The group as a commit of this epoch may presuppose it."""
        for (payload,) in self._store.all(
            "SELECT payload FROM outside WHERE conversation = ? AND epoch = ?", conversation, group.epoch
        ):
            group = self._with_one(group, payload) or group
        return group

    # --- what waits, and what cannot be opened

    def open_held(self, conversation: bytes) -> None:
        """An epoch began: what was held for it is opened, and so on while epochs begin."""
        advanced = True
        while advanced:
            advanced = False
            for row, at, seen, payload in self._held(conversation):
                self._parked.drop(row)
                if self._open(seen, payload, at):
                    advanced = True
                    break

    def _held(self, conversation: bytes) -> list[tuple[int, int, Peeked, bytes]]:
        """What can be opened now: epoch by epoch, and the commit that ends an epoch last."""
        epoch = self._groups.group(conversation).epoch
        held = [(row, at, peek(payload), payload) for row, at, payload in self._parked.of(conversation)]
        ready = [one for one in held if (one[2].epoch or 0) <= epoch]
        return sorted(ready, key=lambda one: (one[2].epoch or 0, one[2].content_type is ContentType.COMMIT))

    def _unreadable(self, seen: Peeked, at: int, problem: Exception) -> None:
        """Say so; where a message should be, leave its place."""
        assert seen.group_id is not None
        if seen.content_type is ContentType.APPLICATION:
            self._messages.insert_unreadable(seen.group_id, "", at)
            if isinstance(problem, InvalidMessage):
                group = self._groups.group(seen.group_id)
                self._chains.check_history(group, seen.epoch or 0, seen.authenticated_data, "")
        self._core.tell(Unreadable(seen.group_id, _code(problem)))


def _code(problem: Exception) -> str:
    return problem.code if isinstance(problem, ChappeError) else "message.unreadable"
