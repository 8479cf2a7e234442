"""A whole drill: thousands of runs, in pieces, in several processes, each result in a journal at once.

A piece is some runs of one attack on a stage of their own. A new phone reads the whole log of its relay: on
one relay the last of thousands would read far more than the first, for nothing.
"""

from __future__ import annotations

import asyncio
import gc
import multiprocessing
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.e2e.browser import browsing
from tests.e2e.phone_page import FLAGS

from bench.drill.attack import Attack, all_attacks
from bench.drill.journal import Journal
from bench.drill.runs import Series, play, series_of, title
from bench.drill.stage import RUNS_OF_A_CAST, stage_on

PIECE: Final = RUNS_OF_A_CAST


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be run. `attacks`: their names; `folder`: for relays and phones, while they play."""

    attacks: tuple[str, ...]
    seed: int
    runs: int
    honest: int
    control: bool
    browser: bool
    folder: Path
    journal: Path
    on_page: bool = False

    def kinds(self) -> list[tuple[type[Attack], int]]:
        """With how many runs each: the honest ones first."""
        known = {kind.name: kind for kind in all_attacks(browser=self.browser)}
        return [(Attack, self.honest), *((known[name], self.runs) for name in self.attacks)]


@dataclass(frozen=True, slots=True)
class Piece:
    """Some runs of one attack; `share`: how much of its series is before it, so that all go forward alike."""

    name: str
    numbers: tuple[int, ...]
    share: float


def pieces(plan: Plan) -> list[Piece]:
    """All that has no result yet."""
    done = Journal(plan.journal).done()
    made = []
    for kind, count in plan.kinds():
        name = title(kind, on_page=plan.on_page)
        left = [number for number in range(count) if (name, number) not in done]
        made += [
            Piece(name, tuple(left[start : start + PIECE]), left[start] / count)
            for start in range(0, len(left), PIECE)
        ]
    return sorted(made, key=lambda piece: piece.share)


def run(plan: Plan, jobs: int, told: Callable[[str], None]) -> list[Series]:
    """In so many processes; `told` is how far it is."""
    left = pieces(plan)
    if jobs == 1:
        for number, piece in enumerate(left, 1):
            asyncio.run(play_piece(plan, piece))
            told(f"{number} of {len(left)}: {piece.name}")
    else:
        # Each piece in a process of its own: a stage leaves nothing behind.
        spawning = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(jobs, mp_context=spawning) as pool:
            asked = {pool.submit(_play, plan, piece): piece for piece in left}
            for number, done in enumerate(as_completed(asked), 1):
                done.result()
                told(f"{number} of {len(left)}: {asked[done].name}")
    return read(plan)


def read(plan: Plan) -> list[Series]:
    """What the journal has of this plan."""
    done = {
        title(kind, on_page=plan.on_page): series_of(kind, count, control=plan.control, on_page=plan.on_page)
        for kind, count in plan.kinds()
        if count
    }
    for one in sorted(Journal(plan.journal).runs(), key=lambda run: run.number):
        if one.series in done and one.number < done[one.series].planned:
            done[one.series].take(one)
    return list(done.values())


def _play(plan: Plan, piece: Piece) -> None:
    asyncio.run(play_piece(plan, piece))


async def play_piece(plan: Plan, piece: Piece) -> None:
    (kind,) = [kind for kind, _ in plan.kinds() if piece.name == title(kind, on_page=plan.on_page)]
    journal = Journal(plan.journal)
    gc.freeze()
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=plan.folder))
        stage = await stack.enter_async_context(stage_on(Path(folder)))
        if kind.needs_browser:
            stage.browser = await stack.enter_async_context(browsing(*FLAGS))
        playing = play(stage, kind, piece.numbers, plan.seed, control=plan.control, on_page=plan.on_page)
        async for one in playing:
            journal.write(one)


def names(kinds: Iterable[type[Attack]]) -> tuple[str, ...]:
    return tuple(kind.name for kind in kinds)
