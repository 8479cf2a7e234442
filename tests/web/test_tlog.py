"""The phone's verifier of the log judges as Python does: the published vectors, hostile bytes, the rules."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tlog import test_proofs
from tests.web import log_cases, tlog_cases
from tests.web.node import run_vitest


@pytest.fixture(scope="module")
def cases(vectors: Path) -> dict[str, Any]:
    return tlog_cases.cases(vectors)


def test_the_phone_judges_as_python_does(cases: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "tlog.json"
    file.write_text(json.dumps(cases), encoding="utf-8")
    rules = tmp_path / "log.json"
    rules.write_text(json.dumps(log_cases.cases()), encoding="utf-8")
    done = run_vitest("tests/tlog", CHAPPE_TLOG_CASES=str(file), CHAPPE_LOG_CASES=str(rules))
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def test_all_published_proofs_are_among_the_cases(cases: dict[str, Any]) -> None:
    assert len(cases["proofs"]) == len(test_proofs.BEYOND) + 98 + 98 + 204 + 118
    assert all(("error" in each) == each["wantErr"] for each in cases["proofs"])
