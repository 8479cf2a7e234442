"""What sections 7, 8 and 12 lean on: framing (6), the key schedule's public ends (8), extensibility (13)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace

import pytest

from chappe.mls import (
    Add,
    Capabilities,
    Credential,
    CredentialType,
    Extension,
    ExtensionType,
    Group,
    InvalidMessage,
    MalformedMessage,
    PreSharedKey,
    PreSharedKeyID,
    RequiredCapabilities,
    SetExtensions,
    WireFormat,
    accept_any,
    cipher_suite,
    create_key_package,
    default_capabilities,
    grease_extensions,
    greased,
    parse_key_package,
)
from chappe.mls.codec import opaque, u8, u16, u64
from chappe.mls.commits import protect
from chappe.mls.epoch import MAX_RESUMPTION_EPOCHS
from chappe.mls.framing import (
    AuthenticatedContent,
    Body,
    FramedContent,
    PrivateMessage,
    PublicMessage,
    Sender,
    encode_body,
    encode_message,
)
from chappe.mls.grease import VALUES
from chappe.mls.leaf_rules import required_capabilities
from chappe.mls.protection import SenderData, sign_content
from chappe.mls.secret_tree import RatchetType, sender_data_key
from tests.mls.conformance import forge
from tests.mls.conformance.worlds import plain, rule
from tests.mls.world import DAY, NOW, Client, World

# Framing (6) -------------------------------------------------------------------------------------------


def signed(group: Group, body: Body, wire_format: WireFormat, sender: Sender) -> AuthenticatedContent:
    state = group._state
    content = FramedContent(group.group_id, group.epoch, sender, b"", body)
    auth = sign_content(state.suite, state.signer.private, wire_format, content, state.context.encoded)
    return AuthenticatedContent(wire_format, content, auth)


@rule("6", "Application data is sent as PrivateMessage only")
@rule("6.2", "Application data is sent as PrivateMessage only")
def test_application_data_in_the_clear() -> None:
    groups = plain()
    state = groups["ben"]._state
    message = signed(groups["ben"], b"hello", WireFormat.PUBLIC_MESSAGE, Sender.member(1))
    with pytest.raises(InvalidMessage, match="never sent as a PublicMessage"):
        protect(state, message, os.urandom)
    tag = state.suite.mac(state.secrets.membership_key, message.to_be_maced(state.context.encoded))
    forged = encode_message(PublicMessage(message.content, message.auth, tag))
    forge.refused(groups["ana"], forged, "application data came as a PublicMessage")


def sealed(
    group: Group,
    body: Body = b"hello",
    *,
    padding: bytes = b"",
    leaf: int | None = None,
    generation: int = 0,
) -> bytes:
    """A PrivateMessage with any padding, whose sender data say what one likes."""
    state = group._state
    suite = state.suite
    own = state.own_leaf
    _, key = state.secret_tree.take(own, RatchetType.APPLICATION, generation)
    message = signed(group, body, WireFormat.PRIVATE_MESSAGE, Sender.member(own))
    kind = message.content.content_type
    frame = PrivateMessage(group.group_id, group.epoch, kind, b"", b"", b"")
    ciphertext = suite.seal(
        key.key, key.nonce, frame.content_aad(), encode_body(body) + message.auth.encode() + padding
    )
    data = SenderData(own if leaf is None else leaf, generation, bytes(4)).encode()
    at = sender_data_key(suite, state.secrets.sender_data_secret, ciphertext)
    encrypted = suite.seal(*at, frame.sender_data_aad(), data)
    return encode_message(PrivateMessage(group.group_id, group.epoch, kind, b"", encrypted, ciphertext))


@pytest.mark.parametrize("padding", [b"\1", bytes(15) + b"\1", b"\1" + bytes(15)])
@rule("6.3.1", "The padding of a message is all zero")
def test_padding_that_is_not_zero(padding: bytes) -> None:
    groups = plain()
    forge.refused(
        groups["ana"], sealed(groups["ben"], padding=padding), "padding is not zero", kind=MalformedMessage
    )
    forge.taken(groups["ana"], sealed(groups["ben"], padding=bytes(len(padding))))


@pytest.mark.parametrize("leaf", [4, 7, 2**32 - 1])
@rule("6.3.2", "The sender's leaf is not blank")
def test_sender_data_of_a_blank_leaf(leaf: int) -> None:
    groups = plain()
    forge.refused(groups["ana"], sealed(groups["ben"], leaf=leaf), "the sender is no member")


@rule("6.1", "The signature of a message is checked with the key of its sender")
def test_a_message_in_anothers_name() -> None:
    """Ben knows cyd's message keys, as every member does; not cyd's signature key."""
    groups = plain()
    as_cyd = Group(replace(groups["ben"]._state, own_leaf=2))
    forge.refused(groups["ana"], sealed(as_cyd), "signature does not hold")


@rule("6.3.1", "The content is bound to its type")
def test_a_message_relabelled() -> None:
    groups = plain()
    message = sealed(groups["ben"])
    head = len(u16(1) + u16(2) + opaque(groups["ben"].group_id) + u64(groups["ben"].epoch))
    assert message[head : head + 1] == u8(1)
    relabelled = message[:head] + u8(2) + message[head + 1 :]
    forge.refused(groups["ana"], relabelled, "AEAD tag does not hold")


# Key schedule (8) --------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 3, 4])
@rule("8.4", "A PSK is external or for resumption, with a known usage")
def test_psk_ids_of_another_form(index: int) -> None:
    groups = plain()
    odd = PreSharedKeyID(index, b"\1" * 32, usage=1, psk_group_id=b"g")
    if index == 4:
        odd = PreSharedKeyID.resumption(9, groups["ana"].group_id, groups["ana"].epoch, b"\1" * 32)
    message = forge.proposal(groups["ben"], PreSharedKey(odd))
    if index != 4:  # its first byte after the proposal's type is the PSK's
        kind = message.index(u16(PreSharedKey.type) + u8(2))
        message = message[: kind + 2] + u8(index) + message[kind + 3 :]
    forge.refused(groups["ana"], message, "unknown PSK type|unknown resumption", kind=MalformedMessage)


@rule("8.5", "Exported secrets part by label, context and epoch")
@rule("8.7", "Epoch authenticators part by epoch")
def test_what_is_exported() -> None:
    world = World.of(1, "ana", "ben")
    seen = set()
    for _ in range(2):
        ana = world.groups["ana"]
        seen |= {ana.export(label, context, 32) for label in ("a", "b") for context in (b"", b"x")}
        seen.add(ana.epoch_authenticator)
        world.commit("ben")
    assert len(seen) == 10


@rule("8.6", "Resumption PSKs of epochs long past are gone")
def test_resumption_psks_end() -> None:
    world = World.of(1, "ana", "ben")
    first = world.groups["ana"].epoch
    for _ in range(MAX_RESUMPTION_EPOCHS):
        assert first in world.groups["ana"]._state.resumption_psks
        world.commit("ben")
    assert first not in world.groups["ana"]._state.resumption_psks


# Extensibility (13) ------------------------------------------------------------------------------------


def unknown_everywhere() -> Capabilities:
    own = default_capabilities()
    return replace(
        own,
        versions=(*own.versions, 7),
        cipher_suites=(0x7F7F, *own.cipher_suites),
        extensions=(*own.extensions, 0x7F7F),
        proposals=(0x7F7F,),
        credentials=(0x7F7F, CredentialType.BASIC),
    )


@pytest.mark.parametrize(
    "lists",
    [lambda: greased(default_capabilities(), os.urandom), unknown_everywhere],
    ids=["grease", "unknown"],
)
@rule("13.4", "Unknown values in capabilities are ignored, and kept (the control)")
@rule("7.2", "Unknown values in capabilities are ignored, and kept (the control)")
@rule("13.5", "GREASE is treated as any other unknown value (the control)")
def test_unknown_values_are_ignored(lists: Callable[[], Capabilities]) -> None:
    suite, capabilities = cipher_suite(1), lists()
    world = World.of(1, "ana", "ben")
    key = suite.generate_signature_key()
    unknown = (Extension(next(e for e in capabilities.extensions if e > 0x0A00), b"\1\2"),)
    bundle = create_key_package(
        suite,
        key,
        Credential.basic(b"eve"),
        not_before=NOW - DAY,
        not_after=NOW + DAY,
        capabilities=capabilities,
        leaf_extensions=unknown,
        extensions=unknown,
    )
    made = world.commit("ana", Add(parse_key_package(bundle.message)))
    assert made.welcome is not None
    world.groups["eve"] = Group.join(made.welcome, bundle, key, authenticate=accept_any)
    for name in list(world.groups):
        world.commit(name)
        world.send(name, b"hello")
    leaf = world.groups["ana"]._state.tree.leaf(world.groups["eve"].own_leaf)
    assert leaf is not None
    assert leaf.capabilities == capabilities
    assert leaf.extensions == unknown


@rule("13.4", "Unknown extensions of a key package are ignored though its leaf lists them not (the control)")
def test_an_unlisted_extension_of_a_key_package() -> None:
    """Section 10 wants them listed by who makes the key package; whoever receives it ignores unknown ones."""
    one = Client.new(cipher_suite(1), "eve")
    unknown = (Extension(0x3A3A, b"x"),)
    package = forge.package(one, whole=lambda package: replace(package, extensions=unknown))
    forge.taken(plain()["ana"], forge.commit(plain()["ben"], [Add(package)]).message)


@rule("10", "Who makes a key package lists all its extensions in the leaf's capabilities")
@rule("7.2", "A leaf's extensions are in its capabilities")
def test_key_packages_that_nobody_makes() -> None:
    suite = cipher_suite(1)
    key, unknown = suite.generate_signature_key(), (Extension(0xF0DD, b""),)
    bare = Capabilities(cipher_suites=(1,))

    def make(capabilities: Capabilities, **more: object) -> object:
        return create_key_package(
            suite,
            key,
            Credential.basic(b"eve"),
            not_before=0,
            not_after=1,
            capabilities=capabilities,
            **more,  # type: ignore[arg-type]
        )

    for wrong in ({"extensions": unknown}, {"leaf_extensions": unknown}, {"last_resort": True}):
        with pytest.raises(InvalidMessage, match="does not list"):
            make(bare, **wrong)
    make(bare)
    make(default_capabilities(), last_resort=True)


@rule("13.5", "GREASE stands in lists that are sent, not in what a client takes itself to support")
def test_where_grease_stands() -> None:
    plain_lists = default_capabilities()
    for _ in range(50):
        sent = greased(plain_lists, os.urandom)
        for name in ("cipher_suites", "extensions", "proposals", "credentials"):
            values, before = getattr(sent, name), getattr(plain_lists, name)
            assert [v for v in values if v not in VALUES] == list(before)
            assert len(values) == len(before) + 1
        assert sent.versions == plain_lists.versions
        (extension,) = grease_extensions(sent, os.urandom)
        assert extension.type in sent.extensions
    assert not set(VALUES) & set(plain_lists.extensions)
    assert grease_extensions(plain_lists, os.urandom) == ()
    assert VALUES[0] == 0x0A0A
    assert VALUES[-1] == 0xEAEA
    full = replace(plain_lists, extensions=VALUES)
    assert greased(full, os.urandom).extensions == VALUES


@rule("13.5", "GREASE in a GroupInfo is ignored (the control)")
def test_grease_in_a_group_info() -> None:
    world = World.of(1, "ana", "ben")
    info = world.groups["ana"].group_info(extensions=(Extension(0xBABA, os.urandom(9)),))
    made = Group.join_by_commit(
        info, world.suite.generate_signature_key(), Credential.basic(b"eve"), authenticate=accept_any
    )
    world.groups["eve"] = made.group
    world.follow("eve", made)


@rule("11.1", "The required_capabilities extension has its form")
def test_required_capabilities_of_another_form() -> None:
    groups = plain()
    bad = SetExtensions((Extension(ExtensionType.REQUIRED_CAPABILITIES, b"\x01\x00"),))
    forge.refused(
        groups["ana"], forge.commit(groups["ben"], [bad]).message, "truncated", kind=MalformedMessage
    )
    good = Extension(ExtensionType.REQUIRED_CAPABILITIES, RequiredCapabilities().encode())
    assert required_capabilities((good,)) == RequiredCapabilities()


@pytest.mark.parametrize("kind", [0, 3, 0x0A0A])
@rule("5.3", "A credential is of a type that the engine knows")
def test_credentials_of_an_unknown_type(kind: int) -> None:
    groups = plain()
    odd = Credential(kind, b"eve")
    bad = forge.commit(groups["ben"], leaf=lambda leaf: replace(leaf, credential=odd))
    forge.refused(groups["ana"], bad.message, "no known form", kind=MalformedMessage)


@rule("10", "A last_resort key package is marked as such, and listed (the control)")
def test_a_last_resort_key_package_serves_twice() -> None:
    one = Client.new(cipher_suite(1), "eve", last_resort=True)
    assert parse_key_package(one.bundle.message).is_last_resort
    for founder in ("ana", "ben"):
        group = World.of(1, founder).groups[founder]
        made = group.commit([one.add], now=NOW)
        assert made.welcome is not None
        Group.join(made.welcome, one.bundle, one.signer, authenticate=accept_any)
    assert not Client.new(cipher_suite(1), "eve").bundle.key_package.is_last_resort
