"""`chappe chaos upgrade`, small: every released schema, a few kills, and a database that is too new."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.chaos import old_rows, upgrade
from bench.chaos.base import Options

from chappe.relay import migrations


@pytest.mark.timeout(240)
def test_every_released_schema_upgrades(tmp_path: Path) -> None:
    report = upgrade.run(Options(1, False, tmp_path))
    assert report.passed, report.as_text()
    assert report.figures["relay_revisions"] == int(migrations.HEAD)
    assert report.figures["kills"] == 2 * upgrade.KILLS
    # The last statement is the commit: before it nothing of the new schema is there.
    assert report.figures["kills_that_left_the_old_schema"] == report.figures["kills"]


def test_the_comparison_sees_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "relay.db"
    upgrade.upgrade_to(path, migrations, "0001")
    old_rows.fill(path, old_rows.Past().relay())
    before = old_rows.everything(path)
    assert all(before.values()), "a table is empty"
    migrations.upgrade(path)
    after = old_rows.everything(path)
    assert old_rows.missing(before, after) == []
    gone = after["entries"].pop()
    assert len(old_rows.missing(before, after)) == 1
    after["entries"].append(gone | {"payload": 77})
    assert len(old_rows.missing(before, after)) == 1
    del after["codes"]
    assert len(old_rows.missing(before, after)) == 3
