"""Sections 7.4 to 7.6 and 7.9: update paths whose keys, hashes, secrets or ciphertexts are not right."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from chappe.mls import Group, Remove, WireFormat
from chappe.mls.commits import kept_keys
from chappe.mls.epoch import enter
from chappe.mls.leaf_node import LeafNode
from chappe.mls.suites import HPKECiphertext
from chappe.mls.treekem import NewPath, PathSecret, UpdatePath, UpdatePathNode, _merge_parents, encrypt_path
from tests.mls.conformance import forge
from tests.mls.conformance.forge import Random
from tests.mls.conformance.worlds import leaf_of, plain, rule
from tests.mls.world import Client, World

EIGHT = ("ana", "ben", "cyd", "dan", "eve", "fay", "gus", "hal")


def scripted(*values: bytes) -> Random:
    """Randomness that the forger chose."""
    rest: Iterator[bytes] = iter(values)
    return lambda n: next(rest)


def fresh() -> bytes:
    return os.urandom(32)


# The keys of a path ------------------------------------------------------------------------------------


@rule("12.4.2", "The encryption key of the committer's new leaf is not its old one")
@rule("7.5", "The committer's new leaf meets what an Update would have to: its key is new")
def test_a_committer_keeps_its_leaf_key() -> None:
    groups, leaf_key = plain(), fresh()
    first = forge.commit(groups["ben"], random=scripted(leaf_key, fresh()))
    ana = forge.taken(groups["ana"], first.message)
    ben = adopted(groups["ben"], first)
    again = forge.commit(ben, random=scripted(leaf_key, fresh()))
    assert again.new is not None
    assert again.new.leaf_node.encryption_key == leaf_of(ben).encryption_key
    forge.refused(ana, again.message, "already in the tree")
    forge.taken(ana, forge.commit(ben, random=scripted(fresh(), fresh())).message)


@rule("12.4.2", "No public key of an update path is in the new tree already")
def test_a_path_secret_is_used_again() -> None:
    """Every secret and every hash holds: only, all these keys were there before."""
    groups, secret = plain(), fresh()
    first = forge.commit(groups["ben"], random=scripted(fresh(), secret))
    ana, ben = forge.taken(groups["ana"], first.message), adopted(groups["ben"], first)
    again = forge.commit(ben, random=scripted(fresh(), secret))
    forge.refused(ana, again.message, "already in the tree")


@rule("12.4.2", "No public key of an update path is in the new tree already")
def test_a_path_brings_anothers_key() -> None:
    groups = plain()
    key = leaf_of(groups["dan"]).encryption_key
    bad = forge.commit(
        groups["ben"], new_path=with_publics(groups["ben"], lambda publics: [*publics[:-1], key])
    )
    forge.refused(groups["ana"], bad.message, "already in the tree")


@rule("12.4.2", "No public key stands twice in an update path")
def test_a_path_repeats_a_key() -> None:
    groups, secret = plain(), fresh()
    suite = groups["ana"].suite
    leaf_key = suite.derive_secret(secret, "node")
    bad = forge.commit(groups["ben"], random=scripted(leaf_key, secret))
    assert bad.new is not None
    node = bad.new.tree.parent(bad.new.path[0][0])
    assert node is not None
    assert bad.new.leaf_node.encryption_key == node.encryption_key
    forge.refused(groups["ana"], bad.message, "repeats a key")


@pytest.mark.parametrize("key", [bytes(32), b"short", (2**255 - 18).to_bytes(32, "little")])
@rule("7.1", "The encryption key of a parent node is a key of the suite")
def test_a_path_brings_unusable_keys(key: bytes) -> None:
    groups = plain()
    for at in range(2):
        bad = forge.commit(
            groups["ben"],
            new_path=with_publics(
                groups["ben"],
                lambda publics, i=at: [*publics[:i], key, *publics[i + 1 :]],  # type: ignore[misc]
            ),
        )
        forge.refused(groups["ana"], bad.message, "no key of the suite")


def publics_of(new: NewPath) -> list[bytes]:
    parents = [new.tree.parent(node) for node, _ in new.path]
    return [parent.encryption_key for parent in parents if parent is not None]


def with_publics(group: Group, change: Callable[[list[bytes]], list[bytes]]) -> Callable[[NewPath], NewPath]:
    """A path with other public keys, its parent hashes made over these and its leaf signed anew."""

    def changed(new: NewPath) -> NewPath:
        state = group._state
        publics = change(publics_of(new))
        tree, parent_hash = _merge_parents(state.tree, state.own_leaf, new.path, publics)
        leaf = replace(new.leaf_node, parent_hash=parent_hash).signed(
            state.suite, state.signer.private, group.group_id, state.own_leaf
        )
        tree = tree.with_nodes([(2 * state.own_leaf, leaf)])
        return replace(new, tree=tree, leaf_node=leaf)

    return changed


def adopted(group: Group, made: forge.Forged) -> Group:
    """The forger in the epoch that its commit opened."""
    assert made.new is not None
    keys = {**kept_keys(group._state, made.epoch.tree), **made.new.private_keys}
    return Group(enter(group._state, made.epoch, keys, None, 0))


# Its length and parent hash ----------------------------------------------------------------------------


def one_more(update: UpdatePath) -> UpdatePath:
    key = plain()["ana"].suite.generate_key_pair(os.urandom).public
    return replace(update, nodes=(*update.nodes, UpdatePathNode(key, ())))


def one_less(update: UpdatePath) -> UpdatePath:
    return replace(update, nodes=update.nodes[:-1])


@pytest.mark.parametrize("change", [one_more, one_less])
@rule("7.5", "An update path has one node for each node of the filtered direct path")
def test_a_path_of_another_length(change: Callable[[UpdatePath], UpdatePath]) -> None:
    groups = plain()
    forge.refused(groups["ana"], forge.commit(groups["ben"], update=change).message, "wrong length")


@rule("7.5", "A path holds no node whose copath child resolves to nobody")
def test_an_unfiltered_path() -> None:
    """Ana is alone in her half once ben is out: her lower parent has nobody on its other side."""
    groups = plain()
    forge.taken(groups["cyd"], forge.commit(groups["ana"], [Remove(1)]).message)
    key = groups["ana"].suite.generate_key_pair(os.urandom).public

    def unfiltered(update: UpdatePath) -> UpdatePath:
        return replace(update, nodes=(UpdatePathNode(key, ()), *update.nodes))

    bad = forge.commit(groups["ana"], [Remove(1)], update=unfiltered)
    forge.refused(groups["cyd"], bad.message, "wrong length")


@pytest.mark.parametrize("parent_hash", [b"", b"\0" * 32, b"\1" * 32])
@rule("7.5", "The parent hash of the committer's leaf is the one worked out from the path")
@rule("7.9.2", "The parent hash of the committer's leaf is the one worked out from the path")
def test_another_parent_hash(parent_hash: bytes) -> None:
    groups = plain()

    def change(leaf: LeafNode) -> LeafNode:
        return replace(leaf, parent_hash=parent_hash)

    bad = forge.commit(groups["ben"], leaf=change)
    forge.refused(groups["ana"], bad.message, "parent hash does not hold")
    outside = forge.external_commit(groups["ana"], "eve", leaf=change)
    forge.refused(groups["ben"], outside.message, "parent hash does not hold")


@rule("7.9", "A parent hash covers the tree hash of the sibling as it is after the proposals")
def test_a_parent_hash_over_the_tree_before_the_proposals() -> None:
    groups = plain()
    state = groups["ana"]._state

    def of_the_old_tree(new: NewPath) -> NewPath:
        _, parent_hash = _merge_parents(state.tree, 0, new.path, publics_of(new))
        leaf = replace(new.leaf_node, parent_hash=parent_hash)
        leaf = leaf.signed(state.suite, state.signer.private, state.context.group_id, 0)
        return replace(new, leaf_node=leaf, tree=new.tree.with_nodes([(0, leaf)]))

    bad = forge.commit(groups["ana"], [Remove(2)], new_path=of_the_old_tree)
    forge.refused(groups["ben"], bad.message, "parent hash does not hold")
    forge.taken(groups["ben"], forge.commit(groups["ana"], new_path=of_the_old_tree).message)


# Its ciphertexts ---------------------------------------------------------------------------------------


def with_gaps() -> dict[str, Group]:
    """Eight members; after two removals some copath nodes resolve to several keys."""
    world = World.of(1, *EIGHT)
    for name in list(world.groups):
        world.commit(name)
    world.commit("eve", Remove(world.groups["dan"].own_leaf))
    world.commit("ana", Remove(world.groups["gus"].own_leaf))
    return world.groups


GAPS = with_gaps()


def dropped(update: UpdatePath, at: int) -> UpdatePath:
    return _with_ciphertexts(update, at, update.nodes[at].encrypted_path_secret[:-1])


def doubled(update: UpdatePath, at: int) -> UpdatePath:
    sealed = update.nodes[at].encrypted_path_secret
    return _with_ciphertexts(update, at, (*sealed, sealed[-1]))


def emptied(update: UpdatePath, at: int) -> UpdatePath:
    return _with_ciphertexts(update, at, ())


def _with_ciphertexts(update: UpdatePath, at: int, sealed: tuple[HPKECiphertext, ...]) -> UpdatePath:
    nodes = list(update.nodes)
    nodes[at] = replace(nodes[at], encrypted_path_secret=sealed)
    return replace(update, nodes=tuple(nodes))


@pytest.mark.parametrize("change", [dropped, doubled, emptied])
@pytest.mark.parametrize("at", [0, 1, 2])
@rule("7.6", "Each path node has as many ciphertexts as its copath child's resolution has nodes")
def test_a_wrong_number_of_ciphertexts(change: Callable[[UpdatePath, int], UpdatePath], at: int) -> None:
    """At any node of the path, whoever reads it: not only at the node that is the reader's."""
    bad = forge.commit(GAPS["ana"], update=lambda update: change(update, at))
    assert bad.new is not None
    assert len(bad.new.path) == 3
    good = forge.commit(GAPS["ana"])
    for name, group in GAPS.items():
        if name != "ana":
            forge.refused(group, bad.message, "wrong number of ciphertexts")
            forge.taken(group, good.message)


