"""The engine's front door: a group as a value (RFC 9420).

    group = Group.create(...)                   founding
    result = group.commit([Add(key_package)])   result.group is the next epoch: adopt it when accepted
    group, message = group.encrypt(b"...")      adopt the new group before the message leaves
    group, received = group.process(message)    raises and changes nothing, or gives the new group

Bytes in, bytes and a new value out: no socket, file or clock. Time is `now`, in Unix seconds; randomness is
`random(n)`. The one randomness that is not handed in is the HPKE encapsulation's, inside `cryptography`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from chappe.mls.codec import Reader, opaque, parse, vector
from chappe.mls.commits import Authenticate, CommitApplied, Psks, create_commit, process_commit
from chappe.mls.errors import InvalidMessage, NotMember, WrongEpoch
from chappe.mls.framing import (
    AuthenticatedContent,
    Body,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    SenderType,
    WireFormat,
    encode_message,
    parse_message,
)
from chappe.mls.joining import create_group, join_group, parse_welcome
from chappe.mls.key_package import KeyPackageBundle
from chappe.mls.leaf_node import (
    Capabilities,
    Credential,
    Extension,
    Extensions,
    ExtensionType,
    LeafSource,
    find_extension,
)
from chappe.mls.proposals import Add, Proposal, Remove, Update
from chappe.mls.protection import (
    protect_private,
    sign_content,
    signature_holds,
    unprotect_private,
    unprotect_public,
)
from chappe.mls.secret_tree import RatchetType
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import GroupState, Member, PastEpoch, PendingProposal
from chappe.mls.suites import CipherSuite, Random
from chappe.mls.validation import check_proposal_sender


@dataclass(frozen=True, slots=True)
class ApplicationMessage:
    """Application data, opened and its signature checked. `sender` is a leaf index of `epoch`."""

    sender: int
    epoch: int
    data: bytes
    authenticated_data: bytes
    sender_member: Member


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A proposal that the next commit may carry. It is kept in the group until the epoch ends."""

    proposal: Proposal
    sender: Sender


Received: TypeAlias = ApplicationMessage | ProposalReceived | CommitApplied


@dataclass(frozen=True, slots=True)
class CommitResult:
    """`group` is the epoch that the commit leads to: adopt it once the commit is accepted, not before."""

    group: Group
    message: bytes
    welcome: bytes | None
    applied: CommitApplied


def accept_any(credential: Credential, signature_key: bytes) -> None:
    """An `authenticate` that refuses nobody: for tests and benchmarks."""


