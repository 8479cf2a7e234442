"""The secret tree and its ratchets: one key and nonce per sender and message (RFC 9420 section 9).

A value: taking a key gives a new tree in which that key, and every secret it came from, is gone. When its
epoch ends, `for_late_messages` is what stays of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

from chappe.mls import tree_math as tm
from chappe.mls.codec import Reader, opaque, u8, u32, vector
from chappe.mls.errors import AlreadyConsumed, MalformedMessage
from chappe.mls.suites import CipherSuite

MAX_SKIPPED_GENERATIONS = 1_000
"""How far ahead of the next expected generation a message may be, and how many unused keys are kept."""


class RatchetType(IntEnum):
    HANDSHAKE = 0
    APPLICATION = 1


@dataclass(frozen=True, slots=True)
class MessageKey:
    generation: int
    key: bytes = field(repr=False)
    nonce: bytes = field(repr=False)


@dataclass(frozen=True)
class Ratchet:
    """`secret` makes generation `next`; `skipped` holds the keys jumped over and not yet used.

    Its encoding is kept: each message moves one ratchet, and the tree of all of them is stored after it.
    """

    next: int
    secret: bytes = field(repr=False)
    skipped: Mapping[int, tuple[bytes, bytes]] = field(default_factory=dict, repr=False)

    def take(self, suite: CipherSuite, generation: int) -> tuple[Ratchet, MessageKey]:
        """Raises AlreadyConsumed: spent, or further ahead than the window."""
        if generation < self.next:
            if generation not in self.skipped:
                raise AlreadyConsumed(f"generation {generation} is spent")
            rest = dict(self.skipped)
            return Ratchet(self.next, self.secret, rest), MessageKey(generation, *rest.pop(generation))
        if generation - self.next > MAX_SKIPPED_GENERATIONS:
            raise AlreadyConsumed(f"generation {generation} is too far ahead")
        skipped, secret = dict(self.skipped), self.secret
        for at in range(self.next, generation):
            skipped[at] = _key_and_nonce(suite, secret, at)
            secret = suite.derive_tree_secret(secret, "secret", at, suite.nh)
        key = MessageKey(generation, *_key_and_nonce(suite, secret, generation))
        while len(skipped) > MAX_SKIPPED_GENERATIONS:
            del skipped[min(skipped)]
        after = suite.derive_tree_secret(secret, "secret", generation, suite.nh)
        return Ratchet(generation + 1, after, skipped), key

    @cached_property
    def encoded(self) -> bytes:
        kept = (u32(g) + opaque(k) + opaque(n) for g, (k, n) in self.skipped.items())
        return u32(self.next) + opaque(self.secret) + vector(kept)

    @classmethod
    def read(cls, r: Reader) -> Ratchet:
        next_, secret = r.u32(), r.opaque()
        return cls(next_, secret, dict(r.vector(lambda i: (i.u32(), (i.opaque(), i.opaque())))))


def _key_and_nonce(suite: CipherSuite, secret: bytes, generation: int) -> tuple[bytes, bytes]:
    return (
        suite.derive_tree_secret(secret, "key", generation, suite.nk),
        suite.derive_tree_secret(secret, "nonce", generation, suite.nn),
    )


Ratchets = Mapping[tuple[int, RatchetType], Ratchet]


@dataclass(frozen=True, slots=True)
class SecretTree:
    """`nodes`: secrets of subtrees not opened yet; `ratchets`: the two of each leaf opened."""

    suite: CipherSuite
    width: int
    nodes: Mapping[int, bytes] = field(repr=False)
    ratchets: Ratchets = field(default_factory=dict, repr=False)

    @classmethod
    def create(cls, suite: CipherSuite, width: int, encryption_secret: bytes) -> SecretTree:
        """Over `width` leaf slots."""
        return cls(suite, width, {tm.root(width): encryption_secret})

    def next_generation(self, leaf: int, kind: RatchetType) -> int:
        """The generation that the leaf's next own message takes."""
        ratchet = self.ratchets.get((leaf, kind))
        return ratchet.next if ratchet else 0

    def take(self, leaf: int, kind: RatchetType, generation: int) -> tuple[SecretTree, MessageKey]:
        """The key of that generation, and the tree without it. Raises AlreadyConsumed."""
        nodes, ratchets = self.nodes, self.ratchets
        if (leaf, kind) not in ratchets:
            nodes, ratchets = self._open(leaf)
        ratchet, key = ratchets[leaf, kind].take(self.suite, generation)
        return SecretTree(self.suite, self.width, nodes, {**ratchets, (leaf, kind): ratchet}), key

    def for_late_messages(self, own_leaf: int) -> SecretTree:
        """What is kept of the tree of an epoch that is over: others' late application messages open.

        Gone are the own secrets, from which the commit that ended the epoch was sealed, and the handshake
        ratchets: no handshake message of a past epoch is taken."""
        nodes, ratchets = self.nodes, self.ratchets
        if (own_leaf, RatchetType.APPLICATION) not in ratchets:
            with suppress(AlreadyConsumed):
                nodes, ratchets = self._open(own_leaf)
        kept: Ratchets = {
            at: ratchet
            for at, ratchet in ratchets.items()
            if at[0] != own_leaf and at[1] is RatchetType.APPLICATION
        }
        return SecretTree(self.suite, self.width, nodes, kept)

    @classmethod
    def gone(cls, suite: CipherSuite) -> SecretTree:
        """What is kept where nothing is to be opened any more."""
        return cls(suite, 1, {})

    def _open(self, leaf: int) -> tuple[Mapping[int, bytes], Ratchets]:
        """Derive down to the leaf; every secret on the way is replaced by its two children.
        Raises AlreadyConsumed."""
        nodes = dict(self.nodes)
        path = [2 * leaf, *tm.direct_path(2 * leaf, self.width)]
        known = next((i for i, node in enumerate(path) if node in nodes), None)
        if known is None:
            raise AlreadyConsumed("the secrets of this leaf are gone")
        for node in reversed(path[1 : known + 1]):
            secret = nodes.pop(node)
            for child, side in ((tm.left(node), b"left"), (tm.right(node), b"right")):
                nodes[child] = self.suite.expand_with_label(secret, "tree", side, self.suite.nh)
        secret = nodes.pop(2 * leaf)
        handshake = self.suite.expand_with_label(secret, "handshake", b"", self.suite.nh)
        application = self.suite.expand_with_label(secret, "application", b"", self.suite.nh)
        opened = {
            (leaf, RatchetType.HANDSHAKE): Ratchet(0, handshake),
            (leaf, RatchetType.APPLICATION): Ratchet(0, application),
        }
        return nodes, {**self.ratchets, **opened}

    def encode(self) -> bytes:
        nodes = vector(u32(node) + opaque(secret) for node, secret in self.nodes.items())
        ratchets = vector(u32(leaf) + u8(kind) + r.encoded for (leaf, kind), r in self.ratchets.items())
        return u32(self.width) + nodes + ratchets

    @classmethod
    def read(cls, suite: CipherSuite, r: Reader) -> SecretTree:
        width = r.u32()
        nodes = dict(r.vector(lambda i: (i.u32(), i.opaque())))
        ratchets = dict(r.vector(lambda i: ((i.u32(), _ratchet_type(i)), Ratchet.read(i))))
        return cls(suite, width, nodes, ratchets)


def _ratchet_type(r: Reader) -> RatchetType:
    value = r.u8()
    if value not in (0, 1):
        raise MalformedMessage("unknown ratchet type")
    return RatchetType(value)


def sender_data_key(suite: CipherSuite, secret: bytes, ciphertext: bytes) -> tuple[bytes, bytes]:
    """Key and nonce of the sender data, from a sample of the ciphertext (section 6.3.2)."""
    sample = ciphertext[: suite.nh]
    return (
        suite.expand_with_label(secret, "key", sample, suite.nk),
        suite.expand_with_label(secret, "nonce", sample, suite.nn),
    )
