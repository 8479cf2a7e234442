"""How long a test may take: a plugin for pytest, that of all tests.

pytest-timeout breaks into a test by a signal. Where the test is `async`, that breaks its event loop, and the
fixtures that clear up after it wait in that loop for ever; uvloop does not even end. So `async` tests and
fixtures have their own deadline, before that of the signal. What nothing of this ends is ended with its
process (`faulthandler_exit_on_timeout`), and another one runs what is left.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

END_BY: Final = 0.4
"""The part of the timeout that an `async` test or fixture has, once. It is told where it waits then."""


def seconds_of(item: pytest.Item) -> float:
    """The test's own timeout, or that of all; 0 for none."""
    marker = item.get_closest_marker("timeout")
    return float(marker.args[0] if marker else item.config.getini("timeout"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    test, limit = pyfuncitem.obj, END_BY * seconds_of(pyfuncitem)
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
