"""One seeded scenario, played with both engines:

python -m tests.interop.scenario SEED [--verbose]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator

from tests.interop.author import write
from tests.interop.driver import TsMls, missing
from tests.interop.stage import ScenarioFailed, play
from tests.interop.steps import Attempt, Begin, ComeIn, Hand, Land, Propose, Scenario, Step
from tests.interop.world import is_ts

Deed = tuple[str, str, int]
"""What was done, by a client of which engine ("ts" or "py"), in which suite."""


def deeds(scenario: Scenario) -> Counter[Deed]:
    """How often what is done in it, by the engine that makes it, or that must open or refuse it. Of a commit
    that lost its race only that it did."""
    found = [("found", scenario.founder)]
    attempts: tuple[Attempt, ...] = ()
    for step in scenario.steps:
        if isinstance(step, Begin):
            attempts = step.attempts
        elif isinstance(step, Land):
            for attempt in attempts:
                found += _of_attempt(attempt) if attempt.by == step.winner else [("lose a race", attempt.by)]
        else:
            found += _deeds(step)
    return Counter((what, "ts" if is_ts(who) else "py", scenario.suite) for what, who in found)


def _deeds(step: Step) -> Iterator[tuple[str, str]]:
    if isinstance(step, Propose):
        yield f"propose {step.wish.kind}", step.by
        yield f"{_way(step.public)} proposal", step.by
    elif isinstance(step, Hand):
        yield f"{'open' if step.opens else 'refuse'} {step.why}".strip(), step.to


def _of_attempt(attempt: Attempt) -> Iterator[tuple[str, str]]:
    if isinstance(attempt, ComeIn):
        yield "resync" if attempt.resync else "come in", attempt.by
        yield "group info", attempt.informer
        if attempt.psks:
            yield "come in with a psk", attempt.by
        return
    yield f"{_way(attempt.public)} commit", attempt.by
    if not attempt.path:
        yield "commit without a path if it may", attempt.by
    yield from ((wish.kind, attempt.by) for wish in attempt.wishes)
    if not attempt.wishes:
        yield "refresh", attempt.by


def _way(public: bool) -> str:
    return "public" if public else "private"


def run(ts: TsMls, seeds: Iterable[int]) -> list[str]:
    """What failed, each with its seed."""
    failures = []
    for seed in seeds:
        try:
            play(ts, write(seed))
        except ScenarioFailed as failed:
            failures.append(str(failed))
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.interop.scenario", description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("--last", type=int, metavar="SEED", help="play all seeds up to this one")
    parser.add_argument("--verbose", action="store_true", help="print every step")
    args = parser.parse_args()
    if (reason := missing()) is not None:
        print(reason, file=sys.stderr)
        return 2
    bad = 0
    with TsMls.start() as ts:
        for seed in range(args.seed, (args.last or args.seed) + 1):
            bad += not _one(ts, seed, args.verbose)
    return 1 if bad else 0


def _one(ts: TsMls, seed: int, verbose: bool) -> bool:
    started = time.monotonic()
    try:
        play(ts, write(seed), print if verbose else lambda _: None)
    except ScenarioFailed as failed:
        print(failed)
        return False
    print(f"seed {seed}: all agree, {time.monotonic() - started:.2f} s")
    return True


if __name__ == "__main__":
    sys.exit(main())
