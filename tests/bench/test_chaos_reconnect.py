"""`chappe chaos reconnect`, small: 200 devices at once. Thirty seconds are far more than they need."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.chaos import reconnect
from bench.chaos.base import Options


@pytest.mark.timeout(240)
def test_all_come_back_with_what_waited(tmp_path: Path) -> None:
    report = reconnect.run(Options(1, False, tmp_path))
    assert report.figures["devices_not_back"] == 0
    assert report.figures["in_another_order"] == 0
    assert (report.lost, report.doubled) == (0, 0)
    assert report.accepted == reconnect.DEVICES * reconnect.WAITING


def test_what_is_missing_is_seen() -> None:
    ids = [b"one", b"two"]
    whole = [(1, b"one"), (2, b"two")]
    for got, lost, doubled in (([whole[0]], 1, 0), ([*whole, (3, b"two")], 0, 1)):
        back = reconnect.Back([1.0], 1, [got])
        report = reconnect._report([back], ids, 0.0, 0.0, 1)
        assert not report.passed
        assert (report.lost, report.doubled) == (lost, doubled)
    late = reconnect._report([reconnect.Back([31.0], 1, [whole])], ids, 0.0, 0.0, 1)
    assert not late.passed
