"""Guesses that share their durable changes: all are counted before one is compared, each answered alone."""

from __future__ import annotations

import asyncio
import errno
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from chappe.relay.shares.guesses import MOST_TOGETHER, rounds
from chappe.relay.shares.head import Head
from chappe.relay.shares.worker import LocalShares
from chappe.wire.errors import ChappeError
from chappe.wire.unlock import TRIES, Answer
from tests.relay.shares.world import Bench, Owner, SealedGuess


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "shares")
    yield made
    made.shares.close()


def right(bench: Bench, owner: Owner) -> SealedGuess:
    return owner.guess(bench.shares.public_key, bench.shares.challenge(owner.device))


def wrong(bench: Bench, owner: Owner) -> SealedGuess:
    return owner.wrong(bench.shares.public_key, bench.shares.challenge(owner.device))


def judged(bench: Bench, guesses: list[tuple[Owner, SealedGuess]]) -> list[Answer | str]:
    outcomes = bench.shares.unlock_all([(owner.device, guess.sealed) for owner, guess in guesses])
    return [
        outcome.code if isinstance(outcome, ChappeError) else guess.open(outcome)
        for outcome, (_, guess) in zip(outcomes, guesses, strict=True)
    ]


def told(outcome: Answer | str) -> str:
    return outcome if isinstance(outcome, str) else outcome.status


def test_each_is_answered_as_if_alone(bench: Bench) -> None:
    ada, ben, cyd, dan, eve = (bench.enrolled() for _ in range(5))
    bench.wrong_until_one_is_left(dan)
    for _ in range(4):
        bench.try_wrong(cyd)
    bench.shares.destroy([eve.device])
    stranger = Owner()
    used = right(bench, ada)
    bench.shares.unlock(ada.device, used.sealed)
    bench.compared.clear()
    before = bench.shares._store.counter()
    guesses = [
        (ada, right(bench, ada)),
        (ben, wrong(bench, ben)),
        (stranger, right(bench, stranger)),
        (ada, used),
        (dan, wrong(bench, dan)),
        (eve, right(bench, eve)),
        (ben, right(bench, ben)),
        (cyd, right(bench, cyd)),
    ]
    outcomes = judged(bench, guesses)
    assert [told(one) for one in outcomes] == [
        "open",
        "wrong",
        "unlock.unknown_device",
        "unlock.bad_challenge",
        "gone",
        "gone",
        "open",
        "wait",
    ]
    first, second, last = outcomes[0], outcomes[1], outcomes[6]
    assert isinstance(first, Answer)
    assert first.share == ada.share
    assert isinstance(second, Answer)
    assert second.tries == TRIES - 1
    assert isinstance(last, Answer)
    assert last.share == ben.share
    assert bench.compared == [ada.device, ben.device, dan.device, ben.device]
    # Tries off and tries back for all at once, and again for the second of one device; one destruction.
    assert bench.shares._store.counter() - before == 5
    assert bench.try_(dan).status == "gone"


def test_the_power_goes_at_the_first_comparison_and_all_tries_were_taken(bench: Bench) -> None:
    class Cut(BaseException):
        """The power goes."""

    owners = [bench.enrolled() for _ in range(5)]

    def cut(_device: bytes) -> None:
        raise Cut

    bench.shares._compared = cut
    with pytest.raises(Cut):
        judged(bench, [(owner, wrong(bench, owner)) for owner in owners])
    bench.restart()
    rows = [bench.shares._store.row(owner.device) for owner in owners]
    assert [row.tries for row in rows if row is not None] == [TRIES - 1] * len(owners)
    assert bench.compared == []


def failing_head(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """The disk takes so many heads more."""
    left = [after]
    real = Head.write

    def write(self: Head, number: int) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.EIO, "the disk")
        real(self, number)

    monkeypatch.setattr(Head, "write", write)


def test_what_cannot_be_counted_is_not_compared(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    owners = [bench.enrolled() for _ in range(3)]
    guesses = [(owner, right(bench, owner)) for owner in owners]
    with monkeypatch.context() as patch:
        failing_head(patch, 0)
        assert judged(bench, guesses) == ["storage.failed"] * 3
    assert bench.compared == []


def test_a_share_is_told_only_when_its_tries_are_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    ada, ben = bench.enrolled(), bench.enrolled()
    guesses = [(ada, right(bench, ada)), (ben, wrong(bench, ben))]
    with monkeypatch.context() as patch:
        failing_head(patch, 1)
        assert [told(one) for one in judged(bench, guesses)] == ["storage.failed", "wrong"]
    assert bench.try_(ada).share == ada.share


def test_a_damaged_row_is_its_own_devices_trouble(bench: Bench) -> None:
    ada, ben = bench.enrolled(), bench.enrolled()
    bench.shares._change(lambda: bench.shares._store.set_wrapped([(ada.device, bytes(92))]))
    outcomes = judged(bench, [(ada, right(bench, ada)), (ben, right(bench, ben))])
    assert [told(one) for one in outcomes] == ["storage.failed", "open"]


def test_rounds_hold_no_device_twice_and_keep_the_order() -> None:
    asked = [(bytes([number % 3]), bytes([number])) for number in range(8)]
    found = list(rounds(asked))
    assert [[device for _, (device, _) in one] for one in found] == [
        [b"\0", b"\1", b"\2"],
        [b"\0", b"\1", b"\2"],
        [b"\0", b"\1"],
    ]
    assert [place for one in found for place, _ in one] == list(range(8))
    many = [(number.to_bytes(2, "big"), b"") for number in range(2 * MOST_TOGETHER + 1)]
    assert [len(one) for one in rounds(many)] == [MOST_TOGETHER, MOST_TOGETHER, 1]


async def test_those_that_wait_share_their_changes(bench: Bench) -> None:
    owners = [bench.enrolled() for _ in range(100)]
    local = LocalShares(bench.shares)
    before = bench.shares._store.counter()
    guesses = [(owner, right(bench, owner)) for owner in owners]
    answers = await asyncio.gather(*[local.unlock(owner.device, guess.sealed) for owner, guess in guesses])
    for (owner, guess), answer in zip(guesses, answers, strict=True):
        assert guess.open(answer).share == owner.share
    # The first may have gone alone.
    assert bench.shares._store.counter() - before <= 2 * (1 + 100 // MOST_TOGETHER + 1)


async def test_who_goes_away_holds_nobody_up(bench: Bench) -> None:
    leaving = [bench.enrolled() for _ in range(2 * MOST_TOGETHER)]
    stays = bench.enrolled()
    local = LocalShares(bench.shares)
    go_on = threading.Event()
    held: asyncio.Future[Any] = asyncio.get_running_loop().run_in_executor(local._thread, go_on.wait)
    asking = [asyncio.ensure_future(local.unlock(o.device, wrong(bench, o).sealed)) for o in leaving]
    await asyncio.sleep(0)
    for task in asking:
        task.cancel()
    guess = right(bench, stays)
    answer = asyncio.ensure_future(local.unlock(stays.device, guess.sealed))
    await asyncio.sleep(0)
    go_on.set()
    assert guess.open(await answer).share == stays.share
    await held
    # They were not looked at: no try is gone.
    assert bench.compared == [stays.device]
    assert local._waiting == 0
