"""The simulation itself: its seeds hold, a seed replays, and a deliberate fault is found.

Five hundred seeds here; more by hand: `chappe simulate --seeds 501..20000`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench.simulation.main import Simulator, main, replay, run_seeds, simulator
from bench.simulation.mutants import MUTANTS
from bench.simulation.phones import NAMES
from bench.simulation.plan import TROUBLE

SEEDS = 500
CHUNK = 50
PHONES = 6
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made() -> Iterator[Simulator]:
    with simulator() as one:
        yield one


@pytest.mark.parametrize("first", range(1, SEEDS, CHUNK))
def test_seeds_hold(made: Simulator, first: int) -> None:
    summary = run_seeds(made, range(first, first + CHUNK))
    told = "\n".join(f"seed {seed}: {why}\n  {replay(seed)}" for seed, why in summary.failed.items())
    assert not summary.failed, told
    assert summary.figures["accepted"] > 10 * CHUNK
    assert set(TROUBLE) <= set(summary.figures)


def test_seeds_hold_for_whole_phones(made: Simulator) -> None:
    """The SDK with its vault and MLS; at ten times the cost, so fewer."""
    summary = run_seeds(made, range(1, PHONES + 1), phones=True)
    told = "\n".join(f"seed {s}: {why}\n  {replay(s, phones=True)}" for s, why in summary.failed.items())
    assert not summary.failed, told
    assert summary.figures["received texts"] >= len(NAMES) * summary.figures["texts"] > PHONES
    assert made.run(3, phones=True).trace == made.run(3, phones=True).trace


def test_a_seed_gives_the_same_run_again(made: Simulator) -> None:
    """Byte for byte, in this process and in another one with other hashes."""
    seeds = range(1, 5)
    here = [made.run(seed) for seed in seeds]
    assert [made.run(seed).trace for seed in seeds] == [outcome.trace for outcome in here]
    assert len({outcome.digest for outcome in here}) == len(here)
    code = (
        "from bench.simulation.main import simulator\n"
        "with simulator() as made:\n"
        f"    print([made.run(seed).digest for seed in {list(seeds)!r}])"
    )
    there = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert there.stdout.strip() == str([outcome.digest for outcome in here])


@pytest.mark.parametrize("name", MUTANTS)
def test_a_deliberate_fault_is_found(made: Simulator, name: str) -> None:
    mutant = MUTANTS[name]
    for seed in range(1, mutant.seeds + 1):
        with mutant.put_in():
            outcome = made.run(seed, mutant.only)
        if outcome.violation is not None:
            assert made.run(seed, mutant.only).violation is None, "it is not the fault that was found"
            return
    pytest.fail(f"not found in {mutant.seeds} seeds: {name}")


def test_the_command_shows_a_seed_and_fails_where_something_does_not_hold(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--seed", "1", "--trace"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[-1].startswith("seed 1: all held; trace ")
    assert len(shown) > 50
    assert main(["--seeds", "1..40", "--most", "1", "--mutant", "forgets ids", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    (seed,) = told["failed"]
    assert told["replay"] == [replay(int(seed)) + " --mutant 'forgets ids'"]
