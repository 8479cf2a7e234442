"""Which proposals may stand in a commit, and the tree they lead to (RFC 9420 sections 12.1 to 12.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chappe.mls.errors import InvalidMessage
from chappe.mls.framing import Sender, SenderType
from chappe.mls.group_context import GroupContext
from chappe.mls.leaf_node import MLS10, Extensions
from chappe.mls.leaf_rules import check_support, check_updated_leaf
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
from chappe.mls.psks import PreSharedKeyID, ResumptionUsage
from chappe.mls.ratchet_tree import RatchetTree

Sent = tuple[Proposal, Sender]
"""A proposal and who sent it; by value, that is the committer."""

_EXTERNAL_MAY_PROPOSE = (Add, Remove, PreSharedKey, ReInit, SetExtensions)


@dataclass(frozen=True, slots=True)
class Applied:
    """The outcome of a proposal list: the tree before any path, and what changed."""

    tree: RatchetTree
    extensions: Extensions
    added: tuple[tuple[int, Add], ...] = ()
    removed: tuple[int, ...] = ()
    updated: tuple[int, ...] = ()
    psks: tuple[PreSharedKeyID, ...] = ()
    path_required: bool = True
    reinit: ReInit | None = None


def apply_proposals(
    tree: RatchetTree,
    context: GroupContext,
    sent: Sequence[Sent],
    committer: int,
    *,
    founding: bool = False,
    max_lifetime: int | None,
) -> Applied:
    """Check a member's list, then apply it in the order of section 12.3. Raises InvalidMessage.

    `founding`: the commit opens a group that follows on another (ReInit, branch).
    """
    for proposal, sender in sent:
        check_proposal(tree, context, proposal, sender, founding=founding, max_lifetime=max_lifetime)
    _check_list(sent, committer)
    extensions = next((p.extensions for p, _ in sent if isinstance(p, SetExtensions)), context.extensions)
    edit = tree.edit()
    updates = [(s.index, p.leaf_node) for p, s in sent if isinstance(p, Update)]
    for index, leaf in updates:
        edit.update(index, leaf)
    removed = [p.removed for p, _ in sent if isinstance(p, Remove)]
    for index in removed:
        edit.remove(index)
    added = [(edit.add(p.key_package.leaf_node), p) for p, _ in sent if isinstance(p, Add)]
    after = edit.done()
    if updates or added or extensions != context.extensions:
        after.check_keys_unique()
        check_support(after, extensions)
    return Applied(
        after,
        extensions,
        tuple(added),
        tuple(removed),
        tuple(index for index, _ in updates),
        tuple(p.psk for p, _ in sent if isinstance(p, PreSharedKey)),
        not sent or any(isinstance(p, Update | Remove | SetExtensions) for p, _ in sent),
        next((p for p, _ in sent if isinstance(p, ReInit)), None),
    )


def apply_external(
    tree: RatchetTree, context: GroupContext, proposals: Sequence[Proposal]
) -> tuple[Applied, int]:
    """The same for an external commit. Gives also the leaf index that its sender takes, still blank in the
    tree: the update path fills it. Raises InvalidMessage."""
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    for proposal in proposals:
        check_proposal(tree, context, proposal, sender, founding=False, max_lifetime=None)
    _check_external_list(proposals)
    removed = tuple(p.removed for p in proposals if isinstance(p, Remove))
    edit = tree.edit()
    for gone in removed:
        edit.remove(gone)
    index = edit.reserve()
    psks = tuple(p.psk for p in proposals if isinstance(p, PreSharedKey))
    return Applied(edit.done(), context.extensions, removed=removed, psks=psks), index


def check_proposal(
    tree: RatchetTree,
    context: GroupContext,
    proposal: Proposal,
    sender: Sender,
    *,
    founding: bool,
    max_lifetime: int | None,
) -> None:
    """One proposal by itself (section 12.1). Raises InvalidMessage."""
    _check_sender(proposal, sender)
    if isinstance(proposal, Add):
        _check_add(tree, proposal, max_lifetime)
    elif isinstance(proposal, Update):
        check_updated_leaf(tree, proposal.leaf_node, sender.index, context.group_id)
    elif isinstance(proposal, Remove):
        if tree.leaf(proposal.removed) is None:
            raise InvalidMessage("a Remove is for no member")
    elif isinstance(proposal, PreSharedKey):
        _check_psk(tree, proposal.psk, founding)
    elif isinstance(proposal, ReInit) and proposal.version < MLS10:
        raise InvalidMessage("a ReInit goes back to an older version")


def check_sendable(proposal: Proposal, now: int, max_lifetime: int | None) -> None:
    """Nobody sends a leaf outside its lifetime (section 7.3). Raises InvalidMessage."""
    if isinstance(proposal, Add):
        proposal.key_package.validate(now=now, max_lifetime=max_lifetime)


def _check_sender(proposal: Proposal, sender: Sender) -> None:
    """Who may propose what (sections 12.1 and 12.1.8)."""
    if sender.type is SenderType.EXTERNAL and not isinstance(proposal, _EXTERNAL_MAY_PROPOSE):
        raise InvalidMessage("an external sender cannot propose this")
    if sender.type is SenderType.NEW_MEMBER_PROPOSAL and not isinstance(proposal, Add):
        raise InvalidMessage("a new member can only propose its Add")
    if sender.type is SenderType.MEMBER and isinstance(proposal, ExternalInit):
        raise InvalidMessage("ExternalInit stands in external commits only")


def _check_add(tree: RatchetTree, proposal: Add, max_lifetime: int | None) -> None:
    """Section 12.1.1. Whether the lifetime holds now is the adder's to check: clocks must split no group."""
    if proposal.key_package.cipher_suite != tree.suite.id:
        raise InvalidMessage("the key package is of another suite than the group")
    proposal.key_package.validate(max_lifetime=max_lifetime)


