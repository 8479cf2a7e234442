"""The frame of `chappe chaos`: tests are found, refused by name, and claim no more than their size allows."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest
from bench.chaos import base, main
from bench.chaos.base import Report, claim, upper_bound

from chappe.wire.errors import BadInput

A_TEST = """
from bench.chaos.base import Options, Report

TITLE = "Nothing happens"


def run(options: Options) -> Report:
    (options.folder / "trace").touch()
    return Report("nothing", options.seed != 13, 1, 5, 0, 0, {"large": str(options.large)}, "one", "two")
"""


def test_each_test_has_a_title() -> None:
    for name, test in base.all_tests().items():
        assert test.title, name


def test_a_file_is_a_test(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import bench.chaos

    (tmp_path / "nothing.py").write_text(A_TEST)
    (tmp_path / "helper.py").write_text("RUN = 1\n")
    monkeypatch.setattr(base, "FOLDER", tmp_path)
    monkeypatch.setattr(bench.chaos, "__path__", [str(tmp_path)])
    assert main.main(["--list"]) == 0
    assert capsys.readouterr().out.split(maxsplit=1) == ["nothing", "Nothing happens\n"]
    assert main.main(["nothing", "--json", "--large"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["passed"], told["accepted"], told["figures"]) == (True, 5, {"large": "True"})
    assert main.main(["nothing", "--seed", "13"]) == 1
    assert "NOT PASSED" in capsys.readouterr().out
    with pytest.raises(BadInput, match="There is: nothing"):
        main.main(["something"])


def test_a_claim_is_no_larger_than_the_sample() -> None:
    assert upper_bound(300, 0) == pytest.approx(0.01)
    assert upper_bound(2, 0) == 1
    # Clopper and Pearson, one-sided 95 %: 5 of 100 gives 0.1023 (R: binom.test(5, 100, alt = "less")).
    assert upper_bound(100, 5) == pytest.approx(0.1023, abs=2e-4)
    assert upper_bound(3, 3) == 1
    assert claim(200, 0).endswith("fewer than 1.5 % of such cases fail")
    assert "nothing can be said" in claim(0, 0)


def test_a_report_says_what_it_cannot_claim() -> None:
    text = Report("kill", False, 2, 3, 1, 0, {"kills": 2_000}, "this", "that").as_text()
    assert "NOT PASSED" in text
    assert "kills: 2,000" in text
    assert "Cannot claim: that" in text


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_long_run_says_how_far_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a screen in one line, which is gone in the end; in a file now and then."""
    now = iter(range(0, 10_000, 25))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(now)))
    said = {}
    for out in (Screen(), io.StringIO()):
        progress = main.Progress("power", out)
        for number in range(6):
            progress.tell(number, 1_000)
        progress.end()
        said[type(out)] = out.getvalue()
    assert said[Screen].count("\rpower: ") == 6
    assert said[Screen].endswith("\r\033[K")
    assert said[io.StringIO].splitlines() == [
        "power: 2 of 1,000, after 75 s",
        "power: 5 of 1,000, after 150 s",
    ]
