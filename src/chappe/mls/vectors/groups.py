"""Vectors of messages and whole groups: message-protection, messages, passive-client-*,
transcript-hashes, welcome."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from chappe.mls.codec import Reader, parse
from chappe.mls.errors import InvalidMessage
from chappe.mls.framing import (
    AuthenticatedContent,
    Body,
    ContentType,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    WireFormat,
    encode_body,
    encode_message,
    parse_message,
    read_body,
)
from chappe.mls.group import Group
from chappe.mls.group_context import GroupContext
from chappe.mls.key_package import KeyPackage, KeyPackageBundle, parse_key_package
from chappe.mls.key_schedule import schedule
from chappe.mls.leaf_rules import accept_any
from chappe.mls.proposals import (
    Add,
    Commit,
    ExternalInit,
    PreSharedKey,
    ReInit,
    Remove,
    SetExtensions,
    Update,
)
from chappe.mls.proposals import read_body as read_proposal_body
from chappe.mls.protection import (
    confirmed_transcript_hash,
    interim_transcript_hash,
    protect_private,
    protect_public,
    sign_content,
    signature_holds,
    unprotect_private,
    unprotect_public,
)
from chappe.mls.ratchet_tree import RatchetTree
from chappe.mls.secret_tree import SecretTree
from chappe.mls.suites import cipher_suite
from chappe.mls.vectors.crypto import Vector, same, unhex
from chappe.mls.welcome import GroupInfo, GroupSecrets, Welcome

_SENDER = 1


def message_protection(v: Vector) -> None:
    for name, kind in (
        ("proposal", ContentType.PROPOSAL),
        ("commit", ContentType.COMMIT),
        ("application", ContentType.APPLICATION),
    ):
        raw = unhex(v[name])
        body: Body = raw if kind is ContentType.APPLICATION else parse(lambda r, k=kind: read_body(k, r), raw)  # type: ignore[misc]
        _Protection(v).check(body, v.get(f"{name}_pub"), v[f"{name}_priv"])


class _Protection:
    def __init__(self, v: Vector) -> None:
        self.suite = cipher_suite(v["cipher_suite"])
        context = GroupContext(
            self.suite.id, unhex(v["group_id"]), v["epoch"], unhex(v["tree_hash"]),
            unhex(v["confirmed_transcript_hash"]),
        )  # fmt: skip
        self.group_id, self.epoch, self.context = context.group_id, context.epoch, context.encoded
        self.secrets = SecretTree.create(self.suite, 2, unhex(v["encryption_secret"]))
        self.sender_data = unhex(v["sender_data_secret"])
        self.private, self.public = unhex(v["signature_priv"]), unhex(v["signature_pub"])
        self.membership_key = unhex(v["membership_key"])

    def check(self, body: Body, public: str | None, private: str) -> None:
        self.open_private(unhex(private), body)
        _, made = protect_private(
            self.suite, self.secrets, self.sender_data, self.sign(body, WireFormat.PRIVATE_MESSAGE),
            padding=7, random=os.urandom,
        )  # fmt: skip
        self.open_private(encode_message(made), body)
        signed = self.sign(body, WireFormat.PUBLIC_MESSAGE)
        if isinstance(body, bytes):
            try:
                protect_public(self.suite, self.membership_key, signed, self.context)
            except InvalidMessage:
                return
            raise AssertionError("application data was protected as a PublicMessage")
        assert public is not None
        self.open_public(unhex(public), body)
        made_public = protect_public(self.suite, self.membership_key, signed, self.context)
        self.open_public(encode_message(made_public), body)

    def sign(self, body: Body, wire_format: WireFormat) -> AuthenticatedContent:
        content = FramedContent(self.group_id, self.epoch, Sender.member(_SENDER), b"", body)
        auth = sign_content(self.suite, self.private, wire_format, content, self.context)
        if isinstance(body, Commit):
            auth = replace(auth, confirmation_tag=bytes(self.suite.nh))
        return AuthenticatedContent(wire_format, content, auth)

    def open_private(self, data: bytes, body: Body) -> None:
        message = parse_message(data)
        assert isinstance(message, PrivateMessage)
        _, opened = unprotect_private(
            self.suite, self.secrets, self.sender_data, message, lambda leaf: leaf == _SENDER
        )
        self.verify(opened, body)

    def open_public(self, data: bytes, body: Body) -> None:
        message = parse_message(data)
        assert isinstance(message, PublicMessage)
        self.verify(unprotect_public(self.suite, self.membership_key, message, self.context), body)

    def verify(self, opened: AuthenticatedContent, body: Body) -> None:
        same(signature_holds(self.suite, self.public, opened, self.context), True, "signature")
        same(encode_body(opened.content.body), encode_body(body), "content")


def transcript_hashes(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    content = parse(AuthenticatedContent.read, unhex(v["authenticated_content"]))
    same(content.content.content_type, ContentType.COMMIT, "content type")
    tag = content.auth.confirmation_tag
    assert tag is not None
    confirmed = confirmed_transcript_hash(suite, unhex(v["interim_transcript_hash_before"]), content)
    same(confirmed, unhex(v["confirmed_transcript_hash_after"]), "confirmed_transcript_hash")
    same(suite.check_mac(unhex(v["confirmation_key"]), confirmed, tag), True, "confirmation_tag")
    interim = interim_transcript_hash(suite, confirmed, tag)
    same(interim, unhex(v["interim_transcript_hash_after"]), "interim_transcript_hash")


def welcome(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    package = parse_key_package(unhex(v["key_package"]))
    message = parse_message(unhex(v["welcome"]))
    assert isinstance(message, Welcome)
    secrets = message.open_secrets(suite, package.ref, unhex(v["init_priv"]))
    psk = bytes(suite.nh)
    info = message.open_group_info(suite, secrets.joiner_secret, psk)
    same(info.signature_holds(suite, unhex(v["signer_pub"])), True, "GroupInfo signature")
    context = info.group_context
    epoch = schedule(suite, secrets.joiner_secret, psk, context.encoded).epoch
    tag = suite.mac(epoch.confirmation_key, context.confirmed_transcript_hash)
    same(tag, info.confirmation_tag, "confirmation_tag")


def passive_client(v: Vector) -> None:
    suite = cipher_suite(v["cipher_suite"])
    package = parse_key_package(unhex(v["key_package"]))
    bundle = KeyPackageBundle(package, unhex(v["init_priv"]), unhex(v["encryption_priv"]))
    signer = suite.signature_key(unhex(v["signature_priv"]))
    same(signer.public, package.leaf_node.signature_key, "signature key")
    same(suite.public_of(bundle.init_private), package.init_key, "init key")
    same(suite.public_of(bundle.encryption_private), package.leaf_node.encryption_key, "encryption key")
    psks = {unhex(p["psk_id"]): unhex(p["psk"]) for p in v["external_psks"]}
    tree = unhex(v["ratchet_tree"]) if v["ratchet_tree"] else None
    group = Group.join(
        unhex(v["welcome"]),
        bundle,
        signer,
        authenticate=accept_any,
        psks=psks,
        ratchet_tree=tree,
        max_lifetime=None,
    )
    same(group.epoch_authenticator, unhex(v["initial_epoch_authenticator"]), "initial_epoch_authenticator")
    for epoch in v["epochs"]:
        for message in (*epoch["proposals"], epoch["commit"]):
            group, _ = group.process(
                unhex(message), now=0, authenticate=accept_any, psks=psks, max_lifetime=None
            )
        same(group.epoch_authenticator, unhex(epoch["epoch_authenticator"]), "epoch_authenticator")


def _proposal(type_: int) -> Callable[[Reader], Any]:
    return lambda r: read_proposal_body(type_, r)


def _tree(r: Reader) -> RatchetTree:
    return RatchetTree.read(cipher_suite(1), r)


_STRUCTURES: dict[str, Callable[[Reader], Any]] = {
    "ratchet_tree": _tree,
    "group_secrets": GroupSecrets.read,
    "add_proposal": _proposal(Add.type),
    "update_proposal": _proposal(Update.type),
    "remove_proposal": _proposal(Remove.type),
    "pre_shared_key_proposal": _proposal(PreSharedKey.type),
    "re_init_proposal": _proposal(ReInit.type),
    "external_init_proposal": _proposal(ExternalInit.type),
    "group_context_extensions_proposal": _proposal(SetExtensions.type),
    "commit": Commit.read,
}

_MESSAGES: dict[str, type] = {
    "mls_welcome": Welcome,
    "mls_group_info": GroupInfo,
    "mls_key_package": KeyPackage,
    "public_message_application": PublicMessage,
    "public_message_proposal": PublicMessage,
    "public_message_commit": PublicMessage,
    "private_message": PrivateMessage,
}


def messages(v: Vector) -> None:
    same(set(v), set(_STRUCTURES) | set(_MESSAGES), "set of fields")
    for name, read in _STRUCTURES.items():
        decoded = parse(read, unhex(v[name]))
        encoded = decoded.body() if name.endswith("_proposal") else decoded.encode()
        same(encoded, unhex(v[name]), name)
    for name, kind in _MESSAGES.items():
        message = parse_message(unhex(v[name]))
        same(type(message), kind, f"kind of {name}")
        same(encode_message(message), unhex(v[name]), name)
