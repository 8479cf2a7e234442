"""Section 12.4.3, 11.2 and 11.3: Welcomes and GroupInfos that let nobody in."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from chappe.mls import (
    Credential,
    Extension,
    Group,
    InvalidMessage,
    MalformedMessage,
    PreSharedKeyID,
    ReInit,
    ResumptionUsage,
    SignatureKey,
    accept_any,
    cipher_suite,
    welcome_refs,
)
from chappe.mls.framing import encode_message, parse_message
from chappe.mls.group_context import GroupContext
from chappe.mls.leaf_node import MLS10
from chappe.mls.welcome import GroupInfo, GroupSecrets, Welcome
from tests.mls.conformance import forge
from tests.mls.conformance.worlds import CAPABLE, KIND, plain, rule, signer_of, strict
from tests.mls.world import NOW, Client, World

NH = 32


def client(name: str = "eve") -> Client:
    return Client.new(cipher_suite(1), name)


def let_in(
    one: Client,
    *,
    info: Callable[[GroupInfo], GroupInfo] = forge.same,
    context: Callable[[GroupContext], GroupContext] = forge.same,
    secrets: Callable[[GroupSecrets], GroupSecrets] = forge.same,
    signer: SignatureKey | None = None,
    psks: Sequence[tuple[PreSharedKeyID, bytes]] = (),
    told: Sequence[tuple[PreSharedKeyID, bytes]] | None = None,
    extensions: tuple[Extension, ...] | None = None,
) -> bytes:
    """A Welcome by ana, with the tree that she has and `one` added to it."""
    ana = plain()["ana"]
    tree, _ = ana._state.tree.add(one.bundle.key_package.leaf_node)
    return forge.welcome(
        tree,
        one,
        ana,
        info=info,
        context=context,
        secrets=secrets,
        signer=signer,
        psks=psks,
        welcomed_psks=told,
        extensions=extensions,
    )


def join(welcome: bytes, one: Client, psks: dict[bytes, bytes] | None = None, *groups: Group) -> Group:
    return Group.join(welcome, one.bundle, one.signer, authenticate=accept_any, psks=psks, groups=groups)


def refused(welcome: bytes, one: Client, match: str, psks: dict[bytes, bytes] | None = None) -> None:
    """And the key package is not spent by it: a good Welcome still lets in."""
    with pytest.raises(InvalidMessage, match=match):
        join(welcome, one, psks)
    join(let_in(one), one)


# The GroupInfo -----------------------------------------------------------------------------------------


@rule("12.4.3", "A GroupInfo is signed by the leaf that it names")
@rule("12.4.3.1", "A GroupInfo is signed by the leaf that it names")
def test_a_group_info_signed_by_another() -> None:
    one = client()
    refused(let_in(one, signer=signer_of(plain()["ben"])), one, "signature of the GroupInfo")
    outside = plain()["ana"]
    info = parse_message(outside.group_info())
    assert isinstance(info, GroupInfo)
    forged = encode_message(info.signed(outside.suite, signer_of(plain()["ben"]).private))
    with pytest.raises(InvalidMessage, match="signature of the GroupInfo"):
        Group.join_by_commit(forged, one.signer, Credential.basic(b"eve"), authenticate=accept_any)


@pytest.mark.parametrize("leaf", [5, 7, 1000])
@rule("12.4.3.1", "The signer of a GroupInfo is no blank leaf")
def test_a_group_info_of_nobody(leaf: int) -> None:
    one = client()
    refused(let_in(one, info=lambda info: replace(info, signer=leaf)), one, "signature of the GroupInfo")


@rule("12.4.3.1", "The cipher suite of the GroupInfo is the key package's")
def test_a_group_info_of_another_suite() -> None:
    one = client()
    bad = let_in(one, context=lambda context: replace(context, cipher_suite=3))
    refused(bad, one, "another suite than the Welcome")


@rule("12.4.3.1", "The cipher suite of the Welcome is the key package's")
def test_a_welcome_of_another_suite() -> None:
    one = client()
    welcome = parse_message(let_in(one))
    assert isinstance(welcome, Welcome)
    refused(encode_message(replace(welcome, cipher_suite=3)), one, "another suite than the key package")


@rule("12.4.3.1", "A Welcome is for one of the client's key packages")
def test_a_welcome_for_another() -> None:
    one, other = client(), client("fay")
    refused(let_in(other), one, "not for this key package")


@rule("12.4.3", "The group's id is not that of a group that the client is in")
@rule("12.4.3.1", "The group's id is not that of a group that the client is in")
def test_a_group_that_one_is_in() -> None:
    one, ana = client(), plain()["ana"]
    with pytest.raises(InvalidMessage, match="a group with that id"):
        Group.join(let_in(one), one.bundle, one.signer, authenticate=accept_any, known_groups={ana.group_id})

    def come_in(name: bytes, *, resync: bool) -> None:
        Group.join_by_commit(
            ana.group_info(),
            one.signer,
            Credential.basic(name),
            authenticate=accept_any,
            resync=resync,
            known_groups={ana.group_id},
        )

    with pytest.raises(InvalidMessage, match="a group with that id"):
        come_in(b"eve", resync=False)
    come_in(b"dan", resync=True)  # that is what a resync is for


@rule("12.4.3.1", "The confirmation tag of a GroupInfo holds")
def test_another_confirmation_tag() -> None:
    one = client()
    bad = let_in(one, info=lambda info: replace(info, confirmation_tag=b"\1" * NH))
    refused(bad, one, "confirmation tag does not hold")


@rule("12.4.3.1", "The joiner secret is the group's")
def test_another_joiner_secret() -> None:
    one = client()
    bad = let_in(one, secrets=lambda secrets: replace(secrets, joiner_secret=b"\1" * NH))
    refused(bad, one, "AEAD tag does not hold")


@rule("12.4.3.1", "The leaf of the joiner's key package is in the tree")
def test_a_tree_without_the_joiner() -> None:
    one, other = client(), client("fay")
    tree, _ = plain()["ana"]._state.tree.add(other.bundle.key_package.leaf_node)
    refused(forge.welcome(tree, one, plain()["ana"]), one, "leaf is not in the ratchet tree")


@rule("12.4.3.1", "The joiner has a ratchet tree")
def test_no_ratchet_tree() -> None:
    one = client()
    refused(let_in(one, info=lambda info: replace(info, extensions=())), one, "without a ratchet tree")


@rule("13.4", "A joiner supports every extension of the group")
@rule("12.4.3", "A joiner supports every extension of the group")
def test_a_group_with_an_extension_that_the_joiner_lacks() -> None:
    one = client()
    grove = forge.Grove.of(list(strict().values()))
    grove.add(one)
    bad = forge.welcome(grove.tree, one, strict()["ana"], extensions=(Extension(KIND, b""),))
    with pytest.raises(InvalidMessage, match="does not support an extension of the group"):
        join(bad, one)
    able = Client.new(one.suite, "eve", capabilities=CAPABLE)
    grove = forge.Grove.of(list(strict().values()))
    grove.add(able)
    join(forge.welcome(grove.tree, able, strict()["ana"], extensions=(Extension(KIND, b""),)), able)
    with pytest.raises(InvalidMessage, match="lacks a required capability"):
        Group.join_by_commit(
            strict()["ana"].group_info(), one.signer, Credential.basic(b"eve"), authenticate=accept_any
        )


@rule("13.4", "A GroupInfo has no extension twice")
def test_a_group_info_with_an_extension_twice() -> None:
    one = client()
    twice = (Extension(KIND, b"1"), Extension(KIND, b"2"))
    for bad in (
        let_in(one, info=lambda info: replace(info, extensions=(*info.extensions, *twice))),
        let_in(one, extensions=twice),
    ):
        with pytest.raises(MalformedMessage, match="stands twice"):
            join(bad, one)


# Path secrets ------------------------------------------------------------------------------------------


def with_path(one: Client) -> tuple[forge.Forged, bytes]:
    """Ana adds `one` in a commit with a path; the path secret that is the joiner's."""
    made = forge.commit(plain()["ana"], [one.add])
    assert made.new is not None
    secret = made.new.secret_for(4)
    assert secret is not None
    return made, secret.value


