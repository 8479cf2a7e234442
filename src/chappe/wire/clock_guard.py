"""A clock that jumps ahead: what cannot be undone waits until somebody says that the clock is right.

The last time that was believed is in a small file of the data directory. A clock that is more than `MAX_JUMP`
after it is not believed: until the operator confirms it (`chappe desk clock --confirm`), or a process has
seen it go on by itself for `REAL_SECONDS`, counted by a clock that nobody can set. A server that was off for
long waits, too; that costs nothing but a few days.

A clock that goes back is believed at once: then less is due, and nothing was undone. What it says next is
measured from there, so that a clock that is put right again by more than `MAX_JUMP` waits like any other.

Nothing is stamped with a time that was long over, though: where the clock is more than `MAX_JUMP` behind the
latest time that was ever believed, which stands in the file, too, `now` is that time. Else what a machine
takes in that starts without knowing the date would have expired as soon as it is told. A clock that is really
to go back waits for the operator, or for `REAL_SECONDS`, as one that jumps ahead.
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
_LONGEST: Final = 64

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
        self._behind_since: float | None = None
        self._seen: int | None = None
        self._latest = self._kept()[1] or 0

    def now(self) -> float:
        """The time to stamp things with. Unix seconds. A clock that was set back by less than `MAX_JUMP` is
        right, for all that depends on it."""
        now = self._clock()
        return now if self._latest - now <= MAX_JUMP else self._latest

    def behind(self) -> int:
        """Seconds that the clock is behind the latest time that was believed; 0 where it is not."""
        return max(0, self._latest - int(self._clock()))

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
        self._mind_the_latest()
        jump = self.jump()
        if jump is None:
            self._waiting_since = None
        elif not self._waited():
            return jump
        with suppress(ChappeError):
            now = int(self._clock())
            self._believe(now, max(self._latest, now))
        return None

    def confirm(self) -> None:
        """The operator says that the clock is right. Raises storage.*."""
        now = int(self._clock())
        self._believe(now, now)

    def past(self) -> int:
        """What has expired by this time has expired for certain: the last time that was believed, where the
        clock is not."""
        jump = self.jump()
        return int(self._clock()) if jump is None else jump.before

    def _mind_the_latest(self) -> None:
        """Another process may have believed, or confirmed, another; and a clock that stays behind for so long
        is taken for right."""
        self._latest = self._kept()[1] or self._latest
        if self.behind() <= MAX_JUMP:
            self._behind_since = None
            return
        if self._behind_since is None:
            self._behind_since = self._steady()
        if self._steady() - self._behind_since >= REAL_SECONDS:
            self._latest = int(self._clock())

    def _waited(self) -> bool:
        now = self._steady()
        if self._waiting_since is None:
            self._waiting_since = now
        return now - self._waiting_since >= REAL_SECONDS

    def _believed(self) -> int | None:
        return self._kept()[0]

    def _kept(self) -> tuple[int | None, int | None]:
        """The last time that was believed, and the latest. None where there is no file yet, or what is in it
        is no time: then there is nothing to compare."""
        try:
            with self._file.open("rb") as file:
                words = file.read(_LONGEST).split()
        except OSError:
            return None, None
        if not 1 <= len(words) <= 2 or not all(word.isdigit() for word in words):
            return None, None
        return int(words[0]), int(words[-1])

    def _believe(self, now: int, latest: int) -> None:
        """The latest stands in the file where it is another."""
        kept = b"%d\n" % now if latest == now else b"%d %d\n" % (now, latest)
        try:
            replace_file(self._file, kept)
        except OSError as problem:
            raise os_failure(problem) from None
        self._seen, self._latest = now, latest
