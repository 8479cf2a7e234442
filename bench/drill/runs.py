"""Many seeded runs on one stage, and what became of them."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.browser import Browser

from bench.drill.attack import Attack
from bench.drill.eyes import Sight
from bench.drill.stage import Stage, stage_on
from bench.drill.verdict import HARMLESS, HONEST, NOTICED, UNNOTICED, judge, judge_honest

RUN_SECONDS: Final = 120.0
BROKEN: Final = "broken"
ON_PAGE: Final = ", on the page"
TERMINAL: Final = "phones of the Python SDK, as `chappe chat` shows them"
PAGE_IN_NODE: Final = "the page's client code in Node, beside phones of the Python SDK"
CHROMIUM: Final = "the page in Chromium"
_KEPT: Final = 10
"""Failures of which the report tells more than the number."""


@dataclass(frozen=True, slots=True)
class Run:
    """One run, and what became of it. `signs`: own messages that people see were never read; `read`: the
    attacker read a text."""

    series: str
    number: int
    verdict: str
    harms: list[str] = field(default_factory=list)
    alarms: list[Sight] = field(default_factory=list)
    signs: list[Sight] = field(default_factory=list)
    read: bool = False
    seconds: float = 0.0

    @property
    def sees(self) -> list[Sight]:
        return [*self.alarms, *self.signs]


@dataclass
class Series:
    """All runs of one attack, or the honest ones. `planned`: so many there must be; `client`: what is
    attacked; `sees`: how many runs showed a text; `harmed`: how many runs did harm, noticed or not; `read`:
    in how many the attacker read a text."""

    name: str
    does: str
    good: tuple[str, ...]
    planned: int = 0
    client: str = ""
    verdicts: Counter[str] = field(default_factory=Counter)
    alarmed: int = 0
    harmed: int = 0
    read: int = 0
    sees: Counter[str] = field(default_factory=Counter)
    failures: list[dict[str, object]] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def runs(self) -> int:
        return sum(self.verdicts.values())

    @property
    def passed(self) -> bool:
        good = sum(self.verdicts[word] for word in self.good)
        return self.runs == good and self.runs >= self.planned

    def take(self, run: Run) -> None:
        self.verdicts[run.verdict] += 1
        self.alarmed += run.verdict == NOTICED and any(sight.text for sight in run.alarms)
        self.harmed += bool(run.harms)
        self.read += run.read
        self.seconds = round(self.seconds + run.seconds, 2)
        self.sees.update({sight.text for sight in run.sees if sight.text})
        if run.verdict not in self.good and len(self.failures) < _KEPT:
            sights = [f"{sight.who}: {sight.what}: {sight.text}" for sight in run.sees]
            self.failures.append(
                {"run": run.number, "verdict": run.verdict, "harms": run.harms, "sees": sights}
            )


def title(kind: type[Attack], *, on_page: bool = False) -> str:
    """What a series is called. `Attack` itself is the honest relay."""
    return ("honest" if kind is Attack else kind.name) + (ON_PAGE if on_page else "")


def series_of(kind: type[Attack], planned: int, *, control: bool = False, on_page: bool = False) -> Series:
    """To be filled."""
    name = title(kind, on_page=on_page)
    client = PAGE_IN_NODE if on_page else CHROMIUM if kind.needs_browser else TERMINAL
    good = (HONEST,) if kind is Attack else (UNNOTICED, HARMLESS) if control else (NOTICED, HARMLESS)
    return Series(name, kind.does, good, planned, client)


async def drill(
    folder: Path,
    attacks: Iterable[type[Attack]],
    *,
    seed: int,
    runs: int,
    honest: int,
    control: bool = False,
    on_page: bool = False,
    browser: Browser | None = None,
) -> list[Series]:
    """All on one stage: the honest runs first, then each attack's. With `control`, eyes are shut, and phones
    lack the check that an attack meets where it can be taken away: harm must then be called unnoticed."""
    done: list[Series] = []
    async with stage_on(folder) as stage:
        stage.browser = browser
        for kind, count in [(Attack, honest), *((kind, runs) for kind in attacks)]:
            series = series_of(kind, count, control=control, on_page=on_page)
            async for run in play(stage, kind, range(count), seed, control=control, on_page=on_page):
                series.take(run)
            if kind is not Attack or count:
                done.append(series)
    return done


async def play(
    stage: Stage,
    kind: type[Attack],
    numbers: Iterable[int],
    seed: int,
    *,
    control: bool = False,
    on_page: bool = False,
) -> AsyncIterator[Run]:
    """The runs with these numbers: a number and the seed make the same choices again, whatever was played
    before. `on_page`: some of the people have the page."""
    stage.on_page = (kind.page_names or frozenset({"ben"})) if on_page else frozenset()
    if control and kind is not Attack:
        async with kind.disarmed():
            for number in numbers:
                yield await _run(stage, kind, number, seed, eyes_shut=True)
    else:
        for number in numbers:
            yield await _run(stage, kind, number, seed, eyes_shut=False)


async def _run(stage: Stage, kind: type[Attack], number: int, seed: int, *, eyes_shut: bool) -> Run:
    began = time.monotonic()
    series = title(kind, on_page=bool(stage.on_page))
    attack = kind(random.Random(f"{seed} {kind.name} {number}"))
    try:
        async with asyncio.timeout(RUN_SECONDS):
            await stage.enter(attack)
            await attack.scene(stage)
            await stage.later()
            if stage.man.faults:
                raise stage.man.faults.pop()
        judged = judge_honest(stage) if kind is Attack else judge(stage, attack, eyes_shut=eyes_shut)
    except Exception as problem:  # noqa: BLE001 - one broken run is told, and ends no drill
        stage.renew()
        told = "".join(traceback.format_exception(problem)[-3:])
        return Run(series, number, BROKEN, [told], seconds=time.monotonic() - began)
    return Run(
        series,
        number,
        judged.verdict,
        judged.harms,
        judged.alarms,
        judged.signs,
        bool(attack.read),
        time.monotonic() - began,
    )
