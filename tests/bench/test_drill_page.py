"""The drill against the page's own client code, in Node, beside a terminal. `chappe drill --page` makes as
many runs as one likes; the page in Chromium is attacked in tests/e2e/test_drill.py."""

from __future__ import annotations

import asyncio
import os

import pytest
from bench.drill.attack import all_attacks
from bench.drill.runs import PAGE_IN_NODE, Series, drill
from bench.drill.table import page_words, shown

from tests.web.lines import need_phone

ATTACKS: tuple[str, ...] = ("freeze", "ghost device", "stale checkpoint", "swap a key")
MORE = ("drop one", "fork the log", "replay", "unsigned erase", "wrong share")
if os.environ.get("CHAPPE_LONG") == "1":
    ATTACKS += MORE


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Series]:
    """One run of each, all on one relay."""
    need_phone()
    kinds = [kind for kind in all_attacks() if kind.name in ATTACKS]
    folder = tmp_path_factory.mktemp("drill")
    found = asyncio.run(drill(folder, kinds, seed=7, runs=1, honest=1, on_page=True))
    return {series.name.removesuffix(", on the page"): series for series in found}


@pytest.mark.parametrize("name", ["honest", *ATTACKS])
def test_the_page_notices_or_is_not_harmed(done: dict[str, Series], name: str) -> None:
    series = done[name]
    assert series.client == PAGE_IN_NODE
    assert series.runs == 1
    assert series.passed, series.failures
    if name == "honest":
        assert not series.sees


def test_what_is_seen_is_what_the_page_says(done: dict[str, Series]) -> None:
    assert page_words("alarm.relay.silent.title") in done["freeze"].sees
    assert page_words("alarm.log.frozen.title") in done["stale checkpoint"].sees
    assert shown("page:error.certificate.invalid") in done["ghost device"].sees
    assert any("identity" in text for text in done["swap a key"].sees)
