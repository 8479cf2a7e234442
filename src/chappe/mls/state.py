"""A member's whole state in one epoch, as a value, and its stored form.

The stored form has two parts: what changes only with the epoch (large: the tree) and what changes with
each message (small: the ratchets), so that a store can write the second alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from chappe.mls.codec import Reader, opaque, optional, parse, u8, u16, u32, u64, vector
from chappe.mls.errors import MalformedMessage
from chappe.mls.framing import Sender
from chappe.mls.group_context import GroupContext
from chappe.mls.key_schedule import EpochSecrets
from chappe.mls.leaf_node import Credential
from chappe.mls.proposals import Proposal, ReInit, encode_proposal, read_proposal
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.secret_tree import SecretTree
from chappe.mls.signatures import SignatureKey
from chappe.mls.suites import CipherSuite, cipher_suite
from chappe.mls.treekem import PrivateKeys

MAX_PAST_EPOCHS = 2
PAST_EPOCH_SECONDS = 24 * 3600
"""How long, at the most, message secrets of a past epoch are kept."""

_VERSION = 2


@dataclass(frozen=True, slots=True)
class Member:
    """A member as the application sees it."""

    leaf_index: int
    credential: Credential
    signature_key: bytes


@dataclass(frozen=True, slots=True)
class PendingProposal:
    """A proposal received or sent in this epoch, not committed yet; `ref` is its ProposalRef."""

    ref: bytes
    proposal: Proposal
    sender: Sender

    def encode(self) -> bytes:
        return opaque(self.ref) + encode_proposal(self.proposal) + self.sender.encode()

    @classmethod
    def read(cls, r: Reader) -> PendingProposal:
        return cls(r.opaque(), read_proposal(r), Sender.read(r))


@dataclass(frozen=True)
class PastEpoch:
    """What still opens late application messages of an epoch that is over.

    `changes`: members as they were, for the leaves that differ from the present tree (None: blank then).
    """

    epoch: int
    context: bytes
    sender_data_secret: bytes = field(repr=False)
    secret_tree: SecretTree = field(repr=False)
    changes: Mapping[int, Member | None]
    until: int

    @cached_property
    def encoded(self) -> bytes:
        changes = (u32(leaf) + optional(_encode_member(m)) for leaf, m in self.changes.items())
        return (
            u64(self.epoch)
            + opaque(self.context)
            + opaque(self.sender_data_secret)
            + self.secret_tree.encode()
            + vector(changes)
            + u64(self.until)
        )

    @classmethod
    def read(cls, suite: CipherSuite, r: Reader) -> PastEpoch:
        epoch, context, secret = r.u64(), r.opaque(), r.opaque()
        tree = SecretTree.read(suite, r)
        return cls(epoch, context, secret, tree, dict(r.vector(_read_change)), r.u64())


def _encode_member(member: Member | None) -> bytes | None:
    return None if member is None else member.credential.encode() + opaque(member.signature_key)


def _read_change(r: Reader) -> tuple[int, Member | None]:
    leaf = r.u32()
    return leaf, r.optional(lambda i: Member(leaf, Credential.read(i), i.opaque()))


@dataclass(frozen=True)
class GroupState:
    """Everything one member knows. Immutable: operations give a new one."""

    suite: CipherSuite
    context: GroupContext
    tree: RatchetTree = field(repr=False)
    own_leaf: int
    interim_transcript_hash: bytes = field(repr=False)
    confirmation_tag: bytes = field(repr=False)
    active: bool
    signer: SignatureKey = field(repr=False)
    secrets: EpochSecrets = field(repr=False)
    secret_tree: SecretTree = field(repr=False)
    private_keys: PrivateKeys = field(repr=False)
    proposals: tuple[PendingProposal, ...] = ()
    own_updates: Mapping[bytes, bytes] = field(default_factory=dict, repr=False)
    past: tuple[PastEpoch, ...] = field(default=(), repr=False)
    resumption_psks: Mapping[int, bytes] = field(default_factory=dict, repr=False)
    reinit: ReInit | None = None
    """Set once a commit closed the group for another."""

    def member(self, leaf_index: int) -> Member | None:
        leaf = self.tree.leaf(leaf_index)
        return None if leaf is None else Member(leaf_index, leaf.credential, leaf.signature_key)

    def context_of(self, epoch: int) -> bytes | None:
        """The encoded GroupContext of this epoch, or of a past one that is kept."""
        if epoch == self.context.epoch:
            return self.context.encoded
        return next((past.context for past in self.past if past.epoch == epoch), None)

    def without_expired(self, now: int) -> GroupState:
        """Past epochs whose time is over are dropped, with their keys."""
        kept = tuple(p for p in self.past if p.until > now)
        return self if len(kept) == len(self.past) else replace(self, past=kept)

    @cached_property
    def shared_bytes(self) -> bytes:
        """The part that only a change of epoch changes; no secret in it."""
        return (
            u8(_VERSION)
            + u16(self.suite.id)
            + opaque(self.context.encoded)
            + self.tree.encode()
            + u32(self.own_leaf)
            + opaque(self.interim_transcript_hash)
            + opaque(self.confirmation_tag)
            + u8(self.active)
            + optional(None if self.reinit is None else encode_proposal(self.reinit))
        )

    @property
    def secret_bytes(self) -> bytes:
        """The part that each message changes. It opens the group: encrypt it at rest."""
        keys = vector(u32(node) + opaque(key) for node, key in self.private_keys.items())
        updates = vector(opaque(public) + opaque(private) for public, private in self.own_updates.items())
        resumption = vector(u64(epoch) + opaque(psk) for epoch, psk in self.resumption_psks.items())
        return (
            u64(self.context.epoch)
            + opaque(self.signer.private)
            + self.secrets.encode()
            + self.secret_tree.encode()
            + keys
            + vector(p.encode() for p in self.proposals)
            + updates
            + vector(p.encoded for p in self.past)
            + resumption
        )

    @classmethod
    def from_parts(cls, shared: bytes, secret: bytes) -> GroupState:
        """Raises MalformedMessage, also where the parts are not of the same epoch."""
        suite, context, tree, own_leaf, interim, tag, active, reinit = parse(_read_shared, shared)

        def read(r: Reader) -> GroupState:
            if r.u64() != context.epoch:
                raise MalformedMessage("the two parts of the state are not of the same epoch")
            signer, secrets = _read_signer(suite, r), EpochSecrets.read(r)
            return cls(
                suite, context, tree, own_leaf, interim, tag, active, signer, secrets,
                SecretTree.read(suite, r),
                dict(r.vector(lambda i: (i.u32(), i.opaque()))),
                r.vector(PendingProposal.read),
                dict(r.vector(lambda i: (i.opaque(), i.opaque()))),
                r.vector(lambda i: PastEpoch.read(suite, i)),
                dict(r.vector(lambda i: (i.u64(), i.opaque()))),
                reinit,
            )  # fmt: skip

        return parse(read, secret)


_Shared = tuple[CipherSuite, GroupContext, RatchetTree, int, bytes, bytes, bool, ReInit | None]


def _read_shared(r: Reader) -> _Shared:
    if r.u8() != _VERSION:
        raise MalformedMessage("group state of another version")
    suite = cipher_suite(r.u16())
    context = parse(GroupContext.read, r.opaque())
    tree = RatchetTree.read(suite, r)
    return suite, context, tree, r.u32(), r.opaque(), r.opaque(), _read_flag(r), r.optional(_read_reinit)


def _read_flag(r: Reader) -> bool:
    value = r.u8()
    if value > 1:
        raise MalformedMessage("a flag of the stored state is neither 0 nor 1")
    return value == 1


def _read_reinit(r: Reader) -> ReInit:
    proposal = read_proposal(r)
    if not isinstance(proposal, ReInit):
        raise MalformedMessage("the stored successor is no ReInit")
    return proposal


def _read_signer(suite: CipherSuite, r: Reader) -> SignatureKey:
    try:
        return suite.signature_key(r.opaque())
    except ValueError:
        raise MalformedMessage("the stored signature key is no key") from None
