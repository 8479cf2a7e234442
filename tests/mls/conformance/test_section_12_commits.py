"""Sections 12.4, 12.4.1, 12.4.2 and 12.4.3.2: commits whose list is good but which are bad all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from chappe.mls import (
    Credential,
    Extension,
    ExtensionType,
    Group,
    GroupClosed,
    InvalidMessage,
    NotMember,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ProposalsPending,
    ReInit,
    Remove,
    SetExtensions,
    WireFormat,
    WrongEpoch,
    accept_any,
    cipher_suite,
    epoch,
)
from chappe.mls.external import external_pub_extension
from chappe.mls.framing import FramedContent, Sender, encode_message, parse_message
from chappe.mls.leaf_node import MLS10, LeafNode
from chappe.mls.proposals import ExternalInit, ProposalOrRef
from chappe.mls.welcome import GroupInfo
from tests.mls.conformance import forge
from tests.mls.conformance.worlds import leaf_of, plain, rule, signer_of
from tests.mls.world import NOW, Client, World

WORD = {b"word": b"secret"}


def client(name: str = "eve") -> Client:
    return Client.new(cipher_suite(1), name)


def psk() -> PreSharedKey:
    return PreSharedKey(PreSharedKeyID.external(b"word", b"\1" * 32))


# The path ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([], id="empty", marks=rule("12.4", "A commit of no proposals has a path")),
        pytest.param([Remove(3)], id="remove", marks=rule("12.4", "A commit of a Remove has a path")),
        pytest.param(
            [SetExtensions(())],
            id="extensions",
            marks=rule("12.4", "A commit of a GroupContextExtensions has a path"),
        ),
        pytest.param(
            [Remove(3), psk()], id="several", marks=rule("12.4", "One proposal that needs a path is enough")
        ),
    ],
)
def test_commits_that_need_a_path(items: list[ProposalOrRef]) -> None:
    groups = plain()
    bad = forge.commit(groups["ben"], items, path=False, psks=WORD).message
    forge.refused(groups["ana"], bad, "needs an update path", psks=WORD)
    good = forge.commit(groups["ben"], items, psks=WORD).message
    groups["ana"].process(good, now=NOW, authenticate=accept_any, psks=WORD)
    made = groups["ben"].commit(
        [i for i in items if not isinstance(i, bytes)], now=NOW, update_path=False, psks=WORD
    )
    groups["ana"].process(made.message, now=NOW, authenticate=accept_any, psks=WORD)


@rule("12.4", "A commit of an Update has a path")
def test_a_commit_of_an_update_needs_a_path() -> None:
    groups = plain()
    update = forge.update_of(groups["cyd"])
    ref, (ana, ben) = forge.pending(update, Sender.member(2), groups["ana"], groups["ben"])
    forge.refused(ana, forge.commit(ben, [ref], path=False).message, "needs an update path")
    forge.taken(ana, forge.commit(ben, [ref]).message)


@pytest.mark.parametrize("kind", ["add", "psk", "reinit"])
@rule("12.4", "Add, PreSharedKey and ReInit need no path (the control)")
def test_commits_that_need_none(kind: str) -> None:
    groups = plain()
    kinds: dict[str, Proposal] = {"add": client().add, "psk": psk(), "reinit": ReInit(b"new", MLS10, 1)}
    item = kinds[kind]
    message = forge.commit(groups["ben"], [item], path=False, psks=WORD).message
    groups["ana"].process(message, now=NOW, authenticate=accept_any, psks=WORD)


# What frames it ----------------------------------------------------------------------------------------

both_formats = pytest.mark.parametrize("wire_format", [WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE])


@both_formats
@rule("12.4.2", "The signature of a commit is its sender's")
def test_a_commit_signed_by_another(wire_format: WireFormat) -> None:
    groups = plain()
    bad = forge.commit(groups["ben"], signer=signer_of(groups["cyd"]), wire_format=wire_format)
    forge.refused(groups["ana"], bad.message, "signature does not hold")
    forge.taken(groups["ana"], forge.commit(groups["ben"], wire_format=wire_format).message)


@pytest.mark.parametrize("by", [-1, 1])
@rule("12.4.2", "The epoch of a commit is the group's")
def test_a_commit_of_another_epoch(by: int) -> None:
    groups = plain()

    def moved(content: FramedContent) -> FramedContent:
        return replace(content, epoch=content.epoch + by)

    for wire_format in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
        bad = forge.commit(groups["ben"], content=moved, wire_format=wire_format)
        forge.refused(groups["ana"], bad.message, "epoch", kind=WrongEpoch)


@rule("12.4.2", "A commit names its own group")
@rule("8.1", "The id of a group is constant")
def test_a_commit_to_another_group() -> None:
    groups = plain()

    def moved(content: FramedContent) -> FramedContent:
        return replace(content, group_id=b"another group")

    for wire_format in (WireFormat.PUBLIC_MESSAGE, WireFormat.PRIVATE_MESSAGE):
        bad = forge.commit(groups["ben"], content=moved, wire_format=wire_format)
        forge.refused(groups["ana"], bad.message, "another group")


@both_formats
@rule("12.4.2", "The confirmation tag is the one worked out from the new epoch")
@rule("6.1", "The confirmation tag of a commit holds")
def test_another_confirmation_tag(wire_format: WireFormat) -> None:
    groups = plain()
    for tag in (b"", b"\0" * 32, b"\1" * 31):
        bad = forge.commit(groups["ben"], tag=lambda _, t=tag: t, wire_format=wire_format)  # type: ignore[misc]
        forge.refused(groups["ana"], bad.message, "confirmation tag does not hold")


@rule("12.4.2", "The membership tag of a commit by a member holds")
@rule("6.2", "The membership tag of a member's PublicMessage holds")
def test_another_membership_tag() -> None:
    groups = plain()
    state = groups["ben"]._state
    outsider = Group(replace(state, secrets=replace(state.secrets, membership_key=b"\1" * 32)))
    bad = forge.commit(outsider, wire_format=WireFormat.PUBLIC_MESSAGE)
    forge.refused(groups["ana"], bad.message, "membership tag does not hold")


@rule("12.4", "A proposal named by reference is one that arrived in this epoch")
def test_a_reference_to_nothing() -> None:
    groups = plain()
    ref, (ben,) = forge.pending(Remove(3), Sender.member(2), groups["ben"])
    forge.refused(groups["ana"], forge.commit(ben, [ref]).message, "did not arrive")


@rule("12.4.2", "A member does not process its own commit")
def test_ones_own_commit() -> None:
    groups = plain()
    public = forge.commit(groups["ana"], wire_format=WireFormat.PUBLIC_MESSAGE).message
    forge.refused(groups["ana"], public, "only from another member")
    private = forge.commit(groups["ana"]).message
    forge.refused(groups["ana"], private, "the sender is no member")


# What it leads to (section 8) --------------------------------------------------------------------------


def confirmed_otherwise(ben: Group, match: str = "confirmation tag does not hold") -> None:
    """A forger whose secrets differ comes to another epoch."""
    adds = [client().add]
    forge.refused(plain()["ana"], forge.commit(ben, adds, path=False).message, match)
    forge.taken(plain()["ana"], forge.commit(plain()["ben"], adds, path=False).message)


@rule("8", "The init secret of the last epoch enters the next")
def test_another_init_secret() -> None:
    state = plain()["ben"]._state
    confirmed_otherwise(Group(replace(state, secrets=replace(state.secrets, init_secret=b"\1" * 32))))


@rule("8.2", "The interim transcript hash of the last epoch enters the confirmed one")
def test_another_transcript() -> None:
    confirmed_otherwise(Group(replace(plain()["ben"]._state, interim_transcript_hash=b"\1" * 32)))


@rule("8", "The commit secret follows from the last path secret")
@rule("12.4.2", "The commit secret follows from the last path secret")
def test_another_commit_secret() -> None:
    groups = plain()
    bad = forge.commit(groups["ben"], new_path=lambda new: replace(new, commit_secret=b"\1" * 32))
    forge.refused(groups["ana"], bad.message, "confirmation tag does not hold")


@rule("8.4", "Without PSKs the PSK secret is all zero")
def test_a_psk_that_the_commit_does_not_name() -> None:
    groups = plain()
    bad = forge.commit(groups["ben"], [client().add], applies=[psk()], psks=WORD, path=False)
    forge.refused(groups["ana"], bad.message, "confirmation tag does not hold", psks=WORD)


@rule("8.4", "The nonce of a PSK enters the key schedule")
def test_another_nonce_of_a_psk() -> None:
    groups = plain()
    other = PreSharedKey(replace(psk().psk, psk_nonce=b"\2" * 32))
    bad = forge.commit(groups["ben"], [psk()], applies=[other], psks=WORD, path=False)
    forge.refused(groups["ana"], bad.message, "confirmation tag does not hold", psks=WORD)


CONTEXTS: dict[str, tuple[str, dict[str, object]]] = {
    "epoch": ("The epoch grows by one with each commit", {"epoch": 7}),
    "tree-hash": ("The tree hash is the new tree's", {"tree_hash": b"\1" * 32}),
    "group-id": ("The id of a group is constant", {"group_id": b"another"}),
    "suite": ("The cipher suite of a group is constant", {"cipher_suite": 3}),
    "extensions": (
        "The group's extensions change by GroupContextExtensions only",
        {"extensions": (Extension(1, b""),)},
    ),
}


@pytest.mark.parametrize("with_path", [True, False], ids=["path", "no-path"])
@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(fields, id=name, marks=rule("8.1", requirement))
        for name, (requirement, fields) in CONTEXTS.items()
    ],
)
def test_another_group_context(fields: dict[str, object], with_path: bool) -> None:
    groups = plain()
    bad = forge.commit(
        groups["ben"],
        [client().add],
        path=with_path,
        context=lambda context: replace(context, **fields),  # type: ignore[arg-type]
    )
    match = "HPKE ciphertext does not open" if with_path else "confirmation tag does not hold"
    forge.refused(groups["ana"], bad.message, match)


# After a commit, and before one ------------------------------------------------------------------------


@rule("12.4", "Pending proposals are committed before application data is sent")
def test_application_data_waits_for_the_commit() -> None:
    world = World.of(1, "ana", "ben", "cyd")
    world.groups["ben"], message = world.groups["ben"].propose(Remove(2), now=NOW)
    world.groups["ana"], _ = world.groups["ana"].process(message, now=NOW, authenticate=accept_any)
    for name in ("ana", "ben"):
        before = world.groups[name].to_bytes()
        with pytest.raises(ProposalsPending):
            world.groups[name].encrypt(b"too early", now=NOW)
        assert world.groups[name].to_bytes() == before
    world.groups["cyd"], _ = world.groups["cyd"].process(message, now=NOW, authenticate=accept_any)
    world.commit("ana")
    world.send("ana", b"now")


@rule("14", "Making a commit does not change the state that it is made from")
def test_making_a_commit_changes_nothing() -> None:
    ana = plain()["ana"]
    before = ana.to_bytes()
    made = ana.commit([client().add, Remove(3)], now=NOW)
    assert ana.to_bytes() == before
    assert made.group.epoch == ana.epoch + 1


@rule("12.4.2", "A group that a ReInit closed sends nothing more")
def test_a_closed_group_sends_nothing() -> None:
    made = plain()["ben"].commit([ReInit(b"new", MLS10, 1)], now=NOW)
    ana, _ = plain()["ana"].process(made.message, now=NOW, authenticate=accept_any)
    for group in (ana, made.group):
        before = group.to_bytes()
        calls: tuple[Callable[[], object], ...] = (
            lambda g=group: g.encrypt(b"x", now=NOW),  # type: ignore[misc]
            lambda g=group: g.commit(now=NOW),  # type: ignore[misc]
            lambda g=group: g.propose(Remove(3), now=NOW),  # type: ignore[misc]
            group.propose_update,
        )
        for call in calls:
            with pytest.raises(GroupClosed):
                call()
        assert group.to_bytes() == before


@rule("12.4.2", "A group that a ReInit closed takes no further commit or proposal")
def test_a_closed_group_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ben's program keeps the secrets of the closed epoch, and speaks in it."""
    with monkeypatch.context() as patched:
        patched.setattr(epoch, "_closed", lambda state: state)
        made = plain()["ben"].commit([ReInit(b"new", MLS10, 1)], now=NOW)
    ana, _ = plain()["ana"].process(made.message, now=NOW, authenticate=accept_any)
    still_open = Group(replace(made.group._state, reinit=None))
    forge.refused(ana, still_open.commit(now=NOW).message, "closed by a ReInit", kind=GroupClosed)
    forge.refused(ana, still_open.propose(Remove(3), now=NOW)[1], "closed by a ReInit", kind=GroupClosed)


