"""The benchmark itself runs, and what it prints can be read by a script."""

from __future__ import annotations

import json

import pytest
from bench.shares import main


def test_a_small_run(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["--lines", "20", "--destroy", "10,300", "--json"]) == 0
    result = json.loads(capfd.readouterr().out)
    assert result["lines"] == 20
    # The whole is rounded to hundredths of a second.
    whole = result["unlocked_all_seconds"] * 1000 + 10
    assert 0 < result["unlock_p50_ms"] <= result["unlock_p99_ms"] <= whole
    assert [one["shares"] for one in result["destructions"]] == [10, 300]
    assert all(0 < one["median_ms"] <= one["longest_ms"] for one in result["destructions"])
