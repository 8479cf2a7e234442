"""Moving groups against a real relay: one winner per epoch, Welcomes in the same transaction, or nothing."""

from __future__ import annotations

import asyncio
import hashlib
import secrets

import msgspec
import pytest

from chappe.relay.locks import lock_of
from chappe.relay.usecases.move_group import welcome_id
from chappe.wire import frames
from tests.relay import stores
from tests.relay.test_mailboxes import rows
from tests.relay.world import Device, RelayProcess


class Group:
    """A group's openers: one secret per epoch, as the exporter would give them."""

    def __init__(self) -> None:
        self.id = secrets.token_bytes(32)
        self._openers: dict[int, bytes] = {}

    def opener(self, epoch: int) -> bytes:
        return self._openers.setdefault(epoch, secrets.token_bytes(32))

    def commit(
        self,
        epoch: int,
        to: list[Device],
        payload: bytes = b"commit",
        welcomes: list[frames.WelcomeFor] | None = None,
        **changes: object,
    ) -> frames.Commit:
        made = frames.Commit(
            ref=1,
            id=secrets.token_bytes(16),
            group=self.id,
            epoch=epoch,
            opener=self.opener(epoch),
            next_lock=lock_of(self.opener(epoch + 1)),
            to=[device.id for device in to],
            payload=payload,
            welcomes=welcomes or [],
        )
        return msgspec.structs.replace(made, **changes)


async def people(relay: RelayProcess, count: int) -> list[Device]:
    return [await relay.device("g" + secrets.token_hex(5)) for _ in range(count)]


def state(relay: RelayProcess, group: Group) -> tuple[int, bytes] | None:
    found = stores.rows(relay.settings, "SELECT epoch, lock FROM groups WHERE group_id = ?", group.id)
    return (found[0][0], found[0][1]) if found else None


def test_the_lock_is_a_hash_with_a_context() -> None:
    opener = bytes(range(32))
    assert lock_of(opener) == hashlib.sha256(b"chappe lock v1" + opener).digest()


async def test_a_group_starts_at_epoch_zero_and_moves(relay: RelayProcess) -> None:
    ada, bob, cleo = await people(relay, 3)
    group = Group()
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b, relay.sign_in(cleo) as c:
        first = group.commit(0, [], welcomes=[frames.WelcomeFor([bob.id], b"welcome bob")])
        await a.say(first)
        assert (await a.hear(frames.Accepted)).id == first.id
        welcomed = await b.hear(frames.Deliver)
        assert (welcomed.payload, welcomed.id) == (b"welcome bob", welcome_id(first.id, 0))
        second = group.commit(1, [ada], b"cleo joins", [frames.WelcomeFor([cleo.id], b"welcome cleo")])
        await b.say(second)
        await b.hear(frames.Accepted)
        moved = await a.hear(frames.Deliver)
        assert (moved.payload, moved.id) == (b"cleo joins", second.id)
        assert (await c.hear(frames.Deliver)).payload == b"welcome cleo"
    assert state(relay, group) == (2, lock_of(group.opener(2)))


async def test_the_loser_of_a_race_gets_conflict_and_the_winners_commit(relay: RelayProcess) -> None:
    devices = await people(relay, 6)
    group = Group()
    async with relay.sign_in(devices[0]) as wire:
        await wire.say(group.commit(0, []))
        await wire.hear(frames.Accepted)

    async def race(device: Device, number: int) -> str:
        others = [other for other in devices if other is not device]
        async with relay.sign_in(device) as wire:
            commit = group.commit(1, others, b"by %d" % number, next_lock=lock_of(bytes([number]) * 32))
            await wire.say(commit)
            answer = await wire.hear(frames.Frame)
            if isinstance(answer, frames.Accepted):
                return "won"
            assert isinstance(answer, frames.Refusal)
            assert (await wire.hear(frames.Deliver)).payload.startswith(b"by ")
            return answer.code

    results = await asyncio.gather(*(race(device, number) for number, device in enumerate(devices)))
    assert sorted(results) == ["commit.conflict"] * 5 + ["won"]
    assert state(relay, group) == (2, lock_of(bytes([results.index("won")]) * 32))