@rule("12.4.2", "A removed member sends nothing more")
def test_a_removed_member_sends_nothing() -> None:
    made = plain()["ben"].commit([Remove(0)], now=NOW)
    ana, _ = plain()["ana"].process(made.message, now=NOW, authenticate=accept_any)
    before = ana.to_bytes()
    for call in (lambda: ana.encrypt(b"x", now=NOW), lambda: ana.commit(now=NOW), ana.propose_update):
        with pytest.raises(NotMember):
            call()
    assert ana.to_bytes() == before


# External commits (12.4.3.2, 12.2) ---------------------------------------------------------------------


Items = Callable[[tuple[ProposalOrRef, ...]], tuple[ProposalOrRef, ...]]


def external_init() -> ExternalInit:
    suite = cipher_suite(1)
    public = plain()["ana"]._state.secrets.external_key_pair(suite).public
    return ExternalInit(suite.external_init(public)[0])


EXTERNAL_LISTS: dict[str, tuple[str, str, str, Items]] = {
    "no-init": ("12.2", "An external commit has an ExternalInit", "exactly one ExternalInit", lambda _: ()),
    "two-inits": (
        "12.2",
        "An external commit has only one ExternalInit",
        "exactly one ExternalInit",
        lambda items: (*items, external_init()),
    ),
    "two-removes": (
        "12.2",
        "An external commit has at most one Remove",
        "at most one Remove",
        lambda items: (*items, Remove(2), Remove(3)),
    ),
    "remove-of-nobody": (
        "12.1.3",
        "A Remove is for a leaf that is not blank",
        "a Remove is for no member",
        lambda items: (*items, Remove(7)),
    ),
    "add": (
        "12.2",
        "An external commit holds no Add",
        "cannot stand there",
        lambda items: (*items, client("fay").add),
    ),
    "update": (
        "12.2",
        "An external commit holds no Update",
        "cannot stand there",
        lambda items: (*items, forge.update_of(plain()["ana"])),
    ),
    "extensions": (
        "12.2",
        "An external commit holds no GroupContextExtensions",
        "cannot stand there",
        lambda items: (*items, SetExtensions(())),
    ),
    "reinit": (
        "12.2",
        "An external commit holds no ReInit",
        "cannot stand there",
        lambda items: (*items, ReInit(b"new", MLS10, 1)),
    ),
    "psk-twice": (
        "12.2",
        "No two PreSharedKey proposals of an external commit are for the same PSK id",
        "a PSK stands twice",
        lambda items: (*items, psk(), psk()),
    ),
    "reference": (
        "12.4.3.2",
        "An external commit holds no proposal by reference",
        "by reference",
        lambda items: (*items, b"\1" * 32),
    ),
}


