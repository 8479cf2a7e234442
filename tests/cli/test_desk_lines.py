"""`chappe desk lines`: beside the data, as the operator uses it."""

from __future__ import annotations

import csv
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.world import Ran, chappe
from tests.desk.lines_world import LinesWorld, id_of
from tests.desk.world import NAME


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinesWorld]:
    made = LinesWorld(tmp_path / "data")
    # The commands have no other clock than the machine's.
    made.clock.at = time.time()
    yield made
    made.close()


def lines(world: LinesWorld, *arguments: str, **variables: str) -> Ran:
    where = ("--data-dir", str(world.settings.data_dir), "--name", NAME)
    return chappe("desk", *where, "lines", *arguments, **variables)


def test_lines_are_listed_and_renewed(world: LinesWorld) -> None:
    ada = world.line("ada", 1)
    world.line("zoe", None)
    shown = lines(world, "list")
    assert shown.status == 0, shown.err
    assert re.fullmatch(
        rf"ada@{NAME}: active, paid until \d{{4}}-\d\d-\d\d \(id {id_of(ada)}\)", shown.lines[0]
    )
    assert "zoe" in lines(world, "list", "--stage", "none", LANG="fr_FR.UTF-8").out
    before = lines(world, "show", id_of(ada)).out
    renewed = lines(world, "renew", id_of(ada), "--months", "6")
    assert renewed.status == 0, renewed.err
    assert renewed.out != before
    by_code = lines(world, "renew", id_of(ada), "--code", world.code(3))
    assert by_code.status == 0, by_code.err
    assert by_code.out != renewed.out
    assert lines(world, "renew", id_of(ada)).status == 2
    assert lines(world, "show", "A" * 22).status == 4
    # No option, though it looks like one.
    assert lines(world, "show", "-" + "A" * 21).status == 4
    assert lines(world, "renew", "-q" + "A" * 20, "--months", "6").status == 4
    exported = world.settings.data_dir / "lines.csv"
    assert lines(world, "export", str(exported)).status == 0
    with exported.open(encoding="utf-8-sig", newline="") as file:
        assert [row["address"] for row in csv.DictReader(file)] == [f"ada@{NAME}", f"zoe@{NAME}"]


def test_an_import_is_looked_at_and_then_made(world: LinesWorld, tmp_path: Path) -> None:
    sheet = tmp_path / "lines.csv"
    sheet.write_bytes("adresse de ligne;nom;prénom;courriel\nada;Lefèvre;Zoé;zoe@\n".encode("latin-1"))
    looked = lines(world, "import", str(sheet))
    assert looked.status == 0, looked.err
    assert looked.lines == [
        "The file is in Latin-1: look at its accents.",
        "row 2, email: It is no e-mail address.",
        "Rows: 1, mistakes: 1. Nothing was made; --make makes them.",
    ]
    assert lines(world, "import", str(sheet), "--make").status == 3
    assert lines(world, "import", str(tmp_path / "none.csv")).status == 97
    sheet.write_text("address,surname,given name,email\nada,Lefèvre,Zoé,zoe@example.org\n")
    made = lines(world, "import", str(sheet), "--make")
    assert re.fullmatch(rf"ada@{NAME} [0-9A-Z]{{16}}\n", made.out), made.err