@rule("12.4.3.1", "A path secret is the one of the keys in the tree")
def test_another_path_secret() -> None:
    one = client()
    made, secret = with_path(one)
    for value in (b"\1" * NH, secret):
        welcome = forge.welcome(
            made.epoch.tree,
            one,
            plain()["ana"],
            secrets=lambda secrets, v=value: replace(secrets, path_secret=v),  # type: ignore[misc]
        )
        if value == secret:
            assert len(join(welcome, one)._state.private_keys) == 2
        else:
            refused(welcome, one, "a path secret does not match the tree")


@rule("12.4.3.1", "A path secret is for a node that is not blank")
def test_a_path_secret_for_no_node() -> None:
    """All parents are blank, that of inviter and joiner among them."""
    one = client()
    grove = forge.Grove.of(list(plain().values()))
    grove.add(one)
    bad = forge.welcome(
        grove.tree, one, plain()["ana"], secrets=lambda secrets: replace(secrets, path_secret=b"\1" * NH)
    )
    refused(bad, one, "does not match the tree")


# PSKs --------------------------------------------------------------------------------------------------

WORD, OTHER = b"secret", b"another secret"


def word(nonce: bytes = b"\1" * NH) -> tuple[PreSharedKeyID, bytes]:
    return PreSharedKeyID.external(b"word", nonce), WORD


