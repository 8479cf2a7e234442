"""`chappe chaos NAME --json`: one reliability test, small or `--large`. `chappe chaos --list` names them."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TextIO

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
        progress = Progress(given.name, sys.stderr)
        report = tests[given.name].run(Options(given.seed, given.large, Path(folder), progress.tell))
        progress.end()
    print(json.dumps(report.as_data()) if given.json else report.as_text())
    return 0 if report.passed else 1


class Progress:
    """Of a run that may take hours: one line that changes where somebody looks, else one every minute."""

    EVERY = 60.0

    def __init__(self, name: str, out: TextIO) -> None:
        self._name, self._out = name, out
        self._changes = out.isatty()
        self._began = self._last = time.monotonic()

    def tell(self, done: int, whole: int) -> None:
        now = time.monotonic()
        if now - self._last < (0.2 if self._changes else self.EVERY):
            return
        self._last = now
        text = f"{self._name}: {done:,} of {whole:,}, after {now - self._began:,.0f} s"
        line, end = (f"\r{text}  ", "") if self._changes else (text, "\n")
        print(line, end=end, file=self._out, flush=True)

    def end(self) -> None:
        if self._changes:
            print("\r\033[K", end="", file=self._out, flush=True)


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="chappe chaos", description=__doc__)
    parser.add_argument("name", nargs="?", help="which test; --list names them")
    parser.add_argument("--list", action="store_true", help="the tests, and what they do")
    parser.add_argument("--large", action="store_true", help="many more trials: minutes to hours")
    parser.add_argument("--seed", type=int, default=1, help="the same seed makes the same choices")
    parser.add_argument("--dir", default=None, help="where relay and clients keep their data for the while")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)
