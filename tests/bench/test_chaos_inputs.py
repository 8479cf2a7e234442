"""`chappe chaos inputs`, small: every parser has good samples; nothing but its refusal comes out of it."""

from __future__ import annotations

from pathlib import Path

from bench.chaos import inputs
from bench.chaos.base import Options
from bench.chaos.parsers import FUZZED, PARSERS

REFUSED = frozenset({"wire.guess"})
"""Its sample opens, and is signed by nobody."""


def test_mutated_inputs_are_taken_or_refused(tmp_path: Path) -> None:
    report = inputs.run(Options(1, False, tmp_path))
    assert report.passed, report.as_text()
    assert report.figures["control_found"] == "yes"
    assert report.trials == inputs.SMALL * len(PARSERS)
    # Not all are refused at the door.
    assert report.accepted > report.trials / 20


def test_the_samples_are_good() -> None:
    """Those of tests/fuzz are tried there."""
    for name, target in PARSERS.items():
        if name not in FUZZED and name not in REFUSED:
            for sample in target.seeds():
                target.run(sample)
