"""Groups of any size to measure on, made without the thousands of commits that would lead to them.

The founder's whole tree is laid out at once, with the engine's own functions, and real members are put at the
leaves that take part. What is measured afterwards goes through the front door.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

from chappe.mls import (
    CipherSuite,
    Credential,
    Group,
    KeyPackageBundle,
    SignatureKey,
    create_key_package,
    default_capabilities,
)
from chappe.mls import tree_math as tm
from chappe.mls.epoch import Epoch, newcomer
from chappe.mls.group_context import GroupContext
from chappe.mls.key_schedule import schedule
from chappe.mls.leaf_node import LeafNode, LeafSource, Lifetime
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.treekem import create_path

NOW = 1_790_000_000
DAY = 24 * 3600
CREDENTIAL_BYTES = 220
"""As long as a device certificate."""
GROUP_ID = b"group" * 3 + b"!"
RENEWED = 10
"""In a populated tree one member in so many, all over the tree, has renewed its leaf."""

Note = Callable[[str], None]


def credential(number: int) -> Credential:
    return Credential.basic(number.to_bytes(4, "big") * (CREDENTIAL_BYTES // 4))


def new_client(suite: CipherSuite, number: int) -> tuple[SignatureKey, KeyPackageBundle]:
    signer = suite.generate_signature_key()
    bundle = create_key_package(
        suite, signer, credential(number), not_before=NOW - DAY, not_after=NOW + 90 * DAY
    )
    return signer, bundle


def founded(suite: CipherSuite) -> Group:
    return Group.create(suite, GROUP_ID, suite.generate_signature_key(), credential(0), now=NOW)


@dataclass
class Layout:
    """A tree and all private keys in it."""

    tree: RatchetTree
    signers: list[SignatureKey]
    private_keys: dict[int, bytes]

    @classmethod
    def bulk(cls, suite: CipherSuite, size: int, note: Note) -> Layout:
        """The founder has just added everybody: only its own path is filled. The worst case."""
        layout = cls(RatchetTree(suite, [None]), [], {})
        edit, capabilities = layout.tree.edit(), default_capabilities()
        for index in range(size):
            if index % 500 == 0:
                note(f"{size} members: {index} have a leaf")
            signer, keys = suite.generate_signature_key(), suite.generate_key_pair(os.urandom)
            leaf = LeafNode(
                keys.public,
                signer.public,
                credential(index),
                capabilities,
                LeafSource.KEY_PACKAGE,
                lifetime=Lifetime(NOW - DAY, NOW + 90 * DAY),
            )
            edit.add(leaf.signed(suite, signer.private))
            layout.signers.append(signer)
            layout.private_keys[2 * index] = keys.private
        layout.tree = edit.done()
        layout.renew(0)
        return layout

    def populate(self, note: Note) -> None:
        """As in a group that has lived: members all over the tree have renewed their leaf."""
        for index in range(1, len(self.signers), RENEWED):
            if index % 100 == 1:
                note(f"{len(self.signers)} members: {index} have had their turn to renew")
            self.renew(index)

    def renew(self, index: int) -> None:
        template = self.tree.leaf(index)
        assert template is not None
        new = create_path(self.tree, index, template, self.signers[index].private, GROUP_ID, os.urandom)
        self.tree = new.tree
        self.private_keys |= new.private_keys

    def members(self, *indices: int) -> list[Group]:
        """Real members at these leaves, in one epoch."""
        suite = self.tree.suite
        context = GroupContext(suite.id, GROUP_ID, 1, self.tree.tree_hash(), bytes(suite.nh))
        secrets = schedule(suite, os.urandom(suite.nh), bytes(suite.nh), context.encoded)
        tag = suite.mac(secrets.epoch.confirmation_key, context.confirmed_transcript_hash)
        epoch = Epoch(context, self.tree, secrets, tag)
        return [Group(newcomer(suite, epoch, i, self.signers[i], self._known_to(i))) for i in indices]

    def _known_to(self, index: int) -> dict[int, bytes]:
        path = [2 * index, *tm.direct_path(2 * index, self.tree.width)]
        return {node: self.private_keys[node] for node in path if self.tree.nodes[node] is not None}
