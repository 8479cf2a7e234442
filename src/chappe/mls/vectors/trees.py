"""Vectors of the tree: tree-math, tree-operations, tree-validation, treekem."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from chappe.mls import tree_math as tm
from chappe.mls.codec import parse
from chappe.mls.errors import InvalidMessage
from chappe.mls.framing import Sender
from chappe.mls.group_context import GroupContext
from chappe.mls.proposals import Add, Remove, Update, read_proposal
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.suites import CipherSuite, cipher_suite
from chappe.mls.treekem import (
    PathSecret,
    UpdatePath,
    create_path,
    decrypt_path,
    encrypt_path,
    merge_path,
)
from chappe.mls.vectors.crypto import Vector, same, unhex


def tree_math(v: Vector) -> None:
    leaves, nodes = v["n_leaves"], v["n_nodes"]
    same(tm.node_width(leaves), nodes, "n_nodes")
    same(tm.root(leaves), v["root"], "root")

    def or_none(function: Callable[..., int], *args: int) -> int | None:
        try:
            return function(*args)
        except ValueError:
            return None

    for node in range(nodes):
        same(or_none(tm.left, node), v["left"][node], "left")
        same(or_none(tm.right, node), v["right"][node], "right")
        same(or_none(tm.parent, node, leaves), v["parent"][node], "parent")
        same(or_none(tm.sibling, node, leaves), v["sibling"][node], "sibling")


def tree_operations(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    tree = RatchetTree.from_bytes(suite, unhex(v["tree_before"]))
    same(tree.tree_hash(), unhex(v["tree_hash_before"]), "tree_hash_before")
    proposal = parse(read_proposal, unhex(v["proposal"]))
    if isinstance(proposal, Add):
        tree, _ = tree.add(proposal.key_package.leaf_node)
    elif isinstance(proposal, Update):
        tree = tree.update(Sender.member(v["proposal_sender"]).index, proposal.leaf_node)
    elif isinstance(proposal, Remove):
        tree = tree.remove(proposal.removed)
    else:
        raise InvalidMessage("a tree operation is add, update or remove")
    same(tree.encode(), unhex(v["tree_after"]), "tree_after")
    same(tree.tree_hash(), unhex(v["tree_hash_after"]), "tree_hash_after")
    # Hashes kept from before the operation must be those of a tree that was never hashed.
    same(RatchetTree.from_bytes(suite, tree.encode()).tree_hash(), tree.tree_hash(), "cached tree hash")


def tree_validation(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    tree = RatchetTree.from_bytes(suite, unhex(v["tree"]))
    same(len(tree.nodes), len(v["resolutions"]), "number of nodes")
    for node, (resolution, tree_hash) in enumerate(zip(v["resolutions"], v["tree_hashes"], strict=True)):
        same(tree.resolution(node), resolution, f"resolution of node {node}")
        same(tree.tree_hash(node), unhex(tree_hash), f"tree hash of node {node}")
    tree.check_structure()
    tree.check_keys_unique()
    same(tree.parent_hashes_hold(), True, "parent hashes")
    tree.check_leaf_signatures(unhex(v["group_id"]))


def treekem(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    tree = RatchetTree.from_bytes(suite, unhex(v["ratchet_tree"]))
    privates = {p["index"]: _private_keys(suite, tree, p) for p in v["leaves_private"]}
    signers = {p["index"]: unhex(p["signature_priv"]) for p in v["leaves_private"]}
    group_id = unhex(v["group_id"])

    def context(after: RatchetTree) -> bytes:
        confirmed = unhex(v["confirmed_transcript_hash"])
        return GroupContext(suite.id, group_id, v["epoch"], after.tree_hash(), confirmed).encoded

    def receive(update: UpdatePath, merged: RatchetTree, sender: int, leaf: int) -> tuple[bytes, bytes]:
        _, commit_secret, first = decrypt_path(
            merged, sender, update, leaf, privates[leaf], context(merged), ()
        )
        return first.value, commit_secret

    for t in v["update_paths"]:
        sender = t["sender"]
        update = parse(UpdatePath.read, unhex(t["update_path"]))
        merged = merge_path(tree, sender, update)
        same(update.leaf_node.signature_holds(suite, group_id, sender), True, "leaf signature")
        same(merged.tree_hash(), unhex(t["tree_hash_after"]), "tree_hash_after")
        others = [leaf for leaf, _ in tree.leaves() if leaf != sender]
        for leaf in others:
            secret, commit_secret = receive(update, merged, sender, leaf)
            same(secret, unhex(t["path_secrets"][leaf]), "path secret")
            same(commit_secret, unhex(t["commit_secret"]), "commit secret")
        template = tree.leaf(sender)
        assert template is not None
        new = create_path(tree, sender, template, signers[sender], group_id, os.urandom)
        made = encrypt_path(new, context(new.tree), ())
        again = merge_path(tree, sender, made)
        same(again.tree_hash(), new.tree.tree_hash(), "merged tree of a new path")
        for leaf in others:
            same(receive(made, again, sender, leaf)[1], new.commit_secret, "new commit secret")


def _private_keys(suite: CipherSuite, tree: RatchetTree, v: dict[str, Any]) -> dict[int, bytes]:
    """The private state of one leaf, each key checked against the tree's public one."""
    keys = {2 * v["index"]: unhex(v["encryption_priv"])}
    for entry in v["path_secrets"]:
        keys[entry["node"]] = PathSecret(unhex(entry["path_secret"])).key_pair(suite).private
    for node, private in keys.items():
        found = tree.nodes[node]
        assert found is not None
        same(suite.public_of(private), found.encryption_key, f"public key of node {node}")
    return keys
