"""`chappe chaos slow`, small: memory and delivery; what the others feel is for a machine of its own."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.chaos import slow
from bench.chaos.base import Options


@pytest.mark.timeout(240)
def test_who_reads_nothing_costs_a_window(tmp_path: Path) -> None:
    report = slow.run(Options(1, False, tmp_path))
    assert report.passed, report.as_text()
    assert (report.lost, report.doubled) == (0, 0)
    assert report.accepted == (1 + slow.SILENT) * (1 + slow.MORE) * slow.FULL


def test_more_than_windows_would_be_noticed() -> None:
    """Mail of all of them in memory is far beyond what is allowed."""
    waiting = slow.SILENT * (1 + slow.MORE) * slow.FULL * slow.PAYLOAD
    told = slow.Told(before=0, full=0, more=waiting)
    assert waiting > 2 * slow._bound(slow.SILENT)
    assert slow._over("devices", told, slow.SILENT)
