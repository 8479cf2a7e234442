"""kill -9 of the relay at random moments, between and within whatever it does, its own start too."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.relay.world import RelayProcess

from bench.chaos.base import Options, Report, claim
from bench.chaos.crew import Crew
from bench.chaos.journals import added
from bench.frames_client import in_loop

TITLE = "The relay is killed (kill -9) at random moments: what was accepted arrives once"

KILLS: Final = 200
MESSAGES: Final = 50_000
LARGE: Final = 10
RELAYS: Final = 2
"""At once: while one starts, the other works."""
EARLY: Final = 0.1
"""Of the kills, so many come while the relay starts."""


def run(options: Options, *, kills: int = KILLS, messages: int = MESSAGES) -> Report:
    factor = LARGE if options.large else 1
    began = time.monotonic()
    done: list[_Run] = in_loop(_all(options, kills * factor // RELAYS, messages * factor // RELAYS))
    verdict = added(one.crew.journals.verdict() for one in done)
    total, accepted = sum(one.kills for one in done), sum(one.crew.journals.accepted for one in done)
    restarts = sorted(seconds for one in done for seconds in one.restarts)
    return Report(
        name="kill",
        passed=verdict.clean and total == kills * factor,
        trials=total,
        accepted=accepted,
        lost=verdict.lost,
        doubled=verdict.doubled,
        figures={
            "killed_while_starting": sum(one.early for one in done),
            "killed_with_messages_under_way": sum(one.busy for one in done),
            "refused_for_good": sum(sum(one.crew.codes.values()) for one in done),
            "refused_yet_there": verdict.refused_yet_there,
            "out_of_order": verdict.out_of_order,
            "delivered_again_before_acknowledged": sum(one.crew.journals.again for one in done),
            "connections_made": sum(member.reconnects for one in done for member in one.crew.members),
            "restart_to_ready_median_s": round(restarts[len(restarts) // 2], 3),
            "faults": "; ".join(verdict.faults[:5]) or "none",
            "seconds": round(time.monotonic() - began, 1),
        },
        can_claim=f"A kill of the process alone loses, doubles and reorders nothing: {claim(total, 0)}, "
        f"and {claim(accepted, verdict.lost + verdict.doubled)} (messages, which share kills).",
        cannot_claim="Nothing about a machine that loses power (`chappe chaos power`), a disk that fails "
        "(`disk`), or a moment that kills rarely meet: one that lasts a millionth of the time was hit with a "
        f"chance of about {total / 1e6:.2%}.",
    )


@dataclass
class _Run:
    crew: Crew
    wanted: int
    kills: int = 0
    early: int = 0
    busy: int = 0
    restarts: list[float] = field(default_factory=list)


async def _all(options: Options, kills: int, messages: int) -> list[_Run]:
    def one(number: int) -> Coroutine[Any, Any, _Run]:
        def tell(done: int) -> None:
            if number == 0:
                options.tell(done, kills * RELAYS)

        return _one(options.folder / f"{number}", f"{options.seed} {number}", kills, messages, tell)

    return list(await asyncio.gather(*map(one, range(RELAYS))))


async def _one(folder: Path, seed: str, kills: int, messages: int, tell: Callable[[int], None]) -> _Run:
    """One relay and its crew."""
    chance = random.Random(f"{seed} kill")
    pages = folder / "no-pages"
    pages.mkdir(parents=True)
    # Without the pages, which it would squeeze at each start.
    relay = RelayProcess(
        folder / "data",
        start=False,
        web_dir=pages,
        sends_burst=10**9,
        sends_per_second=10**9,
        attempts_burst=10**6,
        log_level="error",
    )
    await asyncio.to_thread(relay.start)
    done = _Run(Crew(relay, seed), kills)
    try:
        await done.crew.enter()
        done.crew.go_on(messages)
        while done.kills < kills:
            # Of the one that is told of, and the others are as far.
            tell(done.kills * RELAYS)
            await _kill(done, chance, (messages - done.crew.journals.accepted) // (kills - done.kills))
        await done.crew.finish()
    finally:
        await done.crew.leave()
        relay.kill()
    return done


async def _kill(done: _Run, chance: random.Random, pace: int) -> None:
    """After some more messages were accepted, at any moment of what follows; then start it again."""
    crew = done.crew
    goal = crew.journals.accepted + chance.randint(1, max(1, 2 * pace - 1))
    await crew.until(lambda: crew.journals.accepted >= goal or crew.is_settled)
    await asyncio.sleep(chance.uniform(0, 0.004))
    done.busy += not crew.is_settled
    crew.relay.kill()
    done.kills += 1
    if chance.random() < EARLY and done.wanted > done.kills:
        crew.relay.begin()
        await asyncio.sleep(chance.uniform(0, max(done.restarts[-10:], default=0.2)))
        crew.relay.kill()
        done.kills += 1
        done.early += 1
    began = time.monotonic()
    await asyncio.to_thread(crew.relay.start)
    done.restarts.append(time.monotonic() - began)
