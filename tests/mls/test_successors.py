"""Groups that follow on another: reinitialised, and branched off."""

from __future__ import annotations

from dataclasses import replace

import pytest

from chappe.mls import (
    Credential,
    Extension,
    Group,
    GroupClosed,
    InvalidMessage,
    KeyPackageBundle,
    PreSharedKey,
    PreSharedKeyID,
    ReInit,
    ResumptionUsage,
    SignatureKey,
    accept_any,
    cipher_suite,
)
from chappe.mls.leaf_node import MLS10
from tests.mls.world import NOW, Client, World


def closed(suite: int, new_suite: int, *names: str) -> tuple[World, ReInit]:
    """A group that a ReInit closed."""
    world = World.of(suite, *names)
    reinit = ReInit(b"the new one", MLS10, new_suite, (Extension(1, b""),))
    result = world.commit(names[0], reinit)
    assert result.applied.reinit == reinit
    assert all(group.reinit == reinit for group in world.groups.values())
    return world, reinit


def packages(suite: int, *names: str) -> tuple[dict[str, Client], list[KeyPackageBundle]]:
    clients = {name: Client.new(cipher_suite(suite), name) for name in names}
    return clients, [client.bundle for client in clients.values()]


@pytest.mark.parametrize(("suite", "new_suite"), [(1, 0xF00D), (2, 4), (0xF00D, 7)])
def test_a_group_is_reinitialised_with_another_suite(suite: int, new_suite: int) -> None:
    world, _ = closed(suite, new_suite, "ana", "ben", "cyd")
    clients, bundles = packages(new_suite, "ana", "cyd")
    # Not who committed the ReInit: anybody may carry it out.
    signer = cipher_suite(new_suite).generate_signature_key()
    result = world.groups["ben"].reinitialise(
        signer, Credential.basic(b"ben"), [b.key_package for b in bundles], now=NOW
    )
    assert result.welcome is not None
    new = World(cipher_suite(new_suite), {"ben": result.group})
    for name, client in clients.items():
        old = world.groups[name]
        new.groups[name] = Group.join(
            result.welcome, client.bundle, client.signer, authenticate=accept_any, groups=[old]
        )
    new.check_agreement()
    assert new.groups["ana"].group_id == b"the new one"
    assert new.groups["ana"].epoch == 1
    new.send("cyd", b"we moved")
    new.commit("ana")


def test_a_closed_group_says_nothing_more_and_reads_what_came_late() -> None:
    world = World.of(1, "ana", "ben")
    world.groups["ben"], late = world.groups["ben"].encrypt(b"late", now=NOW)
    world.commit("ana", ReInit(b"new", MLS10, 1))
    ana = Group.from_bytes(world.groups["ana"].to_bytes())
    assert ana.reinit == ReInit(b"new", MLS10, 1)
    for call in (
        lambda: ana.encrypt(b"x", now=NOW),
        lambda: ana.commit(now=NOW),
        ana.propose_update,
        ana.group_info,
        lambda: ana.branch(b"b", [], now=NOW),
    ):
        with pytest.raises(GroupClosed):
            call()
    world.groups["ana"] = ana
    assert world.open("ana", late).data == b"late"


