"""One real relay for all tests that ask for `relay`; those that kill or fill one start their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay.world import RelayProcess


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """Shared: each test makes its own lines on it. Generous with attempts, for all come from one network.
    Started as operators start it: one test looks at its memory."""
    process = RelayProcess(
        tmp_path_factory.mktemp("relay") / "data",
        forked=False,
        attempts_burst=10_000,
        max_attachment=64 * 1024 * 1024,
    )
    yield process
    assert process.stop() == 0
    assert "should not" not in process.log, process.log


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """Where a relay of the test's own keeps its data."""
    return tmp_path / "data"
