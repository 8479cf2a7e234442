"""Founding a group, and joining one by a Welcome (RFC 9420 sections 11 and 12.4.3.1)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from chappe.mls import tree_math as tm
from chappe.mls.codec import parse
from chappe.mls.epoch import Epoch, newcomer
from chappe.mls.errors import InvalidMessage, MalformedMessage
from chappe.mls.framing import parse_message
from chappe.mls.group_context import GroupContext
from chappe.mls.key_package import KeyPackageBundle, default_capabilities
from chappe.mls.key_schedule import KeySchedule, epoch_secrets, schedule
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
from chappe.mls.leaf_rules import Authenticate, check_lifetimes, check_support
from chappe.mls.psks import PreSharedKeyID, PskStore, ResumptionUsage
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.senders import authenticate_new_senders
from chappe.mls.signatures import SignatureKey
from chappe.mls.state import GroupState
from chappe.mls.suites import CipherSuite, Random, cipher_suite
from chappe.mls.treekem import PathSecret, derive_upwards
from chappe.mls.welcome import GroupInfo, GroupSecrets, Welcome

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
    check_support(tree, extensions)
    context = GroupContext(suite.id, group_id, 0, tree.tree_hash(), b"", extensions)
    epoch_secret = random(suite.nh)
    secrets = epoch_secrets(suite, epoch_secret)
    first = KeySchedule(b"", b"", suite.derive_secret(epoch_secret, "encryption"), secrets)
    epoch = Epoch(context, tree, first, suite.mac(secrets.confirmation_key, b""))
    return newcomer(suite, epoch, 0, signer, {0: keys.private})


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
    psks: PskStore,
    ratchet_tree: bytes | None,
    known_groups: Collection[bytes],
    max_lifetime: int | None,
) -> tuple[GroupState, PreSharedKeyID | None]:
    """The state that a Welcome gives, and the resumption PSK by which the group says what it follows on.

    Raises InvalidMessage, MalformedMessage, UnsupportedSuite; the bundle is spent by success only.
    """
    welcome, package = parse_welcome(data), bundle.key_package
    if welcome.cipher_suite != package.cipher_suite:
        raise InvalidMessage("the Welcome is of another suite than the key package")
    suite = cipher_suite(welcome.cipher_suite)
    if package.leaf_node.signature_key != signer.public:
        raise InvalidMessage("the signature key is not the key package's")
    secrets = welcome.open_secrets(suite, bundle.ref, bundle.init_private)
    origin = _origin(suite, secrets.psks)
    psk = psks.secret(suite, secrets.psks)
    info = welcome.open_group_info(suite, secrets.joiner_secret, psk)
    check_unknown(info.group_context.group_id, known_groups)
    tree = checked_tree(suite, info, ratchet_tree, authenticate, max_lifetime)
    own_leaf = _find_own(tree, package.leaf_node)
    private_keys = {2 * own_leaf: bundle.encryption_private} | _path_keys(tree, own_leaf, info, secrets)
    sched = schedule(suite, secrets.joiner_secret, psk, info.group_context.encoded)
    confirmed = info.group_context.confirmed_transcript_hash
    if not suite.check_mac(sched.epoch.confirmation_key, confirmed, info.confirmation_tag):
        raise InvalidMessage("the confirmation tag does not hold")
    epoch = Epoch(info.group_context, tree, sched, info.confirmation_tag)
    return newcomer(suite, epoch, own_leaf, signer, private_keys), origin


def _origin(suite: CipherSuite, psks: Sequence[PreSharedKeyID]) -> PreSharedKeyID | None:
    """The one PSK for ReInit or branching, if there is one (section 12.4.3.1). Raises InvalidMessage, also
    for PSKs that no commit could have named (sections 8.4 and 12.2)."""
    if any(len(psk.psk_nonce) != suite.nh for psk in psks):
        raise InvalidMessage("the nonce of a PSK has a wrong length")
    if len(set(psks)) != len(psks):
        raise InvalidMessage("a PSK stands twice")
    origins = [p for p in psks if not p.is_external and p.usage != ResumptionUsage.APPLICATION]
    if len(origins) > 1:
        raise InvalidMessage("a Welcome that follows on two groups")
    return origins[0] if origins else None


def check_unknown(group_id: bytes, known_groups: Collection[bytes]) -> None:
    """A new group has an id of its own (section 12.4.3). Raises InvalidMessage."""
    if group_id in known_groups:
        raise InvalidMessage("this client is in a group with that id already")


def checked_tree(
    suite: CipherSuite,
    info: GroupInfo,
    given: bytes | None,
    authenticate: Authenticate,
    max_lifetime: int | None,
) -> RatchetTree:
    """The tree of a GroupInfo, checked as section 12.4.3.1 asks. Raises InvalidMessage, MalformedMessage, or
    what `authenticate` raises."""
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
    check_support(tree, info.group_context.extensions)
    check_lifetimes(tree, max_lifetime)
    for _, leaf in tree.leaves():
        authenticate(leaf.credential, leaf.signature_key)
    authenticate_new_senders((), info.group_context.extensions, authenticate)
    return tree


def _find_own(tree: RatchetTree, leaf: LeafNode) -> int:
    for index, found in tree.leaves():
        if found.encoded == leaf.encoded:
            return index
    raise InvalidMessage("this client's leaf is not in the ratchet tree")


def _path_keys(tree: RatchetTree, own_leaf: int, info: GroupInfo, secrets: GroupSecrets) -> dict[int, bytes]:
    """Private keys from the common ancestor with the signer upwards, where the Welcome brings its secret."""
    if secrets.path_secret is None:
        return {}
    common = tm.common_ancestor(2 * own_leaf, 2 * info.signer)
    path = [node for node, _ in tree.filtered_direct_path(info.signer)]
    if common not in path:
        raise InvalidMessage("the Welcome's path secret is for no node of the tree")
    keys, _ = derive_upwards(tree, path[path.index(common) :], PathSecret(secrets.path_secret))
    return dict(keys)
