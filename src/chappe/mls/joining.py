"""Founding a group, and joining one by a Welcome (RFC 9420 sections 11 and 12.4.3.1)."""

from __future__ import annotations

from chappe.mls import tree_math as tm
from chappe.mls.codec import parse
from chappe.mls.commits import Authenticate, Psks
from chappe.mls.errors import InvalidMessage, MalformedMessage
from chappe.mls.framing import parse_message
from chappe.mls.group_context import GroupContext
from chappe.mls.key_package import KeyPackageBundle, default_capabilities
from chappe.mls.key_schedule import PreSharedKeyID, epoch_secrets, psk_secret, schedule
from chappe.mls.leaf_node import (
    Capabilities,
    Credential,
    Extensions,
    ExtensionType,
    LeafNode,
    LeafSource,
    Lifetime,
    find_extension,
)
from chappe.mls.protection import interim_transcript_hash
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.secret_tree import SecretTree
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import GroupState
from chappe.mls.suites import CipherSuite, Random, cipher_suite
from chappe.mls.treekem import PathSecret, derive_upwards
from chappe.mls.validation import check_capabilities
from chappe.mls.welcome import GroupInfo, Welcome

FOUNDER_LIFETIME = 90 * 24 * 3600


def create_group(
    suite: CipherSuite,
    group_id: bytes,
    signer: SignatureKey,
    credential: Credential,
    *,
    extensions: Extensions,
    capabilities: Capabilities | None,
    now: int,
    random: Random,
) -> GroupState:
    """A group of one, at epoch 0 (section 11). Raises InvalidMessage."""
    keys = suite.generate_key_pair(random)
    leaf = LeafNode(
        keys.public,
        signer.public,
        credential,
        capabilities or default_capabilities(),
        LeafSource.KEY_PACKAGE,
        lifetime=Lifetime(now, now + FOUNDER_LIFETIME),
    ).signed(suite, signer.private)
    tree = RatchetTree(suite, [leaf])
    check_capabilities(tree, extensions)
    context = GroupContext(suite.id, group_id, 0, tree.tree_hash(), b"", extensions)
    epoch_secret = random(suite.nh)
    secrets = epoch_secrets(suite, epoch_secret)
    tag = suite.mac(secrets.confirmation_key, b"")
    encryption = suite.derive_secret(epoch_secret, "encryption")
    return GroupState(
        suite=suite,
        context=context,
        tree=tree,
        own_leaf=0,
        interim_transcript_hash=interim_transcript_hash(suite, b"", tag),
        confirmation_tag=tag,
        active=True,
        signer=signer,
        secrets=secrets,
        secret_tree=SecretTree.create(suite, 1, encryption),
        private_keys={0: keys.private},
        resumption_psks={0: secrets.resumption_psk},
    )


def parse_welcome(data: bytes) -> Welcome:
    """Raises MalformedMessage."""
    message = parse_message(data)
    if not isinstance(message, Welcome):
        raise MalformedMessage("not a Welcome")
    return message


