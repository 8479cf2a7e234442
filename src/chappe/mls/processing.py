"""Taking in a commit made by somebody else (RFC 9420 section 12.4.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chappe.mls.commits import CommitApplied, describe, kept_keys, members_at
from chappe.mls.epoch import enter, leave, next_epoch, provisional_context
from chappe.mls.errors import InvalidMessage
from chappe.mls.framing import AuthenticatedContent, Sender
from chappe.mls.leaf_node import LeafNode
from chappe.mls.leaf_rules import Authenticate, Succeeds, check_own_support, check_support
from chappe.mls.proposals import Commit, ExternalInit, ProposalOrRef, Update
from chappe.mls.psks import PskStore
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.senders import authenticate_new_senders
from chappe.mls.state import GroupState
from chappe.mls.treekem import PrivateKeys, UpdatePath, decrypt_path, merge_path
from chappe.mls.validation import Applied, Sent, apply_external, apply_proposals


@dataclass(frozen=True, slots=True)
class Rules:
    """What the application decides about others' leaves, and the pre-shared keys it has."""

    authenticate: Authenticate
    succeeds: Succeeds
    max_lifetime: int | None
    psks: PskStore


def process_commit(
    state: GroupState, message: AuthenticatedContent, *, now: int, rules: Rules
) -> tuple[GroupState, CommitApplied]:
    """A commit by another member or by one that comes in by it, its signature already checked.
    Raises InvalidMessage, or what `rules.authenticate` raises; `state` is untouched."""
    commit, sender = message.content.body, message.content.sender
    assert isinstance(commit, Commit)
    if sender.is_member:
        applied, index = _applied_by_member(state, commit, sender, rules), sender.index
    else:
        applied, index = _applied_by_joiner(state, commit)
    _check_leaves(state, applied, commit, index, sender, rules)
    if state.own_leaf in applied.removed:
        return leave(state), _event(state, state.tree, applied, message, index, removed_self=True)
    psk = rules.psks.secret(state.suite, applied.psks)
    tree = _merge(state, applied, commit.path, index)
    provisional = provisional_context(state.context, applied, tree)
    keys: PrivateKeys = kept_keys(state, tree)
    commit_secret = bytes(state.suite.nh)
    if commit.path:
        excluded = [leaf for leaf, _ in applied.added]
        new_keys, commit_secret, _ = decrypt_path(
            tree, index, commit.path, state.own_leaf, keys, provisional.encoded, excluded
        )
        keys = {**keys, **new_keys}
    init = state.secrets.init_secret if sender.is_member else _init_secret(state, commit)
    epoch = next_epoch(state.interim_transcript_hash, init, provisional, tree, message, commit_secret, psk)
    confirmed, tag = epoch.context.confirmed_transcript_hash, message.auth.confirmation_tag
    if not state.suite.check_mac(epoch.schedule.epoch.confirmation_key, confirmed, tag or b""):
        raise InvalidMessage("the confirmation tag does not hold")
    after = enter(state, epoch, keys, applied.reinit, now)
    return after, _event(state, tree, applied, message, index)


def _applied_by_member(state: GroupState, commit: Commit, sender: Sender, rules: Rules) -> Applied:
    if sender.index == state.own_leaf:
        raise InvalidMessage("a commit is processed only from another member")
    sent = _resolve(state, commit.proposals, sender)
    applied = apply_proposals(state.tree, state.context, sent, sender.index, max_lifetime=rules.max_lifetime)
    if applied.path_required and commit.path is None:
        raise InvalidMessage("the commit needs an update path")
    return applied


def _applied_by_joiner(state: GroupState, commit: Commit) -> tuple[Applied, int]:
    """Section 12.4.3.2: everything by value, and a path."""
    if commit.path is None:
        raise InvalidMessage("an external commit needs an update path")
    proposals = [p for p in commit.proposals if not isinstance(p, bytes)]
    if len(proposals) != len(commit.proposals):
        raise InvalidMessage("an external commit holds a proposal by reference")
    return apply_external(state.tree, state.context, proposals)