class Group:
    """One member's view of a group in one epoch. Never changes; methods give the next one."""

    __slots__ = ("_state",)

    def __init__(self, state: GroupState) -> None:
        self._state = state

    def __repr__(self) -> str:
        return f"<Group {self.group_id.hex()[:12]} epoch {self.epoch} leaf {self.own_leaf}>"

    # Founding, joining, keeping ---------------------------------------------------------------------

    @classmethod
    def create(
        cls,
        suite: CipherSuite,
        group_id: bytes,
        signer: SignatureKey,
        credential: Credential,
        *,
        now: int,
        extensions: Sequence[Extension] = (),
        capabilities: Capabilities | None = None,
        random: Random = os.urandom,
    ) -> Group:
        """A group of one at epoch 0 (section 11). Extension types of the application must be listed in
        `capabilities`. Raises InvalidMessage."""
        state = create_group(
            suite,
            group_id,
            signer,
            credential,
            extensions=tuple(extensions),
            capabilities=capabilities,
            now=now,
            random=random,
        )
        return cls(state)

    @classmethod
    def join(
        cls,
        welcome: bytes,
        bundle: KeyPackageBundle,
        signer: SignatureKey,
        *,
        authenticate: Authenticate,
        psks: Psks | None = None,
        ratchet_tree: bytes | None = None,
    ) -> Group:
        """The group that a Welcome lets in to (section 12.4.3.1). Keep the result, then delete the bundle
        unless its key package is the last resort. Raises MalformedMessage, InvalidMessage."""
        state = join_group(
            welcome, bundle, signer, authenticate=authenticate, psks=psks or {}, ratchet_tree=ratchet_tree
        )
        return cls(state)

    def shared_bytes(self) -> bytes:
        """The stored part that changes with the epoch only (made once per epoch)."""
        return self._state.shared_bytes

    def secret_bytes(self) -> bytes:
        """The stored part that changes with each message. It opens the group."""
        return self._state.secret_bytes

    @classmethod
    def from_parts(cls, shared: bytes, secret: bytes) -> Group:
        """Raises MalformedMessage."""
        return cls(GroupState.from_parts(shared, secret))

    def to_bytes(self) -> bytes:
        """The whole state, secrets included."""
        return vector((opaque(self.shared_bytes()), opaque(self.secret_bytes())))

    @classmethod
    def from_bytes(cls, data: bytes) -> Group:
        """Raises MalformedMessage."""
        inner = parse(Reader.opaque, data)
        return cls.from_parts(*parse(lambda r: (r.opaque(), r.opaque()), inner))

    # Reading ----------------------------------------------------------------------------------------

    @property
    def suite(self) -> CipherSuite:
        return self._state.suite

    @property
    def group_id(self) -> bytes:
        return self._state.context.group_id

    @property
    def epoch(self) -> int:
        return self._state.context.epoch

    @property
    def own_leaf(self) -> int:
        return self._state.own_leaf

    @property
    def is_active(self) -> bool:
        """False once this member was removed."""
        return self._state.active

    @property
    def extensions(self) -> Extensions:
        return self._state.context.extensions

    @property
    def epoch_authenticator(self) -> bytes:
        """Equal for two members exactly if they agree on the group's whole history (section 8.7)."""
        return self._state.secrets.epoch_authenticator

    @property
    def members(self) -> list[Member]:
        leaves = self._state.tree.leaves()
        return [Member(index, leaf.credential, leaf.signature_key) for index, leaf in leaves]

    @property
    def pending_proposals(self) -> tuple[PendingProposal, ...]:
        return self._state.proposals

    @property
    def messages_sent(self) -> int:
        """Application messages that this member sent in this epoch."""
        return self._state.secret_tree.next_generation(self.own_leaf, RatchetType.APPLICATION)

    def export(self, label: str, context: bytes, length: int) -> bytes:
        """MLS-Exporter (section 8.5)."""
        return self._state.secrets.export(self.suite, label, context, length)

    # Sending ----------------------------------------------------------------------------------------

    def encrypt(
        self,
        data: bytes,
        *,
        now: int,
        authenticated_data: bytes = b"",
        padding: int = 0,
        random: Random = os.urandom,
    ) -> tuple[Group, bytes]:
        """An application message with `padding` zero bytes inside. Store the new group before the message
        leaves: a key must never serve twice. Raises NotMember."""
        state = self._active_state().without_expired(now)
        return self._protect(state, data, authenticated_data, padding, random)[:2]

    def propose(
        self, proposal: Add | Remove, *, authenticated_data: bytes = b"", random: Random = os.urandom
    ) -> tuple[Group, bytes]:
        """A proposal for another member, or for this one, to commit. Raises NotMember."""
        return self._propose(self._active_state(), proposal, authenticated_data, random)

    def propose_update(
        self, *, authenticated_data: bytes = b"", random: Random = os.urandom
    ) -> tuple[Group, bytes]:
        """An Update of the own leaf, for another member to commit (section 12.1.2). Raises NotMember."""
        state = self._active_state()
        keys, own = self.suite.generate_key_pair(random), state.tree.leaf(self.own_leaf)
        assert own is not None
        leaf = replace(
            own, encryption_key=keys.public, source=LeafSource.UPDATE, lifetime=None, parent_hash=None
        ).signed(self.suite, state.signer.private, self.group_id, self.own_leaf)
        state = replace(state, own_updates={**state.own_updates, keys.public: keys.private})
        return self._propose(state, Update(leaf), authenticated_data, random)

    def commit(
        self,
        proposals: Sequence[Proposal] = (),
        *,
        now: int,
        authenticated_data: bytes = b"",
        update_path: bool = True,
        psks: Psks | None = None,
        random: Random = os.urandom,
    ) -> CommitResult:
        """Commit `proposals`, and by reference all pending ones that fit; none at all refreshes the own
        leaf. This group stays as it is. Raises NotMember, InvalidMessage."""
        new = create_commit(
            self._active_state().without_expired(now),
            proposals,
            now=now,
            random=random,
            authenticated_data=authenticated_data,
            update_path=update_path,
            psks=psks or {},
        )
        return CommitResult(Group(new.state), new.message, new.welcome, new.applied)

    def carry_over(self, before: Group) -> Group:
        """This group, the result of an own commit, as it is to be adopted now that the commit is accepted.

        While the commit was under way `before` opened and sent messages; the keys that these took are gone
        here too. Raises InvalidMessage unless this is the epoch after `before`'s."""
        old, new = before._state, self._state
        if before.group_id != self.group_id or before.epoch + 1 != self.epoch:
            raise InvalidMessage("not the epoch that follows")
        trees = {past.epoch: past.secret_tree for past in old.past} | {before.epoch: old.secret_tree}
        past = tuple(replace(p, secret_tree=trees[p.epoch]) for p in new.past if p.epoch in trees)
        return Group(replace(new, past=past))

    # Receiving --------------------------------------------------------------------------------------

    def process(
        self, message: bytes, *, now: int, authenticate: Authenticate, psks: Psks | None = None
    ) -> tuple[Group, Received]:
        """Open one message. Raises MalformedMessage, InvalidMessage, WrongEpoch, AlreadyConsumed,
        NotMember, or what `authenticate` raises; this group then remains as it was."""
        state = self._active_state().without_expired(now)
        body = parse_message(message)
        if isinstance(body, PrivateMessage):
            state, content, context = self._open_private(state, body)
        elif isinstance(body, PublicMessage):
            content, context = self._open_public(state, body)
        else:
            raise InvalidMessage("not a message to a group")
        member = self._check_signature(state, content, context)
        payload = content.content.body
        if isinstance(payload, bytes):
            assert member is not None
            sent = content.content
            received = ApplicationMessage(
                sent.sender.index, sent.epoch, payload, sent.authenticated_data, member
            )
            return Group(state), received
        if content.content.content_type is ContentType.PROPOSAL:
            return self._take_proposal(state, content)
        after, applied = process_commit(state, content, now=now, authenticate=authenticate, psks=psks or {})
        return Group(after), applied

    # Inside -----------------------------------------------------------------------------------------

    def _active_state(self) -> GroupState:
        if not self._state.active:
            raise NotMember("this client is no longer in the group")
        return self._state

    def _protect(
        self, state: GroupState, body: Body, authenticated_data: bytes, padding: int, random: Random
    ) -> tuple[Group, bytes, AuthenticatedContent]:
        content = FramedContent(
            self.group_id, self.epoch, Sender.member(self.own_leaf), authenticated_data, body
        )
        wire_format = WireFormat.PRIVATE_MESSAGE
        auth = sign_content(self.suite, state.signer.private, wire_format, content, state.context.encoded)
        signed = AuthenticatedContent(wire_format, content, auth)
        secret_tree, message = protect_private(
            self.suite,
            state.secret_tree,
            state.secrets.sender_data_secret,
            signed,
            padding=padding,
            random=random,
        )
        return Group(replace(state, secret_tree=secret_tree)), encode_message(message), signed

    def _propose(
        self, state: GroupState, proposal: Proposal, authenticated_data: bytes, random: Random
    ) -> tuple[Group, bytes]:
        group, message, signed = self._protect(state, proposal, authenticated_data, 0, random)
        pending = self._pending(signed, proposal)
        return Group(replace(group._state, proposals=(*state.proposals, pending))), message

    def _pending(self, content: AuthenticatedContent, proposal: Proposal) -> PendingProposal:
        ref = self.suite.ref_hash("MLS 1.0 Proposal Reference", content.encode())
        return PendingProposal(ref, proposal, content.content.sender)

    def _take_proposal(
        self, state: GroupState, content: AuthenticatedContent
    ) -> tuple[Group, ProposalReceived]:
        proposal, sender = content.content.body, content.content.sender
        assert not isinstance(proposal, bytes)
        check_proposal_sender(proposal, sender)  # type: ignore[arg-type]
        pending = self._pending(content, proposal)  # type: ignore[arg-type]
        known = any(p.ref == pending.ref for p in state.proposals)
        after = state if known else replace(state, proposals=(*state.proposals, pending))
        return Group(after), ProposalReceived(pending.proposal, sender)

    def _open_private(
        self, state: GroupState, message: PrivateMessage
    ) -> tuple[GroupState, AuthenticatedContent, bytes]:
        self._check_group(message.group_id)
        if message.epoch == self.epoch:
            tree, content = unprotect_private(
                self.suite,
                state.secret_tree,
                state.secrets.sender_data_secret,
                message,
                lambda leaf: state.tree.leaf(leaf) is not None and leaf != self.own_leaf,
            )
            return replace(state, secret_tree=tree), content, state.context.encoded
        past = self._past_epoch(state, message.epoch)
        if message.content_type is not ContentType.APPLICATION:
            raise WrongEpoch("a handshake message of an epoch that is over", ahead=False)
        tree, content = unprotect_private(
            self.suite,
            past.secret_tree,
            past.sender_data_secret,
            message,
            lambda leaf: _past_member(state, past, leaf) is not None and leaf != self.own_leaf,
        )
        kept = tuple(replace(p, secret_tree=tree) if p is past else p for p in state.past)
        return replace(state, past=kept), content, past.context

    def _open_public(self, state: GroupState, message: PublicMessage) -> tuple[AuthenticatedContent, bytes]:
        self._check_group(message.content.group_id)
        if message.content.epoch != self.epoch:
            ahead = message.content.epoch > self.epoch
            raise WrongEpoch("a public message of another epoch", ahead=ahead)
        context = state.context.encoded
        return unprotect_public(self.suite, state.secrets.membership_key, message, context), context

    def _check_group(self, group_id: bytes) -> None:
        if group_id != self.group_id:
            raise InvalidMessage("a message to another group")

    def _past_epoch(self, state: GroupState, epoch: int) -> PastEpoch:
        if epoch > self.epoch:
            raise WrongEpoch("a message of an epoch not reached yet", ahead=True)
        for past in state.past:
            if past.epoch == epoch:
                return past
        raise WrongEpoch("a message of an epoch whose keys are gone", ahead=False)

    def _check_signature(
        self, state: GroupState, content: AuthenticatedContent, context: bytes
    ) -> Member | None:
        """The sender, where it is a member, once its signature holds."""
        sender = content.content.sender
        member: Member | None = None
        if sender.is_member:
            past = next((p for p in state.past if p.epoch == content.content.epoch), None)
            member = _past_member(state, past, sender.index) if past else state.member(sender.index)
            key = member.signature_key if member else None
        elif sender.type is SenderType.EXTERNAL:
            key = _external_sender_key(state.context.extensions, sender.index)
        else:
            raise InvalidMessage("messages of new members are not taken here")
        if key is None or not signature_holds(self.suite, key, content, context):
            raise InvalidMessage("the signature does not hold")
        return member


def _past_member(state: GroupState, past: PastEpoch, leaf: int) -> Member | None:
    return past.changes[leaf] if leaf in past.changes else state.member(leaf)


def _external_sender_key(extensions: Extensions, index: int) -> bytes | None:
    """Signature key of an entry of `external_senders` (section 12.1.8.1)."""
    data = find_extension(extensions, ExtensionType.EXTERNAL_SENDERS)
    if data is None:
        return None
    senders = parse(lambda r: r.vector(lambda i: (i.opaque(), Credential.read(i))), data)
    return senders[index][0] if index < len(senders) else None


def welcome_refs(welcome: bytes) -> list[bytes]:
    """The key package references that a Welcome is for. Raises MalformedMessage."""
    return [secret.new_member for secret in parse_welcome(welcome).secrets]
