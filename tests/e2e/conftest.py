"""One Chromium for all tests of the phone's pages, and one relay that serves them."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e import pages
from tests.e2e.browser import Browser, browsing, missing
from tests.e2e.phone_page import Story, telling


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def chromium() -> AsyncIterator[Browser]:
    """Skips where something is missing; under CI that is a failure."""
    need_browser()
    async with browsing() as opened:
        yield opened


@pytest.fixture
async def browser(chromium: Browser) -> AsyncIterator[Browser]:
    """One for the tests of a file, without what the one before left in it."""
    yield chromium
    await chromium.forget()


def need_browser() -> None:
    lacking = missing()
    if lacking and os.environ.get("CI") == "true":
        pytest.fail(f"{lacking}: these tests must run here")
    if lacking:
        pytest.skip(lacking)


@pytest.fixture(scope="module")
async def story(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Story]:
    """A relay, a Chromium and Python phones, for the tests of one file."""
    need_browser()
    async with telling(tmp_path_factory.mktemp("story")) as told:
        yield told


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages with a phone in memory, built once."""
    if lacking := missing():
        pytest.skip(lacking)
    return pages.build(tmp_path_factory.mktemp("demo") / "dist")
