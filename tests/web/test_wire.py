"""The phone's wire is Python's: every case is judged alike, and what one end seals the other opens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from chappe.wire import registers, unlock
from tests.web import cases, fleets, table
from tests.web.node import run_vitest
from tests.web.plain import plain


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the phone sealed, once it has judged all cases."""
    folder: Path = tmp_path_factory.mktemp("wire")
    cases.write(folder / "cases.json")
    done = run_vitest(
        "tests/wire",
        CHAPPE_CASES=str(folder / "cases.json"),
        CHAPPE_SEALED=str(folder / "sealed.json"),
        CHAPPE_REGISTER=str(folder / "register.json"),
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads((folder / "sealed.json").read_text())
    found["register"] = json.loads((folder / "register.json").read_text())
    return found


def test_the_phone_knows_every_error() -> None:
    text = table.PATH.read_text(encoding="utf-8")
    assert text == table.table(), "run `python -m tests.web.table`"


def test_an_enrolment_that_the_phone_sealed_opens(sealed: dict[str, Any]) -> None:
    opened = cases.SERVICE.open_enrolment(bytes.fromhex(sealed["enrolment"]["sealed"]))
    assert plain(opened) == sealed["enrolment"]["value"]


def test_a_guess_that_the_phone_sealed_opens(sealed: dict[str, Any]) -> None:
    opened = cases.SERVICE.open_guess(bytes.fromhex(sealed["guess"]["sealed"]))
    assert plain(opened) == sealed["guess"]["value"]
    enrolment = cases.SERVICE.open_enrolment(bytes.fromhex(sealed["enrolment"]["sealed"]))
    unlock.check_guess(opened, enrolment.unlock_key)


def test_a_register_that_the_phone_sealed_opens(sealed: dict[str, Any]) -> None:
    raw = bytes.fromhex(sealed["register"]["sealed"])
    opened = registers.open_register(fleets.SEALING.private, fleets.DEVICE, raw)
    assert plain(opened) == sealed["register"]["places"]
