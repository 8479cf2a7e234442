"""Members, joiners and inviters that keep no rule.

They hold real keys and make everything right but the one thing that a test asks to be wrong: signatures,
tags, parent hashes and path secrets hold. So a refusal is the refusal of that one thing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import pytest

from chappe.mls import (
    Add,
    CipherSuite,
    Credential,
    Extension,
    ExtensionType,
    Group,
    InvalidMessage,
    KeyPackage,
    MLSError,
    Proposal,
    ReInit,
    Remove,
    SetExtensions,
    SignatureKey,
    Update,
    WireFormat,
    accept_any,
    same_identity,
)
from chappe.mls.commits import protect
from chappe.mls.epoch import Epoch, next_epoch, provisional_context
from chappe.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    Sender,
    SenderType,
    encode_message,
)
from chappe.mls.group_context import GroupContext
from chappe.mls.key_schedule import schedule
from chappe.mls.leaf_node import Extensions, LeafNode, LeafSource
from chappe.mls.leaf_rules import MAX_LEAF_LIFETIME, Authenticate, Succeeds
from chappe.mls.proposals import Commit, ExternalInit, PreSharedKey, ProposalOrRef
from chappe.mls.protection import protect_public, sign_content
from chappe.mls.psks import PreSharedKeyID, PskStore, psk_secret
from chappe.mls.ratchet_tree import Node, ParentNode, RatchetTree
from chappe.mls.state import GroupState, PendingProposal
from chappe.mls.treekem import NewPath, UpdatePath, create_path, encrypt_path
from chappe.mls.validation import Applied, Sent
from chappe.mls.welcome import GroupInfo, GroupSecrets, make_welcome
from tests.mls.world import NOW, Client

T = TypeVar("T")
Random = Callable[[int], bytes]

NEWCOMER = Sender(SenderType.NEW_MEMBER_COMMIT)


def same(value: T) -> T:
    return value


# Checking what happens ---------------------------------------------------------------------------------


def refused(
    group: Group,
    message: bytes,
    match: str,
    *,
    kind: type[MLSError] = InvalidMessage,
    authenticate: Authenticate = accept_any,
    succeeds: Succeeds = same_identity,
    psks: dict[bytes, bytes] | None = None,
    groups: Sequence[Group] = (),
    max_lifetime: int | None = MAX_LEAF_LIFETIME,
) -> None:
    """`group` refuses the message for that reason, and is afterwards what it was, byte for byte."""
    before = group.to_bytes()
    with pytest.raises(kind, match=match):
        group.process(
            message,
            now=NOW,
            authenticate=authenticate,
            succeeds=succeeds,
            psks=psks,
            groups=groups,
            max_lifetime=max_lifetime,
        )
    assert group.to_bytes() == before


def taken(group: Group, message: bytes, *, succeeds: Succeeds = same_identity) -> Group:
    """The control: the same forger, nothing wrong."""
    after, _ = group.process(message, now=NOW, authenticate=accept_any, succeeds=succeeds)
    assert after.to_bytes() != group.to_bytes()
    return after


# Commits of members ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forged:
    message: bytes
    epoch: Epoch
    new: NewPath | None


def commit(
    group: Group,
    items: Sequence[ProposalOrRef] = (),
    *,
    applies: Sequence[ProposalOrRef] | None = None,
    literally: bool = False,
    path: bool = True,
    leaf: Callable[[LeafNode], LeafNode] = same,
    leaf_signer: SignatureKey | None = None,
    new_path: Callable[[NewPath], NewPath] = same,
    update: Callable[[UpdatePath], UpdatePath] = same,
    content: Callable[[FramedContent], FramedContent] = same,
    context: Callable[[GroupContext], GroupContext] = same,
    tag: Callable[[bytes], bytes] = same,
    signer: SignatureKey | None = None,
    psks: dict[bytes, bytes] | None = None,
    wire_format: WireFormat = WireFormat.PRIVATE_MESSAGE,
    random: Random = os.urandom,
) -> Forged:
    """A commit of exactly `items`, whatever they are; `applies`: what the forger does in truth, `literally`:
    in that order, not in section 12.3's.

    The hooks change the new leaf (signed anew, by `leaf_signer`), the path before and after its encryption,
    the provisional context, the framed content and the confirmation tag. `signer` signs the whole."""
    state = group._state
    me = Sender.member(state.own_leaf)
    known = {p.ref: p for p in state.proposals}
    sent: list[Sent] = [
        (known[item].proposal, known[item].sender) if isinstance(item, bytes) else (item, me)
        for item in (items if applies is None else applies)
    ]
    applied = unchecked(state.tree, state.context, sent, literally=literally)
    new = None
    if path:
        template = applied.tree.leaf(state.own_leaf) or state.tree.leaf(state.own_leaf)
        assert template is not None
        made = create_path(
            applied.tree, state.own_leaf, template, state.signer.private, group.group_id, random
        )
        new = with_leaf(new_path(made), state, state.own_leaf, leaf, leaf_signer)
    return _sealed(
        state,
        signer or state.signer,
        me,
        applied,
        new,
        tuple(items),
        state.secrets.init_secret,
        update,
        content,
        context,
        tag,
        psks,
        wire_format,
    )


def unchecked(
    tree: RatchetTree, context: GroupContext, sent: Sequence[Sent], *, literally: bool = False
) -> Applied:
    """What a proposal list does to the tree (section 12.3), good or bad."""
    edit = tree.edit()
    if not literally:
        sent = sorted(sent, key=lambda one: _ORDER.get(type(one[0]), 0))
    extensions = context.extensions
    updated, removed, added = [], [], []
    for proposal, sender in sent:
        if isinstance(proposal, SetExtensions):
            extensions = proposal.extensions
        elif isinstance(proposal, Update):
            edit.update(sender.index, proposal.leaf_node)
            updated.append(sender.index)
        elif isinstance(proposal, Remove):
            if tree.leaf(proposal.removed) and proposal.removed not in removed:
                edit.remove(proposal.removed)
                removed.append(proposal.removed)
        elif isinstance(proposal, Add):
            added.append((edit.add(proposal.key_package.leaf_node), proposal))
    psks = tuple(p.psk for p, _ in sent if isinstance(p, PreSharedKey))
    reinit = next((p for p, _ in sent if isinstance(p, ReInit)), None)
    return Applied(edit.done(), extensions, tuple(added), tuple(removed), tuple(updated), psks, True, reinit)


_ORDER = {Update: 1, Remove: 2, Add: 3}


def with_leaf(
    new: NewPath,
    state: GroupState,
    index: int,
    change: Callable[[LeafNode], LeafNode],
    signer: SignatureKey | None,
) -> NewPath:
    """The path with another leaf of its sender, signed anew."""
    if change is same and signer is None:
        return new
    private = (signer or state.signer).private
    leaf = change(new.leaf_node).signed(state.suite, private, state.context.group_id, index)
    return replace(new, leaf_node=leaf, tree=new.tree.with_nodes([(2 * index, leaf)]))


def _sealed(
    state: GroupState,
    signer: SignatureKey,
    sender: Sender,
    applied: Applied,
    new: NewPath | None,
    items: tuple[ProposalOrRef, ...],
    init_secret: bytes,
    update: Callable[[UpdatePath], UpdatePath],
    content: Callable[[FramedContent], FramedContent],
    new_context: Callable[[GroupContext], GroupContext],
    tag: Callable[[bytes], bytes],
    psks: dict[bytes, bytes] | None,
    wire_format: WireFormat,
) -> Forged:
    """Encrypt the path, sign the commit, work out the epoch that it opens, confirm it."""
    suite, context = state.suite, state.context
    tree = new.tree if new else applied.tree
    provisional = new_context(provisional_context(context, applied, tree))
    excluded = [leaf for leaf, _ in applied.added]
    sealed = update(encrypt_path(new, provisional.encoded, excluded)) if new else None
    framed = content(FramedContent(context.group_id, context.epoch, sender, b"", Commit(items, sealed)))
    auth = sign_content(suite, signer.private, wire_format, framed, context.encoded)
    unconfirmed = AuthenticatedContent(wire_format, framed, auth)
    resumption = {(context.group_id, epoch): psk for epoch, psk in state.resumption_psks.items()}
    epoch = next_epoch(
        state.interim_transcript_hash,
        init_secret,
        provisional,
        tree,
        unconfirmed,
        new.commit_secret if new else bytes(suite.nh),
        PskStore(psks or {}, resumption).secret(suite, applied.psks),
    )
    message = replace(unconfirmed, auth=replace(auth, confirmation_tag=tag(epoch.confirmation_tag)))
    return Forged(protect(state, message, os.urandom), epoch, new)


# Commits from outside ----------------------------------------------------------------------------------


def external_commit(
    group: Group,
    name: str,
    *,
    items: Callable[[tuple[ProposalOrRef, ...]], tuple[ProposalOrRef, ...]] = same,
    path: bool = True,
    leaf: Callable[[LeafNode], LeafNode] = same,
    signer: SignatureKey | None = None,
    message_signer: SignatureKey | None = None,
    skip: int = 0,
    sender: Sender = NEWCOMER,
    content: Callable[[FramedContent], FramedContent] = same,
    psks: dict[bytes, bytes] | None = None,
    init_secret: Callable[[bytes], bytes] = same,
) -> Forged:
    """An external commit by `name`, who knows what a GroupInfo of `group` tells. `items` changes the
    proposals, which are one ExternalInit; `skip` free leaves are passed over."""
    state = group._state
    suite = state.suite
    key = signer or suite.generate_signature_key()
    kem_output, init = suite.external_init(state.secrets.external_key_pair(suite).public)
    proposals = items((ExternalInit(kem_output),))
    applied = unchecked(
        state.tree, state.context, [(p, sender) for p in proposals if not isinstance(p, bytes)]
    )
    edit = applied.tree.edit()
    index = edit.reserve() + skip
    own = state.tree.leaf(state.own_leaf)
    assert own is not None
    me = Credential.basic(name.encode())
    template = LeafNode(b"", key.public, me, own.capabilities, LeafSource.COMMIT, None, b"")
    made = create_path(edit.done(), index, template, key.private, group.group_id, os.urandom)
    new = with_leaf(made, replace(state, signer=key), index, leaf, None if leaf is same else key)
    return _sealed(
        replace(state, signer=key),
        message_signer or key,
        sender,
        applied,
        new if path else None,
        proposals,
        init_secret(init),
        same,
        content,
        same,
        same,
        psks,
        WireFormat.PUBLIC_MESSAGE,
    )


# Proposals ---------------------------------------------------------------------------------------------


def proposal(
    group: Group,
    proposal: Proposal,
    *,
    sender: Sender | None = None,
    signer: SignatureKey | None = None,
    content: Callable[[FramedContent], FramedContent] = same,
    context: bytes | None = None,
) -> bytes:
    """A PublicMessage with any proposal by anybody, its signature and membership tag right. `context`: what
    the signature covers, if not the group's."""
    state = group._state
    framed = content(
        FramedContent(group.group_id, group.epoch, sender or Sender.member(state.own_leaf), b"", proposal)
    )
    here = state.context.encoded
    wire_format, key = WireFormat.PUBLIC_MESSAGE, (signer or state.signer).private
    auth = sign_content(state.suite, key, wire_format, framed, here if context is None else context)
    message = AuthenticatedContent(wire_format, framed, auth)
    return encode_message(protect_public(state.suite, state.secrets.membership_key, message, here))


