"""Section 7.2 and 7.3: a bad leaf is refused wherever a leaf can come from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from chappe.mls import (
    Add,
    Credential,
    CredentialType,
    Extension,
    Group,
    InvalidMessage,
    SignatureKey,
    accept_any,
    propose_from_outside,
    propose_own_add,
)
from chappe.mls.framing import Sender
from chappe.mls.leaf_node import Capabilities, LeafNode, LeafSource, Lifetime
from chappe.mls.leaf_rules import MAX_LEAF_LIFETIME
from tests.mls.conformance import forge
from tests.mls.conformance.worlds import CAPABLE, leaf_of, plain, rule, signer_of, strict
from tests.mls.world import NOW, Client

Change = Callable[[LeafNode], LeafNode]


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a leaf. `signer`: who signs it, if not its own member."""

    match: str
    change: Change
    world: Callable[[], dict[str, Group]] = strict
    signer: Callable[[], SignatureKey] | None = None

    @property
    def key(self) -> SignatureKey | None:
        return self.signer() if self.signer else None


def capable(**lists: tuple[int, ...]) -> Change:
    """A leaf with other lists of capabilities."""

    def change(leaf: LeafNode) -> LeafNode:
        old = leaf.capabilities
        fields = {name: getattr(old, name) for name in Capabilities.__slots__}
        return replace(leaf, capabilities=Capabilities(**(fields | lists)))

    return change


def x509(*credentials: int) -> Change:
    def change(leaf: LeafNode) -> LeafNode:
        other = Credential(CredentialType.X509, leaf.credential.identity)
        return replace(capable(credentials=credentials)(leaf), credential=other)

    return change


def with_extension(leaf: LeafNode) -> LeafNode:
    return replace(leaf, extensions=(Extension(0xF0DD, b""),))


def dan() -> Group:
    return plain()["dan"]


FAULTS = {
    "own-credential-type-not-listed": Fault(
        "does not list its own credential type|does not support another's credential type",
        x509(CredentialType.BASIC, 0x7F7F),
    ),
    "extension-not-listed": Fault("has an extension that it does not list", with_extension),
    "another-version": Fault("does not support MLS 1.0", capable(versions=(2,))),
    "another-suite": Fault("does not support MLS 1.0", capable(cipher_suites=(2, 3))),
    "required-extension": Fault("lacks a required capability", capable(extensions=(10,))),
    "required-proposal": Fault("lacks a required capability", capable(proposals=())),
    "required-credential-type": Fault(
        "lacks a required capability", capable(credentials=(CredentialType.BASIC,))
    ),
    "credential-type-others-lack": Fault("support another's credential type", x509(1, 2), plain),
    "others-credential-type": Fault("support another's credential type", x509(2)),
    "encryption-key-of-another": Fault(
        "key stands twice|already in the tree",
        lambda leaf: replace(leaf, encryption_key=leaf_of(dan()).encryption_key),
        plain,
    ),
    "signature-key-of-another": Fault(
        "key stands twice",
        lambda leaf: replace(leaf, signature_key=signer_of(dan()).public),
        plain,
        lambda: signer_of(dan()),
    ),
    "signed-by-another": Fault(
        "leaf signature|leaf's signature|'s leaf does not hold", forge.same, plain, lambda: signer_of(dan())
    ),
}

RULES = {
    "own-credential-type-not-listed": ("7.2", "A leaf's own credential type is in its capabilities"),
    "extension-not-listed": ("7.2", "A leaf's extensions are in its capabilities"),
    "another-version": ("7.3", "A leaf supports the group's protocol version"),
    "another-suite": ("7.3", "A leaf supports the group's cipher suite"),
    "required-extension": ("7.3", "A leaf lists the extensions that the group requires"),
    "required-proposal": ("7.3", "A leaf lists the proposal types that the group requires"),
    "required-credential-type": ("7.3", "A leaf lists the credential types that the group requires"),
    "credential-type-others-lack": ("7.3", "A leaf's credential type is supported by every member"),
    "others-credential-type": ("7.3", "A leaf supports every credential type that members use"),
    "encryption-key-of-another": ("7.3", "A leaf's encryption key is unique in the tree"),
    "signature-key-of-another": ("7.3", "A leaf's signature key is unique among the members"),
    "signed-by-another": ("7.3", "A leaf is signed by its own signature key"),
}

