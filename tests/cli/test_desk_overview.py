"""`chappe desk overview`, `organisations`, `clock`, on a real data directory."""

from __future__ import annotations

from pathlib import Path

from chappe.relay import organisations
from chappe.relay.config import load_settings
from chappe.wire.clock_guard import FILE
from tests.cli.world import Ran, inside
from tests.relay.fleet_world import Organisation, Person


def desk(data: Path, *arguments: str, **variables: str) -> Ran:
    ran = inside("desk", "--data-dir", str(data), *arguments, **variables)
    assert ran.status == 0, ran.err
    return ran


def test_the_overview_and_a_clock_that_is_not_believed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    gazette = Organisation("Gazette", [Person("Olga")])
    organisations.add(load_settings({}, data_dir=data), gazette.file)
    assert "Gazette: 0 lines, 1 officers" in desk(data, "organisations").out
    assert desk(data, "overview").lines[0].startswith("Lines: 0 active")
    (data / FILE).write_text("1600000000\n")
    said = desk(data, "overview").lines[-1]
    assert said.startswith("The clock went forward by ")
    assert "chappe desk clock --confirm" in desk(data, "clock", CHAPPE_LANG="fr").lines[-1]
    (confirmed,) = desk(data, "--json", "clock", "--confirm").json
    assert (confirmed["days"], confirmed["before"]) == (0, None)
    assert len(desk(data, "clock").lines) == 1
