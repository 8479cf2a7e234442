"""`chappe simulate --seeds 1..500`: the relay and its clients on virtual time, network and disks, by seeds.

A seed decides what people do, what breaks and when, and the order in which everything comes; the same seed of
the same program does the same again. One that fails is shown whole with `chappe simulate --seed N --trace`.
"""

from __future__ import annotations

import argparse
import gc
import json
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from bench.simulation.image import Image, make_image
from bench.simulation.mutants import MUTANTS
from bench.simulation.phones import PhoneImage, PhoneWorld, make_phone_image, plan_of_phones
from bench.simulation.plan import Plan
from bench.simulation.world import Outcome, run
from chappe.wire.errors import error

MEMORY: Final = Path("/dev/shm")
COLLECT: Final = 20
"""Runs between two collections of what they left."""


@dataclass
class Summary:
    """`failed`: what did not hold, by seeds."""

    seeds: int = 0
    failed: dict[int, str] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0


class Simulator:
    """Runs plans, one after the other, in a folder in memory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._image: Image = make_image(folder / "image")
        self._phones: PhoneImage | None = None
        self._runs = 0

    def _image_of_phones(self) -> PhoneImage:
        if self._phones is None:
            self._phones = make_phone_image(self._folder / "phones")
        return self._phones

    def run(self, seed: int, only: Sequence[str] | None = None, *, phones: bool = False) -> Outcome:
        """`only`: with these kinds of trouble alone. `phones`: whole ones, with MLS."""
        place = self._folder / "run"
        gc.disable()
        loud, sys.unraisablehook = sys.unraisablehook, _silent
        try:
            if phones:
                return run(plan_of_phones(seed), self._image_of_phones(), place, PhoneWorld)
            return run(Plan.of(seed, only), self._image, place)
        finally:
            shutil.rmtree(place, ignore_errors=True)
            gc.enable()
            self._runs += 1
            if self._runs % COLLECT == 0:
                gc.collect()
            sys.unraisablehook = loud


def _silent(_what: object) -> None:
    """What a killed process left half done is collected, and complains."""


@contextmanager
def simulator(folder: str | None = None) -> Iterator[Simulator]:
    where = folder or (str(MEMORY) if MEMORY.is_dir() else None)
    with tempfile.TemporaryDirectory(prefix="chappe-simulate-", dir=where) as place:
        yield Simulator(Path(place))


def run_seeds(simulator: Simulator, seeds: range, most: int = 5, *, phones: bool = False) -> Summary:
    """All of `seeds`, until `most` have failed."""
    summary, began = Summary(), time.perf_counter()
    for seed in seeds:
        outcome = simulator.run(seed, phones=phones)
        summary.seeds += 1
        for name, count in outcome.figures.items():
            summary.figures[name] = summary.figures.get(name, 0) + count
        if outcome.violation is not None:
            summary.failed[seed] = outcome.violation
            if len(summary.failed) == most:
                break
    summary.seconds = round(time.perf_counter() - began, 1)
    return summary


def replay(seed: int, mutant: str | None = None, *, phones: bool = False) -> str:
    """The command that shows a seed."""
    command = f"chappe simulate --seed {seed} --trace" + (" --phones" if phones else "")
    return command + (f" --mutant {shlex.quote(mutant)}" if mutant else "")


def main(argv: list[str]) -> int:
    """Run and print; gives the exit status: 1 where something did not hold."""
    options = _options(argv)
    mutant = MUTANTS.get(options.mutant) if options.mutant else None
    if options.mutant and mutant is None:
        raise error("usage.invalid", f"No such fault. There is: {', '.join(MUTANTS)}.")
    with simulator(options.dir) as made:
        if mutant is None:
            return _go(made, options)
        with mutant.put_in():
            return _go(made, options)


def _go(made: Simulator, options: argparse.Namespace) -> int:
    if options.seed is not None:
        return _show(made.run(options.seed, phones=options.phones), trace=options.trace)
    summary = run_seeds(made, options.seeds, options.most, phones=options.phones)
    if options.json:
        shown = [replay(seed, options.mutant, phones=options.phones) for seed in summary.failed]
        print(json.dumps(asdict(summary) | {"replay": shown}))
    else:
        for seed, violation in summary.failed.items():
            print(f"seed {seed}: {violation}\n    {replay(seed, options.mutant, phones=options.phones)}")
        print(f"{summary.seeds} seeds, {len(summary.failed)} failed, {summary.seconds} s")
        print(", ".join(f"{name} {count}" for name, count in sorted(summary.figures.items())))
    return 1 if summary.failed else 0


def _show(outcome: Outcome, *, trace: bool) -> int:
    if trace:
        sys.stdout.writelines(f"{line}\n" for line in outcome.trace)
    print(f"seed {outcome.seed}: {outcome.violation or 'all held'}; trace {outcome.digest[:16]}")
    return 1 if outcome.violation else 0


def _seeds(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chappe simulate", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(1, 501), help="from..to, both run")
    parser.add_argument("--seed", type=int, default=None, help="one alone")
    parser.add_argument("--trace", action="store_true", help="with --seed: all that happened")
    parser.add_argument("--phones", action="store_true", help="whole phones with MLS, at ten times the cost")
    parser.add_argument("--most", type=int, default=5, help="failed seeds after which it ends")
    parser.add_argument("--mutant", default=None, help="with a deliberate fault, which must be found")
    parser.add_argument("--dir", default=None, help="where the relay keeps its data for the while")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)
