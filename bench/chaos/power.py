"""The power goes: the process dies at once, and with it what the disk was not made to keep.

The relay runs on a disk that writes down what is written and synced (disk.c). After the kill its folder is
made anew from what was durable, with a part of the rest by the seed (platter.py), and the relay starts on
that. Half of the devices sleep meanwhile, so that mailboxes are full when it happens.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.relay.world import RelayProcess

from bench.chaos import first_starts
from bench.chaos.base import Options, Report, claim
from bench.chaos.crew import Crew
from bench.chaos.platter import WAYS, Loss, Platter
from bench.chaos.promises import Promises
from bench.chaos.shim import Disk, compiled
from bench.frames_client import in_loop
from chappe.relay.new_codes import new_code

TITLE = "The power goes, and unsynced writes with it: nothing accepted is lost"

LOSSES: Final = 100
LARGE_LOSSES: Final = 1_000
CONTROL: Final = 4
MESSAGES: Final = (20, 200)
"""Accepted between two losses, least and most."""
CODES: Final = 12
"""For new lines, for each loss: more than are used."""
OPERATIONS: Final = 60
"""Of the disk, from the last of these messages to the loss, at most."""
IDLE_SECONDS: Final = 1.0
UNSYNCED: Final = "bench.chaos.unsynced"


def run(options: Options, *, losses: int = LOSSES, control: int = CONTROL) -> Report:
    began = time.monotonic()
    losses = LARGE_LOSSES if options.large else losses
    firsts = max(2, losses // 5)
    cut = first_starts.cut_off(
        options.folder / "first", compiled(options.folder), random.Random(f"{options.seed} first"), firsts
    )
    done, wrong = in_loop(_both(options, losses, control))
    verdict, lost_by_control = done.crew.journals.verdict(), wrong.crew.journals.verdict().lost
    taken = Counter(loss.way for loss in done.losses)
    odd = [f"a refusal: {code}" for code in done.promises.refusals]
    faults = [*cut, *verdict.faults, *done.faults, *done.promises.broken, *odd]
    return Report(
        name="power",
        passed=verdict.clean and not faults and lost_by_control > 0,
        trials=len(done.losses),
        accepted=done.crew.journals.accepted,
        lost=verdict.lost,
        doubled=verdict.doubled,
        figures={
            "first_starts_cut_off": firsts,
            "control_lost_with_synchronous_normal": lost_by_control,
            "control_accepted": wrong.crew.journals.accepted,
            "unsynced_writes_when_the_power_went": sum(loss.writes for loss in done.losses),
            "losses_with_unsynced_writes": sum(loss.writes > 0 for loss in done.losses),
            "unsynced_names_when_the_power_went": sum(loss.names for loss in done.losses),
            **{f"kept_{way}": taken[way] for way in WAYS},
            "other_promises_kept": done.promises.kept,
            "other_promises_broken": len(done.promises.broken),
            "refused_yet_there": verdict.refused_yet_there,
            "out_of_order": verdict.out_of_order,
            "faults": "; ".join(faults[:5]) or "none",
            "seconds": round(time.monotonic() - began, 1),
        },
        can_claim="On a disk that keeps what it said it has synced, a loss of power loses nothing that was "
        "accepted, gives no try back and leaves no head of the log without its entries: "
        f"{claim(len(done.losses), len(faults))}. The same with synchronous=NORMAL lost {lost_by_control:,} "
        "messages, so the test can fail.",
        cannot_claim="Nothing about a disk that lies: one that calls written what is in a cache without a "
        "battery. No simulation shows that; pull the plug of the very machine, or buy disks with power-loss "
        "protection. Nor about a file system that breaks its own promises, or sectors that fail while they "
        "are written.",
    )


@dataclass
class _Run:
    crew: Crew
    promises: Promises
    losses: list[Loss] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


async def _both(options: Options, losses: int, control: int) -> tuple[_Run, _Run]:
    library = compiled(options.folder)

    def tell(number: int) -> None:
        options.tell(number, losses)

    done = await _one(options.folder / "full", library, f"{options.seed} power", losses, tell)
    return done, await _one(
        options.folder / "normal", library, f"{options.seed} control", control, module=UNSYNCED
    )


async def _one(
    folder: Path,
    library: Path,
    seed: str,
    losses: int,
    tell: Callable[[int], None] = lambda _number: None,
    *,
    module: str = "chappe.relay",
) -> _Run:
    chance = random.Random(seed)
    data, pages = folder / "data", folder / "no-pages"
    for made in (data, pages):
        made.mkdir(parents=True, mode=0o700)
    disk = Disk(folder, data, library)
    relay = RelayProcess(
        data,
        start=False,
        module=module,
        environment=disk.environment,
        web_dir=pages,
        sends_burst=10**9,
        sends_per_second=10**9,
        attempts_burst=10**6,
        log_level="error",
    )
    done = _Run(Crew(relay, seed), Promises(relay, chance))
    disk.begin()
    await asyncio.to_thread(relay.start)
    try:
        await done.crew.enter()
        done.promises.codes = new_code(relay.settings, CODES * losses)
        # All that is so far is durable, whoever runs.
        for member in done.crew.members:
            member.sleep()
        await asyncio.to_thread(relay.stop)
        for number in range(losses):
            tell(number)
            await _lose(done, disk, chance, others=module != UNSYNCED)
            examine(done.crew, done.promises, done.faults, folder / "seen")
        disk.begin()
        await asyncio.to_thread(relay.start)
        await done.promises.check()
        await done.crew.finish()
    except RuntimeError as problem:
        done.faults.append(f"the relay did not start again: {problem}"[:500])
    finally:
        await done.crew.leave()
        relay.kill()
    return done


async def _lose(done: _Run, disk: Disk, chance: random.Random, *, others: bool) -> None:
    """Start, work, and lose the power at any moment."""
    crew = done.crew
    disk.begin()
    platter = Platter(crew.relay.data_dir)
    for member in crew.members:
        member.wake()
    for member in chance.sample(crew.members, len(crew.members) // 2):
        member.sleep()
    await asyncio.to_thread(crew.relay.start)
    await done.promises.check()
    working = [asyncio.create_task(done.promises.work()) for _ in range(2)] if others else []
    goal = crew.journals.accepted + chance.randint(*MESSAGES)
    crew.keep_going(goal - crew.journals.accepted + 500)
    await crew.until(lambda: crew.journals.accepted >= goal)
    # At any moment of what the disk is asked to do, and not of what the processor does between.
    disk.end_in(chance.randint(1, OPERATIONS))
    await asyncio.to_thread(crew.relay.ends, IDLE_SECONDS)
    crew.relay.kill()
    await asyncio.gather(*working)
    platter.replay(disk.log, chance)
    done.losses.append(platter.lose_power(chance, chance.choice(WAYS)))


def examine(crew: Crew, promises: Promises, faults: list[str], seen: Path) -> None:
    """Whether the databases are whole, and the log's heads have their entries. On a copy, `seen`: looking
    changes them."""
    shutil.rmtree(seen, ignore_errors=True)
    shutil.copytree(crew.relay.data_dir, seen)
    for name in ("relay.db", "shares/shares.db"):
        with closing(sqlite3.connect(seen / name)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchone()[0]
        if found != "ok":
            faults.append(f"{name} is damaged: {found}")
    promises.check_log(seen / "relay.db")
