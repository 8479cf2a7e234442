"""One real relay for all tests that ask for `relay`; those that kill or fill one start their own.

What goes through the store runs on SQLite and on PostgreSQL: `--store sqlite` or `--store postgres`
(CHAPPE_STORE) chooses one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.relay import stores
from tests.relay.world import RelayProcess


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test, or a module, marked `sqlite_alone` is about SQLite's own files."""
    if "store" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("store")
        alone = any(mark.name == "sqlite_alone" for mark in metafunc.definition.iter_markers())
        wanted = ["sqlite"] if alone else [one for one in stores.STORES if chosen in (None, one)]
        metafunc.parametrize("store", wanted, indirect=True, scope="module")


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest) -> str:
    """`sqlite` or `postgres`."""
    chosen: str = request.param
    return chosen


@pytest.fixture(scope="session")
def relays(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, RelayProcess]]:
    """Those that are shared, by their store, once they run."""
    started: dict[str, RelayProcess] = {}
    yield started
    for process in started.values():
        assert process.stop() == 0
        assert "should not" not in process.log, process.log


@pytest.fixture(scope="module")
def relay(
    store: str, relays: dict[str, RelayProcess], tmp_path_factory: pytest.TempPathFactory
) -> RelayProcess:
    """Shared: each test makes its own lines on it. Generous with attempts, for all come from one network.
    Started as operators start it: one test looks at its memory."""
    if store not in relays:
        relays[store] = RelayProcess(
            stores.place(tmp_path_factory.mktemp("relay") / "data", store),
            forked=False,
            attempts_burst=10_000,
            max_attachment=64 * 1024 * 1024,
        )
    return relays[store]


@pytest.fixture
def data_dir(tmp_path: Path, store: str) -> Iterator[Path]:
    """Where a relay of the test's own keeps its data."""
    yield stores.place(tmp_path / "data", store)
    stores.leave(tmp_path / "data")