faults = pytest.mark.parametrize(
    "fault", [pytest.param(FAULTS[name], id=name, marks=rule(*RULES[name])) for name in FAULTS]
)


def joiner(fault: Fault) -> Client:
    world = fault.world()
    capabilities = CAPABLE if world is strict() else None
    return Client.new(world["ana"].suite, "eve", capabilities=capabilities)


def add_of(fault: Fault) -> Add:
    """A key package with the bad leaf; where another only signs the leaf, the package is signed right."""
    client, key = joiner(fault), fault.key
    if fault.change is forge.same:
        return Add(forge.package(client, leaf_signer=key))
    return Add(forge.package(client, leaf=fault.change, signer=key))


def anybody(old: Credential, new: Credential) -> bool:
    return True


@faults
@rule("12.1.1", "An Add's key package is valid")
def test_in_an_add(fault: Fault) -> None:
    groups, bad = fault.world(), add_of(fault)
    forge.refused(groups["ana"], forge.commit(groups["ben"], [bad]).message, fault.match)
    before = groups["ana"].to_bytes()
    with pytest.raises(InvalidMessage, match=fault.match):
        groups["ana"].commit([bad], now=NOW)
    assert groups["ana"].to_bytes() == before
    good = Add(joiner(fault).bundle.key_package)
    forge.taken(groups["ana"], forge.commit(groups["ben"], [good]).message)


@faults
@rule("12.1.2", "An Update's leaf is valid")
def test_in_an_update(fault: Fault) -> None:
    groups = fault.world()
    for change, key in ((fault.change, fault.key), (forge.same, None)):
        update = forge.update_of(groups["cyd"], change, key)
        ref, (ana, ben) = forge.pending(
            update, Sender.member(groups["cyd"].own_leaf), groups["ana"], groups["ben"]
        )
        message = forge.commit(ben, [ref]).message
        if key or change is not forge.same:
            forge.refused(ana, message, fault.match, succeeds=anybody)
        else:
            forge.taken(ana, message)


@faults
@rule("12.4.2", "The leaf of an update path is valid")
@rule("12.2", "After a commit no leaf of the tree is invalid")
def test_in_the_path_of_a_commit(fault: Fault) -> None:
    groups = fault.world()
    bad = forge.commit(groups["ben"], leaf=fault.change, leaf_signer=fault.key)
    forge.refused(groups["ana"], bad.message, fault.match, succeeds=anybody)
    forge.taken(groups["ana"], forge.commit(groups["ben"]).message)


@faults
@rule("12.4.2", "The leaf of an update path is valid")
def test_in_an_external_commit(fault: Fault) -> None:
    groups, ana = fault.world(), fault.world()["ana"]
    if fault.change is forge.same:
        own = ana.suite.generate_signature_key()
        bad = forge.external_commit(
            ana,
            "eve",
            signer=fault.key,
            leaf=lambda leaf: replace(leaf, signature_key=own.public),
            message_signer=own,
        )
    else:
        bad = forge.external_commit(ana, "eve", leaf=fault.change, signer=fault.key)
    forge.refused(groups["ben"], bad.message, fault.match, succeeds=anybody)
    forge.taken(groups["ben"], forge.external_commit(ana, "eve").message)


@faults
@rule("12.4.3.1", "Every leaf of the ratchet tree is valid")
def test_in_the_tree_of_a_welcome(fault: Fault) -> None:
    groups = fault.world()
    client = joiner(fault)
    for bad in (True, False):
        grove = forge.Grove.of([groups[name] for name in ("ana", "ben", "cyd", "dan")])
        if bad:
            if fault.key:
                grove.signers[2] = fault.key
            grove.set_leaf(2, fault.change)
        grove.add(client)
        welcome = forge.welcome(grove.tree, client, groups["ana"])
        if bad:
            with pytest.raises(InvalidMessage, match=fault.match):
                Group.join(welcome, client.bundle, client.signer, authenticate=accept_any)
        else:
            Group.join(welcome, client.bundle, client.signer, authenticate=accept_any)


# Where the leaf came from ------------------------------------------------------------------------------


