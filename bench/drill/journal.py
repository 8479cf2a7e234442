"""What became of each run, one line of JSON each, written as soon as it is known.

Whoever breaks a drill off loses nothing: with the same journal it goes on where it was.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bench.drill.runs import BROKEN, Run


class Journal:
    """`write` from several processes at once: a line is one write at the end of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, run: Run) -> None:
        line = msgspec.json.encode(run) + b"\n"
        file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(file, line)
        finally:
            os.close(file)

    def runs(self) -> Iterator[Run]:
        """Those that have a result, each once: the last that was written counts. A broken one has none, and
        is tried again."""
        found: dict[tuple[str, int], Run] = {}
        for line in self.path.read_bytes().splitlines() if self.path.exists() else ():
            try:
                run = msgspec.json.decode(line, type=Run)
            except msgspec.DecodeError:
                continue  # the machine ended while it was written
            found[run.series, run.number] = run
        yield from found.values()

    def done(self) -> set[tuple[str, int]]:
        return {(run.series, run.number) for run in self.runs() if run.verdict != BROKEN}
