"""Pre-shared keys: external ones, and the resumption keys of past epochs."""

from __future__ import annotations

import pytest

from chappe.mls import (
    IMPLEMENTED,
    Group,
    InvalidMessage,
    PreSharedKey,
    PreSharedKeyID,
    ResumptionUsage,
    accept_any,
)
from chappe.mls.epoch import MAX_RESUMPTION_EPOCHS
from tests.mls.world import NOW, Client, World


def external(world: World, name: bytes = b"word", nonce: int = 0) -> PreSharedKey:
    return PreSharedKey(PreSharedKeyID.external(name, bytes([nonce]) * world.suite.nh))


def resumption(
    world: World, epoch: int, usage: ResumptionUsage = ResumptionUsage.APPLICATION
) -> PreSharedKey:
    group_id = next(iter(world.groups.values())).group_id
    return PreSharedKey(PreSharedKeyID.resumption(usage, group_id, epoch, bytes(world.suite.nh)))


@pytest.mark.parametrize("suite", IMPLEMENTED)
@pytest.mark.parametrize("update_path", [True, False])
def test_a_psk_enters_the_epoch(suite: int, update_path: bool) -> None:
    world = World.of(suite, "ana", "ben", "cyd")
    psks = {b"word": b"secret", b"other": b"more"}
    world.commit("ana", external(world), external(world, b"other"), update_path=update_path, psks=psks)
    world.send("cyd", b"after")


def test_without_the_psk_or_with_another_the_commit_is_refused() -> None:
    world = World.of(1, "ana", "ben")
    ben = world.groups["ben"]
    result = world.groups["ana"].commit([external(world)], now=NOW, psks={b"word": b"secret"})
    for psks in ({}, {b"word": b"another"}, {b"other": b"secret"}):
        with pytest.raises(InvalidMessage):
            ben.process(result.message, now=NOW, authenticate=accept_any, psks=psks)
    with pytest.raises(InvalidMessage):
        world.groups["ana"].commit([external(world)], now=NOW)


def test_by_reference_and_in_the_order_of_the_commit() -> None:
    world = World.of(0xF00D, "ana", "ben", "cyd")
    world.groups["ben"], message = world.groups["ben"].propose(external(world), now=NOW)
    world.share("ben", message)
    world.commit("cyd", external(world, b"other"), psks={b"word": b"1", b"other": b"2"})


def test_a_joiner_needs_the_psk_too() -> None:
    world = World.of(1, "ana", "ben")
    cyd, psks = Client.new(world.suite, "cyd"), {b"word": b"secret"}
    result = world.commit("ana", cyd.add, external(world), psks=psks)
    assert result.welcome is not None
    for wrong in ({}, {b"word": b"another"}):
        with pytest.raises(InvalidMessage):
            Group.join(result.welcome, cyd.bundle, cyd.signer, authenticate=accept_any, psks=wrong)
    world.groups["cyd"] = Group.join(
        result.welcome, cyd.bundle, cyd.signer, authenticate=accept_any, psks=psks
    )
    world.check_agreement()


def test_the_resumption_psk_of_a_past_epoch() -> None:
    world = World.of(0xF00D, "ana", "ben")
    first = world.groups["ana"].epoch
    world.commit("ben")
    world.commit("ana", resumption(world, first))
    for _ in range(MAX_RESUMPTION_EPOCHS):
        world.commit("ben")
    with pytest.raises(InvalidMessage):
        world.groups["ana"].commit([resumption(world, first)], now=NOW)


def test_the_resumption_psk_of_another_group() -> None:
    """Members of both groups can commit it; who is not in the other cannot follow."""
    world, other = World.of(1, "ana", "ben", "cyd"), World.of(1, "ana", "ben")
    another = other.groups["ana"].branch(
        b"another id", [Client.new(other.suite, "ben").bundle.key_package], now=NOW
    )
    psk = PreSharedKeyID.resumption(ResumptionUsage.APPLICATION, b"another id", 1, bytes(world.suite.nh))
    result = world.groups["ana"].commit([PreSharedKey(psk)], now=NOW, groups=[another.group])
    after, _ = world.groups["ben"].process(
        result.message, now=NOW, authenticate=accept_any, groups=[another.group]
    )
    assert after.epoch_authenticator == result.group.epoch_authenticator
    with pytest.raises(InvalidMessage):
        world.groups["cyd"].process(result.message, now=NOW, authenticate=accept_any)


def test_no_psk_shows_in_a_repr() -> None:
    from chappe.mls.psks import PskStore

    assert "secret" not in repr(PskStore({b"word": b"secret"}, {(b"g", 1): b"secret"}))
