"""The measurement of the log measures a log that holds."""

from __future__ import annotations

import json

import pytest

from bench import tlog


def test_it_measures(capsys: pytest.CaptureFixture[str]) -> None:
    assert tlog.main(["--entries", "100", "--no-page", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["python"]
    assert (found["entries"], found["signatures"]) == (100, 74)
    assert 0 < found["replay_cpu"] < 5
