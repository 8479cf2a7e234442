"""Every decoder under libFuzzer for a moment; tests/fuzz/run.py does it for as long as one likes."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import TARGETS

RUNS = 4000
ROOT = Path(__file__).parents[2]
CONTROLS = [name for name in TARGETS if name.startswith("control.")]
DECODERS = [name for name in TARGETS if name not in CONTROLS]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def statuses(corpus: Path) -> dict[str, int]:
    """The exit status of each target: one process that starts one child for each."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris has no wheel for this Python and machine")
    command = [sys.executable, "-m", "tests.fuzz.run", "all", f"--runs={RUNS}", "--seed=1"]
    done = subprocess.run(
        [*command, f"--corpus={corpus}"], cwd=ROOT, capture_output=True, text=True, timeout=240, check=False
    )
    lines = (line.split() for line in done.stdout.splitlines())
    return {name: int(status) for name, status in lines}


@pytest.mark.parametrize("name", DECODERS)
def test_nothing_but_its_own_refusal_leaves_a_decoder(
    name: str, statuses: dict[str, int], corpus: Path
) -> None:
    log = (corpus / f"{name}.log").read_text(errors="replace")
    assert statuses[name] == 0, log[-3000:]
    assert f"Done {RUNS} runs" in log


@pytest.mark.parametrize("name", CONTROLS)
def test_a_broken_decoder_is_found(name: str, statuses: dict[str, int], corpus: Path) -> None:
    assert statuses[name] not in (0, 99)
    assert "IndexError" in (corpus / f"{name}.log").read_text(errors="replace")
    assert list((corpus / name).glob("crash-*"))


@pytest.mark.parametrize("name", DECODERS)
def test_the_seeds_are_good(name: str) -> None:
    """They go all the way through, but for the insiders' that are wrong behind their signature: a corpus of
    refusals would teach the fuzzer little."""
    target, refused, count = TARGETS[name], 0, 0
    for seed in target.seeds():
        count += 1
        try:
            target.run(seed)
        except target.refusal:
            refused += 1
    insiders = {"mls.insider_commit", "mls.insider_proposal", "mls.insider_welcome", "mls.process"}
    assert count
    assert name in insiders or not refused
