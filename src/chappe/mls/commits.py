"""Making a commit, and moving to the epoch that one leads to (RFC 9420 section 12.4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chappe.mls.errors import InvalidMessage
from chappe.mls.framing import (
    AuthenticatedContent,
    FramedContent,
    Sender,
    WireFormat,
    encode_message,
)
from chappe.mls.group_context import GroupContext
from chappe.mls.key_schedule import KeySchedule, PreSharedKeyID, next_joiner_secret, psk_secret, schedule
from chappe.mls.leaf_node import Credential, Extension, ExtensionType, LeafNode
from chappe.mls.proposals import Add, Commit, Proposal, ProposalOrRef, Remove, Update
from chappe.mls.protection import (
    confirmed_transcript_hash,
    interim_transcript_hash,
    protect_private,
    sign_content,
)
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.secret_tree import SecretTree
from chappe.mls.state import MAX_PAST_EPOCHS, PAST_EPOCH_SECONDS, GroupState, Member, PastEpoch
from chappe.mls.suites import Random
from chappe.mls.treekem import (
    NewPath,
    PathSecret,
    PrivateKeys,
    create_path,
    decrypt_path,
    encrypt_path,
    merge_path,
)
from chappe.mls.validation import Applied, Sent, apply_proposals
from chappe.mls.welcome import GroupInfo, GroupSecrets, make_welcome

Authenticate = Callable[[Credential, bytes], None]
"""`authenticate(credential, signature_key)` raises to refuse a leaf; its exception passes through."""

Psks = Mapping[bytes, bytes]
"""External pre-shared keys by their id."""

MAX_RESUMPTION_EPOCHS = 4


@dataclass(frozen=True, slots=True)
class CommitApplied:
    """A commit took the group to `epoch`. `removed_self`: this member is out; the state is inactive."""

    committer: Member | None
    added: tuple[Member, ...]
    removed: tuple[Member, ...]
    updated: tuple[Member, ...]
    epoch: int
    removed_self: bool = False
    extensions_changed: bool = False
    authenticated_data: bytes = b""


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
    psks: Psks,
) -> NewCommit:
    """A commit of the pending proposals, by reference, and of `proposals`, by value.

    Raises InvalidMessage. `state` is untouched: dropping the result undoes the commit.
    """
    for proposal in proposals:
        if isinstance(proposal, Add):
            proposal.key_package.validate(now=now)
    refs, pending = _usable_pending(state, proposals)
    items: tuple[ProposalOrRef, ...] = (*refs, *proposals)
    me = Sender.member(state.own_leaf)
    sent = [*pending, *((proposal, me) for proposal in proposals)]
    applied = apply_proposals(state.tree, state.context, sent, state.own_leaf)
    new = _new_path(state, applied, random) if update_path or applied.path_required else None
    provisional = _provisional_context(state, applied, new.tree if new else applied.tree)
    path = encrypt_path(new, provisional.encoded, [leaf for leaf, _ in applied.added]) if new else None
    content = FramedContent(
        state.context.group_id, state.context.epoch, me, authenticated_data, Commit(items, path)
    )
    auth = sign_content(
        state.suite, state.signer.private, WireFormat.PRIVATE_MESSAGE, content, state.context.encoded
    )
    step = _Step(state, applied, new.tree if new else applied.tree, provisional)
    keys = {**_kept_keys(state, step.tree), **(new.private_keys if new else {})}
    commit_secret = new.commit_secret if new else bytes(state.suite.nh)
    unconfirmed = AuthenticatedContent(WireFormat.PRIVATE_MESSAGE, content, auth)
    sched, after = step.enter(unconfirmed, commit_secret, psks, keys, now)
    message = replace(unconfirmed, auth=replace(auth, confirmation_tag=after.confirmation_tag))
    _, private = protect_private(
        state.suite, state.secret_tree, state.secrets.sender_data_secret, message, padding=0, random=random
    )
    welcome = _welcome(after, sched, applied, new) if applied.added else None
    event = _event(state, after, applied, state.member(state.own_leaf), authenticated_data)
    return NewCommit(after, encode_message(private), welcome, event)


def process_commit(
    state: GroupState, message: AuthenticatedContent, *, now: int, authenticate: Authenticate, psks: Psks
) -> tuple[GroupState, CommitApplied]:
    """A member's commit, its signature already checked. Raises InvalidMessage; `state` is untouched."""
    commit, sender = message.content.body, message.content.sender
    assert isinstance(commit, Commit)
    if not sender.is_member or sender.index == state.own_leaf:
        raise InvalidMessage("a commit is processed only from another member")
    sent = _resolve(state, commit, sender)
    applied = apply_proposals(state.tree, state.context, sent, sender.index)
    if applied.path_required and commit.path is None:
        raise InvalidMessage("the commit needs an update path")
    _authenticate_new(applied, commit, authenticate)
    committer = state.member(sender.index)
    if state.own_leaf in applied.removed:
        gone = replace(state, active=False, proposals=(), private_keys={}, past=(), own_updates={})
        return gone, _event(state, gone, applied, committer, message.content.authenticated_data, removed=True)
    tree = merge_path(applied.tree, sender.index, commit.path) if commit.path else applied.tree
    _check_path_leaf(state, tree, commit, sender.index)
    provisional = _provisional_context(state, applied, tree)
    keys: PrivateKeys = _kept_keys(state, tree)
    commit_secret = bytes(state.suite.nh)
    if commit.path:
        excluded = [leaf for leaf, _ in applied.added]
        new_keys, commit_secret, _ = decrypt_path(
            tree, sender.index, commit.path, state.own_leaf, keys, provisional.encoded, excluded
        )
        keys = {**keys, **new_keys}
    step = _Step(state, applied, tree, provisional)
    _, after = step.enter(message, commit_secret, psks, keys, now)
    if after.confirmation_tag != message.auth.confirmation_tag:
        raise InvalidMessage("the confirmation tag does not hold")
    return after, _event(state, after, applied, committer, message.content.authenticated_data)


