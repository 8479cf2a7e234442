"""Vectors of single operations: crypto-basics, deserialization, key-schedule, psk_secret, secret-tree."""

from __future__ import annotations

from typing import Any

from chappe.mls.codec import Reader
from chappe.mls.group_context import GroupContext
from chappe.mls.key_schedule import next_joiner_secret, schedule
from chappe.mls.psks import PreSharedKeyID
from chappe.mls.psks import psk_secret as compute_psk_secret
from chappe.mls.secret_tree import RatchetType, SecretTree, sender_data_key
from chappe.mls.suites import HPKECiphertext, cipher_suite

Vector = dict[str, Any]


def same(actual: object, expected: object, what: str) -> None:
    """AssertionError that names what differs."""
    if actual != expected:
        raise AssertionError(f"{what} differs")


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


def crypto_basics(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    t = v["ref_hash"]
    same(suite.ref_hash(t["label"], unhex(t["value"])), unhex(t["out"]), "ref_hash")
    t = v["expand_with_label"]
    out = suite.expand_with_label(unhex(t["secret"]), t["label"], unhex(t["context"]), t["length"])
    same(out, unhex(t["out"]), "expand_with_label")
    t = v["derive_secret"]
    same(suite.derive_secret(unhex(t["secret"]), t["label"]), unhex(t["out"]), "derive_secret")
    t = v["derive_tree_secret"]
    out = suite.derive_tree_secret(unhex(t["secret"]), t["label"], t["generation"], t["length"])
    same(out, unhex(t["out"]), "derive_tree_secret")
    t = v["sign_with_label"]
    private, public, content = unhex(t["priv"]), unhex(t["pub"]), unhex(t["content"])
    for signature in (unhex(t["signature"]), suite.sign_with_label(private, t["label"], content)):
        same(suite.verify_with_label(public, t["label"], content, signature), True, "sign_with_label")
    t = v["encrypt_with_label"]
    private, public, plaintext = unhex(t["priv"]), unhex(t["pub"]), unhex(t["plaintext"])
    given = HPKECiphertext(unhex(t["kem_output"]), unhex(t["ciphertext"]))
    context = unhex(t["context"])
    for sealed in (given, suite.encrypt_with_label(public, t["label"], context, plaintext)):
        opened = suite.decrypt_with_label(private, t["label"], context, sealed)
        same(opened, plaintext, "encrypt_with_label")


def deserialization(v: Vector) -> None:
    reader = Reader(unhex(v["vlbytes_header"]))
    same(reader.varint(), v["length"], "length")
    reader.done()


def key_schedule(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    init = unhex(v["initial_init_secret"])
    for number, epoch in enumerate(v["epochs"]):
        context = GroupContext(
            suite.id,
            unhex(v["group_id"]),
            number,
            unhex(epoch["tree_hash"]),
            unhex(epoch["confirmed_transcript_hash"]),
        ).encoded
        same(context, unhex(epoch["group_context"]), "group_context")
        joiner = next_joiner_secret(suite, init, unhex(epoch["commit_secret"]), context)
        result = schedule(suite, joiner, unhex(epoch["psk_secret"]), context)
        for name in ("joiner_secret", "welcome_secret", "encryption_secret"):
            same(getattr(result, name), unhex(epoch[name]), name)
        for name in (
            "init_secret", "sender_data_secret", "exporter_secret", "epoch_authenticator",
            "external_secret", "confirmation_key", "membership_key", "resumption_psk",
        ):  # fmt: skip
            same(getattr(result.epoch, name), unhex(epoch[name]), name)
        same(result.epoch.external_key_pair(suite).public, unhex(epoch["external_pub"]), "external_pub")
        t = epoch["exporter"]
        secret = result.epoch.export(suite, t["label"], unhex(t["context"]), t["length"])
        same(secret, unhex(t["secret"]), "exporter")
        init = result.epoch.init_secret


def psk_secret(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    psks = [
        (PreSharedKeyID.external(unhex(p["psk_id"]), unhex(p["psk_nonce"])), unhex(p["psk"]))
        for p in v["psks"]
    ]
    same(compute_psk_secret(suite, psks), unhex(v["psk_secret"]), "psk_secret")


def secret_tree(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    t = v["sender_data"]
    key, nonce = sender_data_key(suite, unhex(t["sender_data_secret"]), unhex(t["ciphertext"]))
    same((key, nonce), (unhex(t["key"]), unhex(t["nonce"])), "sender_data")
    tree = SecretTree.create(suite, len(v["leaves"]), unhex(v["encryption_secret"]))
    for leaf, generations in enumerate(v["leaves"]):
        for entry in generations:
            for kind in RatchetType:
                name = kind.name.lower()
                tree, taken = tree.take(leaf, kind, entry["generation"])
                same(taken.key, unhex(entry[f"{name}_key"]), f"{name}_key")
                same(taken.nonce, unhex(entry[f"{name}_nonce"]), f"{name}_nonce")
