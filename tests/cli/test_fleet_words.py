"""What erasing does not do is said in one place, and everywhere in the same words."""

from __future__ import annotations

import string
from pathlib import Path

import pytest

from chappe.cli.fleet_words import FLEET_WORDS

DOCS = Path(__file__).parents[2] / "docs"
LIMITS = [FLEET_WORDS[f"erase.limits.{number}"] for number in (1, 2, 3)]


@pytest.mark.parametrize(("page", "language"), [("security.md", 0), ("fleet.md", 0), ("fleet.fr.md", 1)])
def test_the_documents_say_what_erasing_does_not_do(page: str, language: int) -> None:
    text = (DOCS / page).read_text()
    for limit in LIMITS:
        assert f"- {limit[language]}\n" in text


@pytest.mark.parametrize("key", FLEET_WORDS)
def test_both_languages_fill_in_the_same(key: str) -> None:
    english, french = FLEET_WORDS[key]
    assert _names(english) == _names(french)


def _names(text: str) -> set[str | None]:
    return {name for _, name, _, _ in string.Formatter().parse(text)}