@pytest.mark.parametrize(
    ("match", "items"),
    [
        pytest.param(match, items, id=name, marks=rule(section, requirement))
        for name, (section, requirement, match, items) in EXTERNAL_LISTS.items()
    ],
)
def test_lists_of_external_commits(match: str, items: Items) -> None:
    groups = plain()
    bad = forge.external_commit(groups["ana"], "eve", items=items, psks=WORD)
    forge.refused(groups["ben"], bad.message, match, psks=WORD)
    forge.taken(groups["ben"], forge.external_commit(groups["ana"], "eve").message)


@rule("12.4.3.2", "An external commit has a path")
def test_an_external_commit_without_a_path() -> None:
    groups = plain()
    bad = forge.external_commit(groups["ana"], "eve", path=False)
    forge.refused(groups["ben"], bad.message, "may not send this")


@rule("12.4.3.2", "An external commit is signed by the key of its path's leaf")
@rule("6.1", "An external commit is signed by the key of its path's leaf")
def test_an_external_commit_signed_by_another() -> None:
    groups = plain()
    bad = forge.external_commit(groups["ana"], "eve", message_signer=signer_of(groups["dan"]))
    forge.refused(groups["ben"], bad.message, "signature does not hold")


@rule("6.1", "An external commit's signature covers the group context")
def test_an_external_commit_signed_for_another_context() -> None:
    groups = plain()
    state = groups["ana"]._state
    other = replace(state.context, confirmed_transcript_hash=b"\1" * 32)
    bad = forge.external_commit(Group(replace(state, context=other)), "eve")
    forge.refused(groups["ben"], bad.message, "the signature does not hold")


