"""A desk for each test; and one for those of a file that are refused, and so leave nothing behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from chappe.desk.who import Role
from tests.desk.world import Browser, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


@pytest.fixture
def operator(world: World) -> Browser:
    return world.signed_in(Role.OPERATOR)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    made = World(tmp_path_factory.mktemp("desk"))
    made.be_patient()
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared_operator(shared: World) -> Browser:
    return shared.signed_in(Role.OPERATOR)
