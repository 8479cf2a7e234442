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
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from chappe.mls.codec import Reader, opaque, parse, vector
from chappe.mls.commits import CommitApplied, NewCommit, create_commit, group_info
from chappe.mls.epoch import Epoch
from chappe.mls.errors import GroupClosed, InvalidMessage, NotMember, ProposalsPending
from chappe.mls.external import external_pub_extension, join_by_commit, parse_group_info
from chappe.mls.framing import (
    AuthenticatedContent,
    Body,
    ContentType,
    FramedContent,
    Sender,
    WireFormat,
    encode_message,
)
from chappe.mls.group_context import GroupContext
from chappe.mls.joining import create_group, join_group, parse_welcome
from chappe.mls.key_package import KeyPackage, KeyPackageBundle
from chappe.mls.key_schedule import KeySchedule
from chappe.mls.leaf_node import (
    Capabilities,
    Credential,
    Extension,
    Extensions,
    ExtensionType,
    LeafSource,
)
from chappe.mls.leaf_rules import (
    MAX_LEAF_LIFETIME,
    Authenticate,
    Succeeds,
    same_identity,
)
from chappe.mls.opening import open_message
from chappe.mls.processing import Rules, check_successor_leaf, process_commit
from chappe.mls.proposals import Add, Commit, Proposal, ReInit, SetExtensions, Update
from chappe.mls.protection import protect_private, protect_public, sign_content
from chappe.mls.psks import PreSharedKeyID, PskStore
from chappe.mls.secret_tree import RatchetType
from chappe.mls.senders import authenticate_new_senders
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import GroupState, Member, PendingProposal
from chappe.mls.successors import branch, check_successor, reinitialise
from chappe.mls.suites import CipherSuite, Random
from chappe.mls.validation import check_proposal, check_sendable

Psks = Mapping[bytes, bytes]
"""External pre-shared keys by their id."""


@dataclass(frozen=True, slots=True)
class ApplicationMessage:
    """Application data, opened and its signature checked. `sender` is a leaf index of `epoch`. `signed`: the
    FramedContentTBS (section 6.1) that `signature` is over, with which anybody can check it again."""

    sender: int
    epoch: int
    data: bytes
    authenticated_data: bytes
    sender_member: Member
    signed: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class ProposalReceived:
    """A proposal that the next commit may carry. It is kept in the group until the epoch ends."""

    proposal: Proposal
    sender: Sender
    ref: bytes
    authenticated_data: bytes = b""


Received: TypeAlias = ApplicationMessage | ProposalReceived | CommitApplied