def update_of(
    group: Group, change: Callable[[LeafNode], LeafNode] = same, signer: SignatureKey | None = None
) -> Update:
    """An Update of the group's own leaf, with a fresh key unless `change` says otherwise."""
    state = group._state
    own = state.tree.leaf(state.own_leaf)
    assert own is not None
    fresh = replace(
        own,
        encryption_key=state.suite.generate_key_pair(os.urandom).public,
        source=LeafSource.UPDATE,
        lifetime=None,
        parent_hash=None,
    )
    private = (signer or state.signer).private
    return Update(change(fresh).signed(state.suite, private, group.group_id, state.own_leaf))


def package(
    client: Client,
    *,
    leaf: Callable[[LeafNode], LeafNode] = same,
    leaf_signer: SignatureKey | None = None,
    whole: Callable[[KeyPackage], KeyPackage] = same,
    signer: SignatureKey | None = None,
) -> KeyPackage:
    """The client's key package with another leaf or other fields, both signed anew."""
    key = signer or client.signer
    new_leaf = leaf(client.bundle.key_package.leaf_node).signed(client.suite, (leaf_signer or key).private)
    changed = whole(replace(client.bundle.key_package, leaf_node=new_leaf))
    signature = client.suite.sign_with_label(key.private, "KeyPackageTBS", changed.to_be_signed)
    return replace(changed, signature=signature)


