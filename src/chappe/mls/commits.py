"""Making a commit, and the Welcome that goes with it (RFC 9420 section 12.4.1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from chappe.mls.epoch import Epoch, enter, next_epoch, provisional_context
from chappe.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    Sender,
    WireFormat,
    encode_message,
)
from chappe.mls.leaf_node import Extension, ExtensionType
from chappe.mls.proposals import (
    Add,
    Commit,
    PreSharedKey,
    Proposal,
    ProposalOrRef,
    ReInit,
    Remove,
    SetExtensions,
    Update,
)
from chappe.mls.protection import protect_private, protect_public, sign_content
from chappe.mls.psks import PskStore
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import GroupState, Member, PendingProposal
from chappe.mls.suites import Random
from chappe.mls.treekem import NewPath, PrivateKeys, create_path, encrypt_path
from chappe.mls.validation import Applied, Sent, apply_proposals
from chappe.mls.welcome import GroupInfo, GroupSecrets, make_welcome

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class CommitApplied:
    """A commit took the group to `epoch`.

    `committer` is the member that made it; of an external commit, the one that came in by it. `removed_self`:
    this member is out, the state is inactive. `reinit`: the group is closed, and what its successor will be.
    """

    committer: Member | None
    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    updated: tuple[Member, ...]
    epoch: int
    removed_self: bool = False
    extensions_changed: bool = False
    authenticated_data: bytes = b""
    external: bool = False
    reinit: ReInit | None = None


@dataclass(frozen=True, slots=True)
class NewCommit:
    """A commit made here. `state` is the epoch it leads to: adopt it once the commit is accepted."""

    state: GroupState = field(repr=False)
    message: bytes
    welcome: bytes | None
    applied: CommitApplied


def create_commit(
    state: GroupState,
    proposals: Sequence[Proposal],
    *,
    now: int,
    random: Random,
    authenticated_data: bytes,
    update_path: bool,
    wire_format: WireFormat,
    psks: PskStore,
    max_lifetime: int | None,
    founding: bool = False,
) -> NewCommit:
    """A commit of the pending proposals, by reference, and of `proposals`, by value.

    Raises InvalidMessage. `state` is untouched: dropping the result undoes the commit.
    """
    for proposal in proposals:
        if isinstance(proposal, Add):
            proposal.key_package.validate(now=now, max_lifetime=max_lifetime)
    pending = usable_pending(state, proposals, now)
    items: tuple[ProposalOrRef, ...] = (*(p.ref for p in pending), *proposals)
    me = Sender.member(state.own_leaf)
    sent: list[Sent] = [*((p.proposal, p.sender) for p in pending), *((p, me) for p in proposals)]
    applied = apply_proposals(
        state.tree, state.context, sent, state.own_leaf, founding=founding, max_lifetime=max_lifetime
    )
    psk = psks.secret(state.suite, applied.psks)
    new = _new_path(state, applied, random) if update_path or applied.path_required else None
    tree = new.tree if new else applied.tree
    provisional = provisional_context(state.context, applied, tree)
    path = encrypt_path(new, provisional.encoded, [leaf for leaf, _ in applied.added]) if new else None
    content = FramedContent(
        state.context.group_id, state.context.epoch, me, authenticated_data, Commit(items, path)
    )
    auth = sign_content(state.suite, state.signer.private, wire_format, content, state.context.encoded)
    unconfirmed = AuthenticatedContent(wire_format, content, auth)
    commit_secret = new.commit_secret if new else bytes(state.suite.nh)
    epoch = next_epoch(
        state.interim_transcript_hash,
        state.secrets.init_secret,
        provisional,
        tree,
        unconfirmed,
        commit_secret,
        psk,
    )
    keys = {**kept_keys(state, tree), **(new.private_keys if new else {})}
    after = enter(state, epoch, keys, applied.reinit, now)
    message = replace(unconfirmed, auth=replace(auth, confirmation_tag=epoch.confirmation_tag))
    welcome = _welcome(epoch, applied, new, state.own_leaf, state.signer) if applied.added else None
    event = describe(state, after.tree, applied, state.member(state.own_leaf), authenticated_data)
    return NewCommit(after, protect(state, message, random), welcome, event)


def protect(state: GroupState, message: AuthenticatedContent, random: Random) -> bytes:
    """The handshake message in the wire format that it was signed for. The ratchet of a PrivateMessage is not
    moved: the epoch ends with it."""
    if message.wire_format is WireFormat.PUBLIC_MESSAGE:
        membership_key, context = state.secrets.membership_key, state.context.encoded
        return encode_message(protect_public(state.suite, membership_key, message, context))
    _, private = protect_private(
        state.suite, state.secret_tree, state.secrets.sender_data_secret, message, padding=0, random=random
    )
    return encode_message(private)


def usable_pending(state: GroupState, extra: Sequence[Proposal], now: int) -> list[PendingProposal]:
    """The pending proposals that this member can commit beside `extra` (section 12.2).

    Of several for one member a Remove wins, then the latest Update; a ReInit waits while there is anything
    else; an Add whose lifetime is over is left out (section 7.3).
    """
    chosen = _Choice(state, extra, now)
    removals = [p for p in state.proposals if isinstance(p.proposal, Remove)]
    others = [p for p in reversed(state.proposals) if not isinstance(p.proposal, Remove)]
    kept = {p.ref for p in (*removals, *others) if chosen.takes(p)}
    usable = [p for p in state.proposals if p.ref in kept]
    changes = [p for p in usable if not isinstance(p.proposal, ReInit)]
    return changes if changes or extra else usable[:1]


class _Choice:
    """What a commit holds so far, and whether one more proposal fits beside it."""

    def __init__(self, state: GroupState, extra: Sequence[Proposal], now: int) -> None:
        self._state, self._now = state, now
        self._targets = {p.removed for p in extra if isinstance(p, Remove)} | {state.own_leaf}
        self._keys = {p.key_package.leaf_node.signature_key for p in extra if isinstance(p, Add)}
        self._psks = {p.psk for p in extra if isinstance(p, PreSharedKey)}
        self._extensions = any(isinstance(p, SetExtensions) for p in extra)

    def takes(self, pending: PendingProposal) -> bool:
        proposal = pending.proposal
        if isinstance(proposal, Update):
            return _once(self._targets, pending.sender.index)
        if isinstance(proposal, Remove):
            return _once(self._targets, proposal.removed)
        if isinstance(proposal, Add):
            leaf = proposal.key_package.leaf_node
            in_time = leaf.lifetime is not None and leaf.lifetime.holds(self._now)
            return in_time and self._takes_client(leaf.signature_key)
        if isinstance(proposal, PreSharedKey):
            return _once(self._psks, proposal.psk)
        if isinstance(proposal, SetExtensions):
            first, self._extensions = not self._extensions, True
            return first
        return isinstance(proposal, ReInit)

    def _takes_client(self, key: bytes) -> bool:
        """Removes were looked at before: who is taken out by this commit may come in again."""
        there = any(
            leaf.signature_key == key and index not in self._targets
            for index, leaf in self._state.tree.leaves()
        )
        return not there and _once(self._keys, key)


def _once(taken: set[T], one: T) -> bool:
    fits = one not in taken
    taken.add(one)
    return fits


def _new_path(state: GroupState, applied: Applied, random: Random) -> NewPath:
    own = applied.tree.leaf(state.own_leaf)
    assert own is not None
    return create_path(
        applied.tree, state.own_leaf, own, state.signer.private, state.context.group_id, random
    )


def kept_keys(state: GroupState, tree: RatchetTree) -> PrivateKeys:
    """Own private keys that still fit the tree, the committed Update's among them."""
    kept: dict[int, bytes] = {}
    for node, private in state.private_keys.items():
        if node < len(tree.nodes):
            before, after = state.tree.nodes[node], tree.nodes[node]
            if before and after and before.encryption_key == after.encryption_key:
                kept[node] = private
    own = tree.leaf(state.own_leaf)
    if own is not None and own.encryption_key in state.own_updates:
        kept[2 * state.own_leaf] = state.own_updates[own.encryption_key]
    return kept