def _check_psk(tree: RatchetTree, psk: PreSharedKeyID, founding: bool) -> None:
    """Section 12.1.4."""
    if len(psk.psk_nonce) != tree.suite.nh:
        raise InvalidMessage("the nonce of a PSK has a wrong length")
    if not psk.is_external and psk.usage != ResumptionUsage.APPLICATION and not founding:
        raise InvalidMessage("a resumption PSK for ReInit or branching stands in another commit")


def _check_list(sent: Sequence[Sent], committer: int) -> None:
    """Section 12.2, for a commit by a member."""
    proposals = [p for p, _ in sent]
    if any(isinstance(p, ExternalInit) for p in proposals):
        raise InvalidMessage("ExternalInit stands in external commits only")
    if len(proposals) > 1 and any(isinstance(p, ReInit) for p in proposals):
        raise InvalidMessage("a ReInit stands alone")
    if sum(isinstance(p, SetExtensions) for p in proposals) > 1:
        raise InvalidMessage("two GroupContextExtensions proposals in one commit")
    touched: set[int] = set()
    for proposal, sender in sent:
        if isinstance(proposal, Update):
            target = sender.index
            if target == committer:
                raise InvalidMessage("a committer cannot commit its own Update")
        elif isinstance(proposal, Remove):
            target = proposal.removed
            if target == committer:
                raise InvalidMessage("a committer cannot remove itself")
        else:
            continue
        if target in touched:
            raise InvalidMessage("two Updates or Removes for one member")
        touched.add(target)
    _check_psks_differ(proposals)


def _check_external_list(proposals: Sequence[Proposal]) -> None:
    """Section 12.2, for an external commit."""
    if sum(isinstance(p, ExternalInit) for p in proposals) != 1:
        raise InvalidMessage("an external commit has exactly one ExternalInit")
    if sum(isinstance(p, Remove) for p in proposals) > 1:
        raise InvalidMessage("an external commit has at most one Remove")
    if not all(isinstance(p, ExternalInit | Remove | PreSharedKey) for p in proposals):
        raise InvalidMessage("an external commit holds a proposal that cannot stand there")
    _check_psks_differ(proposals)


def _check_psks_differ(proposals: Sequence[Proposal]) -> None:
    psks = [p.psk for p in proposals if isinstance(p, PreSharedKey)]
    if len(set(psks)) != len(psks):
        raise InvalidMessage("a PSK stands twice")
