"""What all tests share: where the published vectors are, and the order of the files."""

from __future__ import annotations

import gc
import os
import time
from pathlib import Path
from typing import Final

import pytest
from _pytest.runner import runtestprotocol

from tests import fresh

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

    def turn(path: Path) -> int:
        folder = folder_of(path)
        if path in slow:
            return -1
        return HEAVY.index(folder) if folder in HEAVY else len(HEAVY)

    files = sorted(dict.fromkeys(item.path for item in items), key=turn)
    with_browser = [path for path in files if folder_of(path) in BROWSERS]
    others = [path for path in files if folder_of(path) not in BROWSERS]
    turns = {path: float(place) for place, path in enumerate(others)}
    turns |= {path: 3 * place - 0.5 for place, path in enumerate(with_browser)}
    items.sort(key=lambda item: turns[item.path])


def folder_of(path: Path) -> str:
    return path.relative_to(Path(__file__).parent).parts[0]


TRIED_AGAIN: Final = ("e2e", "console", "web", "client", "cli", "relay", "bench")
"""Folders whose tests wait for browsers and other processes. On a machine that has no processor to spare one
of thousands may wait in vain: it is tried once more, and named at the end, so that nobody takes it for a
steady one."""
PATIENT_SECONDS: Final = 120
"""What failed after longer than that is not tried again: the timeout is for both tries together."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if folder_of(item.path) not in TRIED_AGAIN:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    began = time.monotonic()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    if any(report.failed for report in reports) and time.monotonic() - began < PATIENT_SECONDS:
        first = "\n".join(report.longreprtext for report in reports if report.failed)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            report.user_properties.append(("first_try", first[-2_000:]))
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which tests held on the second try alone, and how they failed first."""
    passed = terminalreporter.getreports("passed")
    unsteady = {report.nodeid: dict(report.user_properties).get("first_try") for report in passed}
    for name, first in unsteady.items():
        if first:
            terminalreporter.section(f"held on the second try: {name}", yellow=True)
            terminalreporter.line(str(first))


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
