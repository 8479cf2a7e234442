"""A disk that is full or fails, at any of its operations: ENOSPC and EIO at the n-th write, name, fsync.

The relay runs on the disk of `power` (disk.c), which fails as it is told: once, or from an operation on until
it is mended. Devices go on meanwhile. Then the power goes, too: an fsync that failed has made nothing durable
and no later one brings it back (what is called fsyncgate), so that a relay which tried once more and believed
the second answer would lose messages here.
"""

from __future__ import annotations

import asyncio
import errno
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.relay.world import RelayProcess

from bench.chaos import first_starts
from bench.chaos.base import Options, Report, claim
from bench.chaos.crew import Crew
from bench.chaos.platter import WAYS, Platter
from bench.chaos.power import CODES, examine
from bench.chaos.promises import Promises
from bench.chaos.shim import ALL, FOR_GOOD, SYNCS, WRITES, Disk, compiled
from bench.frames_client import in_loop
from chappe.relay.new_codes import new_code

TITLE = "The disk is full or fails, at every n-th write and fsync: nothing accepted is lost, refusals say so"

FAULTS: Final = 96
LARGE_FAULTS: Final = 1_600
OPERATIONS: Final = 120
"""Of the disk: the first `OPERATIONS` each are the one that fails, in turn."""
WHILE_STARTING: Final = 0.25
"""Of the faults, so many are armed before the relay starts."""
FRESH_LOGS: Final = 0.3
"""Of the faults of `--large`, so many come after a stop in good order."""
MENDED: Final = 0.7
"""Of the disks, so many are good again before the power goes."""
FAULT_SECONDS: Final = 3.0
"""How long to wait for one that is armed."""
LASTING_SECONDS: Final = 0.05
"""How long a disk fails that fails until it is mended."""
AHEAD: Final = 500
"""Messages that devices may still say, each time: more than a fault needs."""
LINES: Final = 3
"""New ones that each of two workers makes during a fault."""
SYNC_EVERY: Final = 4
"""Operations to one fsync, about."""
FIRST: Final = 30
"""Operations of a start, about."""
AFTERWARDS: Final = 20
"""Messages that are to be accepted once the disk is good again."""


@dataclass(frozen=True)
class Fault:
    """The `number`-th operation of these kinds fails with errno `why`, and the next `times` - 1."""

    name: str
    why: int
    kinds: int
    times: int


KINDS: Final = (
    Fault("full_once", errno.ENOSPC, ALL & ~SYNCS, 1),
    Fault("full_until_mended", errno.ENOSPC, ALL & ~SYNCS, FOR_GOOD),
    Fault("write_fails_once", errno.EIO, WRITES, 1),
    Fault("sync_fails_once", errno.EIO, SYNCS, 1),
    Fault("sync_fails_until_mended", errno.EIO, SYNCS, FOR_GOOD),
    Fault("all_fails_until_mended", errno.EIO, ALL, FOR_GOOD),
)


