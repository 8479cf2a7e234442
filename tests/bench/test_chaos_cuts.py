"""`chappe chaos cuts`, small: connections cut at random bytes, messages and attachments through it."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.chaos import cuts
from bench.chaos.base import Options


@pytest.mark.slow
def test_cut_connections_lose_nothing(tmp_path: Path) -> None:
    report = cuts.run(Options(seed=2, large=False, folder=tmp_path), cuts=120)
    assert report.passed, report.as_text()
    assert report.trials >= 120
    assert report.accepted > 100
    for where in ("up_early", "up_late", "down_early", "down_late"):
        assert int(report.figures[f"cut_{where}"]) > 0
    assert int(report.figures["uploads_resumed"]) > 0
    assert int(report.figures["attachments_there_and_back"]) > 0
