"""`chappe chaos failover`, small: PostgreSQL's primary dies with its synchronous standby beside it."""

from __future__ import annotations

from pathlib import Path

from bench.chaos import failover
from bench.chaos.base import Options


def test_the_standby_has_all_that_was_accepted(tmp_path: Path) -> None:
    report = failover.run(Options(seed=8, large=False, folder=tmp_path), failures=1, messages=1_500)
    assert report.passed, report.as_text()
    assert report.trials == 1
    assert report.accepted > 1_000
    assert (report.lost, report.doubled) == (0, 0)
    # It died with messages under way, the relay went on by itself, and within the target.
    assert report.figures["killed_with_messages_under_way"] == 1
    assert report.figures["relay_processes"] == 1
    # The control: with the standby away nothing is accepted, and all of it once it is back.
    assert report.figures["accepted_while_the_standby_was_away"] == 0
    assert float(report.figures["service_away_longest_s"]) < failover.TARGET_SECONDS
