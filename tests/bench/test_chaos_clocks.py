"""`chappe chaos clocks`, small: ten years back and ten years ahead, of the relay and of a phone."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.chaos import clocks
from bench.chaos.base import Options


@pytest.mark.timeout(240)
def test_clocks_that_are_wrong(tmp_path: Path) -> None:
    report = clocks.run(Options(1, False, tmp_path))
    assert report.passed, report.as_text()
    # The relay that is ahead takes the term for over, and says so; it closes nothing.
    assert "closed" in str(report.figures["refused_meanwhile"])
