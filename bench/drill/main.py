"""`chappe drill --runs 200 --honest 2000 --json`: honest phones against a relay that attacks.

Each attack is run so many times, each time with choices of its own that the seed gives again. The phones are
real, so is the relay, and the man who attacks stands in its place with its TLS key. A drill is passed if
every attack was noticed by a person or did no harm, and no honest run raised an alarm.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.e2e.browser import missing

from bench.drill import report
from bench.drill.attack import Attack, all_attacks
from bench.drill.campaign import Plan, names, run
from bench.drill.table import table
from chappe.wire.errors import error

MEMORY = Path("/dev/shm")


def main(argv: list[str]) -> int:
    """Run and print; gives the exit status: 1 where the drill is not passed."""
    options = _options(argv)
    if options.list:
        for kind in all_attacks(browser=True):
            print(f"{kind.name:24} {kind.does}")
        return 0
    if options.table:
        print(table())
        return 0
    if options.browser and (lacking := missing()):
        raise error("usage.invalid", f"There is no browser to attack here: {lacking}.")
    place = options.dir or (str(MEMORY) if MEMORY.is_dir() else None)
    if place is not None:
        Path(place).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place) as folder:
        done = run(_plan(Path(folder), options), options.jobs, _told)
    if options.json:
        print(report.as_json(done, seed=options.seed, control=options.control))
    else:
        print(report.as_text(done, control=options.control))
    return 0 if all(series.passed for series in done) else 1


def _plan(folder: Path, options: argparse.Namespace) -> Plan:
    """Raises usage.invalid."""
    attacks = (
        names(_chosen(options.attack, browser=options.browser, page=options.page)) if options.runs else ()
    )
    return Plan(
        attacks,
        options.seed,
        options.runs,
        options.honest,
        options.control,
        options.browser,
        folder,
        Path(options.journal) if options.journal else folder / "journal",
        options.page,
    )


def _told(how_far: str) -> None:
    print(how_far, file=sys.stderr, flush=True)


def _chosen(names: list[str], *, browser: bool, page: bool) -> list[type[Attack]]:
    """Raises usage.invalid."""
    known = {kind.name: kind for kind in all_attacks(browser=browser) if kind.page_names or not page}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise error("usage.invalid", f"No such attack: {unknown[0]}. There is: {', '.join(known)}.")
    return [known[name] for name in names] or list(known.values())


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chappe drill", description=__doc__)
    parser.add_argument("--runs", type=int, default=200, help="of each attack")
    parser.add_argument("--honest", type=int, default=2_000, help="runs without an attack")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same choices")
    parser.add_argument("--attack", action="append", default=[], help="only this one; may be given again")
    parser.add_argument("--list", action="store_true", help="the attacks, and what they do")
    parser.add_argument(
        "--page", action="store_true", help="with the phone's page in Node as the one who is attacked"
    )
    parser.add_argument("--table", action="store_true", help="the attacks as docs/drill.md has them")
    parser.add_argument(
        "--control", action="store_true", help="shut eyes and unchecked phones: harm must be called unnoticed"
    )
    parser.add_argument("--browser", action="store_true", help="with the phone's page in Chromium, too")
    parser.add_argument("--dir", default=None, help="where relay and phones keep their data for the while")
    parser.add_argument("--jobs", type=int, default=1, help="so many processes at once")
    parser.add_argument(
        "--journal", default=None, help="a file for each run's result; with the same file it goes on"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)