def join_group(
    data: bytes,
    bundle: KeyPackageBundle,
    signer: SignatureKey,
    *,
    authenticate: Authenticate,
    psks: Psks,
    ratchet_tree: bytes | None,
) -> GroupState:
    """The state that a Welcome gives. Raises InvalidMessage, MalformedMessage, UnsupportedSuite; the
    bundle is spent by success only."""
    welcome, package = parse_welcome(data), bundle.key_package
    if welcome.cipher_suite != package.cipher_suite:
        raise InvalidMessage("the Welcome is of another suite than the key package")
    suite = cipher_suite(welcome.cipher_suite)
    if package.leaf_node.signature_key != signer.public:
        raise InvalidMessage("the signature key is not the key package's")
    secrets = welcome.open_secrets(suite, bundle.ref, bundle.init_private)
    if len(set(secrets.psks)) != len(secrets.psks):
        raise InvalidMessage("a PSK stands twice")
    psk = psk_secret(suite, [(p, _external_psk(p, psks)) for p in secrets.psks])
    info = welcome.open_group_info(suite, secrets.joiner_secret, psk)
    tree = _checked_tree(suite, info, ratchet_tree, authenticate)
    own_leaf = _find_own(tree, package.leaf_node)
    private_keys = {2 * own_leaf: bundle.encryption_private}
    if secrets.path_secret is not None:
        private_keys |= _path_keys(tree, own_leaf, info.signer, secrets.path_secret)
    sched = schedule(suite, secrets.joiner_secret, psk, info.group_context.encoded)
    confirmed = info.group_context.confirmed_transcript_hash
    if not suite.check_mac(sched.epoch.confirmation_key, confirmed, info.confirmation_tag):
        raise InvalidMessage("the confirmation tag does not hold")
    return GroupState(
        suite=suite,
        context=info.group_context,
        tree=tree,
        own_leaf=own_leaf,
        interim_transcript_hash=interim_transcript_hash(suite, confirmed, info.confirmation_tag),
        confirmation_tag=info.confirmation_tag,
        active=True,
        signer=signer,
        secrets=sched.epoch,
        secret_tree=SecretTree.create(suite, tree.width, sched.encryption_secret),
        private_keys=private_keys,
        resumption_psks={info.group_context.epoch: sched.epoch.resumption_psk},
    )


def _external_psk(psk_id: PreSharedKeyID, psks: Psks) -> bytes:
    if psk_id.is_external and psk_id.psk_id in psks:
        return psks[psk_id.psk_id]
    raise InvalidMessage("the Welcome asks for a pre-shared key that this client does not have")


def _checked_tree(
    suite: CipherSuite, info: GroupInfo, given: bytes | None, authenticate: Authenticate
) -> RatchetTree:
    """The tree, checked as section 12.4.3.1 asks."""
    if info.group_context.cipher_suite != suite.id:
        raise InvalidMessage("the GroupInfo is of another suite than the Welcome")
    encoded = find_extension(info.extensions, ExtensionType.RATCHET_TREE)
    if encoded is None:
        encoded = given
    if encoded is None:
        raise InvalidMessage("the Welcome comes without a ratchet tree")
    tree = parse(lambda r: RatchetTree.read(suite, r), encoded)
    signer = tree.leaf(info.signer)
    if signer is None or not info.signature_holds(suite, signer.signature_key):
        raise InvalidMessage("the signature of the GroupInfo does not hold")
    if tree.tree_hash() != info.group_context.tree_hash:
        raise InvalidMessage("the ratchet tree is not the one of the GroupInfo")
    tree.check_structure()
    if not tree.parent_hashes_hold():
        raise InvalidMessage("a parent hash does not hold")
    tree.check_leaf_signatures(info.group_context.group_id)
    tree.check_keys_unique()
    check_capabilities(tree, info.group_context.extensions)
    for _, leaf in tree.leaves():
        if suite.id not in leaf.capabilities.cipher_suites:
            raise InvalidMessage("a member does not support the suite")
        authenticate(leaf.credential, leaf.signature_key)
    return tree


def _find_own(tree: RatchetTree, leaf: LeafNode) -> int:
    for index, found in tree.leaves():
        if found.encoded == leaf.encoded:
            return index
    raise InvalidMessage("this client's leaf is not in the ratchet tree")


def _path_keys(tree: RatchetTree, own_leaf: int, signer: int, secret: bytes) -> dict[int, bytes]:
    """Private keys from the common ancestor with the signer upwards."""
    common = tm.common_ancestor(2 * own_leaf, 2 * signer)
    path = [node for node, _ in tree.filtered_direct_path(signer)]
    if common not in path:
        raise InvalidMessage("the Welcome's path secret is for no node of the tree")
    keys, _ = derive_upwards(tree, path[path.index(common) :], PathSecret(secret))
    return dict(keys)
