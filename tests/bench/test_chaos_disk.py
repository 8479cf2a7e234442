"""`chappe chaos disk`, small: each kind of fault, at operations spread over what the relay does."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.chaos import disk
from bench.chaos.base import Options


@pytest.mark.slow
def test_a_disk_that_fails_loses_nothing_and_is_named(tmp_path: Path) -> None:
    report = disk.run(Options(seed=4, large=False, folder=tmp_path), faults=12)
    assert report.passed, report.as_text()
    assert report.trials >= 8
    assert int(report.figures["refusals_storage"]) > 0
    assert int(report.figures["went_on"]) > 0
    assert int(report.figures["other_promises_kept"]) > 0
