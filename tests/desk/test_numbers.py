"""No invoice number is given twice, whatever was brought back; a clock that was ahead blocks nothing long."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.desk import numbers
from chappe.desk.database import FOLDER
from chappe.desk.number_file import FILE
from chappe.desk.who import SYSTEM
from tests.desk.test_selling_books import DAY, Desk, refused


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path / "data")
    yield opened
    opened.database.close()


class Copied:
    """The desk's database, as a backup has it."""

    def __init__(self, desk: Desk, folder: Path) -> None:
        desk.database.close()
        self.data = desk.database.path.parent.parent
        self.kept = shutil.copytree(self.data / FOLDER, folder)

    def brought_back(self, desk: Desk) -> None:
        desk.database.close()
        shutil.rmtree(self.data / FOLDER)
        shutil.copytree(self.kept, self.data / FOLDER)


def in_file(desk: Desk) -> object:
    return json.loads((desk.database.path.parent.parent / FILE).read_bytes())


def test_an_older_database_that_is_brought_back_repeats_no_number(desk: Desk, tmp_path: Path) -> None:
    desk.order()
    copied = Copied(desk, tmp_path / "copy")
    desk.order()
    desk.order()
    assert in_file(desk) == {"2026": 3}
    copied.brought_back(desk)
    assert "2026-000003" in refused("desk.not_now", desk.order).message
    assert desk.database.change(SYSTEM, numbers.agree) is not None
    assert desk.numbers() == ["2026-000001"]
    # The operator says what is on paper; less than the machine knows is not enough.
    desk.do(lambda unit: numbers.note_lost(unit, 2026, 2, "restored from the copy of Monday"))
    refused("desk.not_now", desk.order)
    refused("desk.malformed", lambda: desk.do(lambda unit: numbers.note_lost(unit, 2026, 1, "no")))
    desk.do(lambda unit: numbers.note_lost(unit, 2026, 4, "and one that was sent from elsewhere"))
    assert desk.order().invoice == "2026-000005"
    assert desk.whole() == (2, 2)
    assert in_file(desk) == {"2026": 5}


def test_a_file_that_is_gone_or_spoilt_stops_it_and_a_newer_database_does_not(desk: Desk) -> None:
    desk.order()
    file = desk.database.path.parent.parent / FILE
    older = file.read_bytes()
    desk.order()
    file.write_bytes(older)
    # A process that was killed between the two: the start puts it right.
    assert desk.database.change(SYSTEM, numbers.agree) is None
    assert in_file(desk) == {"2026": 2}
    for spoilt, code in ((b"", "storage.failed"), (None, "desk.not_now")):
        file.unlink() if spoilt is None else file.write_bytes(spoilt)
        refused(code, desk.order)
        desk.do(lambda unit: numbers.note_lost(unit, 2026, 2, "looked at the last paper"))
        assert in_file(desk) == {"2026": 2}
    assert desk.order().invoice == "2026-000003"
    assert desk.whole() == (3, 3)


def test_what_is_undone_takes_no_number_of_the_file(desk: Desk) -> None:
    def fails(unit: object) -> None:
        numbers.following(unit)  # type: ignore[arg-type]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        desk.do(fails)
    assert not (desk.database.path.parent.parent / FILE).exists()
    assert desk.order().invoice == "2026-000001"


def test_a_clock_that_was_ahead_once_blocks_nothing_for_good(desk: Desk) -> None:
    began = desk.clock.at
    desk.order()
    desk.clock.pass_by(300 * DAY)
    assert desk.order().invoice == "2027-000001"
    desk.clock.at = began
    refused("desk.not_now", desk.order)
    desk.do(lambda unit: numbers.note_misdated(unit, "the time server was wrong"))
    assert desk.order().invoice == "2026-000002"
    refused("desk.not_now", lambda: desk.do(lambda unit: numbers.note_misdated(unit, "again")))
    desk.clock.pass_by(300 * DAY)
    assert desk.order().invoice == "2027-000002"
    assert desk.whole() == (4, 4)


def test_a_clock_that_is_not_believed_invoices_nothing(desk: Desk) -> None:
    guard = desk.database.beside.clock
    guard.confirm()
    desk.clock.pass_by(300 * DAY)
    assert "chappe desk clock --confirm" in refused("desk.not_now", desk.order).message
    guard.confirm()
    assert desk.order().invoice == "2027-000001"