@dataclass(frozen=True, slots=True)
class _Step:
    """One move of a group: the state it starts from and the tree it leads to."""

    state: GroupState
    applied: Applied
    tree: RatchetTree
    provisional: GroupContext

    def enter(
        self, commit: AuthenticatedContent, commit_secret: bytes, psks: Psks, keys: PrivateKeys, now: int
    ) -> tuple[KeySchedule, GroupState]:
        """The next epoch's secrets and state."""
        state, suite = self.state, self.state.suite
        confirmed = confirmed_transcript_hash(suite, state.interim_transcript_hash, commit)
        context = replace(self.provisional, confirmed_transcript_hash=confirmed)
        psk = psk_secret(suite, [(p, _psk(state, p, psks)) for p in self.applied.psks])
        joiner = next_joiner_secret(suite, state.secrets.init_secret, commit_secret, context.encoded)
        sched = schedule(suite, joiner, psk, context.encoded)
        tag = suite.mac(sched.epoch.confirmation_key, confirmed)
        resumption = {**state.resumption_psks, context.epoch: sched.epoch.resumption_psk}
        while len(resumption) > MAX_RESUMPTION_EPOCHS:
            del resumption[min(resumption)]
        after = replace(
            state,
            context=context,
            tree=self.tree,
            interim_transcript_hash=interim_transcript_hash(suite, confirmed, tag),
            confirmation_tag=tag,
            secrets=sched.epoch,
            secret_tree=SecretTree.create(suite, self.tree.width, sched.encryption_secret),
            private_keys=keys,
            proposals=(),
            own_updates={},
            past=_past_epochs(state, self.tree, now),
            resumption_psks=resumption,
        )
        return sched, after


def _past_epochs(state: GroupState, tree: RatchetTree, now: int) -> tuple[PastEpoch, ...]:
    """The epochs kept after this move, the one that ends now among them."""
    changes: dict[int, Member | None] = {}
    for leaf in range(max(state.tree.width, tree.width)):
        before, after = state.tree.leaf(leaf), tree.leaf(leaf)
        if before is not after and (
            before is None
            or after is None
            or (before.credential, before.signature_key) != (after.credential, after.signature_key)
        ):
            changes[leaf] = state.member(leaf)
    ended = PastEpoch(
        state.context.epoch,
        state.context.encoded,
        state.secrets.sender_data_secret,
        state.secret_tree,
        {},
        now + PAST_EPOCH_SECONDS,
    )
    kept = [p for p in (*state.past, ended) if p.until > now][-MAX_PAST_EPOCHS:]
    return tuple(replace(p, changes={**changes, **p.changes}) for p in kept)


def _usable_pending(state: GroupState, extra: Sequence[Proposal]) -> tuple[list[bytes], list[Sent]]:
    """The pending proposals that this member can commit beside `extra`; the first of rivals wins."""
    targets = {p.removed for p in extra if isinstance(p, Remove)} | {state.own_leaf}
    keys = {p.key_package.leaf_node.signature_key for p in extra if isinstance(p, Add)}
    singles = {type(p) for p in extra}
    refs: list[bytes] = []
    sent: list[Sent] = []
    # Removes go before Updates: the departure of a member counts more than its new key.
    for pending in sorted(state.proposals, key=lambda p: not isinstance(p.proposal, Remove)):
        proposal = pending.proposal
        if isinstance(proposal, Update | Remove):
            target = pending.sender.index if isinstance(proposal, Update) else proposal.removed
            if target in targets or state.tree.leaf(target) is None:
                continue
            targets.add(target)
        elif isinstance(proposal, Add):
            key = proposal.key_package.leaf_node.signature_key
            if key in keys or any(leaf.signature_key == key for _, leaf in state.tree.leaves()):
                continue
            keys.add(key)
        elif type(proposal) in singles:
            continue
        else:
            singles.add(type(proposal))
        refs.append(pending.ref)
        sent.append((proposal, pending.sender))
    return refs, sent