@dataclass(frozen=True, slots=True)
class CommitResult:
    """`group` is the epoch that the commit leads to: adopt it once the commit is accepted, not before."""

    group: Group
    message: bytes
    welcome: bytes | None
    applied: CommitApplied


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
        succeeds: Succeeds = same_identity,
        psks: Psks | None = None,
        groups: Sequence[Group] = (),
        known_groups: Collection[bytes] = (),
        ratchet_tree: bytes | None = None,
        max_lifetime: int | None = MAX_LEAF_LIFETIME,
    ) -> Group:
        """The group that a Welcome lets in to (section 12.4.3.1). Keep the result, then delete the bundle
        unless its key package is the last resort.

        `groups`: those that the new one may follow on (ReInit, branch). `known_groups`: the ids of the groups
        that this client is in, which a new one must not repeat. `max_lifetime`: longest lifetime in seconds
        that a leaf of the tree may claim. Raises MalformedMessage, InvalidMessage."""
        state, origin = join_group(
            welcome,
            bundle,
            signer,
            authenticate=authenticate,
            psks=_psk_store(psks, groups),
            ratchet_tree=ratchet_tree,
            known_groups=known_groups,
            max_lifetime=max_lifetime,
        )
        if origin is not None:
            check_successor(state, origin, [group._state for group in groups], succeeds)
        return cls(state)

    @classmethod
    def join_by_commit(
        cls,
        group_info: bytes,
        signer: SignatureKey,
        credential: Credential,
        *,
        authenticate: Authenticate,
        succeeds: Succeeds = same_identity,
        resync: bool = False,
        psk_ids: Sequence[PreSharedKeyID] = (),
        psks: Psks | None = None,
        groups: Sequence[Group] = (),
        known_groups: Collection[bytes] = (),
        ratchet_tree: bytes | None = None,
        capabilities: Capabilities | None = None,
        leaf_extensions: Extensions = (),
        authenticated_data: bytes = b"",
        max_lifetime: int | None = MAX_LEAF_LIFETIME,
        random: Random = os.urandom,
    ) -> CommitResult:
        """Come in by an external commit, from a GroupInfo with `external_pub` (section 12.4.3.2).

        `resync` puts out the client's own old leaf; without it the group's id must not be in `known_groups`.
        The message is a PublicMessage: everybody may read who comes in.
        Raises MalformedMessage, InvalidMessage, UnsupportedSuite."""
        rules = Rules(authenticate, succeeds, max_lifetime, _psk_store(psks, groups))
        new = join_by_commit(
            parse_group_info(group_info, ratchet_tree, rules),
            signer,
            credential,
            resync=resync,
            psk_ids=tuple(psk_ids),
            known_groups=known_groups,
            rules=rules,
            capabilities=capabilities,
            leaf_extensions=leaf_extensions,
            authenticated_data=authenticated_data,
            random=random,
        )
        return _result(new)

    def reinitialise(
        self,
        signer: SignatureKey,
        credential: Credential,
        key_packages: Sequence[KeyPackage],
        *,
        now: int,
        capabilities: Capabilities | None = None,
        succeeds: Succeeds = same_identity,
        max_lifetime: int | None = MAX_LEAF_LIFETIME,
        random: Random = os.urandom,
    ) -> CommitResult:
        """The group that takes over from this one, which a ReInit closed (section 11.2). `key_packages` are
        of all the other members, in the new suite. Nobody processes the commit: the others join by its
        Welcome. Raises InvalidMessage."""
        new = reinitialise(
            self._state,
            signer,
            credential,
            key_packages,
            capabilities=capabilities,
            succeeds=succeeds,
            max_lifetime=max_lifetime,
            now=now,
            random=random,
        )
        return _result(new)

    def branch(
        self,
        group_id: bytes,
        key_packages: Sequence[KeyPackage],
        *,
        now: int,
        extensions: Sequence[Extension] = (),
        capabilities: Capabilities | None = None,
        succeeds: Succeeds = same_identity,
        max_lifetime: int | None = MAX_LEAF_LIFETIME,
        random: Random = os.urandom,
    ) -> CommitResult:
        """A group of this member and the members of `key_packages`, tied to this group (section 11.3).
        Raises NotMember, GroupClosed, InvalidMessage."""
        new = branch(
            self._active_state(),
            group_id,
            key_packages,
            extensions=tuple(extensions),
            capabilities=capabilities,
            succeeds=succeeds,
            max_lifetime=max_lifetime,
            now=now,
            random=random,
        )
        return _result(new)

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

    def transcript_hash(self, epoch: int) -> bytes | None:
        """The confirmed transcript hash (section 8.2) of this epoch, or of a past one whose keys are kept."""
        if epoch == self.epoch:
            return self._state.context.confirmed_transcript_hash
        context = self._state.context_of(epoch)
        return None if context is None else parse(GroupContext.read, context).confirmed_transcript_hash

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

    @property
    def reinit(self) -> ReInit | None:
        """What the group is to be reinitialised as, once a commit closed it (section 11.2)."""
        return self._state.reinit

    def group_info(
        self, *, ratchet_tree: bool = True, external_pub: bool = True, extensions: Extensions = ()
    ) -> bytes:
        """A signed GroupInfo message of this epoch. With `external_pub` whoever has it may come in by a
        commit. `extensions`: the application's own, or GREASE. Raises NotMember, GroupClosed."""
        state = self._active_state()
        own = list(extensions)
        if ratchet_tree:
            own.append(Extension(ExtensionType.RATCHET_TREE, state.tree.encode()))
        if external_pub:
            public = state.secrets.external_key_pair(state.suite).public
            own.append(external_pub_extension(public))
        epoch = Epoch(
            state.context, state.tree, KeySchedule(b"", b"", b"", state.secrets), state.confirmation_tag
        )
        return encode_message(group_info(epoch, state.own_leaf, state.signer, own))

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
        leaves: a key must never serve twice. Raises NotMember, GroupClosed; ProposalsPending where the
        epoch's proposals have to be committed first (section 12.4)."""
        state = self._active_state().without_expired(now)
        if state.proposals:
            raise ProposalsPending("commit the proposals of this epoch before sending application data")
        group, message, _ = self._protect(
            state, data, authenticated_data, WireFormat.PRIVATE_MESSAGE, padding, random
        )
        return group, message

    def propose(
        self,
        proposal: Proposal,
        *,
        now: int,
        authenticated_data: bytes = b"",
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
        random: Random = os.urandom,
    ) -> tuple[Group, bytes]:
        """A proposal for another member, or for this one, to commit; an Update is `propose_update`'s.
        Raises NotMember, GroupClosed, InvalidMessage: also for an Add outside its lifetime (section 7.3)."""
        state = self._active_state()
        check_sendable(proposal, now, MAX_LEAF_LIFETIME)
        if isinstance(proposal, Update):
            raise InvalidMessage("an Update is proposed with its private key: propose_update")
        me = Sender.member(self.own_leaf)
        check_proposal(
            state.tree, state.context, proposal, me, founding=False, max_lifetime=MAX_LEAF_LIFETIME
        )
        return self._propose(state, proposal, authenticated_data, wire_format, random)

    def propose_update(
        self,
        *,
        authenticated_data: bytes = b"",
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
        random: Random = os.urandom,
    ) -> tuple[Group, bytes]:
        """An Update of the own leaf, for another member to commit (section 12.1.2).
        Raises NotMember, GroupClosed."""
        state = self._active_state()
        keys, own = self.suite.generate_key_pair(random), state.tree.leaf(self.own_leaf)
        assert own is not None
        leaf = replace(
            own, encryption_key=keys.public, source=LeafSource.UPDATE, lifetime=None, parent_hash=None
        ).signed(self.suite, state.signer.private, self.group_id, self.own_leaf)
        state = replace(state, own_updates={**state.own_updates, keys.public: keys.private})
        return self._propose(state, Update(leaf), authenticated_data, wire_format, random)

    def commit(
        self,
        proposals: Sequence[Proposal] = (),
        *,
        now: int,
        authenticated_data: bytes = b"",
        update_path: bool = True,
        wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
        psks: Psks | None = None,
        groups: Sequence[Group] = (),
        max_lifetime: int | None = MAX_LEAF_LIFETIME,
        random: Random = os.urandom,
    ) -> CommitResult:
        """Commit `proposals`, and by reference all pending ones that fit; none at all refreshes the own
        leaf. This group stays as it is. `groups`: others whose resumption PSK may be asked for.
        Raises NotMember, GroupClosed, InvalidMessage."""
        state = self._active_state().without_expired(now)
        new = create_commit(
            state,
            proposals,
            now=now,
            random=random,
            authenticated_data=authenticated_data,
            update_path=update_path,
            wire_format=wire_format,
            psks=_psk_store(psks, (self, *groups)),
            max_lifetime=max_lifetime,
        )
        return _result(new)

    def carry_over(self, before: Group) -> Group:
        """This group, the result of an own commit, as it is to be adopted now that the commit is accepted.

        While the commit was under way `before` opened and sent messages; the keys that these took are gone
        here too. Raises InvalidMessage unless this is the epoch after `before`'s."""
        old, new = before._state, self._state
        if before.group_id != self.group_id or before.epoch + 1 != self.epoch:
            raise InvalidMessage("not the epoch that follows")
        trees = {past.epoch: past.secret_tree for past in old.past}
        trees[before.epoch] = old.secret_tree.for_late_messages(old.own_leaf)
        past = tuple(replace(p, secret_tree=trees[p.epoch]) for p in new.past if p.epoch in trees)
        return Group(replace(new, past=past))

    def without_expired(self, now: int) -> Group:
        """This group without the secrets of past epochs whose time is over; itself if there are none.

        Whatever takes `now` does so by itself: this is for a group in which nothing happens."""
        state = self._state.without_expired(now)
        return self if state is self._state else Group(state)

    def without_proposal(self, ref: bytes) -> Group:
        """This group without a pending proposal that the application does not want to commit. A commit of it
        by another member can then not be processed."""
        kept = tuple(p for p in self._state.proposals if p.ref != ref)
        return Group(replace(self._state, proposals=kept))

    # Receiving --------------------------------------------------------------------------------------

    def process(
        self,
        message: bytes,
        *,
        now: int,
        authenticate: Authenticate,
        succeeds: Succeeds = same_identity,
        psks: Psks | None = None,
        groups: Sequence[Group] = (),
        max_lifetime: int | None = MAX_LEAF_LIFETIME,
    ) -> tuple[Group, Received]:
        """Open one message. `max_lifetime`: longest lifetime in seconds that an added leaf may claim.

        Raises MalformedMessage, InvalidMessage, WrongEpoch, AlreadyConsumed, NotMember, GroupClosed, or what
        `authenticate` raises; this group then remains as it was."""
        if not self._state.active:
            raise NotMember("this client is no longer in the group")
        state, content, member = open_message(self._state.without_expired(now), message)
        payload = content.content.body
        if isinstance(payload, bytes):
            assert member is not None
            sent = content.content
            context = state.context_of(sent.epoch)
            assert context is not None
            received = ApplicationMessage(
                sent.sender.index,
                sent.epoch,
                payload,
                sent.authenticated_data,
                member,
                sent.to_be_signed(content.wire_format, context),
                content.auth.signature,
            )
            return Group(state), received
        if state.reinit is not None:
            raise GroupClosed("the group was closed by a ReInit")
        rules = Rules(authenticate, succeeds, max_lifetime, _psk_store(psks, (self, *groups)))
        if content.content.content_type is ContentType.PROPOSAL:
            return self._take_proposal(state, content, rules)
        after, applied = process_commit(state, content, now=now, rules=rules)
        return Group(after), applied

    # Inside -----------------------------------------------------------------------------------------

    def _active_state(self) -> GroupState:
        if not self._state.active:
            raise NotMember("this client is no longer in the group")
        if self._state.reinit is not None:
            raise GroupClosed("the group was closed by a ReInit")
        return self._state

    def _protect(
        self,
        state: GroupState,
        body: Body,
        authenticated_data: bytes,
        wire_format: WireFormat,
        padding: int,
        random: Random,
    ) -> tuple[Group, bytes, AuthenticatedContent]:
        content = FramedContent(
            self.group_id, self.epoch, Sender.member(self.own_leaf), authenticated_data, body
        )
        context = state.context.encoded
        auth = sign_content(self.suite, state.signer.private, wire_format, content, context)
        signed = AuthenticatedContent(wire_format, content, auth)
        if wire_format is WireFormat.PUBLIC_MESSAGE:
            public = protect_public(self.suite, state.secrets.membership_key, signed, context)
            return Group(state), encode_message(public), signed
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
        self,
        state: GroupState,
        proposal: Proposal,
        authenticated_data: bytes,
        wire_format: WireFormat,
        random: Random,
    ) -> tuple[Group, bytes]:
        group, message, signed = self._protect(state, proposal, authenticated_data, wire_format, 0, random)
        pending = self._pending(signed, proposal)
        return Group(replace(group._state, proposals=(*state.proposals, pending))), message

    def _pending(self, content: AuthenticatedContent, proposal: Proposal) -> PendingProposal:
        ref = self.suite.ref_hash("MLS 1.0 Proposal Reference", content.encode())
        return PendingProposal(ref, proposal, content.content.sender)

    def _take_proposal(
        self, state: GroupState, content: AuthenticatedContent, rules: Rules
    ) -> tuple[Group, ProposalReceived]:
        """Checked here as it will be in a commit: what is kept can be committed."""
        proposal, sender = content.content.body, content.content.sender
        assert not isinstance(proposal, bytes | Commit)
        check_proposal(
            state.tree, state.context, proposal, sender, founding=False, max_lifetime=rules.max_lifetime
        )
        if isinstance(proposal, Add):
            leaf = proposal.key_package.leaf_node
            rules.authenticate(leaf.credential, leaf.signature_key)
        elif isinstance(proposal, Update):
            check_successor_leaf(state, sender.index, proposal.leaf_node, rules)
        elif isinstance(proposal, SetExtensions):
            authenticate_new_senders(state.context.extensions, proposal.extensions, rules.authenticate)
        pending = self._pending(content, proposal)
        known = any(p.ref == pending.ref for p in state.proposals)
        after = state if known else replace(state, proposals=(*state.proposals, pending))
        said = content.content.authenticated_data
        return Group(after), ProposalReceived(proposal, sender, pending.ref, said)


def _result(new: NewCommit) -> CommitResult:
    return CommitResult(Group(new.state), new.message, new.welcome, new.applied)


def _psk_store(psks: Psks | None, groups: Sequence[Group]) -> PskStore:
    resumption = {
        (group.group_id, epoch): psk
        for group in groups
        for epoch, psk in group._state.resumption_psks.items()
    }
    return PskStore(psks or {}, resumption)


def welcome_refs(welcome: bytes) -> list[bytes]:
    """The key package references that a Welcome is for. Raises MalformedMessage."""
    return [secret.new_member for secret in parse_welcome(welcome).secrets]
