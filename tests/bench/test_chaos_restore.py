"""`chappe chaos restore`, small: one restore with the shares, one without, and a copy put back by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.chaos import restore
from bench.chaos.base import Options


@pytest.mark.timeout(240)
def test_an_old_backup(tmp_path: Path) -> None:
    report = restore.run(Options(1, False, tmp_path))
    assert report.passed, report.as_text()
    assert report.figures["erased_phones"] == restore.TRIALS
    # By hand, numbers go back, and phones take new messages for old ones.
    assert int(report.figures["control_hidden"]) > 0
