"""PostgreSQL's primary is killed (kill -9, all of it) while people send; its synchronous standby goes on."""

from __future__ import annotations

import asyncio
import random
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.relay.world import RelayProcess

from bench.chaos.base import Options, Report, claim
from bench.chaos.crew import Crew
from bench.frames_client import in_loop
from bench.postgres import place
from bench.standby import Pair, pair

TITLE = "PostgreSQL's primary is killed: its synchronous standby goes on, and nothing accepted is lost"

FAILURES: Final = 3
MESSAGES: Final = 6_000
LARGE: Final = 10
TARGET_SECONDS: Final = 30.0
"""From the kill to the first message that is accepted again."""
SETTLE_SECONDS: Final = 0.5
"""For answers that were on their way as the standby was lost."""
ALONE_SECONDS: Final = 1.0


def run(options: Options, *, failures: int = FAILURES, messages: int = MESSAGES) -> Report:
    factor = LARGE if options.large else 1
    done = in_loop(_one(options, failures * factor, messages * factor))
    verdict = done.crew.journals.verdict()
    accepted = done.crew.journals.accepted
    longest = max(done.away, default=0.0)
    # Order is not judged: what the relay could not take while there was no primary is said again, later.
    whole = not (verdict.lost or verdict.doubled or verdict.refused_yet_there or verdict.faults)
    return Report(
        name="failover",
        passed=whole and done.failures == failures * factor and longest < TARGET_SECONDS and not done.alone,
        trials=done.failures,
        accepted=accepted,
        lost=verdict.lost,
        doubled=verdict.doubled,
        figures={
            "service_away_longest_s": round(longest, 2),
            "service_away_median_s": round(sorted(done.away)[len(done.away) // 2], 2) if done.away else 0.0,
            "of_this_promoting_longest_s": round(max(done.promoting, default=0.0), 2),
            "killed_with_messages_under_way": done.busy,
            "put_off_meanwhile": done.crew.put_offs,
            "accepted_while_the_standby_was_away": done.alone,
            "refused_yet_there": verdict.refused_yet_there,
            "relay_processes": done.processes,
            "faults": "; ".join(verdict.faults[:5]) or "none",
        },
        can_claim="With synchronous_commit=on and a standby in synchronous_standby_names, what was "
        f"accepted outlives the primary: {claim(accepted, verdict.lost + verdict.doubled)} (messages, "
        f"which share {done.failures} failures); the relay goes on by itself.",
        cannot_claim="The test promotes at once: who decides that a primary is dead, and sees that it "
        "stays dead (fencing), is the operator's or a program's such as Patroni. Both servers share one "
        "machine here, and no network was cut between them.",
    )


@dataclass
class _Run:
    crew: Crew
    failures: int = 0
    busy: int = 0
    processes: int = 1
    alone: int = -1
    away: list[float] = field(default_factory=list)
    promoting: list[float] = field(default_factory=list)


async def _one(options: Options, failures: int, messages: int) -> _Run:
    # A socket's path may be a hundred bytes long: not below the test's own folder.
    with (
        tempfile.TemporaryDirectory(prefix="chappe-pair-", dir=place()) as folder,
        pair(Path(folder)) as servers,
    ):
        servers.primary.create("relay")
        return await _with_relay(options, servers, failures, messages)


async def _with_relay(options: Options, servers: Pair, failures: int, messages: int) -> _Run:
    chance = random.Random(f"{options.seed} failover")
    pages = options.folder / "no-pages"
    pages.mkdir(parents=True)
    relay = RelayProcess(
        options.folder / "data",
        start=False,
        database_url=servers.url("relay"),
        web_dir=pages,
        sends_burst=10**9,
        sends_per_second=10**9,
        attempts_burst=10**6,
        log_level="error",
    )
    await asyncio.to_thread(relay.start)
    pid = relay.pid
    done = _Run(Crew(relay, f"{options.seed} crew"))
    try:
        await done.crew.enter()
        done.crew.go_on(messages)
        while done.failures < failures:
            left = (messages - done.crew.journals.accepted) // (failures - done.failures)
            await _fail(done, servers, chance.randint(1, max(1, left - 1)))
            if done.failures < failures:
                await asyncio.to_thread(servers.rebuild)
        await asyncio.to_thread(servers.rebuild)
        done.alone = await _without_standby(done.crew, servers, messages // 4)
        await done.crew.finish()
        done.processes += relay.pid != pid
    finally:
        await done.crew.leave()
        relay.kill()
    return done


async def _fail(done: _Run, servers: Pair, more: int) -> None:
    """After `more` messages were accepted the primary dies, the standby is promoted, and somebody is answered
    again."""
    crew = done.crew
    goal = crew.journals.accepted + more
    await crew.until(lambda: crew.journals.accepted >= goal or crew.is_settled)
    done.busy += not crew.is_settled
    servers.fail()
    began = time.monotonic()
    await asyncio.to_thread(servers.promote)
    done.promoting.append(time.monotonic() - began)
    done.failures += 1
    # Counted from here: an answer that was on its way as the primary died says nothing.
    before = crew.journals.accepted
    await crew.until(lambda: crew.journals.accepted > before or crew.is_settled)
    done.away.append(time.monotonic() - began)


async def _without_standby(crew: Crew, servers: Pair, messages: int) -> int:
    """The control of all that: while the standby is away nothing may be accepted, or it would be on one
    machine alone. Gives how many messages were all the same. Then it comes back, and so do the answers."""
    crew.go_on(messages)
    begun = crew.journals.accepted
    await crew.until(lambda: crew.journals.accepted > begun)
    servers.lose_standby()
    await asyncio.sleep(SETTLE_SECONDS)
    before = crew.journals.accepted
    await asyncio.sleep(ALONE_SECONDS)
    alone = crew.journals.accepted - before
    assert not crew.is_settled, "all was said before the standby was lost"
    await asyncio.to_thread(servers.standby.start)
    return alone
