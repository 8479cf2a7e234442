"""Ten thousand wrong guesses, in parallel, with kills, replays, old databases between: ten are compared."""

from __future__ import annotations

import asyncio
import contextlib
import random
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from chappe.relay.shares.gate import Gate
from chappe.relay.shares.remote import RemoteShares
from chappe.relay.shares.service import Shares
from chappe.relay.shares.worker import LocalShares
from chappe.wire import unlock
from chappe.wire.errors import ChappeError
from chappe.wire.unlock import TRIES
from tests.relay.shares.world import HOURS, Bench, Owner, SealedGuess, ServiceProcess

REFUSALS = {"unlock.bad_challenge", "limit.rate", "unlock.unavailable"}


def attempt(bench: Bench, owner: Owner) -> str:
    """What came of one wrong guess."""
    try:
        return bench.try_wrong(owner).status
    except ChappeError as problem:
        return problem.code


def test_ten_thousand_wrong_guesses(tmp_path: Path) -> None:
    """Whatever the clock does between. Then the right one fails, too; and other devices never noticed."""
    bench = Bench(tmp_path / "shares")
    owner, other = bench.enrolled(), bench.enrolled()
    chance = random.Random(7)
    outcomes: dict[str, int] = {}
    recorded: list[bytes] = []
    for number in range(10_000):
        bench.clock.now += chance.choice([0, 0, 0, 1, 70, 400, 9 * HOURS]) if number < 3_000 else 2
        if number % 10 == 3 and recorded:
            with pytest.raises(ChappeError, match=r"unlock\.bad_challenge"):
                bench.shares.unlock(owner.device, chance.choice(recorded))
            continue
        if number % 10 == 4:
            guess = owner.wrong(bench.shares.public_key, bench.shares.challenge(owner.device))
            recorded.append(guess.sealed)
            with contextlib.suppress(ChappeError):
                bench.shares.unlock(owner.device, guess.sealed)
            continue
        if number % 500 == 499:
            bench.restart()
        outcome = attempt(bench, owner)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    assert bench.compared == [owner.device] * TRIES
    assert set(outcomes) <= {"wrong", "wait", "gone", "limit.rate"}
    bench.clock.now += 100
    assert bench.try_(owner).status == "gone"
    assert bench.try_(other).share == other.share
    bench.shares.close()


async def test_a_thousand_in_parallel(tmp_path: Path) -> None:
    """Of many threads of one loop: every answer that says how many tries are left says another number."""
    bench = Bench(tmp_path / "shares")
    owner = bench.enrolled()
    local = LocalShares(bench.shares)
    service = await local.public_key()

    async def one() -> unlock.Answer | str:
        try:
            guess = owner.wrong(service, await local.challenge(owner.device))
            # The clock runs on, so that no wait and no ration of the minute hides a comparison.
            bench.clock.now += 40
            return guess.open(await local.unlock(owner.device, guess.sealed))
        except ChappeError as problem:
            if problem.code not in REFUSALS:
                raise
            return problem.code

    answers = await asyncio.gather(*[one() for _ in range(1_000)])
    left = [
        answer.tries for answer in answers if isinstance(answer, unlock.Answer) and answer.status == "wrong"
    ]
    assert len(left) == len(set(left))
    while len(bench.compared) < TRIES:
        bench.clock.now += 9 * HOURS
        await one()
    assert bench.compared == [owner.device] * TRIES
    guess = owner.guess(service, await local.challenge(owner.device))
    assert guess.open(await local.unlock(owner.device, guess.sealed)).status == "gone"
    await local.close()


@pytest.fixture
def process(tmp_path: Path) -> Iterator[ServiceProcess]:
    made = ServiceProcess(tmp_path / "service")
    yield made
    made.kill()