def pending(proposal: Proposal, sender: Sender, *groups: Group) -> tuple[bytes, tuple[Group, ...]]:
    """These members once a proposal reached them, whether or not they would have taken it; its reference."""
    kept = PendingProposal(os.urandom(32), proposal, sender)
    reached = (replace(g._state, proposals=(*g._state.proposals, kept)) for g in groups)
    return kept.ref, tuple(Group(state) for state in reached)


# Welcomes ----------------------------------------------------------------------------------------------


def welcome(
    tree: RatchetTree,
    joiner: Client,
    inviter: Group,
    *,
    context: Callable[[GroupContext], GroupContext] = same,
    info: Callable[[GroupInfo], GroupInfo] = same,
    secrets: Callable[[GroupSecrets], GroupSecrets] = same,
    signer: SignatureKey | None = None,
    psks: Sequence[tuple[PreSharedKeyID, bytes]] = (),
    welcomed_psks: Sequence[tuple[PreSharedKeyID, bytes]] | None = None,
    extensions: Extensions | None = None,
) -> bytes:
    """A Welcome in to a group that `inviter` made up around `tree`: its GroupInfo is signed, its tree hash
    and confirmation tag hold. `welcomed_psks`: what the joiner is told of the PSKs, if not the truth."""
    suite, state = tree.suite, inviter._state
    given = state.context.extensions if extensions is None else extensions
    made = context(GroupContext(suite.id, inviter.group_id, 1, tree.tree_hash(), b"\1" * suite.nh, given))
    joiner_secret = os.urandom(suite.nh)
    told = psks if welcomed_psks is None else welcomed_psks
    epoch = schedule(suite, joiner_secret, psk_secret(suite, psks), made.encoded)
    opening = schedule(suite, joiner_secret, psk_secret(suite, told), made.encoded).welcome_secret
    tag = suite.mac(epoch.epoch.confirmation_key, made.confirmed_transcript_hash)
    tree_extension = Extension(ExtensionType.RATCHET_TREE, tree.encode())
    unsigned = info(GroupInfo(made, (tree_extension,), tag, inviter.own_leaf))
    signed = unsigned.signed(suite, (signer or state.signer).private)
    told_secrets = secrets(GroupSecrets(joiner_secret, None, tuple(psk_id for psk_id, _ in told)))
    package = joiner.bundle.key_package
    return encode_message(
        make_welcome(suite, signed, opening, [(package.ref, package.init_key, told_secrets)])
    )


