"""What is tried once more: a plugin for pytest, that of all tests.

On a machine that has no processor to spare one of thousands that wait for browsers and other processes may
wait in vain. It is tried once more, and named at the end, so that nobody takes it for a steady one.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import pytest
from _pytest.runner import CallInfo, runtestprotocol
from pytest_timeout import Settings

from tests.patience import END_BY, seconds_of

TRIED_AGAIN: Final = ("e2e", "console", "web", "client", "cli", "relay", "bench")
STORIES: Final = ("e2e", "console", "web")
"""Of these, folders whose files are stories, told in one browser or with one crew: what a failure leaves is
no place to go on from. So before the second try all that came before it in its file is run once more."""
PATIENT: Final = 0.5
"""The part of its timeout after which what failed is not tried again."""
ENDS: Final = 0.95
"""The part of `faulthandler_timeout` that both tries have: it ends the process that they are in."""
SHOWN: Final = 4_000
"""Letters of the first try."""


@dataclass
class _Story:
    """What was run of a file in this process, and how many seconds that took."""

    told: list[pytest.Item] = field(default_factory=list)
    seconds: float = 0.0


_STORIES: Final = pytest.StashKey[dict[Path, _Story]]()


def folder_of(item: pytest.Item) -> str:
    """The first below `tests`."""
    return item.path.relative_to(item.config.rootpath / "tests").parts[0]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if folder_of(item) not in TRIED_AGAIN:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    began = time.monotonic()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    took = time.monotonic() - began
    if took < PATIENT * seconds_of(item) and _failed(reports):
        reports = _again(item, nextitem, reports, began)
    story = item.session.stash.setdefault(_STORIES, {}).setdefault(item.path, _Story())
    story.told.append(item)
    story.seconds += took
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _failed(reports: list[pytest.TestReport]) -> str:
    """What they say, if any of them failed."""
    return "\n".join(report.longreprtext for report in reports if report.failed)


def _again(
    item: pytest.Item, nextitem: pytest.Item | None, reports: list[pytest.TestReport], began: float
) -> list[pytest.TestReport]:
    ends = began + (ENDS * float(item.config.getini("faulthandler_timeout")) or float("inf"))
    first = [_failed(reports)[-SHOWN:]]
    if folder_of(item) in STORIES:
        first += _tell_again(item, ends)
    elif any(report.when == "setup" and report.failed for report in reports):
        # What is of the whole file is remembered as failed.
        first += _clear_up(item)
    again = _run(item, nextitem, ends)
    said = "\n".join(one for one in first if one)
    for report in again:
        report.user_properties.append(("first_try", said))
        if report.failed:
            report.sections.append(("The first try", said))
    return again


def _tell_again(item: pytest.Item, ends: float) -> list[str]:
    """The story up to this test, with new fixtures, where there is time for it. Gives what failed by that."""
    story = item.session.stash.setdefault(_STORIES, {}).get(item.path, _Story())
    if time.monotonic() + story.seconds + END_BY * seconds_of(item) > ends:
        return ["(there is no time to tell the story again: the second try goes on from there)"]
    failed = _clear_up(item)
    for one in story.told:
        if said := _failed(_run(one, item, ends)):
            failed.append(f"before the second try, {one.name} failed:\n{said[-SHOWN:]}")
    return failed


def _clear_up(item: pytest.Item) -> list[str]:
    """End all fixtures of the file. Gives what they raise by that: a fixture may end with a look."""
    file = item.getparent(pytest.Module)
    above = cast(Any, file.parent if file else None)
    ended = CallInfo.from_call(lambda: item.session._setupstate.teardown_exact(above), "teardown")
    return [f"before the second try, the end of a fixture failed:\n{ended.excinfo}"] if ended.excinfo else []


def _run(item: pytest.Item, nextitem: pytest.Item | None, ends: float) -> list[pytest.TestReport]:
    """With a timer of its own: that of the first try has ended with its failure."""
    limit = min(seconds_of(item), ends - time.monotonic())
    if seconds_of(item) == 0 or limit == float("inf"):
        return runtestprotocol(item, nextitem=nextitem, log=False)
    settings = Settings(max(limit, 1.0), "signal", func_only=False, disable_debugger_detection=False)
    item.ihook.pytest_timeout_set_timer(item=item, settings=settings)
    try:
        return runtestprotocol(item, nextitem=nextitem, log=False)
    finally:
        item.ihook.pytest_timeout_cancel_timer(item=item)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which tests held on the second try alone, and how they failed first."""
    passed = terminalreporter.getreports("passed")
    unsteady = {report.nodeid: dict(report.user_properties).get("first_try") for report in passed}
    for name, first in unsteady.items():
        if first:
            terminalreporter.section(f"held on the second try: {name}", yellow=True)
            terminalreporter.line(str(first))
