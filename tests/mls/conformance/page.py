"""docs/mls-conformance.md, made from the tests: `python -m tests.mls.conformance.page` writes it anew."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import tests.mls.conformance as package
from tests.mls.conformance.elsewhere import DEVIATIONS, ELSEWHERE

PAGE = Path(__file__).parents[3] / "docs" / "mls-conformance.md"

HEAD = """\
# Conformance to RFC 9420

What the MLS engine (`src/chappe/mls`) must do by sections 7, 8 and 12 of RFC 9420, and by what these refer
to, and the test that breaks it. Each test makes the bad message with real keys, so that only the one rule is
broken; it checks the reason of the refusal, and that the group is afterwards what it was, byte for byte. A
row that ends in "(the control)" says what must be taken.

This page is made from the tests in `tests/mls/conformance` by `python -m tests.mls.conformance.page`; a test
fails where the two are not in step.
"""

Row = tuple[str, str, str]
"""Section, requirement, test."""


def rows() -> list[Row]:
    """Every requirement with every test that breaks it, in the order of the sections."""
    found = [row for module in _modules() for row in _rows_of(module)]
    return sorted(set(found), key=lambda row: (_order(row[0]), row[1], row[2]))


def text() -> str:
    tests: dict[tuple[str, str], list[str]] = {}
    for section, requirement, test in rows():
        tests.setdefault((section, requirement), []).append(f"`{test}`")
    lines = [HEAD, f"## Tested: {len(tests)} requirements\n"]
    lines += ["| Section | Requirement | Test |", "|---|---|---|"]
    lines += [f"| {section} | {text} | {'<br>'.join(names)} |" for (section, text), names in tests.items()]
    lines += ["\n## Met elsewhere\n", "Requirements that no message can break, and where they are met.\n"]
    lines += ["| Section | Requirement | Where |", "|---|---|---|"]
    lines += [f"| {section} | {requirement} | {where} |" for section, requirement, where in ELSEWHERE]
    lines += ["\n## Where the engine does otherwise than is recommended\n"]
    lines += [f"- {section}: {what}" for section, what in DEVIATIONS]
    return "\n".join(lines) + "\n"


def _modules() -> Iterator[ModuleType]:
    for info in pkgutil.iter_modules(package.__path__):
        if info.name.startswith("test_") and info.name != "test_page":
            yield importlib.import_module(f"{package.__name__}.{info.name}")


def _rows_of(module: ModuleType) -> Iterator[Row]:
    file = module.__name__.rpartition(".")[2]
    for name, value in vars(module).items():
        if not name.startswith("test_") or not callable(value):
            continue
        for mark in getattr(value, "pytestmark", ()):
            if mark.name == "rfc9420":
                yield (*mark.args, f"{file}::{name}")
            elif mark.name == "parametrize":
                yield from _rows_of_cases(mark.args[1], f"{file}::{name}")


def _rows_of_cases(cases: Any, test: str) -> Iterator[Row]:
    """A case may carry a requirement of its own."""
    for case in cases:
        for mark in getattr(case, "marks", ()):
            if mark.name == "rfc9420":
                yield (*mark.args, f"{test}[{case.id}]" if case.id else test)


def _order(section: str) -> tuple[int, ...]:
    return tuple(int(part) for part in section.split("."))


if __name__ == "__main__":
    PAGE.write_text(text())
