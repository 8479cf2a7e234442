"""Sections 12.1 to 12.3: proposals that are refused by themselves, and lists that are refused as a whole."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, cast

import pytest

from chappe.mls import (
    Add,
    Credential,
    Extension,
    ExtensionType,
    ExternalSender,
    Group,
    InvalidMessage,
    MalformedMessage,
    MLSError,
    PreSharedKey,
    PreSharedKeyID,
    Proposal,
    ReInit,
    Remove,
    RequiredCapabilities,
    ResumptionUsage,
    SetExtensions,
    SignatureKey,
    WrongEpoch,
    accept_any,
    cipher_suite,
    external_senders_extension,
    parse_key_package,
    propose_from_outside,
    propose_own_add,
)
from chappe.mls.framing import FramedContent, Sender, SenderType
from chappe.mls.key_package import KeyPackage
from chappe.mls.leaf_node import MLS10
from chappe.mls.proposals import ExternalInit, ProposalOrRef
from tests.mls.conformance import forge
from tests.mls.conformance.worlds import KIND, plain, rule, signer_of, strict
from tests.mls.world import NOW, Client, World

NH = 32


def client(name: str = "eve", suite: int = 1) -> Client:
    return Client.new(cipher_suite(suite), name)


def psk(nonce: bytes = b"\1" * NH, name: bytes = b"word") -> PreSharedKey:
    return PreSharedKey(PreSharedKeyID.external(name, nonce))


def resumption(usage: ResumptionUsage) -> PreSharedKey:
    ana = plain()["ana"]
    return PreSharedKey(PreSharedKeyID.resumption(usage, ana.group_id, ana.epoch, b"\1" * NH))


WORD = {b"word": b"secret", b"other": b"another secret"}


def refused_everywhere(bad: Proposal, match: str, *, made_here: bool = True) -> None:
    """As a proposal, in another's commit, and in one's own."""
    groups = plain()
    ana, ben = groups["ana"], groups["ben"]
    forge.refused(ana, forge.proposal(ben, bad), match)
    forge.refused(ana, forge.commit(ben, [bad], psks=WORD).message, match, psks=WORD)
    before = ana.to_bytes()
    if made_here:
        with pytest.raises(InvalidMessage, match=match):
            ana.commit([bad], now=NOW, psks=WORD)
        with pytest.raises(InvalidMessage, match=match):
            ana.propose(bad, now=NOW)
    assert ana.to_bytes() == before


# Every proposal (12.1) ---------------------------------------------------------------------------------


@rule("12.1", "The signature of a proposal is its sender's")
@rule("6.1", "A message from a member is signed by the key of its leaf")
def test_a_proposal_in_anothers_name() -> None:
    groups = plain()
    cyd = Sender.member(groups["cyd"].own_leaf)
    bad = forge.proposal(groups["ben"], Remove(3), sender=cyd)
    forge.refused(groups["ana"], bad, "the signature does not hold")
    forge.taken(groups["ana"], forge.proposal(groups["ben"], Remove(3)))


@pytest.mark.parametrize("by", [-1, 1])
@rule("12.1", "The epoch of a proposal is the group's")
def test_a_proposal_of_another_epoch(by: int) -> None:
    groups = plain()

    def moved(content: FramedContent) -> FramedContent:
        return replace(content, epoch=content.epoch + by)

    bad = forge.proposal(groups["ben"], Remove(3), content=moved)
    forge.refused(groups["ana"], bad, "another epoch", kind=WrongEpoch)


@rule("12.1", "The epoch of a proposal is the group's")
def test_a_private_proposal_of_a_past_epoch() -> None:
    """Its keys are still there: late application messages open, late proposals do not."""
    world = World.of(1, "ana", "ben", "cyd")
    _, late = world.groups["ben"].propose(Remove(2), now=NOW)
    _, message = world.groups["ben"].encrypt(b"late", now=NOW)
    world.commit("cyd")
    forge.refused(world.groups["ana"], late, "an epoch that is over", kind=WrongEpoch)
    assert world.open("ana", message).data == b"late"


@rule("6.1", "A member's signature covers the group context")
def test_a_proposal_signed_for_another_context() -> None:
    groups = plain()
    other = replace(groups["ben"]._state.context, confirmed_transcript_hash=b"\1" * NH)
    bad = forge.proposal(groups["ben"], Remove(3), context=other.encoded)
    forge.refused(groups["ana"], bad, "signature does not hold")


@dataclass(frozen=True)
class Strange:
    """A proposal of a type that no member lists."""

    type: ClassVar[int] = 0x0A0A

    def body(self) -> bytes:
        return b""


@rule("12.2", "No proposal of a type that some member does not support is committed")
@rule("13.2", "No proposal of a type that some member does not support is committed")
@rule("13.5", "A GREASE value is no proposal type")
def test_a_proposal_of_an_unknown_type() -> None:
    groups, strange = plain(), cast("Proposal", Strange())
    message = forge.commit(groups["ben"], [strange]).message
    forge.refused(groups["ana"], message, "has no known form", kind=MalformedMessage)
    forge.refused(
        groups["ana"], forge.proposal(groups["ben"], strange), "no known form", kind=MalformedMessage
    )


# Add (12.1.1, 10.1) ------------------------------------------------------------------------------------


def package_faults() -> dict[str, tuple[str, str, Callable[[], KeyPackage]]]:
    """(refusal, requirement, key package)."""

    def other_suite() -> KeyPackage:
        return forge.package(client(suite=3))

    def whole(change: Callable[[KeyPackage], KeyPackage]) -> Callable[[], KeyPackage]:
        return lambda: forge.package(client(), whole=change)

    def forged() -> KeyPackage:
        one = client()
        signed = forge.package(one, signer=signer_of(plain()["dan"]))
        return replace(signed, leaf_node=one.bundle.key_package.leaf_node)

    def changed() -> KeyPackage:
        return replace(client().bundle.key_package, extensions=(Extension(KIND, b""),))

    return {
        "suite": (
            "another suite than the group",
            "The cipher suite of a key package is the group's",
            other_suite,
        ),
        "version": (
            "another MLS version",
            "The version of a key package is the group's",
            whole(lambda package: replace(package, version=2)),
        ),
        "signature": (
            "key package signature",
            "A key package is signed by its leaf's signature key",
            forged,
        ),
        "content": ("key package signature", "The signature covers the whole key package", changed),
        "init-key": (
            "init key equals",
            "The init key is not the leaf's encryption key",
            whole(lambda package: replace(package, init_key=package.leaf_node.encryption_key)),
        ),
    }


@pytest.mark.parametrize(
    ("match", "make"),
    [
        pytest.param(
            match,
            make,
            id=name,
            marks=[rule("10.1", requirement), rule("12.1.1", "An Add's key package is valid")],
        )
        for name, (match, requirement, make) in package_faults().items()
    ],
)
def test_invalid_key_packages(match: str, make: Callable[[], KeyPackage]) -> None:
    refused_everywhere(Add(make()), match)


@rule("10.1", "The leaf of a key package is signed by its signature key")
def test_a_key_package_around_anothers_leaf() -> None:
    bad = Add(forge.package(client(), leaf_signer=signer_of(plain()["dan"])))
    refused_everywhere(bad, "leaf signature does not hold")


@rule("10", "The version of a key package is that of the message that carries it")
def test_a_key_package_of_another_version_than_its_message() -> None:
    bad = forge.package(client(), whole=lambda package: replace(package, version=2))
    with pytest.raises(MalformedMessage, match="another MLS version"):
        parse_key_package(bad.message)


# Remove, PreSharedKey, ReInit, ExternalInit ------------------------------------------------------------


@pytest.mark.parametrize("leaf", [4, 7, 100, 2**32 - 1])
@rule("12.1.3", "A Remove is for a leaf that is not blank")
def test_a_remove_for_nobody(leaf: int) -> None:
    refused_everywhere(Remove(leaf), "a Remove is for no member")


@pytest.mark.parametrize("nonce", [b"", b"\1" * (NH - 1), b"\1" * (NH + 1)])
@rule("12.1.4", "The nonce of a PSK is as long as the hash")
@rule("8.4", "The nonce of a PSK is as long as the hash")
def test_a_psk_nonce_of_another_length(nonce: bytes) -> None:
    refused_everywhere(psk(nonce), "nonce of a PSK has a wrong length")


@pytest.mark.parametrize(
    "usage",
    [
        pytest.param(
            ResumptionUsage.REINIT,
            marks=[
                rule("12.1.4", "A PSK for ReInit stands in no other commit"),
                rule("11.2", "A PSK for ReInit stands in no other commit"),
            ],
        ),
        pytest.param(
            ResumptionUsage.BRANCH,
            marks=[
                rule("12.1.4", "A PSK for branching stands in no other commit"),
                rule("11.3", "A PSK for branching stands in no other commit"),
            ],
        ),
    ],
)
def test_a_psk_for_successors(usage: ResumptionUsage) -> None:
    refused_everywhere(resumption(usage), "stands in another commit")
    groups = plain()
    good = forge.commit(groups["ben"], [resumption(ResumptionUsage.APPLICATION)])
    forge.taken(groups["ana"], good.message)


@rule("12.1.5", "A ReInit does not go back to an older version")
def test_a_reinit_to_an_older_version() -> None:
    refused_everywhere(ReInit(b"new", MLS10 - 1, 1), "older version")


@rule("12.1.6", "ExternalInit stands in external commits only")
@rule("12.2", "A member's commit holds no ExternalInit")
def test_an_external_init_by_a_member() -> None:
    kem_output, _ = plain()["ana"].suite.external_init(
        plain()["ana"]._state.secrets.external_key_pair(plain()["ana"].suite).public
    )
    refused_everywhere(ExternalInit(kem_output), "ExternalInit stands in external commits only")


# GroupContextExtensions (12.1.7) -----------------------------------------------------------------------


def required(*kinds: int) -> Extension:
    data = RequiredCapabilities(kinds, (), ()).encode()
    return Extension(ExtensionType.REQUIRED_CAPABILITIES, data)


def refused_in_commits(
    groups: dict[str, Group], items: Sequence[Proposal], match: str, kind: type[MLSError] = InvalidMessage
) -> None:
    """In another's commit, and in one's own."""
    ana = groups["ana"]
    message = forge.commit(groups["ben"], items, psks=WORD).message
    forge.refused(ana, message, match, psks=WORD, kind=kind)
    before = ana.to_bytes()
    with pytest.raises(kind, match=match):
        ana.commit(items, now=NOW, psks=WORD)
    assert ana.to_bytes() == before


@rule("12.1.7", "Required capabilities are supported by every member")
@rule("11.1", "Required capabilities are supported by every member")
def test_requiring_what_members_lack() -> None:
    refused_in_commits(plain(), [SetExtensions((required(KIND),))], "lacks a required capability")
    forge.taken(strict()["ana"], forge.commit(strict()["ben"], [SetExtensions((required(KIND),))]).message)


@rule("12.1.7", "Required capabilities are supported by members added in the same commit")
@rule("12.3", "Other proposals of a commit are held against its new extensions")
def test_requiring_what_a_new_member_lacks() -> None:
    bad: list[Proposal] = [SetExtensions((required(KIND),)), client().add]
    refused_in_commits(strict(), bad, "lacks a required capability")
    refused_in_commits(strict(), bad[::-1], "lacks a required capability")
    # The control: what the group requires no longer need not be supported.
    good = forge.commit(strict()["ben"], [SetExtensions(()), client().add]).message
    forge.taken(strict()["ana"], good)


@rule("12.1.7", "Who is removed in the same commit need not support what is then required (the control)")
def test_requiring_what_a_removed_member_lacks() -> None:
    groups = dict(strict())
    first = groups["ben"].commit([SetExtensions(()), client().add], now=NOW)
    ana, _ = groups["ana"].process(first.message, now=NOW, authenticate=accept_any)
    ben = first.group
    last = ana.members[-1].leaf_index
    refused_in_commits({"ana": ana, "ben": ben}, [SetExtensions((required(KIND),))], "lacks a required")
    forge.taken(ana, forge.commit(ben, [SetExtensions((required(KIND),)), Remove(last)]).message)


@rule("13.4", "An extension of the group is supported by every member")
@rule("12.1.7", "An extension of the group is supported by every member")
def test_an_extension_that_members_lack() -> None:
    refused_in_commits(plain(), [SetExtensions((Extension(KIND, b""),))], "does not support an extension")
    good = SetExtensions((Extension(KIND, b""),))
    forge.taken(strict()["ana"], forge.commit(strict()["ben"], [good]).message)


@rule("13.4", "No list of extensions holds a type twice")
def test_an_extension_twice_in_the_group() -> None:
    groups = strict()
    twice = SetExtensions((Extension(KIND, b"1"), Extension(KIND, b"2")))
    message = forge.commit(groups["ben"], [twice]).message
    forge.refused(groups["ana"], message, "stands twice", kind=MalformedMessage)


@rule("13.4", "No list of extensions holds a type twice")
def test_an_extension_twice_in_other_lists() -> None:
    twice = (Extension(KIND, b"1"), Extension(KIND, b"2"))
    groups = strict()
    one = client()
    for bad in (
        Add(forge.package(one, leaf=lambda leaf: replace(leaf, extensions=twice))),
        Add(forge.package(one, whole=lambda package: replace(package, extensions=twice))),
        ReInit(b"new", MLS10, 1, twice),
    ):
        message = forge.commit(groups["ben"], [bad]).message
        forge.refused(groups["ana"], message, "stands twice", kind=MalformedMessage)
    leaf = forge.commit(groups["ben"], leaf=lambda leaf: replace(leaf, extensions=twice))
    forge.refused(groups["ana"], leaf.message, "stands twice", kind=MalformedMessage)


# From outside (12.1.8) ---------------------------------------------------------------------------------


def with_senders() -> tuple[dict[str, Group], SignatureKey]:
    officer = cipher_suite(1).generate_signature_key()
    extension = external_senders_extension(ExternalSender(officer.public, Credential.basic(b"officer")))
    return World.of(1, "ana", "ben", "cyd", extensions=(extension,)).groups, officer


@rule("12.1.8", "Without external_senders nobody proposes from outside")
@rule("12.1.8", "Only the senders listed propose from outside")
@rule("6.1", "An external sender signs with the key at its index")
def test_senders_that_are_not_listed() -> None:
    groups, officer = with_senders()
    other = cipher_suite(1).generate_signature_key()
    for group, signer, index, match in (
        (plain()["ana"], officer, 0, "may not send this"),
        (groups["ana"], officer, 1, "may not send this"),
        (groups["ana"], other, 0, "signature does not hold"),
    ):
        bad = propose_from_outside(
            group.suite, group.group_id, group.epoch, signer, index, Remove(1), now=NOW
        )
        forge.refused(group, bad, match)
    ana = groups["ana"]
    forge.taken(ana, propose_from_outside(ana.suite, ana.group_id, ana.epoch, officer, 0, Remove(1), now=NOW))


@pytest.mark.parametrize("kind", ["update", "external_init"])
@rule("12.1.8", "An external sender proposes Add, Remove, PreSharedKey, ReInit, GroupContextExtensions only")
def test_what_no_external_sender_proposes(kind: str) -> None:
    groups, officer = with_senders()
    bad: Proposal = forge.update_of(groups["ben"]) if kind == "update" else ExternalInit(b"\1" * 32)
    sender = Sender(SenderType.EXTERNAL, 0)
    message = forge.proposal(groups["ben"], bad, sender=sender, signer=officer, context=b"")
    forge.refused(groups["ana"], message, "an external sender cannot propose this")
    ref, (ana, ben) = forge.pending(bad, sender, groups["ana"], groups["ben"])
    forge.refused(ana, forge.commit(ben, [ref]).message, "an external sender cannot propose this")


@rule("12.1.8", "A new member proposes its own Add only")
@rule("6.1", "What a new member proposes is an Add")
def test_a_new_member_proposes_something_else() -> None:
    groups, one = plain(), client()
    sender = Sender(SenderType.NEW_MEMBER_PROPOSAL)
    bad = forge.proposal(groups["ben"], Remove(1), sender=sender, signer=one.signer)
    forge.refused(groups["ana"], bad, "may not send this")
    ref, (ana, ben) = forge.pending(Remove(3), sender, groups["ana"], groups["ben"])
    forge.refused(ana, forge.commit(ben, [ref]).message, "can only propose its Add")


@rule("6.1", "A new member's proposal is signed by its key package's key")
@rule("12.1.8", "Nobody proposes another's Add as a new member")
def test_an_add_in_anothers_name() -> None:
    ana, one, other = plain()["ana"], client(), client("mallory")
    package = one.bundle.key_package
    bad = propose_own_add(ana.group_id, ana.epoch, package, other.signer, now=NOW)
    forge.refused(ana, bad, "signature does not hold")
    forge.taken(ana, propose_own_add(ana.group_id, ana.epoch, package, one.signer, now=NOW))


@pytest.mark.parametrize(
    "sender",
    [Sender(SenderType.EXTERNAL, 0), Sender(SenderType.NEW_MEMBER_PROPOSAL)],
    ids=["external", "new"],
)
@rule("6.1", "An external sender's content is a proposal")
@rule("6.1", "A new member's content is a proposal, or an external commit")
def test_commits_by_those_who_only_propose(sender: Sender) -> None:
    groups, officer = with_senders()
    bad = forge.external_commit(groups["ana"], "eve", sender=sender, message_signer=officer)
    forge.refused(groups["ben"], bad.message, "may not send this")


@rule("6.1", "The content of a new_member_commit is a commit")
def test_a_proposal_by_one_who_commits() -> None:
    groups, one = plain(), client()
    sender = Sender(SenderType.NEW_MEMBER_COMMIT)
    bad = forge.proposal(groups["ben"], one.add, sender=sender, signer=one.signer)
    forge.refused(groups["ana"], bad, "may not send this")


# Credentials (5.3.1) -----------------------------------------------------------------------------------


class NotOurs(MLSError):
    pass


def refuse_mallory(credential: Credential, signature_key: bytes) -> None:
    if credential.identity == b"mallory":
        raise NotOurs("not ours")


@rule("5.3.1", "The credential of an added member is authenticated")
def test_the_credential_of_an_add() -> None:
    groups, one = plain(), client("mallory")
    for message in (forge.proposal(groups["ben"], one.add), forge.commit(groups["ben"], [one.add]).message):
        forge.refused(groups["ana"], message, "not ours", kind=NotOurs, authenticate=refuse_mallory)
        forge.taken(groups["ana"], message)


@rule("5.3.1", "The credential of an Update is authenticated")
@rule("5.3.1", "The credential of an update path is authenticated")
@rule("5.3.1", "A credential that takes the place of another is a valid successor")
def test_the_credential_of_a_changed_leaf() -> None:
    groups, mallory = plain(), Credential.basic(b"mallory")
    update = forge.update_of(groups["ben"], lambda leaf: replace(leaf, credential=mallory))
    commit = forge.commit(groups["ben"], leaf=lambda leaf: replace(leaf, credential=mallory)).message
    for message in (forge.proposal(groups["ben"], update), commit):
        forge.refused(
            groups["ana"],
            message,
            "not ours",
            kind=NotOurs,
            authenticate=refuse_mallory,
            succeeds=lambda old, new: True,
        )
        forge.refused(groups["ana"], message, "replaced by somebody else's")
        forge.taken(groups["ana"], message, succeeds=lambda old, new: True)


@rule("5.3.1", "The credentials of an external committer and of the group it joins are authenticated")
def test_the_credentials_of_an_external_commit() -> None:
    groups = plain()
    bad = forge.external_commit(groups["ana"], "mallory").message
    forge.refused(groups["ben"], bad, "not ours", kind=NotOurs, authenticate=refuse_mallory)
    world = World.of(1, "ana", "mallory")
    info = world.groups["ana"].group_info()
    signer = world.suite.generate_signature_key()
    with pytest.raises(NotOurs):
        Group.join_by_commit(info, signer, Credential.basic(b"eve"), authenticate=refuse_mallory)


@rule("5.3.1", "The credentials of the members of a group that one is let in to are authenticated")
def test_the_credentials_of_a_welcome() -> None:
    world, one = World.of(1, "ana", "mallory"), client()
    made = world.commit("ana", one.add)
    assert made.welcome is not None
    with pytest.raises(NotOurs):
        Group.join(made.welcome, one.bundle, one.signer, authenticate=refuse_mallory)
    Group.join(made.welcome, one.bundle, one.signer, authenticate=accept_any)


@rule("5.3.1", "The credential of a new external sender is authenticated")
def test_the_credential_of_an_external_sender() -> None:
    groups, key = plain(), cipher_suite(1).generate_signature_key()
    extension = external_senders_extension(ExternalSender(key.public, Credential.basic(b"mallory")))
    bad = SetExtensions((extension,))
    for message in (forge.proposal(groups["ben"], bad), forge.commit(groups["ben"], [bad]).message):
        forge.refused(groups["ana"], message, "not ours", kind=NotOurs, authenticate=refuse_mallory)
        forge.taken(groups["ana"], message)


@rule("5.3.1", "The credentials of the external senders of a group that one joins are authenticated")
def test_the_credentials_of_external_senders_on_joining() -> None:
    key, one = cipher_suite(1).generate_signature_key(), client()
    extension = external_senders_extension(ExternalSender(key.public, Credential.basic(b"mallory")))
    world = World.of(1, "ana", "ben", extensions=(extension,))
    made = world.commit("ana", one.add)
    assert made.welcome is not None
    with pytest.raises(NotOurs):
        Group.join(made.welcome, one.bundle, one.signer, authenticate=refuse_mallory)
    with pytest.raises(NotOurs):
        Group.join_by_commit(
            world.groups["ana"].group_info(),
            one.signer,
            Credential.basic(b"fay"),
            authenticate=refuse_mallory,
        )


@rule("12.1.8.1", "The external_senders extension has its form")
def test_external_senders_of_another_form() -> None:
    groups = plain()
    bad = SetExtensions((Extension(ExtensionType.EXTERNAL_SENDERS, b"\x05"),))
    message = forge.commit(groups["ben"], [bad]).message
    forge.refused(groups["ana"], message, "truncated", kind=MalformedMessage)


# Lists of a member's commit (12.2) ---------------------------------------------------------------------


@rule("12.2", "A commit holds no Update by its committer")
def test_the_committers_own_update() -> None:
    groups = plain()
    update = forge.update_of(groups["ben"])
    forge.refused(
        groups["ana"], forge.commit(groups["ben"], [update]).message, "cannot be committed by value"
    )
    me = Sender.member(groups["ben"].own_leaf)
    ref, (ana, ben) = forge.pending(update, me, groups["ana"], groups["ben"])
    forge.refused(ana, forge.commit(ben, [ref]).message, "cannot commit its own Update")
    # The control: another commits it. And a sender leaves out its own.
    forge.taken(
        ana, forge.commit(Group(replace(groups["cyd"]._state, proposals=ben._state.proposals)), [ref]).message
    )
    assert ben.commit(now=NOW).applied.updated == ()


@rule("12.2", "A commit does not remove its committer")
def test_the_committer_removes_itself() -> None:
    groups = plain()
    own = Remove(groups["ben"].own_leaf)
    forge.refused(groups["ana"], forge.commit(groups["ben"], [own]).message, "cannot remove itself")
    ref, (ana, ben) = forge.pending(own, Sender.member(2), groups["ana"], groups["ben"])
    forge.refused(ana, forge.commit(ben, [ref]).message, "cannot remove itself")
    with pytest.raises(InvalidMessage, match="cannot remove itself"):
        groups["ben"].commit([own], now=NOW)
    assert ben.commit(now=NOW).applied.removed == ()


@pytest.mark.parametrize("kinds", ["uu", "ur", "ru", "rr"])
@rule("12.2", "At most one Update or Remove of a commit is for one leaf")
def test_two_changes_of_one_leaf(kinds: str) -> None:
    groups = plain()
    ana, ben = groups["ana"], groups["ben"]
    items: list[ProposalOrRef] = []
    for kind in kinds:
        change: Proposal = Remove(2) if kind == "r" else forge.update_of(groups["cyd"])
        sender = Sender.member(2 if kind == "u" else 3)
        ref, (ana, ben) = forge.pending(change, sender, ana, ben)
        items.append(ref)
    forge.refused(ana, forge.commit(ben, items).message, "two Updates or Removes for one member")
    forge.taken(ana, forge.commit(ben, items[:1]).message)
    # A sender keeps one of them, a Remove before an Update.
    applied = ben.commit(now=NOW).applied
    assert (len(applied.removed), len(applied.updated)) == ((1, 0) if "r" in kinds else (0, 1))


@rule("12.2", "No two Adds of a commit are for one client")
def test_one_client_added_twice() -> None:
    one = client()
    refused_in_commits(plain(), [one.add, one.add], "key stands twice")
    again = Add(
        forge.package(
            one,
            leaf=lambda leaf: replace(leaf, encryption_key=one.suite.generate_key_pair(os.urandom).public),
        )
    )
    refused_in_commits(plain(), [one.add, again], "key stands twice")


@rule("12.2", "No Add is for a client that is a member and is not removed by the same commit")
def test_a_member_is_added_again() -> None:
    groups = plain()
    one = replace(client("dan"), signer=signer_of(groups["dan"]))
    again = Add(forge.package(one, leaf=lambda leaf: replace(leaf, signature_key=one.signer.public)))
    refused_in_commits(groups, [again], "key stands twice")
    forge.taken(groups["ana"], forge.commit(groups["ben"], [Remove(3), again]).message)


@rule("12.2", "No two PreSharedKey proposals of a commit are for the same PSK id")
def test_one_psk_twice() -> None:
    refused_in_commits(plain(), [psk(), psk()], "a PSK stands twice")
    groups = plain()
    message = forge.commit(groups["ben"], [psk(), psk(b"\2" * NH)], psks=WORD).message
    groups["ana"].process(message, now=NOW, authenticate=accept_any, psks=WORD)


@rule("12.2", "A commit holds at most one GroupContextExtensions")
def test_two_changes_of_the_extensions() -> None:
    refused_in_commits(plain(), [SetExtensions(()), SetExtensions(())], "two GroupContextExtensions")


@pytest.mark.parametrize(
    "other", [Remove(2), psk(), ReInit(b"newer", MLS10, 1)], ids=["remove", "psk", "reinit"]
)
@rule("12.2", "A ReInit stands alone in a commit")
def test_a_reinit_with_something_else(other: Proposal) -> None:
    refused_in_commits(plain(), [ReInit(b"new", MLS10, 1), other], "a ReInit stands alone")


@rule("12.4.2", "Every PSK of a commit is at hand")
def test_a_psk_that_is_not_at_hand() -> None:
    groups = plain()
    message = forge.commit(groups["ben"], [psk()], psks=WORD).message
    forge.refused(groups["ana"], message, "pre-shared key that this client does not have")
    with pytest.raises(InvalidMessage, match="pre-shared key that this client does not have"):
        groups["ana"].commit([psk()], now=NOW)


# The order of 12.3 -------------------------------------------------------------------------------------


@rule("12.3", "Adds are applied in the order of the list")
def test_adds_in_another_order() -> None:
    groups, adds = plain(), [client("eve").add, client("fay").add]
    bad = forge.commit(groups["ben"], adds, applies=adds[::-1], path=False)
    forge.refused(groups["ana"], bad.message, "confirmation tag does not hold")
    forge.taken(groups["ana"], forge.commit(groups["ben"], adds, path=False).message)


@rule("12.3", "PSKs enter the key schedule in the order of the list")
@rule("8.4", "PSKs enter the key schedule in the order of the list")
def test_psks_in_another_order() -> None:
    groups, psks = plain(), [psk(), psk(name=b"other")]
    bad = forge.commit(groups["ben"], psks, applies=psks[::-1], psks=WORD)
    forge.refused(groups["ana"], bad.message, "confirmation tag does not hold", psks=WORD)


@rule("12.3", "Removes are applied before Adds")
def test_an_add_takes_the_place_of_a_remove() -> None:
    groups, one = plain(), client()
    after = forge.taken(groups["ana"], forge.commit(groups["ben"], [one.add, Remove(3)]).message)
    leaf = after._state.tree.leaf(3)
    assert leaf is not None
    assert leaf.credential.identity == b"eve"
    # Applied the other way round the new member stands elsewhere, in a tree twice as wide.
    items: list[ProposalOrRef] = [one.add, Remove(3)]
    bad = forge.commit(groups["ben"], items, applies=items, literally=True)
    forge.refused(groups["ana"], bad.message, "wrong length")


def test_commits_are_what_the_forger_signs() -> None:
    """The control of the whole file: a forger that does what it says is believed."""
    groups = plain()
    message = forge.commit(groups["ben"], [Remove(3)]).message
    assert forge.taken(groups["ana"], message).epoch == groups["ana"].epoch + 1
