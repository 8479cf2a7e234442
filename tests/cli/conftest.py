"""One real relay for all commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.world import People
from tests.relay.world import RelayProcess


@pytest.fixture(scope="session")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    process = RelayProcess(tmp_path_factory.mktemp("relay") / "data", attempts_burst=10_000)
    yield process
    assert process.stop() == 0


@pytest.fixture
def people(relay: RelayProcess, tmp_path: Path) -> People:
    return People(relay, tmp_path)