def other() -> tuple[PreSharedKeyID, bytes]:
    return PreSharedKeyID.external(b"other", b"\2" * NH), OTHER


KEYS = {b"word": WORD, b"other": OTHER}


@rule("12.4.3.1", "The joiner has every PSK that the Welcome names")
def test_a_psk_that_the_joiner_lacks() -> None:
    one = client()
    welcome = let_in(one, psks=[word()])
    refused(welcome, one, "pre-shared key that this client does not have")
    join(welcome, one, KEYS)


@rule("8.4", "The Welcome names the PSKs of the commit, in its order")
@rule("12.4.1", "The Welcome names the PSKs of the commit, in its order")
def test_the_psks_of_a_welcome_in_another_order() -> None:
    one = client()
    refused(let_in(one, psks=[word(), other()], told=[other(), word()]), one, "confirmation tag", KEYS)
    refused(let_in(one, psks=[word(), other()], told=[word()]), one, "confirmation tag", KEYS)
    join(let_in(one, psks=[word(), other()]), one, KEYS)


@rule("12.2", "No PSK is named twice, in a Welcome neither")
def test_a_psk_twice_in_a_welcome() -> None:
    one = client()
    refused(let_in(one, psks=[word(), word()]), one, "a PSK stands twice", KEYS)


@pytest.mark.parametrize("nonce", [b"", b"\1" * (NH - 1), b"\1" * (NH + 1)])
@rule("8.4", "The nonce of a PSK is as long as the hash, in a Welcome too")
def test_a_psk_nonce_of_another_length(nonce: bytes) -> None:
    one = client()
    refused(let_in(one, psks=[word(nonce)]), one, "nonce of a PSK has a wrong length", KEYS)


# Successors --------------------------------------------------------------------------------------------


def origin(usage: ResumptionUsage, old: Group, epoch: int | None = None) -> tuple[PreSharedKeyID, bytes]:
    at = old.epoch if epoch is None else epoch
    psk = old._state.resumption_psks[old.epoch]
    return PreSharedKeyID.resumption(usage, old.group_id, at, b"\1" * NH), psk


@rule("12.4.3.1", "A Welcome follows on one other group at the most")
def test_a_welcome_that_follows_on_two_groups() -> None:
    one, old = client(), plain()["ben"]
    two = [origin(ResumptionUsage.BRANCH, old), origin(ResumptionUsage.REINIT, old)]
    refused(let_in(one, psks=two), one, "follows on two groups")


def closed() -> tuple[dict[str, Group], ReInit]:
    """A group of ana and ben that a ReInit closed."""
    world = World.of(1, "ana", "ben")
    reinit = ReInit(b"the new one", MLS10, 1, (Extension(1, b""),))
    world.commit("ana", reinit)
    return world.groups, reinit


def successor(
    old: dict[str, Group],
    usage: ResumptionUsage,
    *members: str,
    context: Callable[[GroupContext], GroupContext] = forge.same,
) -> tuple[bytes, Client]:
    """A Welcome for ben in to a group that says to follow on the old one; `members` are let in too."""
    founder = Group.create(
        cipher_suite(1), b"the new one", signer_of(old["ana"]), Credential.basic(b"ana"), now=NOW
    )
    tree, ben = founder._state.tree, client("ben")
    for one in (ben, *(client(name) for name in members)):
        tree, _ = tree.add(one.bundle.key_package.leaf_node)
    welcome = forge.welcome(
        tree,
        ben,
        founder,
        context=context,
        psks=[origin(usage, old["ben"])],
        extensions=(Extension(1, b""),),
    )
    return welcome, ben


