"""Groups that follow on another: reinitialised with other parameters, or branched off (RFC 9420 sections 11.2
and 11.3)."""

from __future__ import annotations

from collections.abc import Sequence

from chappe.mls.commits import NewCommit, create_commit
from chappe.mls.errors import InvalidMessage
from chappe.mls.framing import WireFormat
from chappe.mls.joining import create_group
from chappe.mls.key_package import KeyPackage
from chappe.mls.leaf_node import MLS10, Capabilities, Credential, Extensions
from chappe.mls.leaf_rules import Succeeds
from chappe.mls.proposals import Add, PreSharedKey, Proposal, ReInit
from chappe.mls.psks import PreSharedKeyID, PskStore, ResumptionUsage
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import GroupState
from chappe.mls.suites import Random, cipher_suite


def reinitialise(
    old: GroupState,
    signer: SignatureKey,
    credential: Credential,
    key_packages: Sequence[KeyPackage],
    *,
    capabilities: Capabilities | None,
    succeeds: Succeeds,
    max_lifetime: int | None,
    now: int,
    random: Random,
) -> NewCommit:
    """The group that takes over from one closed by a ReInit (section 11.2). Raises InvalidMessage."""
    if old.reinit is None:
        raise InvalidMessage("the group was not closed by a ReInit")
    if old.reinit.version != MLS10:
        raise InvalidMessage("the ReInit asks for another version of MLS")
    founder = create_group(
        cipher_suite(old.reinit.cipher_suite),
        old.reinit.group_id,
        signer,
        credential,
        extensions=old.reinit.extensions,
        capabilities=capabilities,
        now=now,
        random=random,
    )
    new = _open(founder, old, ResumptionUsage.REINIT, key_packages, max_lifetime, now, random)
    _check_same_members(old.tree, new.state.tree, succeeds)
    return new


def branch(
    old: GroupState,
    group_id: bytes,
    key_packages: Sequence[KeyPackage],
    *,
    extensions: Extensions,
    capabilities: Capabilities | None,
    succeeds: Succeeds,
    max_lifetime: int | None,
    now: int,
    random: Random,
) -> NewCommit:
    """A group of some of the members (section 11.3). Raises InvalidMessage."""
    own = old.tree.leaf(old.own_leaf)
    assert own is not None
    founder = create_group(
        old.suite,
        group_id,
        old.signer,
        own.credential,
        extensions=extensions,
        capabilities=capabilities or own.capabilities,
        now=now,
        random=random,
    )
    new = _open(founder, old, ResumptionUsage.BRANCH, key_packages, max_lifetime, now, random)
    _check_subset(old.tree, new.state.tree, succeeds)
    return new


def _open(
    founder: GroupState,
    old: GroupState,
    usage: ResumptionUsage,
    key_packages: Sequence[KeyPackage],
    max_lifetime: int | None,
    now: int,
    random: Random,
) -> NewCommit:
    """The first commit: everybody's Add, and the PSK that ties the group to the old one."""
    epoch, nonce = old.context.epoch, random(founder.suite.nh)
    psk = PreSharedKeyID.resumption(usage, old.context.group_id, epoch, nonce)
    proposals: list[Proposal] = [*(Add(package) for package in key_packages), PreSharedKey(psk)]
    return create_commit(
        founder,
        proposals,
        now=now,
        random=random,
        authenticated_data=b"",
        update_path=True,
        wire_format=WireFormat.PRIVATE_MESSAGE,
        psks=PskStore(resumption={(old.context.group_id, epoch): old.resumption_psks[epoch]}),
        max_lifetime=max_lifetime,
        founding=True,
    )


def check_successor(
    new: GroupState, origin: PreSharedKeyID, known: Sequence[GroupState], succeeds: Succeeds
) -> None:
    """Whether a group joined by a Welcome is what its resumption PSK says (section 12.4.3.1).
    Raises InvalidMessage."""
    old = next((g for g in known if g.context.group_id == origin.psk_group_id), None)
    if old is None:
        raise InvalidMessage("the group follows on one that this client does not know")
    if new.context.epoch != 1:
        raise InvalidMessage("a group that follows on another is joined in its first epoch")
    # The members of older epochs are not kept: a successor of an epoch that is over cannot be checked.
    if origin.psk_epoch != old.context.epoch:
        raise InvalidMessage("the group follows on an epoch that is over")
    if origin.usage == ResumptionUsage.REINIT:
        _check_is_reinit(new, old.reinit)
        _check_same_members(old.tree, new.tree, succeeds)
    else:
        if new.suite.id != old.suite.id:
            raise InvalidMessage("a branch has another suite than its group")
        _check_subset(old.tree, new.tree, succeeds)


def _check_is_reinit(new: GroupState, reinit: ReInit | None) -> None:
    if reinit is None:
        raise InvalidMessage("the group was not closed by a ReInit")
    context = new.context
    found = (context.group_id, MLS10, context.cipher_suite, context.extensions)
    if found != (reinit.group_id, reinit.version, reinit.cipher_suite, reinit.extensions):
        raise InvalidMessage("the group is not the one that the ReInit announced")


def _check_same_members(old: RatchetTree, new: RatchetTree, succeeds: Succeeds) -> None:
    _check_subset(old, new, succeeds)
    present = {leaf.credential for _, leaf in new.leaves()}
    for _, leaf in old.leaves():
        old_one = leaf.credential
        if old_one not in present and not any(succeeds(old_one, new_one) for new_one in present):
            raise InvalidMessage("a member of the old group is missing in the new one")


def _check_subset(old: RatchetTree, new: RatchetTree, succeeds: Succeeds) -> None:
    present = {leaf.credential for _, leaf in old.leaves()}
    for _, leaf in new.leaves():
        new_one = leaf.credential
        if new_one not in present and not any(succeeds(old_one, new_one) for old_one in present):
            raise InvalidMessage("a member of the new group was not in the old one")
