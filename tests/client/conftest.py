"""One real relay for the tests that do not kill it, and phones made on it by name."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.client.world import World
from tests.relay.world import RelayProcess


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    process = RelayProcess(
        tmp_path_factory.mktemp("relay") / "data", attempts_burst=10_000, max_attachment=64 * 1024 * 1024
    )
    yield process
    assert process.stop() == 0
    assert "should not" not in process.log, process.log


@pytest.fixture
async def world(relay: RelayProcess, tmp_path: Path) -> AsyncIterator[World]:
    """Phones that are closed when the test ends."""
    made = World(relay, tmp_path)
    yield made
    await made.close()