def group_info(
    epoch: Epoch, signer_leaf: int, signer: SignatureKey, extensions: Collection[Extension]
) -> GroupInfo:
    """A signed GroupInfo of the epoch (section 12.4.3)."""
    unsigned = GroupInfo(epoch.context, tuple(extensions), epoch.confirmation_tag, signer_leaf)
    return unsigned.signed(epoch.tree.suite, signer.private)


def _welcome(
    epoch: Epoch, applied: Applied, new: NewPath | None, own_leaf: int, signer: SignatureKey
) -> bytes:
    suite = epoch.tree.suite
    tree = Extension(ExtensionType.RATCHET_TREE, epoch.tree.encode())
    info = group_info(epoch, own_leaf, signer, (tree,))
    joiners = []
    for leaf, add in applied.added:
        path = new.secret_for(leaf) if new else None
        secrets = GroupSecrets(epoch.schedule.joiner_secret, path.value if path else None, applied.psks)
        joiners.append((add.key_package.ref, add.key_package.init_key, secrets))
    return encode_message(make_welcome(suite, info, epoch.schedule.welcome_secret, joiners))


def describe(
    before: GroupState,
    after: RatchetTree,
    applied: Applied,
    committer: Member | None,
    authenticated_data: bytes,
    *,
    removed_self: bool = False,
) -> CommitApplied:
    """What the application of a member is told of a commit."""
    return CommitApplied(
        committer,
        () if removed_self else members_at(after, [leaf for leaf, _ in applied.added]),
        members_at(before.tree, applied.removed),
        () if removed_self else members_at(after, applied.updated),
        before.context.epoch + 1,
        removed_self,
        applied.extensions != before.context.extensions,
        authenticated_data,
        reinit=applied.reinit,
    )


def members_at(tree: RatchetTree, leaves: Collection[int]) -> tuple[Member, ...]:
    """Those of the leaves that are members."""
    found = ((index, tree.leaf(index)) for index in leaves)
    return tuple(Member(i, leaf.credential, leaf.signature_key) for i, leaf in found if leaf is not None)
