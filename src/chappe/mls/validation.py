"""Which proposals may stand in a commit, and the tree they lead to (RFC 9420 sections 12.2 and 12.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chappe.mls.codec import parse
from chappe.mls.errors import InvalidMessage
from chappe.mls.framing import Sender, SenderType
from chappe.mls.group_context import GroupContext
from chappe.mls.key_schedule import PreSharedKeyID
from chappe.mls.leaf_node import (
    DEFAULT_EXTENSIONS,
    Extensions,
    ExtensionType,
    LeafNode,
    LeafSource,
    RequiredCapabilities,
    find_extension,
)
from chappe.mls.proposals import (
    Add,
    ExternalInit,
    PreSharedKey,
    Proposal,
    ReInit,
    Remove,
    SetExtensions,
    Update,
)
from chappe.mls.ratchet_tree import RatchetTree

Sent = tuple[Proposal, Sender]
"""A proposal and who sent it; by value, that is the committer."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of a proposal list: the tree before any path, and what changed."""

    tree: RatchetTree
    extensions: Extensions
    added: tuple[tuple[int, Add], ...]
    removed: tuple[int, ...]
    updated: tuple[int, ...]
    psks: tuple[PreSharedKeyID, ...]
    path_required: bool


def apply_proposals(
    tree: RatchetTree, context: GroupContext, sent: Sequence[Sent], committer: int
) -> Applied:
    """Check the list, then apply it in the order of section 12.3. Raises InvalidMessage."""
    _check_list(tree, sent, committer)
    extensions = next((p.extensions for p, _ in sent if isinstance(p, SetExtensions)), context.extensions)
    after = tree
    updated, removed, added = [], [], []
    for proposal, sender in sent:
        if isinstance(proposal, Update):
            _check_update(tree, context, proposal.leaf_node, sender.index)
            after = after.update(sender.index, proposal.leaf_node)
            updated.append(sender.index)
    for proposal, _ in sent:
        if isinstance(proposal, Remove):
            removed.append(proposal.removed)
            after = after.remove(proposal.removed)
    for proposal, _ in sent:
        if isinstance(proposal, Add):
            _check_add(tree, proposal)
            after, index = after.add(proposal.key_package.leaf_node)
            added.append((index, proposal))
    changed = bool(updated or added or extensions != context.extensions)
    if changed:
        after.check_keys_unique()
        check_capabilities(after, extensions)
    return Applied(
        after,
        extensions,
        tuple(added),
        tuple(removed),
        tuple(updated),
        tuple(p.psk for p, _ in sent if isinstance(p, PreSharedKey)),
        not sent or any(isinstance(p, Update | Remove | ExternalInit | SetExtensions) for p, _ in sent),
    )


def _check_list(tree: RatchetTree, sent: Sequence[Sent], committer: int) -> None:
    """Section 12.2, for a commit by a member."""
    proposals = [p for p, _ in sent]
    if any(isinstance(p, ReInit | ExternalInit) for p in proposals):
        raise InvalidMessage("ReInit and ExternalInit cannot stand in this commit")
    if sum(isinstance(p, SetExtensions) for p in proposals) > 1:
        raise InvalidMessage("two GroupContextExtensions proposals in one commit")
    touched: set[int] = set()
    for proposal, sender in sent:
        if isinstance(proposal, Update):
            target = sender.index
            if not sender.is_member or target == committer:
                raise InvalidMessage("a committer cannot commit its own Update")
        elif isinstance(proposal, Remove):
            target = proposal.removed
            if target == committer:
                raise InvalidMessage("a committer cannot remove itself")
        else:
            continue
        if tree.leaf(target) is None:
            raise InvalidMessage("an Update or Remove is for no member")
        if target in touched:
            raise InvalidMessage("two Updates or Removes for one member")
        touched.add(target)
    psks = [p.psk for p in proposals if isinstance(p, PreSharedKey)]
    if len(set(psks)) != len(psks):
        raise InvalidMessage("a PSK stands twice")


def _check_update(tree: RatchetTree, context: GroupContext, leaf: LeafNode, sender: int) -> None:
    """Section 7.3 for an Update."""
    old = tree.leaf(sender)
    if leaf.source is not LeafSource.UPDATE:
        raise InvalidMessage("the leaf of an Update has source update")
    if old is None or old.encryption_key == leaf.encryption_key:
        raise InvalidMessage("an Update keeps its old encryption key")
    if not leaf.signature_holds(tree.suite, context.group_id, sender):
        raise InvalidMessage("the signature of an Update's leaf does not hold")


def _check_add(tree: RatchetTree, proposal: Add) -> None:
    """Section 12.1.1. The lifetime is the adder's to check: clocks must not split a group."""
    if proposal.key_package.cipher_suite != tree.suite.id:
        raise InvalidMessage("the key package is of another suite than the group")
    proposal.key_package.validate()


def check_capabilities(tree: RatchetTree, extensions: Extensions) -> None:
    """Every member supports what the group uses (sections 7.3, 11.1, 13.4). Raises InvalidMessage."""
    in_use = {e.type for e in extensions if e.type not in DEFAULT_EXTENSIONS}
    required = find_extension(extensions, ExtensionType.REQUIRED_CAPABILITIES)
    needs = parse(RequiredCapabilities.read, required) if required is not None else None
    credentials = {leaf.credential.type for _, leaf in tree.leaves()}
    for _, leaf in tree.leaves():
        capabilities = leaf.capabilities
        if not credentials.issubset(capabilities.credentials):
            raise InvalidMessage("a member does not support another's credential type")
        if in_use and not in_use.issubset(capabilities.extensions):
            raise InvalidMessage("a member does not support an extension of the group")
        if needs is not None and not needs.met_by(capabilities):
            raise InvalidMessage("a member lacks a required capability")
        if not all(capabilities.has_extension(e.type) for e in leaf.extensions):
            raise InvalidMessage("a leaf has an extension that it does not list")


def check_proposal_sender(proposal: Proposal, sender: Sender) -> None:
    """Who may propose what (sections 12.1 and 12.1.8). Raises InvalidMessage."""
    if sender.type is SenderType.EXTERNAL and isinstance(proposal, Update | ExternalInit):
        raise InvalidMessage("an external sender cannot propose this")
    if sender.type is SenderType.NEW_MEMBER_PROPOSAL and not isinstance(proposal, Add):
        raise InvalidMessage("a new member can only propose its Add")
    if sender.type is SenderType.MEMBER and isinstance(proposal, ExternalInit):
        raise InvalidMessage("ExternalInit stands in external commits only")