async def test_what_does_not_fit_changes_nothing(relay: RelayProcess) -> None:
    ada, bob, cleo = await people(relay, 3)
    nobody = Device.of_new_line("nobody@localhost")
    group, unknown = Group(), Group()
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b, relay.sign_in(cleo) as c:
        await a.say(group.commit(0, []))
        await a.hear(frames.Accepted)
        before, locked = rows(relay), state(relay, group)
        welcome = [frames.WelcomeFor([cleo.id], b"welcome")]
        cases = [
            (group.commit(1, [bob], opener=secrets.token_bytes(32)), "commit.bad_opener"),
            (group.commit(1, [bob], opener=bytes(32)), "commit.bad_opener"),
            (group.commit(0, [bob], welcomes=welcome), "commit.conflict"),
            (group.commit(2, [bob], welcomes=welcome), "commit.unknown_group"),
            (unknown.commit(1, [bob], welcomes=welcome), "commit.unknown_group"),
            (group.commit(1, [bob, nobody], welcomes=welcome), "mailbox.unknown_recipient"),
            (
                group.commit(1, [bob], welcomes=[*welcome, frames.WelcomeFor([nobody.id], b"w")]),
                "mailbox.unknown_recipient",
            ),
            (
                unknown.commit(0, [bob], welcomes=[frames.WelcomeFor([nobody.id], b"w")]),
                "mailbox.unknown_recipient",
            ),
        ]
        for commit, expected in cases:
            await a.say(commit)
            assert await a.refused() == expected
            assert rows(relay) == before
            assert state(relay, group) == locked
        assert state(relay, unknown) is None
        # Nobody heard of any of it, and the group still moves with its opener.
        await b.silence(0.1)
        await c.silence(0.01)
        await a.say(group.commit(1, [bob], b"fits", welcome))
        await a.hear(frames.Accepted)
        assert (await b.hear(frames.Deliver)).payload == b"fits"
        assert (await c.hear(frames.Deliver)).payload == b"welcome"


async def test_the_same_commit_again_is_answered_again(relay: RelayProcess) -> None:
    ada, bob = await people(relay, 2)
    group = Group()
    commit = group.commit(0, [bob], welcomes=[frames.WelcomeFor([bob.id], b"welcome")])
    async with relay.sign_in(ada) as a, relay.sign_in(bob) as b:
        await a.say(commit)
        first = await a.hear(frames.Accepted)
        # A retry numbers its request anew; the group has moved on, and it is the same commit.
        await a.say(msgspec.structs.replace(commit, ref=99))
        assert await a.hear(frames.Accepted) == frames.Accepted(99, commit.id, first.expires)
        await a.say(msgspec.structs.replace(commit, payload=b"another"))
        assert await a.refused() == "id.reused"
        await a.send([bob], b"not a commit", commit.id)
        assert await a.refused() == "id.reused"
        assert [(await b.hear(frames.Deliver)).payload for _ in range(2)] == [b"commit", b"welcome"]
        await b.silence()
    assert state(relay, group) == (1, lock_of(group.opener(1)))


async def test_a_failed_commit_does_not_use_up_its_id(relay: RelayProcess) -> None:
    (ada,) = await people(relay, 1)
    group = Group()
    commit = group.commit(0, [])
    async with relay.sign_in(ada) as a:
        await a.say(msgspec.structs.replace(commit, epoch=5))
        assert await a.refused() == "commit.unknown_group"
        await a.say(commit)
        assert (await a.hear(frames.Accepted)).id == commit.id


@pytest.mark.parametrize("size", [frames.MAX_COMMIT])
async def test_the_largest_commit_goes_by_pages(relay: RelayProcess, size: int) -> None:
    devices = await people(relay, 3)
    payload = secrets.token_bytes(size)
    group = Group()
    async with relay.sign_in(devices[0]) as a, relay.sign_in(devices[1]) as b, relay.sign_in(devices[2]) as c:
        await a.say(group.commit(0, devices[1:], payload))
        await a.hear(frames.Accepted)
        for wire in (b, c):
            assert (await wire.hear(frames.Deliver)).payload == payload
        await a.say(group.commit(1, [], payload + b"!"))
        assert await a.refused() == "frame.malformed"
