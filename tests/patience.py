"""How long a test may take, and what is tried once more: a plugin for pytest, that of all tests.

pytest-timeout breaks into a test by a signal. Where the test is `async`, that breaks its event loop, and the
fixtures that clear up after it wait in that loop for ever; uvloop does not even end. So `async` tests and
fixtures have their own deadline, before that of the signal. What nothing of this ends is ended with its
process (`faulthandler_exit_on_timeout`), and another one runs what is left.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

import pytest
from _pytest.runner import runtestprotocol
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

TRIED_AGAIN: Final = ("e2e", "console", "web", "client", "cli", "relay", "bench")
"""Folders whose tests wait for browsers and other processes. On a machine that has no processor to spare one
of thousands may wait in vain: it is tried once more, and named at the end, so that nobody takes it for a
steady one."""
FROM_THE_START: Final = ("e2e", "console")
"""Of these, folders whose files are stories, told in one browser: what a failure leaves is no place to go on
from. So the second try makes the file's fixtures anew, and runs first what came before it there."""
STORY: Final = 2.0
"""So many times the timeout of others their tests have, for both tries and what is run first. The deadline of
each is as before."""
END_BY: Final = 0.4
"""The part of the timeout that an `async` test or fixture has, once. It is told where it waits then."""
PATIENT: Final = 0.5
"""The part of its timeout after which what failed is not tried again: the timeout is for both tries."""
_TOLD: Final = pytest.StashKey[bool]()
"""Whether a test has the longer timeout of stories."""
_EARLIER: Final = pytest.StashKey[dict[Path, tuple[list[pytest.Item], float]]]()
"""What was run of each file in this process, and how many seconds that took."""


def folder_of(item: pytest.Item) -> str:
    """The first below `tests`."""
    return item.path.relative_to(item.config.rootpath / "tests").parts[0]


def _seconds_of(item: pytest.Item) -> float:
    """The test's own timeout, or that of all; 0 for none."""
    marker = None if item.stash.get(_TOLD, False) else item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))


def pytest_itemcollected(item: pytest.Item) -> None:
    if folder_of(item) in FROM_THE_START and item.get_closest_marker("timeout") is None:
        item.stash[_TOLD] = bool(float(item.config.getini("timeout")))
        if item.stash[_TOLD]:
            item.add_marker(pytest.mark.timeout(STORY * _seconds_of(item)))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    test, limit = pyfuncitem.obj, END_BY * _seconds_of(pyfuncitem)
    if limit and inspect.iscoroutinefunction(test) and not hasattr(test, "hypothesis"):
        pyfuncitem.obj = _in_time(test, limit)
    try:
        return (yield)
    finally:
        pyfuncitem.obj = test


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_fixture_setup(fixturedef: Any, request: pytest.FixtureRequest) -> Generator[None, object, object]:
    """Both what it does before and what it does after."""
    function, limit = fixturedef.func, END_BY * float(request.config.getini("timeout"))
    if limit and inspect.iscoroutinefunction(function):
        fixturedef.func = _in_time(function, limit)
    elif limit and inspect.isasyncgenfunction(function):
        fixturedef.func = _each_in_time(function, limit)
    try:
        return (yield)
    finally:
        fixturedef.func = function


def _in_time(function: Callable[..., Awaitable[Any]], limit: float) -> Callable[..., Awaitable[Any]]:
    @functools.wraps(function)
    async def bounded(*given: Any, **named: Any) -> Any:
        async with asyncio.timeout(limit):
            return await function(*given, **named)

    return bounded


def _each_in_time(
    function: Callable[..., AsyncGenerator[Any]], limit: float
) -> Callable[..., AsyncGenerator[Any]]:
    @functools.wraps(function)
    async def bounded(*given: Any, **named: Any) -> AsyncGenerator[Any]:
        steps = function(*given, **named)
        async with asyncio.timeout(limit):
            made = await anext(steps)
        yield made
        with suppress(StopAsyncIteration):
            async with asyncio.timeout(limit):
                await anext(steps)

    return bounded


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if folder_of(item) not in TRIED_AGAIN:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    began = time.monotonic()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    took = time.monotonic() - began
    if took < PATIENT * _seconds_of(item) and any(report.failed for report in reports):
        first = "\n".join(report.longreprtext for report in reports if report.failed)
        _begin_anew(item, took)
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        for report in reports:
            report.user_properties.append(("first_try", first[-2_000:]))
    _remember(item, took)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def _remember(item: pytest.Item, took: float) -> None:
    earlier = item.session.stash.setdefault(_EARLIER, {})
    items, seconds = earlier.get(item.path, ([], 0.0))
    earlier[item.path] = ([*items, item], seconds + took)


def _begin_anew(item: pytest.Item, took: float) -> None:
    """With fixtures of its own file that are new: one that failed would be remembered as failed. A story is
    told again up to this test, where the timeout has room for that; else it goes on from where it was."""
    story, seconds = item.session.stash.setdefault(_EARLIER, {}).get(item.path, ([], 0.0))
    is_story = folder_of(item) in FROM_THE_START
    limit = _seconds_of(item)
    left = (STORY if item.stash.get(_TOLD, False) else 1.0) * limit - took - END_BY * limit
    file = item.getparent(pytest.Module)
    if file is None or (is_story and left < seconds):
        return
    with suppress(Exception):
        # What cannot be cleared up is of the first try.
        item.session._setupstate.teardown_exact(cast(Any, file.parent))
    for one in story if is_story else ():
        runtestprotocol(one, nextitem=item, log=False)


class _GoesOn(LoadFileScheduling):  # type: ignore[misc]
    """When a process ends in the middle. xdist's own gives the test that ended it to the next one, which it
    ends too; and it hands out files that are done, after which that one waits for ever."""

    def remove_node(self, node: WorkerController) -> str | None:
        """Gives the test that it was at, if it was at one."""
        units: dict[str, dict[str, bool]] = self.assigned_work[node]
        todo = [(unit, name) for unit in units.values() for name, is_done in unit.items() if not is_done]
        at = todo[0][1] if todo else None
        for unit, name in todo[:1]:
            unit[name] = True
        self.assigned_work[node] = {file: unit for file, unit in units.items() if not all(unit.values())}
        super().remove_node(node)
        return at

    def schedule(self) -> None:
        is_first = self.collection is None
        super().schedule()
        for node in () if is_first else self.nodes:
            self._fill(node)

    def _fill(self, node: WorkerController) -> None:
        """A process begins a test when it knows what comes after it, or that nothing does."""
        before = None
        while not node.shutting_down and before != len(self.workqueue):
            before = len(self.workqueue)
            self._reschedule(node)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Any:
    return _GoesOn(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Which tests held on the second try alone, and how they failed first."""
    passed = terminalreporter.getreports("passed")
    unsteady = {report.nodeid: dict(report.user_properties).get("first_try") for report in passed}
    for name, first in unsteady.items():
        if first:
            terminalreporter.section(f"held on the second try: {name}", yellow=True)
            terminalreporter.line(str(first))