def _resolve(state: GroupState, commit: Commit, committer: Sender) -> list[Sent]:
    known = {p.ref: p for p in state.proposals}
    sent: list[Sent] = []
    for item in commit.proposals:
        if not isinstance(item, bytes):
            if isinstance(item, Update):
                raise InvalidMessage("an Update cannot be committed by value")
            sent.append((item, committer))
        elif item in known:
            sent.append((known[item].proposal, known[item].sender))
        else:
            raise InvalidMessage("the commit names a proposal that did not arrive")
    return sent


def _new_path(state: GroupState, applied: Applied, random: Random) -> NewPath:
    own = applied.tree.leaf(state.own_leaf)
    assert own is not None
    return create_path(
        applied.tree, state.own_leaf, own, state.signer.private, state.context.group_id, random
    )


def _provisional_context(state: GroupState, applied: Applied, tree: RatchetTree) -> GroupContext:
    """The next epoch's context, still with this epoch's confirmed transcript hash (section 12.4.1)."""
    return replace(
        state.context,
        epoch=state.context.epoch + 1,
        tree_hash=tree.tree_hash(),
        extensions=applied.extensions,
    )


def _kept_keys(state: GroupState, tree: RatchetTree) -> PrivateKeys:
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


def _psk(state: GroupState, psk_id: PreSharedKeyID, psks: Psks) -> bytes:
    if psk_id.is_external and psk_id.psk_id in psks:
        return psks[psk_id.psk_id]
    own = psk_id.psk_group_id == state.context.group_id
    if not psk_id.is_external and own and psk_id.psk_epoch in state.resumption_psks:
        return state.resumption_psks[psk_id.psk_epoch]
    raise InvalidMessage("a pre-shared key that this member does not have")


def _authenticate_new(applied: Applied, commit: Commit, authenticate: Authenticate) -> None:
    """Ask the application about every leaf that is new or changed."""
    leaves: list[LeafNode] = [add.key_package.leaf_node for _, add in applied.added]
    for index in applied.updated:
        leaf = applied.tree.leaf(index)
        if leaf is not None:
            leaves.append(leaf)
    if commit.path:
        leaves.append(commit.path.leaf_node)
    for leaf in leaves:
        authenticate(leaf.credential, leaf.signature_key)


def _check_path_leaf(state: GroupState, tree: RatchetTree, commit: Commit, sender: int) -> None:
    """The committer's new leaf (section 7.3)."""
    if commit.path is None:
        return
    leaf = commit.path.leaf_node
    if not leaf.signature_holds(state.suite, state.context.group_id, sender):
        raise InvalidMessage("the signature of the committer's leaf does not hold")
    tree.check_keys_unique()
    if state.suite.id not in leaf.capabilities.cipher_suites:
        raise InvalidMessage("the committer's leaf does not support the suite")


def _welcome(after: GroupState, sched: KeySchedule, applied: Applied, new: NewPath | None) -> bytes:
    suite = after.suite
    info = GroupInfo(
        after.context,
        (Extension(ExtensionType.RATCHET_TREE, after.tree.encode()),),
        after.confirmation_tag,
        after.own_leaf,
    ).signed(suite, after.signer.private)
    joiners = []
    for leaf, add in applied.added:
        secret: PathSecret | None = new.secret_for(leaf) if new else None
        secrets = GroupSecrets(sched.joiner_secret, secret.value if secret else None, applied.psks)
        joiners.append((add.key_package.ref, add.key_package.init_key, secrets))
    return encode_message(make_welcome(suite, info, sched.welcome_secret, joiners))


def _event(
    before: GroupState,
    after: GroupState,
    applied: Applied,
    committer: Member | None,
    authenticated_data: bytes,
    removed: bool = False,
) -> CommitApplied:
    def members(state: GroupState, leaves: Sequence[int]) -> tuple[Member, ...]:
        return tuple(m for m in (state.member(leaf) for leaf in leaves) if m is not None)

    return CommitApplied(
        committer,
        () if removed else members(after, [leaf for leaf, _ in applied.added]),
        members(before, applied.removed),
        () if removed else members(after, applied.updated),
        before.context.epoch + 1,
        removed,
        applied.extensions != before.context.extensions,
        authenticated_data,
    )