def run(options: Options, *, faults: int = FAULTS) -> Report:
    began = time.monotonic()
    faults = LARGE_FAULTS if options.large else faults
    firsts = max(4, faults // 4)
    failed = first_starts.failing(
        options.folder / "first", compiled(options.folder), random.Random(f"{options.seed} first"), firsts
    )
    done: _Run = in_loop(_all(options, faults))
    verdict, crew, promises = done.crew.journals.verdict(), done.crew, done.promises
    codes = Counter(promises.refusals) + Counter(crew.codes)
    odd = [f"a refusal: {code}" for code in promises.refusals if not code.startswith("storage.")]
    given_up = sum(message.given_up for message in crew.journals.sent.values())
    blind = ["no refused message was judged"] if options.large and not given_up else []
    problems = [*failed, *verdict.faults, *done.problems, *promises.broken, *odd, *blind]
    met = sum(done.met.values())
    return Report(
        name="disk",
        passed=verdict.clean and not problems and met > 0,
        trials=met,
        accepted=crew.journals.accepted,
        lost=verdict.lost,
        doubled=verdict.doubled,
        figures={
            **{kind.name: done.met[kind.name] for kind in KINDS},
            "first_starts_on_a_failing_disk": firsts,
            "operations_that_failed": done.failed,
            "went_on": done.went_on,
            "lost_power_before_it_was_mended": done.lost_power_while_failing,
            "did_not_start_and_said_why": done.refused_to_start,
            "stopped_and_said_why": done.stopped,
            "refusals_storage": sum(count for code, count in codes.items() if code.startswith("storage.")),
            "of_messages_not_known": crew.not_known,
            "given_up": given_up,
            "given_up_and_yet_there": verdict.refused_yet_there,
            "other_promises_kept": promises.kept,
            "other_promises_broken": len(promises.broken),
            "out_of_order": verdict.out_of_order,
            "faults": "; ".join(problems[:5]) or "none",
            "seconds": round(time.monotonic() - began, 1),
        },
        can_claim="A disk that is full or fails, and says so, costs no accepted message, and after it is "
        f"mended (and the power was lost) the relay is whole: {claim(met, len(problems))}. What it refuses "
        f"is nowhere: {given_up:,} messages were never said again.",
        cannot_claim="Nothing about a disk that changes what it keeps and does not say so, or about the "
        "operations beyond those that these messages, lines, shares and attachments need.",
    )


@dataclass
class _Run:
    crew: Crew
    promises: Promises
    met: Counter[str] = field(default_factory=Counter)
    failed: int = 0
    went_on: int = 0
    lost_power_while_failing: int = 0
    refused_to_start: int = 0
    stopped: int = 0
    problems: list[str] = field(default_factory=list)


async def _all(options: Options, faults: int) -> _Run:
    chance = random.Random(f"{options.seed} disk")
    data, pages = options.folder / "data", options.folder / "no-pages"
    for made in (data, pages):
        made.mkdir(parents=True, mode=0o700)
    disk = Disk(options.folder, data, compiled(options.folder))
    relay = RelayProcess(
        data,
        start=False,
        environment=disk.environment,
        web_dir=pages,
        sends_burst=10**9,
        sends_per_second=10**9,
        attempts_burst=10**6,
        log_level="error",
    )
    done = _Run(Crew(relay, f"{options.seed} disk"), Promises(relay, chance))
    disk.begin()
    await asyncio.to_thread(relay.start)
    try:
        await done.crew.enter()
        done.promises.codes = new_code(relay.settings, CODES * faults)
        for member in done.crew.members:
            member.sleep()
        await asyncio.to_thread(relay.stop)
        numbers = _numbers(chance, faults)
        for turn in range(faults):
            options.tell(turn, faults)
            if options.large and chance.random() < FRESH_LOGS:
                await _stop_in_good_order(done.crew, disk)
            await _fault(done, disk, chance, KINDS[turn % len(KINDS)], numbers[turn])
            examine(done.crew, done.promises, done.problems, options.folder / "seen")
        disk.begin()
        await asyncio.to_thread(relay.start)
        await done.promises.check()
        await done.crew.finish()
    except RuntimeError as problem:
        done.problems.append(f"the relay did not start on a good disk: {problem}"[-500:])
    finally:
        await done.crew.leave()
        relay.kill()
    return done


def _numbers(chance: random.Random, faults: int) -> list[int]:
    """Which operation fails in each turn: all of the first so many as often as one another, for each kind."""
    rounds = -(-faults // len(KINDS))
    step = OPERATIONS / rounds
    places = [max(1, round(step * place + chance.uniform(0, step))) for place in range(rounds)]
    return [
        max(1, place // SYNC_EVERY) if kind.kinds == SYNCS else place for place in places for kind in KINDS
    ]


async def _fault(done: _Run, disk: Disk, chance: random.Random, kind: Fault, number: int) -> None:
    crew = done.crew
    for member in crew.members:
        member.wake()
    disk.begin()
    platter = Platter(crew.relay.data_dir)
    early = chance.random() < WHILE_STARTING
    if early:
        disk.fail(1 + number % FIRST, kind.why, kind.kinds, times=kind.times)
    if await _starts(done, disk):
        if not early:
            await done.promises.check()
            disk.fail(number, kind.why, kind.kinds, times=kind.times)
        await _work(done, disk, mended=chance.random() < MENDED)
    crew.relay.kill()
    done.met[kind.name] += disk.failed > 0
    done.failed += disk.failed
    disk.heal()
    platter.replay(disk.log, chance)
    platter.lose_power(chance, chance.choice(WAYS))


async def _stop_in_good_order(crew: Crew, disk: Disk) -> None:
    """SQLite takes its logs away then: the next relay makes new ones, whose names are not on the disk yet."""
    for member in crew.members:
        member.sleep()
    disk.begin()
    await asyncio.to_thread(crew.relay.start)
    await asyncio.to_thread(crew.relay.stop)


async def _starts(done: _Run, disk: Disk) -> bool:
    """Whether it does; where it does not, it must say why."""
    said = len(done.crew.relay.log)
    try:
        await asyncio.to_thread(done.crew.relay.start)
    except RuntimeError:
        last = done.crew.relay.log[said:].strip().splitlines()[-1:]
        if disk.failed and last and "[storage." in last[0]:
            done.refused_to_start += 1
        else:
            done.problems.append(f"a start failed without a clear word: {last}")
        return False
    return True


async def _work(done: _Run, disk: Disk, *, mended: bool) -> None:
    """Until the fault was met; then the disk is mended, and the relay must go on. Where it is not mended, the
    power goes while it fails."""
    crew = done.crew
    said = len(crew.relay.log)
    working = [asyncio.create_task(done.promises.work(LINES)) for _ in range(2)]
    crew.keep_going(AHEAD)
    await asyncio.to_thread(disk.fails_within, FAULT_SECONDS)
    await asyncio.sleep(LASTING_SECONDS)
    if not mended:
        done.lost_power_while_failing += 1
        crew.relay.kill()
        await asyncio.gather(*working)
        return
    disk.heal()
    crew.keep_going(AHEAD)
    goal = crew.journals.accepted + AFTERWARDS
    accepted = asyncio.create_task(crew.until(lambda: crew.journals.accepted >= goal, 30))
    ended = asyncio.create_task(asyncio.to_thread(crew.relay.ends, 30))
    await asyncio.wait((accepted, ended), return_when=asyncio.FIRST_COMPLETED)
    if accepted.done() and accepted.exception() is None:
        done.went_on += disk.failed > 0
    elif ended.done() and "[storage." in crew.relay.log[said:]:
        done.stopped += 1
    else:
        done.problems.append(f"it neither went on nor stopped with a word: {crew.relay.log[said:][-300:]}")
    accepted.cancel()
    crew.relay.kill()
    await asyncio.gather(accepted, ended, *working, return_exceptions=True)
