"""`chappe desk subscriber`: filed, found, read, corrected, ended, exported; and who this is."""

from __future__ import annotations

import csv
import re
import stat
from pathlib import Path

from tests.cli.test_desk_commands import ID, Beside
from tests.cli.test_failures import failed

WHO = (
    *("--surname", "=Martin", "--given-name", "Camille", "--born-on", "1980-12-31", "--born-at", "Brûlon"),
    *("--street", "1 rue de la Paix", "--postcode", "75002", "--city", "Paris", "--phone", "+33123456789"),
)


def test_a_record_from_its_filing_to_its_export(tmp_path: Path) -> None:
    beside = Beside(tmp_path / "data")
    filed = beside.ok("subscriber", "add", *WHO, "--address", "ada@localhost", "--began", "2026-01-31").lines
    id_ = re.match(ID, filed[0])
    assert id_ is not None
    assert filed == [f"{id_[0]}  since 2026-01-31, goes on"]
    assert beside.ok("subscriber", "list", "--address", "ada@localhost").lines == filed
    assert beside.ok("subscriber", "list", "--address", "eve@localhost").lines == []
    corrected = beside.ok("subscriber", "change", id_[0], "--city", "Lyon").lines
    assert "city: Lyon" in corrected
    assert beside.ok("subscriber", "show", id_[0]).lines == corrected
    failed(beside.run("subscriber", "end", id_[0], "--on", "2025-12-31"), "desk.malformed")
    ended = beside.ok("subscriber", "end", id_[0], "--on", "2026-02-01", CHAPPE_LANG="fr").lines[0]
    assert "du 2026-01-31 au 2026-02-01" in ended
    file = tmp_path / "subscribers.csv"
    beside.ok("subscriber", "export", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    (row,) = csv.DictReader(file.read_text("utf-8-sig").splitlines())
    assert (row["surname"], row["city"], row["ended_on"]) == ("'=Martin", "Lyon", "2026-02-01")
    failed(beside.run("subscriber", "export", str(file)), "file.unreadable")
    # Each reading is told of.
    assert len(beside.ok("log", "show", "--what", "subscriber.read").lines) == 5
    assert "role: operator" in beside.ok("whoami").lines
    ada = beside.operator()
    assert f"id: {ada}" in beside.ok("account", "show", ada).lines
