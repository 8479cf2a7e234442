"""`chappe chaos NAME --json`: one reliability test, small or `--large`. `chappe chaos --list` names them."""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from bench.chaos.base import Options, all_tests
from chappe.wire.errors import error


def main(argv: list[str]) -> int:
    """Run and print; gives the exit status: 1 where the test is not passed. Raises usage.invalid."""
    given = _options(argv)
    tests = all_tests()
    if given.list:
        for name, test in tests.items():
            print(f"{name:12} {test.title}")
        return 0
    if given.name not in tests:
        raise error("usage.invalid", f"No such test: {given.name}. There is: {', '.join(tests)}.")
    with tempfile.TemporaryDirectory(prefix=f"chaos-{given.name}-", dir=given.dir) as folder:
        report = tests[given.name].run(Options(given.seed, given.large, Path(folder)))
    print(json.dumps(report.as_data()) if given.json else report.as_text())
    return 0 if report.passed else 1


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chappe chaos", description=__doc__)
    parser.add_argument("name", nargs="?", help="which test; --list names them")
    parser.add_argument("--list", action="store_true", help="the tests, and what they do")
    parser.add_argument("--large", action="store_true", help="many more trials: minutes to hours")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same choices")
    parser.add_argument("--dir", default=None, help="where relay and clients keep their data for the while")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)
