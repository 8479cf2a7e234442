"""Many seeded runs on one stage, and what became of them."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.e2e.browser import Browser

from bench.drill.attack import Attack
from bench.drill.stage import Stage, stage_on
from bench.drill.verdict import HARMLESS, HONEST, NOTICED, UNNOTICED, Judged, judge, judge_honest

RUN_SECONDS: Final = 120.0
BROKEN: Final = "broken"
_KEPT: Final = 10
"""Failures of which the report tells more than the number."""


@dataclass
class Series:
    """All runs of one attack, or the honest ones. `sees`: how many runs showed a text; `harms`: how many runs
    did harm, noticed or not; `read`: in how many the attacker read a text."""

    name: str
    does: str
    good: tuple[str, ...]
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
        return self.runs == sum(self.verdicts[word] for word in self.good)

    def take(self, number: int, judged: Judged) -> None:
        self.verdicts[judged.verdict] += 1
        self.alarmed += judged.verdict == NOTICED and any(sight.text for sight in judged.alarms)
        self.harmed += bool(judged.harms)
        self.sees.update({sight.text for sight in judged.sees if sight.text})
        if judged.verdict not in self.good and len(self.failures) < _KEPT:
            sights = [f"{sight.who}: {sight.what}: {sight.text}" for sight in judged.sees]
            self.failures.append(
                {"run": number, "verdict": judged.verdict, "harms": judged.harms, "sees": sights}
            )

    def broke(self, number: int, problem: BaseException) -> None:
        """The drill itself failed: that is no result."""
        self.verdicts[BROKEN] += 1
        told = "".join(traceback.format_exception(problem)[-3:])
        self.failures.append({"run": number, "verdict": BROKEN, "harms": [told], "sees": []})


async def drill(
    folder: Path,
    attacks: Iterable[type[Attack]],
    *,
    seed: int,
    runs: int,
    honest: int,
    control: bool = False,
    forked: bool = False,
    browser: Browser | None = None,
) -> list[Series]:
    """The honest runs first, then each attack's. With `control`, eyes are shut, and phones lack the check
    that an attack meets where it can be taken away: harm must then be called unnoticed."""
    done: list[Series] = []
    async with stage_on(folder, forked=forked) as stage:
        stage.browser = browser
        if honest:
            series = Series("honest", Attack.does, (HONEST,))
            await _series(stage, series, Attack, seed, honest, None)
            done.append(series)
        for kind in attacks:
            series = Series(kind.name, kind.does, (UNNOTICED, HARMLESS) if control else (NOTICED, HARMLESS))
            if runs and control:
                async with kind.disarmed():
                    await _series(stage, series, kind, seed, runs, True)
            elif runs:
                await _series(stage, series, kind, seed, runs, False)
            done.append(series)
    return done


async def _series(
    stage: Stage, series: Series, kind: type[Attack], seed: int, runs: int, eyes_shut: bool | None
) -> None:
    began = time.monotonic()
    for number in range(runs):
        attack = kind(random.Random(f"{seed} {kind.name} {number}"))
        try:
            async with asyncio.timeout(RUN_SECONDS):
                await stage.enter(attack)
                await attack.scene(stage)
                await stage.later()
                if stage.man.faults:
                    raise stage.man.faults.pop()
            judged = judge_honest(stage) if eyes_shut is None else judge(stage, attack, eyes_shut=eyes_shut)
        except Exception as problem:  # noqa: BLE001 - one broken run is told, and ends no drill
            series.broke(number, problem)
            stage.renew()
            continue
        series.take(number, judged)
        series.read += bool(attack.read)
    series.seconds = round(time.monotonic() - began, 1)