@rule("7.6", "New leaves of the same commit are left out of the copath's resolution")
def test_a_path_secret_for_a_new_leaf() -> None:
    """A ciphertext more, as if the new leaf had to read the path."""
    groups = plain("ana", "ben", "cyd")
    client = Client.new(groups["ana"].suite, "eve")

    def one_more_ciphertext(update: UpdatePath) -> UpdatePath:
        at = next(i for i, node in enumerate(update.nodes) if node.encrypted_path_secret)
        return doubled(update, at)

    bad = forge.commit(groups["ana"], [client.add], update=one_more_ciphertext)
    forge.refused(groups["ben"], bad.message, "wrong number of ciphertexts")
    forge.taken(groups["ben"], forge.commit(groups["ana"], [client.add]).message)


# Its secrets -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [0, 1])
@rule("7.5", "The public keys derived from a path secret are those of the path")
def test_a_path_secret_that_is_not_of_its_key(at: int) -> None:
    """Ben reads at node 0, cyd at node 1."""
    groups = plain()

    def another(new: NewPath) -> NewPath:
        secrets = list(new.secrets)
        secrets[at] = PathSecret(fresh())
        return replace(new, secrets=tuple(secrets))

    bad = forge.commit(groups["ana"], new_path=another)
    reader, other = ("ben", "cyd") if at == 0 else ("cyd", "ben")
    forge.refused(groups[reader], bad.message, "does not match the tree")
    # Who reads at another node cannot tell, and the confirmation tag holds for it.
    forge.taken(groups[other], bad.message)


