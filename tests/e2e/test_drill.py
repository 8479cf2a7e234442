"""The drill in Chromium: a relay that hands one phone another page, as in `chappe drill --browser`."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.drill.attack import all_attacks
from bench.drill.runs import drill

from tests.e2e.browser import browsing
from tests.e2e.conftest import need_browser
from tests.e2e.phone_page import FLAGS

pytestmark = pytest.mark.anyio


async def test_the_page_notices_or_is_not_harmed(tmp_path: Path) -> None:
    need_browser()
    kinds = [kind for kind in all_attacks(browser=True) if kind.needs_browser]
    async with browsing(*FLAGS) as browser:
        done = await drill(tmp_path, kinds, seed=7, runs=1, honest=0, browser=browser)
    for series in done:
        assert series.passed, series.failures
        assert any("A new version was refused" in text for text in series.sees)
        assert not series.harmed
