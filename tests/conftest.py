"""What all tests share: where the published vectors are, and the order of the files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

HEAVY: Final = ("e2e", "console", "web", "client", "interop", "cli", "fuzz")
"""Folders with files that take half a minute and more, the heaviest first."""


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files, those that take longest first: `make test` hands them out in this order, and one that
    began last would keep the others waiting."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def turn(item: pytest.Item) -> int:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if item.path in slow:
            return -1
        return HEAVY.index(folder) if folder in HEAVY else len(HEAVY)

    items.sort(key=turn)


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of published vectors: CHAPPE_VECTORS, by default ../shared/vectors. Without it a test
    skips, except under CI=true, where it fails."""
    default = Path(__file__).parents[2] / "shared" / "vectors"
    folder = Path(os.environ.get("CHAPPE_VECTORS", default))
    if not folder.is_dir():
        reason = f"no published test vectors at {folder}; set CHAPPE_VECTORS"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
