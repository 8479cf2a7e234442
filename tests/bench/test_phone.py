"""The benchmark itself runs, and what it prints can be read by a script."""

from __future__ import annotations

import json
import os

import pytest
from bench.phone import main

from tests.e2e.browser import missing


def test_a_small_run(capfd: pytest.CaptureFixture[str]) -> None:
    lacking = missing()
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(f"{lacking}: this test must run here")
    if lacking:
        pytest.skip(lacking)
    command = ["--messages", "30", "--rounds", "2", "--openings", "1", "--members", "3", "--json"]
    assert main(command) == 0
    result = json.loads(capfd.readouterr().out)
    loaded, stored, crowd = result["loaded"], result["stored"], result["crowd"]
    # The page and the phone in its worker, squeezed.
    kinds = [name.partition("-")[0] for name in loaded["largest"]]
    assert kinds[:2] == ["assets/worker", "assets/index"]
    assert sum(loaded["largest"].values()) < loaded["bytes"] < 400_000
    assert (stored["messages"], crowd["members"]) == (30, 3)
    assert stored["taken_in_per_second"] > 0
    for part in (stored, crowd):
        spreads = [value for value in part.values() if isinstance(value, dict) and "p50" in value]
        assert len(spreads) >= 4
        assert all(0 < one["p50"] <= one["p95"] for one in spreads)
        assert part["worker_mib"] > 0.5
    # The page waits so long for another key.
    assert all(took >= 150 for took in stored["search_ms"].values())
    assert stored["send_to_shown_ms"]["p50"] <= stored["send_to_sent_ms"]["p50"]
    assert min(result["activate_ms"], crowd["create_ms"], crowd["join_ms"]) > 0