@rule("12.4.2", "The epoch of a commit is the group's")
def test_an_external_commit_of_another_epoch() -> None:
    groups = plain()
    bad = forge.external_commit(
        groups["ana"], "eve", content=lambda content: replace(content, epoch=content.epoch + 1)
    )
    forge.refused(groups["ben"], bad.message, "another epoch", kind=WrongEpoch)


@rule("12.4.3.2", "An external committer takes the leftmost free leaf")
@rule("12.4.2", "An external committer takes the leftmost free leaf")
def test_an_external_committer_in_another_place() -> None:
    groups = plain()
    bad = forge.external_commit(groups["ana"], "eve", skip=1)
    forge.refused(groups["ben"], bad.message, "signature of the committer's leaf does not hold")


@rule("12.4.3.2", "The init secret after an external commit is the one that its ExternalInit carries")
@rule("8.3", "The init secret after an external commit is the one that its ExternalInit carries")
def test_an_external_commit_with_another_init_secret() -> None:
    groups = plain()
    own = groups["ana"]._state.secrets.init_secret
    for init in (own, b"\1" * 32):
        bad = forge.external_commit(groups["ana"], "eve", init_secret=lambda _, i=init: i)  # type: ignore[misc]
        forge.refused(groups["ben"], bad.message, "confirmation tag does not hold")