def from_update(leaf: LeafNode) -> LeafNode:
    return replace(leaf, source=LeafSource.UPDATE, lifetime=None, parent_hash=None)


def from_commit(leaf: LeafNode) -> LeafNode:
    return replace(leaf, source=LeafSource.COMMIT, lifetime=None, parent_hash=b"\1" * 32)


def from_key_package(leaf: LeafNode) -> LeafNode:
    lifetime = Lifetime(NOW - 1, NOW + 1)
    return replace(leaf, source=LeafSource.KEY_PACKAGE, lifetime=lifetime, parent_hash=None)


@pytest.mark.parametrize("change", [from_update, from_commit])
@rule("7.3", "The leaf of a key package has source key_package")
@rule("10", "The leaf of a key package has source key_package")
def test_source_in_a_key_package(change: Change) -> None:
    groups = plain()
    client = Client.new(groups["ana"].suite, "eve")
    bad = Add(forge.package(client, leaf=change))
    forge.refused(groups["ana"], forge.commit(groups["ben"], [bad]).message, "has source key_package")


@pytest.mark.parametrize("change", [from_key_package, from_commit])
@rule("7.3", "The leaf of an Update has source update")
@rule("12.1.2", "An Update's leaf is valid")
def test_source_in_an_update(change: Change) -> None:
    groups = plain()
    bad = forge.update_of(groups["cyd"], change)
    forge.refused(groups["ana"], forge.proposal(groups["cyd"], bad), "has source update")


@pytest.mark.parametrize("change", [from_key_package, from_update])
@rule("7.3", "The leaf of an update path has source commit")
@rule("12.4.2", "The leaf of an update path has source commit")
def test_source_in_an_update_path(change: Change) -> None:
    groups = plain()
    bad = forge.commit(groups["ben"], leaf=change)
    forge.refused(groups["ana"], bad.message, "has source commit")
    outside = forge.external_commit(groups["ana"], "eve", leaf=change)
    forge.refused(groups["ben"], outside.message, "has source commit")


# Keys --------------------------------------------------------------------------------------------------

NO_KEYS = pytest.mark.parametrize("key", [bytes(32), (1).to_bytes(32, "little"), b"short"])


@rule("7.3", "An Update brings another encryption key")
@rule("12.1.2", "An Update's leaf is valid")
def test_an_update_keeps_its_key() -> None:
    groups = plain()
    old = leaf_of(groups["cyd"]).encryption_key
    bad = forge.update_of(groups["cyd"], lambda leaf: replace(leaf, encryption_key=old))
    forge.refused(groups["ana"], forge.proposal(groups["cyd"], bad), "keeps its old encryption key")
    forge.taken(groups["ana"], forge.proposal(groups["cyd"], forge.update_of(groups["cyd"])))


@NO_KEYS
@rule("10", "The init key of a key package is a key of its suite")
@rule("10", "The encryption key of a key package is a key of its suite")
def test_key_packages_with_unusable_keys(key: bytes) -> None:
    groups = plain()
    client = Client.new(groups["ana"].suite, "eve")
    for bad in (
        forge.package(client, whole=lambda package: replace(package, init_key=key)),
        forge.package(client, leaf=lambda leaf: replace(leaf, encryption_key=key)),
    ):
        message = forge.commit(groups["ben"], [Add(bad)], path=False).message
        forge.refused(groups["ana"], message, "is no key of its suite")


@NO_KEYS
@rule("7.2", "The encryption key of a leaf is a key of the suite")
def test_leaves_with_unusable_keys(key: bytes) -> None:
    groups = plain()

    def change(leaf: LeafNode) -> LeafNode:
        return replace(leaf, encryption_key=key)

    bad = forge.proposal(groups["cyd"], forge.update_of(groups["cyd"], change))
    forge.refused(groups["ana"], bad, "is no key of the suite")
    forge.refused(groups["ana"], forge.commit(groups["ben"], leaf=change).message, "no key of the suite")
    outside = forge.external_commit(groups["ana"], "eve", leaf=change)
    forge.refused(groups["ben"], outside.message, "no key of the suite")


# Lifetimes ---------------------------------------------------------------------------------------------


