"""The yearly figures: counted, of the right time, in both languages."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from chappe.cli.main import main
from chappe.desk.dossier import figures, pdf
from chappe.desk.dossier.paper import as_html
from chappe.relay import figures as of_the_relay
from chappe.wire.errors import ChappeError
from tests.relay.world import RelayProcess

TODAY = date(2026, 11, 29)


@pytest.mark.parametrize(
    ("year", "until", "whole"),
    [(2025, date(2026, 1, 1), True), (2026, date(2026, 11, 30), False), (2020, date(2021, 1, 1), True)],
)
def test_a_year(year: int, until: date, whole: bool) -> None:
    made = figures.year_of(year, TODAY)
    assert (made.since, made.until, made.whole) == (date(year, 1, 1), until, whole)
    since, before = made.bounds
    assert (before - since) == (until - date(year, 1, 1)).days * 86_400


def test_the_last_day_of_a_year_ends_it() -> None:
    assert figures.year_of(2026, date(2026, 12, 31)).whole
    assert not figures.year_of(2026, date(2026, 12, 30)).whole


@pytest.mark.parametrize("year", [2027, 2019, -1, 99_999])
def test_a_year_that_cannot_be(year: int) -> None:
    with pytest.raises(ChappeError) as caught:
        figures.year_of(year, TODAY)
    assert caught.value.code == "usage.invalid"


def test_every_count_has_words() -> None:
    assert set(of_the_relay._COUNTS) | {"disclosures"} == set(figures.WORDS)


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_page(language: str) -> None:
    counts = dict.fromkeys(figures.WORDS, 7)
    made = figures.page(
        figures.year_of(2026, TODAY),
        counts,
        "relay.example",
        "0.1.0",
        "2026-11-29",
        "fr" if language == "fr" else "en",
    )
    text = as_html(made)
    assert text.count(">7<") == len(counts)
    assert ("L&#x27;année n&#x27;est pas terminée." in text) == (language == "fr")
    assert pdf.make(made).startswith(b"%PDF")


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ("--data-dir", str(tmp_path / "data"))
    assert main(["dossier", "figures", "--year", "2025", *data]) == 76
    RelayProcess(tmp_path / "data", start=False).code()
    out = tmp_path / "figures.html"
    assert main(["dossier", "figures", "--year", "2025", "--lang", "fr", *data, "--out", str(out)]) == 0
    assert "Chiffres de transparence de 2025" in out.read_text()
    assert main(["dossier", "figures", "--year", "1999", *data]) == 2