async def test_guesses_with_kills_replays_and_an_old_database_between(process: ServiceProcess) -> None:
    """A real process, over HTTP, killed again and again while guesses are under way."""
    owner = Owner()
    remote = process.remote()
    service = await remote.public_key()
    await remote.enrol(owner.device, owner.enrolment(service))
    snapshot = process.folder / "snapshot"
    shutil.copytree(process.shares, snapshot)
    recorded: list[bytes] = []
    said: list[unlock.Answer] = []
    chance = random.Random(5)
    for round_ in range(4):
        before = process.compared
        tasks = [asyncio.create_task(_guess(remote, owner, service, recorded, said)) for _ in range(40)]
        while process.compared == before and not all(task.done() for task in tasks):
            await asyncio.sleep(0.001)
        # Before the answer is there, after it, or in the middle of the next guess.
        await asyncio.sleep(chance.random() * 0.02)
        process.kill()
        await asyncio.gather(*tasks)
        if round_ == 1:
            _an_old_database_is_refused(process, snapshot)
        process.set_clock(process.now + 9 * HOURS)
        process.start()
        await _replay(remote, owner, recorded)
    while process.compared < TRIES:
        process.set_clock(process.now + 9 * HOURS)
        before = process.compared
        await _guess(remote, owner, service, recorded, said)
        if process.compared == before:
            # A crash took the last one before it was compared.
            break
    assert process.compared <= TRIES
    for _ in range(20):
        process.set_clock(process.now + 9 * HOURS)
        await _guess(remote, owner, service, recorded, said)
    assert process.compared <= TRIES
    assert not [answer for answer in said if answer.status == "open"]
    # No number of tries was ever told twice: none was given back.
    left = [answer.tries for answer in said if answer.status == "wrong"]
    assert len(left) == len(set(left))
    guess = owner.guess(service, await remote.challenge(owner.device))
    assert guess.open(await remote.unlock(owner.device, guess.sealed)).status == "gone"
    await remote.close()


async def _guess(
    remote: RemoteShares, owner: Owner, service: bytes, recorded: list[bytes], said: list[unlock.Answer]
) -> None:
    try:
        guess = owner.wrong(service, await remote.challenge(owner.device))
        recorded.append(guess.sealed)
        said.append(guess.open(await remote.unlock(owner.device, guess.sealed)))
    except ChappeError as problem:
        if problem.code not in REFUSALS:
            raise


async def _replay(remote: RemoteShares, owner: Owner, recorded: list[bytes]) -> None:
    """Every request that was ever made, of which some were never answered."""
    for sealed in recorded[-25:]:
        with pytest.raises(ChappeError, match=r"unlock\.bad_challenge"):
            await remote.unlock(owner.device, sealed)


def _an_old_database_is_refused(process: ServiceProcess, snapshot: Path) -> None:
    kept = process.folder / "kept"
    shutil.copytree(process.shares, kept)
    for name in ("shares.db", "shares.db-wal", "shares.db-shm"):
        (process.shares / name).unlink(missing_ok=True)
        if (snapshot / name).exists():
            shutil.copy(snapshot / name, process.shares / name)
    with pytest.raises(RuntimeError, match=r"shares\.rolled_back"):
        process.start()
    shutil.rmtree(process.shares)
    kept.rename(process.shares)


def test_a_kill_between_counting_and_answering_costs_the_try(tmp_path: Path) -> None:
    """Stopped right at the comparison, which is where a thief with a switch would stop it."""

    class Cut(BaseException):
        """The power goes."""

    bench = Bench(tmp_path / "shares")
    owner = bench.enrolled()

    def cut(_device: bytes) -> None:
        raise Cut

    bench.shares._compared = cut
    for left in range(TRIES - 1, 0, -1):
        with pytest.raises(Cut):
            bench.try_(owner)
        bench.restart()
        assert bench.shares._store.row(owner.device).tries == left  # type: ignore[union-attr]
        bench.shares._compared = cut
        bench.clock.now += 9 * HOURS
    with pytest.raises(Cut):
        bench.try_(owner)
    # The tenth was taken: the start destroys what was left.
    bench.restart()
    assert bench.shares.status().devices == 0
    assert bench.try_(owner).status == "gone"
    assert bench.compared == []
    bench.shares.close()


