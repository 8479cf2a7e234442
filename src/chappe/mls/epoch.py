"""From one epoch to the next: the secrets that follow from a commit, and the state that holds them
(RFC 9420 sections 8 and 12.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chappe.mls.framing import AuthenticatedContent
from chappe.mls.group_context import GroupContext
from chappe.mls.key_schedule import KeySchedule, next_joiner_secret, schedule
from chappe.mls.proposals import ReInit
from chappe.mls.protection import confirmed_transcript_hash, interim_transcript_hash
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.secret_tree import SecretTree
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import MAX_PAST_EPOCHS, PAST_EPOCH_SECONDS, GroupState, Member, PastEpoch
from chappe.mls.suites import CipherSuite
from chappe.mls.treekem import PrivateKeys
from chappe.mls.validation import Applied

MAX_RESUMPTION_EPOCHS = 4
"""Of how many epochs the resumption PSK is kept, the present one among them."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """What all members agree on in an epoch."""

    context: GroupContext
    tree: RatchetTree = field(repr=False)
    schedule: KeySchedule = field(repr=False)
    confirmation_tag: bytes = field(repr=False)

    @property
    def interim_transcript_hash(self) -> bytes:
        confirmed = self.context.confirmed_transcript_hash
        return interim_transcript_hash(self.tree.suite, confirmed, self.confirmation_tag)


def provisional_context(before: GroupContext, applied: Applied, tree: RatchetTree) -> GroupContext:
    """The next epoch's context, still with this epoch's confirmed transcript hash (section 12.4.1)."""
    return replace(before, epoch=before.epoch + 1, tree_hash=tree.tree_hash(), extensions=applied.extensions)


def next_epoch(
    interim: bytes,
    init_secret: bytes,
    provisional: GroupContext,
    tree: RatchetTree,
    commit: AuthenticatedContent,
    commit_secret: bytes,
    psk: bytes,
) -> Epoch:
    """The epoch that `commit` opens. `interim` is the last epoch's interim transcript hash, `init_secret` its
    init secret or the one that an external commit brings."""
    suite = tree.suite
    confirmed = confirmed_transcript_hash(suite, interim, commit)
    context = replace(provisional, confirmed_transcript_hash=confirmed)
    joiner = next_joiner_secret(suite, init_secret, commit_secret, context.encoded)
    secrets = schedule(suite, joiner, psk, context.encoded)
    tag = suite.mac(secrets.epoch.confirmation_key, confirmed)
    return Epoch(context, tree, secrets, tag)


def enter(
    state: GroupState, epoch: Epoch, private_keys: PrivateKeys, reinit: ReInit | None, now: int
) -> GroupState:
    """A member's state in the next epoch."""
    secrets = epoch.schedule
    resumption = {**state.resumption_psks, epoch.context.epoch: secrets.epoch.resumption_psk}
    while len(resumption) > MAX_RESUMPTION_EPOCHS:
        del resumption[min(resumption)]
    after = replace(
        state,
        context=epoch.context,
        tree=epoch.tree,
        interim_transcript_hash=epoch.interim_transcript_hash,
        confirmation_tag=epoch.confirmation_tag,
        secrets=secrets.epoch,
        secret_tree=SecretTree.create(state.suite, epoch.tree.width, secrets.encryption_secret),
        private_keys=private_keys,
        proposals=(),
        own_updates={},
        past=_past_epochs(state, epoch.tree, now),
        resumption_psks=resumption,
        reinit=reinit,
    )
    return after if reinit is None else _closed(after)


def _closed(state: GroupState) -> GroupState:
    """Nobody speaks in the epoch that a ReInit opens: only late messages of the past ones are still read."""
    return replace(
        state,
        secrets=state.secrets.closed(),
        secret_tree=SecretTree.gone(state.suite),
        private_keys={},
    )


def newcomer(
    suite: CipherSuite, epoch: Epoch, own_leaf: int, signer: SignatureKey, private_keys: Mapping[int, bytes]
) -> GroupState:
    """The state of a member whose first epoch this is."""
    secrets = epoch.schedule
    return GroupState(
        suite=suite,
        context=epoch.context,
        tree=epoch.tree,
        own_leaf=own_leaf,
        interim_transcript_hash=epoch.interim_transcript_hash,
        confirmation_tag=epoch.confirmation_tag,
        active=True,
        signer=signer,
        secrets=secrets.epoch,
        secret_tree=SecretTree.create(suite, epoch.tree.width, secrets.encryption_secret),
        private_keys=private_keys,
        resumption_psks={epoch.context.epoch: secrets.epoch.resumption_psk},
    )


def leave(state: GroupState) -> GroupState:
    """What is left for a member that was removed: who was in it, and no key that opens anything."""
    return replace(
        state,
        active=False,
        secrets=state.secrets.gone(),
        secret_tree=SecretTree.gone(state.suite),
        private_keys={},
        proposals=(),
        own_updates={},
        past=(),
        resumption_psks={},
    )


def _past_epochs(state: GroupState, tree: RatchetTree, now: int) -> tuple[PastEpoch, ...]:
    """The epochs kept after this move, the one that ends now among them."""
    changes: dict[int, Member | None] = {}
    before, after = state.tree.nodes[::2], tree.nodes[::2]
    for leaf in range(max(len(before), len(after))):
        old = before[leaf] if leaf < len(before) else None
        if old is not (after[leaf] if leaf < len(after) else None):
            member = state.member(leaf)
            new = tree.leaf(leaf)
            if member is None or new is None or member != Member(leaf, new.credential, new.signature_key):
                changes[leaf] = member
    ended = PastEpoch(
        state.context.epoch,
        state.context.encoded,
        state.secrets.sender_data_secret,
        state.secret_tree.for_late_messages(state.own_leaf),
        {},
        now + PAST_EPOCH_SECONDS,
    )
    kept = [p for p in (*state.past, ended) if p.until > now][-MAX_PAST_EPOCHS:]
    return tuple(replace(p, changes={**changes, **p.changes}) for p in kept)
