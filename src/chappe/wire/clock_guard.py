"""A clock that jumps ahead: what cannot be undone waits until somebody says that the clock is right.

The last time that was believed is in a small file of the data directory. A clock that is more than `MAX_JUMP`
after it is not believed: until the operator confirms it (`chappe desk clock --confirm`), or a process has
seen it go on by itself for `REAL_SECONDS`, counted by a clock that nobody can set. A server that was off for
long waits, too; that costs nothing but a few days.

A clock that goes back is believed at once: then less is due, and nothing was undone. What it says next is
measured from there, so that a clock that is put right again by more than `MAX_JUMP` waits like any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from chappe.wire.durable import replace_file
from chappe.wire.errors import ChappeError
from chappe.wire.sqlite import os_failure

MAX_JUMP: Final = 7 * 24 * 3600
"""Seconds. A server that was off for a week goes on as if nothing had been."""
REAL_SECONDS: Final = 3 * 24 * 3600
"""Longer than a weekend: somebody has read the warning by then."""
FILE: Final = "clock"
_LONGEST: Final = 32

Clock: TypeAlias = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Jump:
    """`before`: the last time that was believed; `after`: what the clock says now. Unix seconds."""

    before: int
    after: int

    @property
    def days(self) -> int:
        return (self.after - self.before) // (24 * 3600)


class ClockGuard:
    """Of one data directory: relay and desk, and each command beside them, have one on the same file."""

    def __init__(self, data_dir: Path, clock: Clock, steady: Clock = time.monotonic) -> None:
        """`steady`: seconds of a clock that only goes on."""
        self._file = data_dir / FILE
        self._clock = clock
        self._steady = steady
        self._waiting_since: float | None = None
        self._seen: int | None = None

    def jump(self) -> Jump | None:
        """None where the clock is believed. Nothing is written."""
        after = int(self._clock())
        if self._seen is None or after - self._seen > MAX_JUMP:
            # Another process may have believed, or confirmed, more since.
            self._seen = self._believed()
        if self._seen is None or after - self._seen <= MAX_JUMP:
            return None
        return Jump(self._seen, after)

    def pass_by(self) -> Jump | None:
        """Before each thing that cannot be undone, every hour or oftener: None where it may be done.

        Where that cannot be noted it may be done all the same: on a full disk, what is dropped is what makes
        room. A time that was noted long ago makes a clock wait too soon, never too late.
        """
        jump = self.jump()
        if jump is None:
            self._waiting_since = None
        elif not self._waited():
            return jump
        with suppress(ChappeError):
            self._believe(int(self._clock()))
        return None

    def confirm(self) -> None:
        """The operator says that the clock is right. Raises storage.*."""
        self._believe(int(self._clock()))

    def past(self) -> int:
        """What has expired by this time has expired for certain: the last time that was believed, where the
        clock is not."""
        jump = self.jump()
        return int(self._clock()) if jump is None else jump.before

    def _waited(self) -> bool:
        now = self._steady()
        if self._waiting_since is None:
            self._waiting_since = now
        return now - self._waiting_since >= REAL_SECONDS

    def _believed(self) -> int | None:
        """None where there is no file yet, or what is in it is no time: then there is nothing to compare."""
        try:
            with self._file.open("rb") as file:
                text = file.read(_LONGEST)
        except OSError:
            return None
        return int(text) if text.strip().isdigit() else None

    def _believe(self, now: int) -> None:
        try:
            replace_file(self._file, b"%d\n" % now)
        except OSError as problem:
            raise os_failure(problem) from None
        self._seen = now