@rule("7.4", "Each path secret follows from the one below it")
@rule("7.5", "The public keys derived from a path secret are those of the path, all the way up")
def test_path_secrets_that_do_not_follow() -> None:
    """Each secret is of its node's key, but the upper does not follow from the lower."""
    groups = plain()
    ana = groups["ana"]
    upper = PathSecret(fresh())

    def unchained(new: NewPath) -> NewPath:
        key = upper.key_pair(ana.suite).public
        made = with_publics(ana, lambda publics: [publics[0], key])(new)
        secrets = (new.secrets[0], upper)
        return replace(made, secrets=secrets, commit_secret=upper.next(ana.suite).value)

    bad = forge.commit(ana, new_path=unchained)
    forge.refused(groups["ben"], bad.message, "does not match the tree")
    forge.taken(groups["cyd"], bad.message)


@pytest.mark.parametrize("wire_format", [WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE])
@rule("7.6", "Path secrets are sealed under the provisional group context")
def test_a_path_sealed_under_another_context(wire_format: WireFormat) -> None:
    groups = plain()
    made: list[NewPath] = []

    def note(new: NewPath) -> NewPath:
        made.append(new)
        return new

    bad = forge.commit(
        groups["ana"],
        new_path=note,
        update=lambda _: encrypt_path(made[0], groups["ana"]._state.context.encoded, ()),
        wire_format=wire_format,
    )
    forge.refused(groups["ben"], bad.message, "HPKE ciphertext does not open")


def test_what_the_gaps_are_for() -> None:
    """The control: some node of ana's path is sealed to several keys."""
    path = GAPS["ana"]._state.tree.filtered_direct_path(0)
    assert max(len(GAPS["ana"]._state.tree.resolution(other)) for _, other in path) > 1