REINIT_FAULTS: dict[str, tuple[str, str, Callable[[GroupContext], GroupContext]]] = {
    "epoch": (
        "The epoch of a reinitialised group is 1 when it is joined",
        "joined in its first epoch",
        lambda context: replace(context, epoch=2),
    ),
    "extensions": (
        "A reinitialised group has the extensions that the ReInit announced",
        "not the one that the ReInit announced",
        lambda context: replace(context, extensions=()),
    ),
}


@pytest.mark.parametrize(
    ("match", "change"),
    [
        pytest.param(match, change, id=name, marks=[rule("12.4.3.1", text), rule("11.2", text)])
        for name, (text, match, change) in REINIT_FAULTS.items()
    ],
)
def test_a_reinitialised_group_that_is_not_the_one(
    match: str, change: Callable[[GroupContext], GroupContext]
) -> None:
    old, _ = closed()
    bad, ben = successor(old, ResumptionUsage.REINIT, context=change)
    before = old["ben"].to_bytes()
    with pytest.raises(InvalidMessage, match=match):
        join(bad, ben, None, old["ben"])
    assert old["ben"].to_bytes() == before
    good, ben = successor(old, ResumptionUsage.REINIT)
    join(good, ben, None, old["ben"])


@pytest.mark.parametrize("field", [{"group_id": b"another"}, {"cipher_suite": 3}, {"version": 2}])
@rule("12.4.3.1", "A reinitialised group has the id, version and suite that the ReInit announced")
@rule("11.2", "A reinitialised group has the id, version and suite that the ReInit announced")
def test_a_reinitialised_group_of_other_parameters(field: dict[str, object]) -> None:
    old, reinit = closed()
    announced = replace(reinit, **field)  # type: ignore[arg-type]
    good, ben = successor(old, ResumptionUsage.REINIT)
    with pytest.raises(InvalidMessage, match="not the one that the ReInit announced"):
        join(good, ben, None, Group(replace(old["ben"]._state, reinit=announced)))


@rule("12.4.3.1", "The last commit to a group that is followed on by ReInit holds that ReInit")
def test_a_successor_of_a_group_that_was_not_closed() -> None:
    world = World.of(1, "ana", "ben")
    bad, ben = successor(world.groups, ResumptionUsage.REINIT)
    with pytest.raises(InvalidMessage, match="not closed by a ReInit"):
        join(bad, ben, None, world.groups["ben"])


@rule("12.4.3.1", "Every member of the old group is in the reinitialised one")
@rule("11.2", "A reinitialised group has the members of the old one")
def test_a_reinitialised_group_of_other_members() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    world.commit("ana", ReInit(b"the new one", MLS10, 1, (Extension(1, b""),)))
    for members, match in (((), "is missing in the new one"), (("cyd", "fay"), "was not in the old one")):
        bad, ben = successor(world.groups, ResumptionUsage.REINIT, *members)
        with pytest.raises(InvalidMessage, match=match):
            join(bad, ben, None, world.groups["ben"])
    good, ben = successor(world.groups, ResumptionUsage.REINIT, "cyd")
    join(good, ben, None, world.groups["ben"])


@rule("11.3", "The epoch of a branch is 1 when it is joined")
@rule("12.4.3.1", "The epoch of a branch is 1 when it is joined")
def test_a_branch_in_a_later_epoch() -> None:
    old = World.of(1, "ana", "ben").groups
    bad, ben = successor(old, ResumptionUsage.BRANCH, context=lambda context: replace(context, epoch=2))
    with pytest.raises(InvalidMessage, match="joined in its first epoch"):
        join(bad, ben, None, old["ben"])
    good, ben = successor(old, ResumptionUsage.BRANCH)
    join(good, ben, None, old["ben"])


@rule("11.3", "Every leaf of a branch matches one of the old group")
@rule("12.4.3.1", "The members of a branch are members of the old group")
def test_a_branch_with_a_stranger() -> None:
    old = World.of(1, "ana", "ben").groups
    bad, ben = successor(old, ResumptionUsage.BRANCH, "mallory")
    with pytest.raises(InvalidMessage, match="was not in the old one"):
        join(bad, ben, None, old["ben"])


