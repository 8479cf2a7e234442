"""The working group's vectors, and that the runner notices when one does not hold."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from chappe.mls.suites import IMPLEMENTED
from chappe.mls.vectors.runner import CHECKS, main, run_file


@pytest.mark.parametrize("name", sorted(CHECKS))
def test_file_passes(vectors: Path, name: str) -> None:
    path = vectors / "mls" / f"{name}.json"
    tally = run_file(path)
    assert not tally.failures
    assert tally.passed == len(json.loads(path.read_text())) > 0


def test_all_suites_of_the_rfc_are_covered(vectors: Path) -> None:
    suites = {v["cipher_suite"] for v in json.loads((vectors / "mls" / "crypto-basics.json").read_text())}
    assert suites == set(range(1, 8)) < set(IMPLEMENTED)


def test_a_vector_of_an_unknown_suite_fails(vectors: Path, tmp_path: Path) -> None:
    vector = json.loads((vectors / "mls" / "welcome.json").read_text())[0]
    copy = tmp_path / "welcome.json"
    copy.write_text(json.dumps([vector | {"cipher_suite": 0x00FF}]))
    assert len(run_file(copy).failures) == 1


def test_every_vector_file_is_known(vectors: Path) -> None:
    assert {path.stem for path in (vectors / "mls").glob("*.json")} == set(CHECKS)


def test_closing_line_and_status(vectors: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(vectors / "mls" / "tree-math.json")]) == 0
    assert capsys.readouterr().out == "tree-math.json: 10 passed, 0 failed\n10 passed, 0 failed\n"


def test_unknown_missing_and_broken_files_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unknown = tmp_path / "unheard-of.json"
    unknown.write_text("[]")
    broken = tmp_path / "welcome.json"
    broken.write_text("{")
    assert main([str(unknown), str(broken), str(tmp_path / "treekem.json")]) == 1
    assert capsys.readouterr().out.endswith("0 passed, 3 failed\n")
    assert main([]) == 2


@pytest.mark.parametrize("name", sorted(set(CHECKS) - {"messages", "deserialization", "tree-math"}))
def test_a_changed_vector_fails(vectors: Path, tmp_path: Path, name: str) -> None:
    """The negative control: one bit of one value of each kind of vector, and the file fails."""
    source = vectors / "mls" / f"{name}.json"
    vector = json.loads(source.read_text())[0]
    field = {
        "crypto-basics": ("derive_secret", "out"),
        "key-schedule": ("epochs", 0, "epoch_authenticator"),
        "message-protection": ("commit_priv",),
        "passive-client-handling-commit": ("epochs", 1, "epoch_authenticator"),
        "passive-client-welcome": ("initial_epoch_authenticator",),
        "psk_secret": ("psk_secret",),
        "secret-tree": ("leaves", 0, 0, "application_key"),
        "transcript-hashes": ("interim_transcript_hash_after",),
        "tree-operations": ("tree_hash_after",),
        "tree-validation": ("tree_hashes", 0),
        "treekem": ("update_paths", 0, "tree_hash_after"),
        "welcome": ("signer_pub",),
    }[name]
    at = vector
    for key in field[:-1]:
        at = at[key]
    text = at[field[-1]]
    at[field[-1]] = text[:-1] + ("0" if text[-1] != "0" else "1")
    copy = tmp_path / f"{name}.json"
    copy.write_text(json.dumps([vector]))
    assert len(run_file(copy).failures) == 1


def test_runner_is_a_command(vectors: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    shutil.copy(vectors / "mls" / "tree-math.json", tmp_path)
    command = [sys.executable, "-m", "chappe.mls.vectors", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "10 passed, 0 failed"
