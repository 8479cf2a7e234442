"""What a leaf has to satisfy to stand in a group's tree (RFC 9420 sections 7.2, 7.3 and 11.1)."""

from __future__ import annotations

from collections.abc import Callable

from chappe.mls.codec import parse
from chappe.mls.errors import InvalidMessage
from chappe.mls.leaf_node import (
    DEFAULT_EXTENSIONS,
    MLS10,
    Capabilities,
    Credential,
    Extensions,
    ExtensionType,
    LeafNode,
    LeafSource,
    RequiredCapabilities,
    find_extension,
)
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.senders import external_senders
from chappe.mls.suites import CipherSuite

Authenticate = Callable[[Credential, bytes], None]
"""`authenticate(credential, signature_key)` raises to refuse a leaf; its exception passes through."""

Succeeds = Callable[[Credential, Credential], bool]
"""`succeeds(old, new)`: whether a member may replace its credential `old` by `new` (section 5.3.1)."""

MAX_LEAF_LIFETIME = 400 * 24 * 3600
"""Longest lifetime in seconds that a key package may claim (section 7.2), where the caller sets no other."""


def accept_any(credential: Credential, signature_key: bytes) -> None:
    """An `authenticate` that refuses nobody: for tests and benchmarks."""


def same_identity(old: Credential, new: Credential) -> bool:
    """The strictest `succeeds`: a member's credential never changes."""
    return old == new


def check_updated_leaf(tree: RatchetTree, leaf: LeafNode, index: int, group_id: bytes) -> None:
    """A leaf by which member `index` replaces its own, in an Update (section 7.3). Raises InvalidMessage."""
    old = tree.leaf(index)
    if leaf.source is not LeafSource.UPDATE:
        raise InvalidMessage("the leaf of an Update has source update")
    if old is None or old.encryption_key == leaf.encryption_key:
        raise InvalidMessage("an Update keeps its old encryption key")
    if not tree.suite.is_public_key(leaf.encryption_key):
        raise InvalidMessage("the key of an Update is no key of the suite")
    if not leaf.signature_holds(tree.suite, group_id, index):
        raise InvalidMessage("the signature of an Update's leaf does not hold")
    check_own_support(tree.suite, leaf)


def check_own_support(suite: CipherSuite, leaf: LeafNode) -> None:
    """What a leaf says of itself: it speaks MLS 1.0 with this suite, and lists what it uses.
    Raises InvalidMessage."""
    capabilities = leaf.capabilities
    if MLS10 not in capabilities.versions or suite.id not in capabilities.cipher_suites:
        raise InvalidMessage("a leaf does not support MLS 1.0 with the group's suite")
    if leaf.credential.type not in capabilities.credentials:
        raise InvalidMessage("a leaf does not list its own credential type")
    if not all(capabilities.has_extension(e.type) for e in leaf.extensions):
        raise InvalidMessage("a leaf has an extension that it does not list")


def check_support(tree: RatchetTree, extensions: Extensions) -> None:
    """Every member supports what the group uses (sections 7.3, 11.1, 12.1.7, 13.4), and the group's own
    extensions can be read. Raises InvalidMessage, MalformedMessage."""
    external_senders(extensions)
    in_use = {e.type for e in extensions if e.type not in DEFAULT_EXTENSIONS}
    required = required_capabilities(extensions)
    credentials: set[int] = set()
    distinct: dict[int, Capabilities] = {}
    for _, leaf in tree.leaves():
        credentials.add(leaf.credential.type)
        distinct[id(leaf.capabilities)] = leaf.capabilities
        if leaf.extensions and not all(leaf.capabilities.has_extension(e.type) for e in leaf.extensions):
            raise InvalidMessage("a leaf has an extension that it does not list")
    for capabilities in distinct.values():
        if MLS10 not in capabilities.versions or tree.suite.id not in capabilities.cipher_suites:
            raise InvalidMessage("a member does not support MLS 1.0 with the group's suite")
        if not credentials.issubset(capabilities.credentials):
            raise InvalidMessage("a member does not support another's credential type")
        if in_use and not in_use.issubset(capabilities.extensions):
            raise InvalidMessage("a member does not support an extension of the group")
        if not required.met_by(capabilities):
            raise InvalidMessage("a member lacks a required capability")


def check_lifetimes(tree: RatchetTree, max_lifetime: int | None) -> None:
    """No leaf claims a longer lifetime in seconds than `max_lifetime` (section 7.2). Whether they hold now is
    not asked: a leaf may have run out since it was added. Raises InvalidMessage."""
    for _, leaf in tree.leaves():
        if leaf.lifetime and max_lifetime is not None and not leaf.lifetime.is_within(max_lifetime):
            raise InvalidMessage("a leaf claims too long a lifetime")


def required_capabilities(extensions: Extensions) -> RequiredCapabilities:
    """The group's `required_capabilities` (section 11.1); empty if it has none. Raises MalformedMessage."""
    data = find_extension(extensions, ExtensionType.REQUIRED_CAPABILITIES)
    return RequiredCapabilities() if data is None else parse(RequiredCapabilities.read, data)