@pytest.mark.parametrize("kem_output", [b"", bytes(31), bytes(33), bytes(32)])
@rule("8.3", "The KEM output of an ExternalInit can be decapsulated")
def test_an_unusable_kem_output(kem_output: bytes) -> None:
    groups = plain()
    bad = forge.external_commit(groups["ana"], "eve", items=lambda _: (ExternalInit(kem_output),))
    forge.refused(groups["ben"], bad.message, "KEM output of the ExternalInit cannot be used")


@rule("12.4.3.2", "The sender of an external commit is new_member_commit")
def test_an_external_commit_by_a_member() -> None:
    groups = plain()
    bad = forge.commit(groups["ben"], [external_init()])
    forge.refused(groups["ana"], bad.message, "ExternalInit stands in external commits only")


@rule("12.2", "The Remove of an external commit is for an earlier appearance of its sender")
def test_an_external_commit_puts_out_another() -> None:
    groups = plain()
    for name in ("mallory", "dan"):
        made = forge.external_commit(groups["ana"], name, items=lambda items: (*items, Remove(3)))
        if name == "dan":
            forge.taken(groups["ben"], made.message)
        else:
            forge.refused(groups["ben"], made.message, "replaced by somebody else's")


@rule("12.2", "The leaf of a resync would do as an Update of the removed one: its key is new")
def test_a_resync_keeps_the_old_encryption_key() -> None:
    groups = plain()
    old = leaf_of(groups["dan"]).encryption_key

    def change(leaf: LeafNode) -> LeafNode:
        return replace(leaf, encryption_key=old)

    bad = forge.external_commit(groups["ana"], "dan", items=lambda items: (*items, Remove(3)), leaf=change)
    forge.refused(groups["ben"], bad.message, "keeps its old encryption key")


@rule("12.4.3.2", "A GroupInfo without external_pub lets nobody in by a commit")
@rule("8.3", "The external key can be encapsulated to")
def test_group_infos_that_let_nobody_in() -> None:
    ana = plain()["ana"]
    signer, me = cipher_suite(1).generate_signature_key(), Credential.basic(b"eve")
    with pytest.raises(InvalidMessage, match="no key to come in by"):
        Group.join_by_commit(ana.group_info(external_pub=False), signer, me, authenticate=accept_any)
    info = parse_message(ana.group_info())
    assert isinstance(info, GroupInfo)
    kept = tuple(e for e in info.extensions if e.type != ExtensionType.EXTERNAL_PUB)
    unusable = replace(info, extensions=(*kept, external_pub_extension(bytes(32))))
    message = encode_message(unusable.signed(ana.suite, signer_of(ana).private))
    with pytest.raises(InvalidMessage, match="external key cannot be used"):
        Group.join_by_commit(message, signer, me, authenticate=accept_any)
