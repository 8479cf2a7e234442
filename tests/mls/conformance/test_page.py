"""The page of docs is what the tests say."""

from __future__ import annotations

from tests.mls.conformance.page import PAGE, rows, text


def test_the_page_is_in_step_with_the_tests() -> None:
    assert PAGE.read_text() == text(), "write it anew: python -m tests.mls.conformance.page"


def test_sections_7_8_and_12_are_covered() -> None:
    sections = {section for section, _, _ in rows()}
    wanted = {"7.9.2", "8", *(f"7.{n}" for n in (1, 2, 3, 4, 5, 6, 8, 9)), *(f"8.{n}" for n in range(1, 8))}
    wanted |= {f"12.{n}" for n in range(1, 5)} | {f"12.1.{n}" for n in range(1, 9)}
    wanted |= {f"12.4.{n}" for n in range(1, 4)} | {f"12.4.3.{n}" for n in range(1, 4)}
    assert wanted <= sections
