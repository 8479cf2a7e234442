"""TreeKEM: new secrets up a direct path, and reading them from a copath (RFC 9420 sections 7.4 to 7.6)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from chappe.mls import tree_math as tm
from chappe.mls.codec import Reader, opaque, vector
from chappe.mls.errors import InvalidMessage
from chappe.mls.leaf_node import LeafNode, LeafSource
from chappe.mls.ratchet_tree import Node, ParentNode, RatchetTree
from chappe.mls.suites import CipherSuite, HPKECiphertext, KeyPair, Random

_LABEL = "UpdatePathNode"

PrivateKeys = Mapping[int, bytes]
"""HPKE private keys by node index: one's own leaf and the parents above it that one knows."""


@dataclass(frozen=True, slots=True)
class UpdatePathNode:
    encryption_key: bytes
    encrypted_path_secret: tuple[HPKECiphertext, ...]

    def encode(self) -> bytes:
        return opaque(self.encryption_key) + vector(c.encode() for c in self.encrypted_path_secret)

    @classmethod
    def read(cls, r: Reader) -> UpdatePathNode:
        return cls(r.opaque(), r.vector(HPKECiphertext.read))


@dataclass(frozen=True, slots=True)
class UpdatePath:
    """`UpdatePath` (section 7.6)."""

    leaf_node: LeafNode
    nodes: tuple[UpdatePathNode, ...]

    def encode(self) -> bytes:
        return self.leaf_node.encode() + vector(n.encode() for n in self.nodes)

    @classmethod
    def read(cls, r: Reader) -> UpdatePath:
        return cls(LeafNode.read(r), r.vector(UpdatePathNode.read))


@dataclass(frozen=True, slots=True)
class PathSecret:
    """The secret of one node, and what follows from it (section 7.4)."""

    value: bytes = field(repr=False)

    def key_pair(self, suite: CipherSuite) -> KeyPair:
        return suite.derive_key_pair(suite.derive_secret(self.value, "node"))

    def next(self, suite: CipherSuite) -> PathSecret:
        return PathSecret(suite.derive_secret(self.value, "path"))


@dataclass(frozen=True, slots=True)
class NewPath:
    """What the sender of an update path holds before it is encrypted."""

    tree: RatchetTree
    leaf_node: LeafNode
    path: tuple[tuple[int, int], ...]
    secrets: tuple[PathSecret, ...] = field(repr=False)
    private_keys: PrivateKeys = field(repr=False)
    commit_secret: bytes = field(repr=False)

    def secret_for(self, leaf_index: int) -> PathSecret | None:
        """The secret at the lowest path node above that leaf: what a Welcome carries."""
        for (node, _), secret in zip(self.path, self.secrets, strict=True):
            if tm.is_below(2 * leaf_index, node):
                return secret
        return None


def create_path(
    tree: RatchetTree, sender: int, template: LeafNode, signer: bytes, group_id: bytes, random: Random
) -> NewPath:
    """Fresh secrets from the sender's leaf to the root. `template` gives the new leaf's credential,
    capabilities and extensions; `signer` is its signature private key."""
    suite = tree.suite
    path = tuple(tree.filtered_direct_path(sender))
    leaf_keys = suite.generate_key_pair(random)
    privates = {2 * sender: leaf_keys.private}
    secrets, publics = [], []
    secret = PathSecret(random(suite.nh))
    for node, _ in path:
        keys = secret.key_pair(suite)
        secrets.append(secret)
        publics.append(keys.public)
        privates[node] = keys.private
        secret = secret.next(suite)
    merged, parent_hash = _merge_parents(tree, sender, path, publics)
    leaf = replace(
        template,
        encryption_key=leaf_keys.public,
        source=LeafSource.COMMIT,
        lifetime=None,
        parent_hash=parent_hash,
    ).signed(suite, signer, group_id, sender)
    merged = merged.with_nodes([(2 * sender, leaf)])
    return NewPath(merged, leaf, path, tuple(secrets), privates, secret.value)


def encrypt_path(new: NewPath, context: bytes, excluded: Collection[int]) -> UpdatePath:
    """The update path for everyone but the leaves `excluded` (those just added); `context` is the
    provisional GroupContext."""
    suite, leaves = new.tree.suite, {2 * leaf for leaf in excluded}
    nodes = []
    for (node, other), secret in zip(new.path, new.secrets, strict=True):
        sealed = []
        for at in new.tree.resolution(other):
            if at not in leaves:
                found = new.tree.nodes[at]
                assert found is not None
                sealed.append(suite.encrypt_with_label(found.encryption_key, _LABEL, context, secret.value))
        parent = new.tree.parent(node)
        assert parent is not None
        nodes.append(UpdatePathNode(parent.encryption_key, tuple(sealed)))
    return UpdatePath(new.leaf_node, tuple(nodes))


