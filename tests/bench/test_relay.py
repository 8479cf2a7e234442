"""The benchmark itself runs, and what it prints can be read by a script."""

from __future__ import annotations

import json

import pytest
from bench.relay import main


@pytest.mark.parametrize("store", [[], ["--postgres"]])
def test_a_small_run(capfd: pytest.CaptureFixture[str], store: list[str]) -> None:
    assert main(["--pairs", "2", "--seconds", "0.5", "--idle", "20", "--json", *store]) == 0
    result = json.loads(capfd.readouterr().out)
    assert (result["pairs"], result["payload_bytes"], result["idle_connections"]) == (2, 1024, 20)
    assert result["delivered"] > 0
    assert result["delivered_per_second"] == pytest.approx(result["delivered"] / result["seconds"], rel=0.01)
    assert 0 < result["latency_p50_ms"] <= result["latency_p99_ms"]
    assert result["relay_cpu_seconds_per_1000"] > 0
    # What twenty connections take is lost in what a process takes and gives back meanwhile.
    assert isinstance(result["rss_kib_per_idle_connection"], float)