def test_a_joiner_holds_the_new_group_against_the_reinit() -> None:
    world, _ = closed(1, 1, "ana", "ben", "cyd")
    clients, bundles = packages(1, "ben", "cyd")
    everyone = [b.key_package for b in bundles]
    ana, signer = world.groups["ana"], world.suite.generate_signature_key()
    me = Credential.basic(b"ana")

    def welcome(old: Group, keys: list[KeyPackageBundle]) -> bytes:
        made = old.reinitialise(signer, me, [k.key_package for k in keys], now=NOW)
        assert made.welcome is not None
        return made.welcome

    def join(data: bytes, *groups: Group) -> Group:
        ben = clients["ben"]
        return Group.join(data, ben.bundle, ben.signer, authenticate=accept_any, groups=groups)

    good, ben = welcome(ana, bundles), world.groups["ben"]
    join(good, ben)
    with pytest.raises(InvalidMessage):
        join(good)  # the old group is not known
    with pytest.raises(InvalidMessage):  # somebody is left out
        ana.reinitialise(signer, me, everyone[:1], now=NOW)
    with pytest.raises(InvalidMessage):  # somebody else comes in
        ana.reinitialise(signer, me, [*everyone, Client.new(world.suite, "eve").bundle.key_package], now=NOW)
    for wrong in (
        ReInit(b"another id", MLS10, 1, (Extension(1, b""),)),
        ReInit(b"the new one", MLS10, 1, ()),
        ReInit(b"the new one", MLS10, 3, (Extension(1, b""),)),
    ):
        with pytest.raises(InvalidMessage):
            join(good, Group(replace(ben._state, reinit=wrong)))
    with pytest.raises(InvalidMessage):  # of a group that was not closed
        join(good, Group(replace(ben._state, reinit=None)))


def test_only_a_closed_group_is_reinitialised() -> None:
    world = World.of(1, "ana", "ben")
    with pytest.raises(InvalidMessage):
        world.groups["ana"].reinitialise(
            world.suite.generate_signature_key(), Credential.basic(b"ana"), [], now=NOW
        )


def branched(world: World, *names: str) -> tuple[dict[str, Client], Group, bytes]:
    clients, bundles = packages(world.suite.id, *names)
    made = world.groups["ana"].branch(b"aside", [b.key_package for b in bundles], now=NOW)
    assert made.welcome is not None
    return clients, made.group, made.welcome


@pytest.mark.parametrize("suite", [1, 0xF00D])
def test_some_members_branch_off(suite: int) -> None:
    world = World.of(suite, "ana", "ben", "cyd")
    clients, group, welcome = branched(world, "cyd")
    cyd = clients["cyd"]
    aside = World(world.suite, {"ana": group})
    aside.groups["cyd"] = Group.join(
        welcome, cyd.bundle, cyd.signer, authenticate=accept_any, groups=[world.groups["cyd"]]
    )
    aside.send("cyd", b"between us")
    world.send("ben", b"the old group goes on")


def test_a_branch_holds_members_of_its_group_only() -> None:
    world = World.of(1, "ana", "ben")
    with pytest.raises(InvalidMessage):
        branched(world, "eve")
    other = World.of(1, "ana", "eve")
    clients, _, welcome = branched(other, "eve")
    eve = clients["eve"]
    for known in ([], [world.groups["ben"]]):
        with pytest.raises(InvalidMessage):
            Group.join(welcome, eve.bundle, eve.signer, authenticate=accept_any, groups=known)


def test_a_branch_of_an_epoch_that_is_over_is_refused() -> None:
    world = World.of(1, "ana", "ben")
    clients, _, welcome = branched(world, "ben")
    world.commit("ana")
    ben = clients["ben"]
    with pytest.raises(InvalidMessage):
        Group.join(welcome, ben.bundle, ben.signer, authenticate=accept_any, groups=[world.groups["ben"]])


@pytest.mark.parametrize("usage", [ResumptionUsage.REINIT, ResumptionUsage.BRANCH])
def test_their_psks_stand_in_no_other_commit(usage: ResumptionUsage) -> None:
    world = World.of(1, "ana", "ben")
    ana = world.groups["ana"]
    psk = PreSharedKeyID.resumption(usage, ana.group_id, ana.epoch, bytes(world.suite.nh))
    with pytest.raises(InvalidMessage):
        ana.commit([PreSharedKey(psk)], now=NOW)
    with pytest.raises(InvalidMessage):
        ana.propose(PreSharedKey(psk), now=NOW)


def test_a_signature_key_may_serve_in_both_groups() -> None:
    """A branch keeps its founder's key: the two groups have nothing else in common."""
    world = World.of(1, "ana", "ben")
    _, group, _ = branched(world, "ben")
    key: SignatureKey = world.groups["ana"]._state.signer
    assert group._state.signer == key
    assert group.epoch_authenticator != world.groups["ana"].epoch_authenticator