def lasting(seconds: int) -> Change:
    return lambda leaf: replace(leaf, lifetime=Lifetime(NOW - 10, NOW - 10 + seconds))


@pytest.mark.parametrize("seconds", [MAX_LEAF_LIFETIME + 1, -1, 2**62])
@rule("7.2", "A leaf whose whole lifetime is longer than the accepted one is refused")
def test_too_long_a_lifetime(seconds: int) -> None:
    groups = plain()
    client = Client.new(groups["ana"].suite, "eve")
    bad = Add(forge.package(client, leaf=lasting(seconds)))
    for message in (forge.commit(groups["ben"], [bad]).message, forge.proposal(groups["ben"], bad)):
        forge.refused(groups["ana"], message, "too long a lifetime")
    good = Add(forge.package(client, leaf=lasting(MAX_LEAF_LIFETIME)))
    forge.taken(groups["ana"], forge.commit(groups["ben"], [good]).message)


@rule("7.2", "A leaf whose whole lifetime is longer than the accepted one is refused")
def test_too_long_a_lifetime_in_the_tree_of_a_welcome() -> None:
    groups = plain()
    for seconds in (MAX_LEAF_LIFETIME + 1, MAX_LEAF_LIFETIME):
        client = Client.new(groups["ana"].suite, "eve")
        grove = forge.Grove.of(list(groups.values()))
        grove.set_leaf(2, lambda leaf, s=seconds: lasting(s)(from_key_package(leaf)))  # type: ignore[misc]
        grove.add(client)
        welcome = forge.welcome(grove.tree, client, groups["ana"])
        if seconds > MAX_LEAF_LIFETIME:
            with pytest.raises(InvalidMessage, match="too long a lifetime"):
                Group.join(welcome, client.bundle, client.signer, authenticate=accept_any)
        Group.join(
            welcome,
            client.bundle,
            client.signer,
            authenticate=accept_any,
            max_lifetime=None if seconds > MAX_LEAF_LIFETIME else MAX_LEAF_LIFETIME,
        )


@pytest.mark.parametrize("lifetime", [Lifetime(NOW + 1, NOW + 2), Lifetime(NOW - 2, NOW - 1)])
@rule("7.3", "A client sends no leaf outside its lifetime")
def test_nobody_sends_a_leaf_outside_its_lifetime(lifetime: Lifetime) -> None:
    groups = plain()
    client = Client.new(groups["ana"].suite, "eve")
    bad = Add(forge.package(client, leaf=lambda leaf: replace(leaf, lifetime=lifetime)))
    ana, before = groups["ana"], groups["ana"].to_bytes()
    with pytest.raises(InvalidMessage, match="outside its lifetime"):
        ana.commit([bad], now=NOW)
    with pytest.raises(InvalidMessage, match="outside its lifetime"):
        ana.propose(bad, now=NOW)
    assert ana.to_bytes() == before
    good = client.bundle.key_package
    ana.propose(Add(good), now=NOW)
    key = client.signer
    with pytest.raises(InvalidMessage, match="outside its lifetime"):
        propose_own_add(ana.group_id, ana.epoch, bad.key_package, key, now=NOW)
    with pytest.raises(InvalidMessage, match="outside its lifetime"):
        propose_from_outside(client.suite, ana.group_id, ana.epoch, key, 0, bad, now=NOW)
    propose_own_add(ana.group_id, ana.epoch, good, key, now=NOW)
    propose_from_outside(client.suite, ana.group_id, ana.epoch, key, 0, Add(good), now=NOW)
    # Who receives it takes it: clocks must split no group.
    forge.taken(ana, forge.commit(groups["ben"], [bad]).message)


@rule("7.3", "A client commits no pending Add whose lifetime is over")
def test_a_pending_add_that_ran_out_is_left_alone() -> None:
    groups = plain()
    client = Client.new(groups["ana"].suite, "eve")
    brief = Add(forge.package(client, leaf=lambda leaf: replace(leaf, lifetime=Lifetime(NOW - 1, NOW + 1))))
    ana = forge.taken(groups["ana"], forge.proposal(groups["ben"], brief))
    assert len(ana.commit(now=NOW).applied.added) == 1
    assert ana.commit(now=NOW + 2).applied.added == ()
