"""The fingerprint of the cryptology: what was declared, what runs, and the build's own baseline."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from chappe.cli.main import main
from chappe.desk.dossier import calls, declared
from chappe.wire import cryptology
from chappe.wire.errors import ChappeError

BASELINE = Path(__file__).parents[3] / "docs" / "cryptology.json"
RENEW = "chappe dossier fingerprint --json > docs/cryptology.json"


def test_the_inventory_is_that_of_the_baseline() -> None:
    """A change of cryptology is declared (see docs/operating.md); then the baseline is renewed."""
    before = declared.read(BASELINE)
    changes = list(declared.differences(before.inventory, cryptology.inventory()))
    assert changes == [], (
        "The cryptology changed. If that was meant: whoever has declared it must declare the change "
        f"(docs/operating.md, The dossier), say so in CHANGELOG.md, and renew the baseline: {RENEW}"
    )


def test_the_fingerprint_is_the_same_in_any_process() -> None:
    """And does not change with the order of a dictionary, or what it is said to be for."""
    source = "from chappe.wire.cryptology import fingerprint; print(fingerprint())"
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", source], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        )
        assert done.stdout.decode().strip() == cryptology.fingerprint()
    turned = json.loads(json.dumps(cryptology.inventory()))
    turned["algorithms"] = dict(reversed(turned["algorithms"].items()))
    assert cryptology.fingerprint(turned) == cryptology.fingerprint()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"key_bits": 128}, "~ algorithms.aes-256-gcm.key_bits: 256 → 128"),
        ({"mode": "CCM"}, "~ algorithms.aes-256-gcm.mode: GCM → CCM"),
        ({"standards": ()}, '~ algorithms.aes-256-gcm.standards: ["FIPS 197"'),
    ],
)
def test_a_changed_row_changes_the_fingerprint_and_is_said(
    monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], line: str
) -> None:
    before, print_before = cryptology.inventory(), cryptology.fingerprint()
    first, *rest = cryptology.TABLE
    monkeypatch.setattr(cryptology, "TABLE", (replace(first, **change), *rest))
    assert cryptology.fingerprint() != print_before
    (said,) = declared.differences(before, cryptology.inventory())
    assert said.startswith(line)


def test_rows_that_come_and_go_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    before = cryptology.inventory()
    first, *rest = cryptology.TABLE
    monkeypatch.setattr(cryptology, "TABLE", (*rest, replace(first, id="aes-siv", mode="SIV")))
    assert list(declared.differences(before, cryptology.inventory())) == [
        "- algorithms.aes-256-gcm: AES GCM, 256 bits",
        "+ algorithms.aes-siv: AES SIV, 256 bits",
    ]


def test_a_declaration_is_kept_and_the_one_before_too(tmp_path: Path) -> None:
    first = declared.current("0.1.0", "2026-01-02")
    path = declared.keep(tmp_path, first)
    assert declared.keep(tmp_path, first) == path
    assert declared.kept(tmp_path) == first
    second = declared.current("0.2.0", "2026-05-06")
    declared.keep(tmp_path, second)
    assert declared.kept(tmp_path) == second
    old = f"declared-2026-01-02-{first.fingerprint[:12]}.json"
    assert sorted(one.name for one in path.parent.iterdir()) == [old, "declared.json"]
    assert declared.read(path.parent / old) == first


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: data[:-20],
        lambda data: b"",
        lambda data: data.replace(b'"key_bits": 256', b'"key_bits": 128', 1),
        lambda data: data.replace(b'"format": 1', b'"format": 2', 1),
        lambda data: data.replace(b'"version"', b'"more": 1, "version"', 1),
        lambda data: b"[" * 200_000,
        lambda data: b"\xff" + data,
    ],
)
def test_a_declaration_that_was_spoilt_is_refused(tmp_path: Path, spoil: Any) -> None:
    path = declared.keep(tmp_path, declared.current("0.1.0", "2026-01-02"))
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ChappeError) as caught:
        declared.kept(tmp_path)
    assert caught.value.code == "dossier.malformed"


# --- the command


def test_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CHAPPE_LANG", "en")
    monkeypatch.setattr(calls, "of_this_installation", cache(calls.of_this_installation))
    asked = ["dossier", "check", "--data-dir", str(tmp_path)]
    assert main(asked) == 86
    assert "[dossier.undeclared]" in capsys.readouterr().err
    declared.keep(tmp_path, declared.current("0.1.0", "2026-01-02"))
    assert main(asked) == 0
    assert "declared on 2026-01-02 for version 0.1.0" in capsys.readouterr().err
    first, *rest = cryptology.TABLE
    monkeypatch.setattr(cryptology, "TABLE", (replace(first, key_bits=192), *rest))
    assert main(asked) == 87
    told = capsys.readouterr()
    assert told.out == "~ algorithms.aes-256-gcm.key_bits: 256 → 192\n"
    assert "[dossier.changed]" in told.err
    assert main([*asked, "--against", str(BASELINE)]) == 87


def test_check_also_reads_the_code_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The table is as declared, and a file of this installation calls something else."""
    declared.keep(tmp_path, declared.current("0.1.0", "2026-01-02"))
    found = calls.of_this_installation()
    more = found | {("chappe.wire", "hashlib.md5"): ("chappe/wire/api.py",)}
    monkeypatch.setattr(calls, "of_this_installation", lambda: more)
    assert main(["dossier", "check", "--data-dir", str(tmp_path)]) == 87
    assert capsys.readouterr().out == "! chappe.wire calls hashlib.md5 (chappe/wire/api.py)\n"


def test_an_installation_without_the_pages_sources(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(calls, "web_beside", lambda _package: tmp_path)
    found = calls.of_this_installation()
    assert not any(file.startswith("web/") for files in found.values() for file in files)
    assert (calls.unknown(found), calls.uncalled(found)) == ([], [])


def test_the_baseline_can_be_renewed(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["dossier", "fingerprint", "--json"]) == 0
    renewed = tmp_path / "cryptology.json"
    renewed.write_text(capsys.readouterr().out)
    assert declared.read(renewed).fingerprint == declared.read(BASELINE).fingerprint
    assert main(["dossier", "fingerprint"]) == 0
    assert capsys.readouterr().out.strip() == cryptology.fingerprint()