def merge_path(tree: RatchetTree, sender: int, update: UpdatePath) -> RatchetTree:
    """The tree with a received path's public keys (section 7.5). Raises InvalidMessage: wrong length,
    a leaf of another source, wrong parent hash, a key that was already there."""
    path = tree.filtered_direct_path(sender)
    if len(path) != len(update.nodes):
        raise InvalidMessage("the update path has a wrong length")
    publics = [node.encryption_key for node in update.nodes]
    _check_fresh(tree, [update.leaf_node.encryption_key, *publics])
    merged, parent_hash = _merge_parents(tree, sender, path, publics)
    if update.leaf_node.source is not LeafSource.COMMIT:
        raise InvalidMessage("the leaf of an update path has source commit")
    if update.leaf_node.parent_hash != parent_hash:
        raise InvalidMessage("the update path's parent hash does not hold")
    return merged.with_nodes([(2 * sender, update.leaf_node)])


def decrypt_path(
    tree: RatchetTree,
    sender: int,
    update: UpdatePath,
    receiver: int,
    private_keys: PrivateKeys,
    context: bytes,
    excluded: Collection[int],
) -> tuple[PrivateKeys, bytes, PathSecret]:
    """Read the one secret of the path that is for `receiver`, and all above it.

    `tree` is the merged tree. Gives the new private keys to keep beside the old, the commit secret, and the
    secret read. Raises InvalidMessage.
    """
    suite, leaves = tree.suite, {2 * leaf for leaf in excluded}
    path = tree.filtered_direct_path(sender)
    start = next((i for i, (_, other) in enumerate(path) if tm.is_below(2 * receiver, other)), None)
    if start is None:
        raise InvalidMessage("no node of the update path is for this member")
    resolutions = [[at for at in tree.resolution(other) if at not in leaves] for _, other in path]
    if [len(nodes) for nodes in resolutions] != [len(node.encrypted_path_secret) for node in update.nodes]:
        raise InvalidMessage("the update path has a wrong number of ciphertexts")
    targets, sealed = resolutions[start], update.nodes[start].encrypted_path_secret
    at = next((i for i, target in enumerate(targets) if target in private_keys), None)
    if at is None:
        raise InvalidMessage("this member has no key for the update path")
    first = PathSecret(suite.decrypt_with_label(private_keys[targets[at]], _LABEL, context, sealed[at]))
    privates, commit_secret = derive_upwards(tree, [node for node, _ in path[start:]], first)
    return privates, commit_secret, first


def derive_upwards(tree: RatchetTree, nodes: list[int], first: PathSecret) -> tuple[PrivateKeys, bytes]:
    """Private keys for `nodes`, from the secret of the lowest, each checked against the tree; and the
    commit secret. Raises InvalidMessage."""
    privates: dict[int, bytes] = {}
    secret = first
    for node in nodes:
        keys, found = secret.key_pair(tree.suite), tree.parent(node)
        if found is None or found.encryption_key != keys.public:
            raise InvalidMessage("a path secret does not match the tree")
        privates[node] = keys.private
        secret = secret.next(tree.suite)
    return privates, secret.value


def _merge_parents(
    tree: RatchetTree, sender: int, path: Collection[tuple[int, int]], publics: list[bytes]
) -> tuple[RatchetTree, bytes]:
    """The tree with the sender's direct path renewed, and the parent hash for its leaf (section 7.9)."""
    changes: list[tuple[int, Node | None]] = [(n, None) for n in tm.direct_path(2 * sender, tree.width)]
    parent_hash = b""
    for (node, other), public in reversed(list(zip(path, publics, strict=True))):
        parent = ParentNode(public, parent_hash)
        changes.append((node, parent))
        content = opaque(public) + opaque(parent_hash) + opaque(tree.tree_hash(other))
        parent_hash = tree.suite.hash(content)
    return tree.with_nodes(changes), parent_hash


def _check_fresh(tree: RatchetTree, publics: list[bytes]) -> None:
    """No key of a new path is in the tree already or stands twice (section 7.3, 12.4.2)."""
    if len(set(publics)) != len(publics):
        raise InvalidMessage("an update path repeats a key")
    wanted = set(publics)
    if any(node is not None and node.encryption_key in wanted for node in tree.nodes):
        raise InvalidMessage("an update path brings a key that is already in the tree")
    if not all(tree.suite.is_public_key(public) for public in publics):
        raise InvalidMessage("an update path holds a key that is no key of the suite")
