"""A relay's very first start, cut off by a loss of power or met by a failing disk: the next one must come up.

It makes keys, certificate, tables, the share store and the log, and what is half made then must be taken for
neither whole nor old.
"""

from __future__ import annotations

import errno
import random
import shutil
from pathlib import Path
from typing import Final

from tests.relay.world import RelayProcess

from bench.chaos.platter import WAYS, Platter
from bench.chaos.shim import ALL, FOR_GOOD, SYNCS, WRITES, Disk

OPERATIONS: Final = 380
"""Of the disk, in a first start, about."""
_FAULTS: Final = (
    (errno.ENOSPC, ALL & ~SYNCS, FOR_GOOD, OPERATIONS),
    (errno.EIO, ALL, FOR_GOOD, OPERATIONS),
    (errno.EIO, WRITES, 1, 260),
    (errno.EIO, SYNCS, 1, 50),
)
"""errno, kinds, how many in a row, and how many operations of those kinds there are about."""
_KILLED: Final = "ended with -9"


def cut_off(folder: Path, library: Path, chance: random.Random, count: int) -> list[str]:
    """So many first starts during which the power goes, and goes once more as they come back. Gives what was
    wrong."""
    problems = []
    for _ in range(count):
        disk, relay = _fresh(folder, library)
        for most in (OPERATIONS, OPERATIONS // 6):
            disk.begin()
            platter = Platter(relay.data_dir)
            disk.end_in(chance.randint(1, most))
            said = _start(relay)
            if said and _KILLED not in said:
                problems.append(f"a start after a first one that was cut off: {said[-300:]}")
            platter.replay(disk.log, chance)
            platter.lose_power(chance, chance.choice(WAYS))
        problems += _comes_up(disk, relay)
    return problems


def failing(folder: Path, library: Path, chance: random.Random, count: int) -> list[str]:
    """So many first starts on a disk that fails. Gives what was wrong."""
    problems = []
    for turn in range(count):
        disk, relay = _fresh(folder, library)
        why, kinds, times, most = _FAULTS[turn % len(_FAULTS)]
        disk.begin()
        disk.fail(chance.randint(1, most), why, kinds, times=times)
        said = _start(relay)
        if said and "[storage." not in said.splitlines()[-1]:
            problems.append(f"a first start on a failing disk ended without a clear word: {said[-300:]}")
        problems += _comes_up(disk, relay)
    return problems


def _fresh(folder: Path, library: Path) -> tuple[Disk, RelayProcess]:
    shutil.rmtree(folder, ignore_errors=True)
    data, pages = folder / "data", folder / "no-pages"
    for made in (data, pages):
        made.mkdir(parents=True, mode=0o700)
    disk = Disk(folder, data, library)
    relay = RelayProcess(data, start=False, environment=disk.environment, web_dir=pages, log_level="error")
    return disk, relay


def _start(relay: RelayProcess) -> str:
    """Start it and kill it; what it said where it did not come up."""
    try:
        relay.start()
    except RuntimeError as problem:
        return str(problem).strip()
    relay.kill()
    return ""


def _comes_up(disk: Disk, relay: RelayProcess) -> list[str]:
    disk.begin()
    said = _start(relay)
    return [f"the start after a first one that failed: {said[-300:]}"] if said else []