# Trees -------------------------------------------------------------------------------------------------


@dataclass
class Grove:
    """A tree that grows by hand: leaves whose signature keys are known, parents set as one likes."""

    tree: RatchetTree
    signers: dict[int, SignatureKey]
    group_id: bytes

    @classmethod
    def of(cls, groups: Sequence[Group]) -> Grove:
        """The leaves of these members, every parent blank."""
        tree = groups[0]._state.tree
        blank: list[tuple[int, Node | None]] = [(at, None) for at in range(1, len(tree.nodes), 2)]
        signers = {group.own_leaf: group._state.signer for group in groups}
        return cls(tree.with_nodes(blank), signers, groups[0].group_id)

    @property
    def suite(self) -> CipherSuite:
        return self.tree.suite

    def key(self) -> bytes:
        return self.suite.generate_key_pair(os.urandom).public

    def set_parent(self, at: int, parent_hash: bytes = b"", unmerged: tuple[int, ...] = ()) -> None:
        self.tree = self.tree.with_nodes([(at, ParentNode(self.key(), parent_hash, unmerged))])

    def set_leaf(self, index: int, change: Callable[[LeafNode], LeafNode]) -> None:
        """Changed and signed anew by its own member."""
        old = self.tree.leaf(index)
        assert old is not None
        leaf = change(old).signed(self.suite, self.signers[index].private, self.group_id, index)
        self.tree = self.tree.with_nodes([(2 * index, leaf)])

    def hold(self, index: int, parent_hash: bytes) -> None:
        """Let the leaf hold that parent hash, as after a commit."""
        changes = {"source": LeafSource.COMMIT, "lifetime": None, "parent_hash": parent_hash}
        self.set_leaf(index, lambda leaf: replace(leaf, **changes))  # type: ignore[arg-type]

    def add(self, client: Client) -> int:
        self.tree, index = self.tree.add(client.bundle.key_package.leaf_node)
        self.signers[index] = client.signer
        return index