# --- a guess against destroying


def test_a_thousand_races_of_the_right_guess_against_destroying(tmp_path: Path) -> None:
    """In two threads' worth of order: each race has its own device, and starts when the other starts."""

    async def races() -> tuple[int, int]:
        shares = Shares(tmp_path / "shares")
        local = LocalShares(shares)
        service = await local.public_key()
        opened = gone = 0
        chance = random.Random(11)
        for _ in range(20):
            owners = [Owner() for _ in range(50)]
            for owner in owners:
                await local.enrol(owner.device, owner.enrolment(service))
            guesses = {o.device: o.guess(service, await local.challenge(o.device)) for o in owners}
            outcomes = await asyncio.gather(*[_race(local, o, guesses[o.device], chance) for o in owners])
            opened += outcomes.count(True)
            gone += outcomes.count(False)
            for owner in owners[:5]:
                again = owner.guess(service, await local.challenge(owner.device))
                assert again.open(await local.unlock(owner.device, again.sealed)).status == "gone"
        await local.close()
        return opened, gone

    opened, gone = asyncio.run(races())
    assert opened + gone == 1_000
    # Both ends of the race were seen.
    assert opened > 20
    assert gone > 20


async def _race(local: LocalShares, owner: Owner, guess: SealedGuess, chance: random.Random) -> bool:
    """True if the guess opened: then it did before destroying had returned."""
    destroyed = asyncio.Event()
    late: list[bool] = []

    async def destroy() -> None:
        await asyncio.sleep(chance.random() * 0.05)
        await local.destroy([owner.device])
        destroyed.set()

    async def unlock_() -> bool:
        await asyncio.sleep(chance.random() * 0.05)
        try:
            answer = guess.open(await local.unlock(owner.device, guess.sealed))
        except ChappeError as problem:
            if problem.code != "unlock.unavailable":
                raise
            return False
        late.append(destroyed.is_set() and answer.status == "open")
        return answer.status == "open"

    opened, _ = await asyncio.gather(unlock_(), destroy())
    assert late in ([], [False])
    return opened


def test_no_answer_passes_the_gate_after_destroying() -> None:
    gate = Gate()
    with gate.guess(b"d") as one, gate.guess(b"d") as two, gate.guess(b"e") as other:
        one.check()
        gate.destroyed(b"d")
        with gate.guess(b"d") as later:
            later.check()
        for passed in (one, two):
            with pytest.raises(ChappeError, match=r"unlock\.unavailable"):
                passed.check()
        other.check()
    assert gate._passes == {}


async def test_races_over_http(process: ServiceProcess) -> None:
    """The relay's side of it: an answer that is on its way when destroying returns is not handed out."""
    remote = process.remote()
    service = await remote.public_key()
    chance = random.Random(3)
    for _ in range(40):
        owner = Owner()
        await remote.enrol(owner.device, owner.enrolment(service))
        guess = owner.guess(service, await remote.challenge(owner.device))
        destroyed = asyncio.Event()

        async def destroy(owner: Owner = owner, destroyed: asyncio.Event = destroyed) -> None:
            await asyncio.sleep(chance.random() * 0.01)
            await remote.destroy([owner.device])
            destroyed.set()

        task = asyncio.create_task(destroy())
        try:
            answer = guess.open(await remote.unlock(owner.device, guess.sealed))
        except ChappeError as problem:
            if problem.code not in REFUSALS:
                raise
        else:
            assert answer.status == "gone" or not destroyed.is_set()
        await task
    await remote.close()


def test_one_at_a_time_even_for_many_threads(tmp_path: Path) -> None:
    """A second service on the same folder does not start."""
    bench = Bench(tmp_path / "shares")
    with ThreadPoolExecutor(4) as pool:
        refused = [pool.submit(Shares, tmp_path / "shares") for _ in range(8)]
        for future in refused:
            with pytest.raises(ChappeError, match=r"storage\.locked"):
                future.result()
    bench.shares.close()
    Bench(tmp_path / "shares").shares.close()