def _resolve(state: GroupState, items: Sequence[ProposalOrRef], committer: Sender) -> list[Sent]:
    known = {p.ref: p for p in state.proposals}
    sent: list[Sent] = []
    for item in items:
        if not isinstance(item, bytes):
            if isinstance(item, Update):
                raise InvalidMessage("an Update cannot be committed by value")
            sent.append((item, committer))
        elif item in known:
            sent.append((known[item].proposal, known[item].sender))
        else:
            raise InvalidMessage("the commit names a proposal that did not arrive")
    return sent


def _merge(state: GroupState, applied: Applied, path: UpdatePath | None, index: int) -> RatchetTree:
    """The tree with the path's public keys, checked (section 7.3 for the committer's leaf)."""
    if path is None:
        return applied.tree
    leaf = path.leaf_node
    tree = merge_path(applied.tree, index, path)
    if not leaf.signature_holds(state.suite, state.context.group_id, index):
        raise InvalidMessage("the signature of the committer's leaf does not hold")
    check_own_support(state.suite, leaf)
    tree.check_keys_unique()
    check_support(tree, applied.extensions)
    return tree


def _check_leaves(
    state: GroupState, applied: Applied, commit: Commit, index: int, sender: Sender, rules: Rules
) -> None:
    """Ask the application about every leaf and every outside sender that is new or changed."""
    authenticate_new_senders(state.context.extensions, applied.extensions, rules.authenticate)
    for _, add in applied.added:
        leaf = add.key_package.leaf_node
        rules.authenticate(leaf.credential, leaf.signature_key)
    for updated in applied.updated:
        check_successor_leaf(state, updated, applied.tree.leaf(updated), rules)
    if commit.path is None:
        return
    if sender.is_member:
        check_successor_leaf(state, index, commit.path.leaf_node, rules)
    elif applied.removed:
        check_successor_leaf(state, applied.removed[0], commit.path.leaf_node, rules)
        _check_resync_key(state, applied.removed[0], commit.path.leaf_node)
    else:
        leaf = commit.path.leaf_node
        rules.authenticate(leaf.credential, leaf.signature_key)


def _check_resync_key(state: GroupState, index: int, leaf: LeafNode) -> None:
    """Who comes back by an external commit brings what would do as an Update (section 12.2). The old key
    is no longer in the tree that the path is held against."""
    old = state.tree.leaf(index)
    if old is not None and old.encryption_key == leaf.encryption_key:
        raise InvalidMessage("a resync keeps its old encryption key")


def check_successor_leaf(state: GroupState, index: int, leaf: LeafNode | None, rules: Rules) -> None:
    """A leaf that takes the place of member `index`'s (section 5.3.1). Raises InvalidMessage."""
    old = state.tree.leaf(index)
    if old is None or leaf is None:
        raise InvalidMessage("there is no member whose leaf could be replaced")
    rules.authenticate(leaf.credential, leaf.signature_key)
    if not rules.succeeds(old.credential, leaf.credential):
        raise InvalidMessage("a member's leaf is replaced by somebody else's")


def _init_secret(state: GroupState, commit: Commit) -> bytes:
    """The init secret that an external commit brings (section 8.3)."""
    kem_output = next(p.kem_output for p in commit.proposals if isinstance(p, ExternalInit))
    keys = state.secrets.external_key_pair(state.suite)
    return state.suite.external_init_secret(keys.private, kem_output)


def _event(
    state: GroupState,
    tree: RatchetTree,
    applied: Applied,
    message: AuthenticatedContent,
    index: int,
    removed_self: bool = False,
) -> CommitApplied:
    external = not message.content.sender.is_member
    committer = state.member(index)
    if external and not removed_self:
        (committer,) = members_at(tree, (index,))
    event = describe(
        state, tree, applied, committer, message.content.authenticated_data, removed_self=removed_self
    )
    if external:
        joined = (committer,) if committer and not removed_self else ()
        event = replace(event, committer=committer, added=joined, external=True)
    return event
