"""One Chromium, and one `chappe serve` with its desk and its console, for the tests of a file."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.console.world import Console, serving
from tests.e2e.conftest import need_browser


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def console(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Console]:
    need_browser()
    async with serving(tmp_path_factory.mktemp("console")) as served:
        yield served