@rule("11.3", "A branch has the suite of its group")
@rule("12.4.3.1", "A branch has the suite of its group")
def test_a_branch_of_another_suite() -> None:
    old = World.of(3, "ana", "ben").groups
    bad, ben = successor(World.of(1, "ana", "ben").groups, ResumptionUsage.BRANCH)
    # Ben was in a group of the same id and epoch, whose suite is another and whose PSK the inviter knows.
    known = World.of(1, "ana", "ben").groups["ben"]._state
    faked = Group(replace(old["ben"]._state, resumption_psks=known.resumption_psks))
    founder = Group.create(
        cipher_suite(1), b"aside", signer_of(plain()["ana"]), Credential.basic(b"ana"), now=NOW
    )
    tree, _ = founder._state.tree.add(ben.bundle.key_package.leaf_node)
    bad = forge.welcome(tree, ben, founder, psks=[origin(ResumptionUsage.BRANCH, faked)])
    with pytest.raises(InvalidMessage, match="another suite than its group"):
        join(bad, ben, None, faked)


@rule("11.2", "A successor's PSK is of the epoch after the ReInit")
@rule("11.3", "A successor's PSK is of the group's present epoch")
def test_a_successor_of_a_past_epoch() -> None:
    world = World.of(1, "ana", "ben")
    earlier = world.groups["ben"]
    world.commit("ana")
    for usage in (ResumptionUsage.BRANCH, ResumptionUsage.REINIT):
        bad, ben = successor({"ana": world.groups["ana"], "ben": earlier}, usage)
        with pytest.raises(InvalidMessage, match="an epoch that is over"):
            join(bad, ben, None, world.groups["ben"])


@rule("12.4.3.1", "The group that a Welcome follows on is known")
def test_a_successor_of_an_unknown_group() -> None:
    world = World.of(1, "ana", "ben")
    bad, ben = successor(world.groups, ResumptionUsage.BRANCH)
    with pytest.raises(InvalidMessage, match="pre-shared key that this client does not have"):
        join(bad, ben)


@rule("12.4.1", "Who closes a group by ReInit opens its successor with the same members")
def test_opening_a_successor_without_somebody() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    world.commit("ana", ReInit(b"the new one", MLS10, 1))
    before = world.groups["ana"].to_bytes()
    packages = [client(name).bundle.key_package for name in ("ben", "cyd", "mallory")]
    me = Credential.basic(b"ana")
    key = cipher_suite(1).generate_signature_key()
    for chosen, match in ((packages[:1], "is missing"), (packages, "was not in the old one")):
        with pytest.raises(InvalidMessage, match=match):
            world.groups["ana"].reinitialise(key, me, chosen, now=NOW)
    assert world.groups["ana"].to_bytes() == before
    made = world.groups["ana"].reinitialise(key, me, packages[:2], now=NOW)
    assert (made.group.epoch, made.group.group_id) == (1, b"the new one")


@rule("12.4.1", "Welcomes cover every member that the commit adds")
def test_a_welcome_covers_everybody() -> None:
    both = [client("eve"), client("fay")]
    made = plain()["ana"].commit([one.add for one in both], now=NOW)
    assert made.welcome is not None
    assert welcome_refs(made.welcome) == [one.bundle.ref for one in both]
    for one in both:
        assert join(made.welcome, one).epoch_authenticator == made.group.epoch_authenticator


@rule("11", "A founder's own capabilities have what its group uses and requires")
def test_a_founder_that_does_not_meet_its_own_group() -> None:
    key, me = cipher_suite(1).generate_signature_key(), Credential.basic(b"ana")
    with pytest.raises(InvalidMessage, match="does not support an extension"):
        Group.create(cipher_suite(1), b"g", key, me, now=NOW, extensions=[Extension(KIND, b"")])
    Group.create(
        cipher_suite(1), b"g", key, me, now=NOW, extensions=[Extension(KIND, b"")], capabilities=CAPABLE
    )


@rule("13.4", "Unknown extensions of a GroupInfo are ignored (the control)")
@rule("12.4.3", "Unknown extensions of a GroupInfo are ignored (the control)")
def test_unknown_extensions_of_a_group_info() -> None:
    one = client()
    unknown = Extension(0x7A7A, os.urandom(20))
    join(let_in(one, info=lambda info: replace(info, extensions=(unknown, *info.extensions))), one)
