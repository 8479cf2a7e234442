"""What all tests share: where the published vectors are, and the order of the files."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Final

import pytest

from tests import fresh
from tests.again import folder_of, pytest_runtest_protocol, pytest_terminal_summary
from tests.patience import pytest_fixture_setup, pytest_pyfunc_call, pytest_xdist_make_scheduler

# What pytest calls.
__all__ = [
    "pytest_fixture_setup",
    "pytest_pyfunc_call",
    "pytest_runtest_protocol",
    "pytest_terminal_summary",
    "pytest_xdist_make_scheduler",
]
fresh.install()
# With five thousand tests in memory, a look for garbage at each 700 objects is a twentieth of the time.
gc.set_threshold(20_000, 20, 20)

HEAVY: Final = ("simulation", "interop", "e2e", "console", "web", "client", "cli", "bench", "fuzz")
"""Folders with files that take half a minute and more, the heaviest first."""
BROWSERS: Final = ("e2e", "console", "web")
"""Folders whose tests drive Chromium."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--store",
        default=os.environ.get("CHAPPE_STORE") or None,
        choices=("sqlite", "postgres"),
        help="where the relays of tests/relay keep their tables; on both, one after the other, if not given",
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole files, those that take longest first: `make test` hands them out in this order, and one that
    began last would keep the others waiting. One in four has a browser, as long as there are any: several of
    these at once leave each other no processor."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    folders = {item.path: folder_of(item) for item in items}

    def turn(path: Path) -> int:
        folder = folders[path]
        if path in slow:
            return -1
        return HEAVY.index(folder) if folder in HEAVY else len(HEAVY)

    files = sorted(dict.fromkeys(item.path for item in items), key=turn)
    with_browser = [path for path in files if folders[path] in BROWSERS]
    others = [path for path in files if folders[path] not in BROWSERS]
    turns = {path: float(place) for place, path in enumerate(others)}
    turns |= {path: 3 * place - 0.5 for place, path in enumerate(with_browser)}
    items.sort(key=lambda item: turns[item.path])


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
