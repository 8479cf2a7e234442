"""What a reliability test is given and gives back, and where the tests are found.

A test is a file of this folder:

    TITLE = "The relay is killed at random moments, and nothing accepted is lost"

    def run(options: Options) -> Report: ...

The oracle is what the clients wrote down themselves: what each sent and was told `accepted`, and what each
received. The relay's word counts for nothing.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, cast

FOLDER: Final = Path(__file__).parent
CONFIDENCE: Final = 0.95


@dataclass(frozen=True)
class Options:
    """`folder` is empty and the test's own. The same `seed` makes the same choices; what processes and disks
    make of them may still differ."""

    seed: int
    large: bool
    folder: Path
    tell: Callable[[int, int], None] = lambda _done, _all: None
    """Called as it goes on: so many trials of so many are over."""


@dataclass(frozen=True)
class Report:
    """`trials`: faults that were made. `accepted`: messages (or what else the test counts) that clients were
    told are safe; of these `lost` never arrived, and `doubled` arrived more than once."""

    name: str
    passed: bool
    trials: int
    accepted: int
    lost: int
    doubled: int
    figures: dict[str, int | float | str] = field(default_factory=dict)
    can_claim: str = ""
    cannot_claim: str = ""

    def as_data(self) -> dict[str, Any]:
        return asdict(self)

    def as_text(self) -> str:
        lines = [
            f"{self.name}: {'passed' if self.passed else 'NOT PASSED'}",
            f"  {self.trials:,} trials; {self.accepted:,} accepted, {self.lost:,} of them lost, "
            f"{self.doubled:,} doubled",
        ]
        lines += [f"  {name.replace('_', ' ')}: {_shown(value)}" for name, value in self.figures.items()]
        lines += [f"  Can claim: {self.can_claim}", f"  Cannot claim: {self.cannot_claim}"]
        return "\n".join(lines)


@dataclass(frozen=True)
class Test:
    """One that was found. It is imported when it is run."""

    name: str

    @property
    def _module(self) -> Any:
        return importlib.import_module(f"bench.chaos.{self.name}")

    @property
    def title(self) -> str:
        return str(self._module.TITLE)

    def run(self, options: Options) -> Report:
        return cast(Callable[[Options], Report], self._module.run)(options)


def all_tests() -> dict[str, Test]:
    """Every file here that says `TITLE` and `def run(`, by name."""
    return {path.stem: Test(path.stem) for path in sorted(FOLDER.glob("[a-z]*.py")) if _is_test(path)}


def _is_test(path: Path) -> bool:
    lines = path.read_text(encoding="utf-8").splitlines()
    return any(line.startswith("TITLE") for line in lines) and any(
        line.startswith("def run(") for line in lines
    )


def claim(trials: int, failures: int) -> str:
    """What so many failures in so many independent trials say of the true rate, in words: the rule of three
    where there was none, else Clopper and Pearson's upper bound. With 95 % confidence, one-sided."""
    if trials <= 0:
        return "nothing was tried, so nothing can be said"
    bound = upper_bound(trials, failures)
    return (
        f"{failures:,} of {trials:,} failed: with {CONFIDENCE:.0%} confidence fewer than {_percent(bound)} "
        "of such cases fail"
    )


def upper_bound(trials: int, failures: int) -> float:
    """The largest rate, 0 to 1, at which so few failures still come up in 5 of 100 runs. By bisection."""
    if failures >= trials:
        return 1.0
    if failures == 0:
        return min(1.0, 3.0 / trials)
    low, high = failures / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(failures, trials, middle) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _at_most(failures: int, trials: int, rate: float) -> float:
    """The chance of so many failures or fewer."""
    return sum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * math.log(rate)
            + (trials - k) * math.log1p(-rate)
        )
        for k in range(failures + 1)
    )


def _percent(rate: float) -> str:
    return f"{rate * 100:.3g} %"


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:,}"
