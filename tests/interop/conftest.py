"""A driver process for each module. Without Node these tests are skipped, except in CI, where they fail."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.interop.driver import TsMls, missing


def need_node() -> None:
    """Skips, or in CI fails, where ts-mls cannot run."""
    reason = missing()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"interoperation tests must run in CI: {reason}")
    pytest.skip(f"interoperation tests: {reason}")


@pytest.fixture(scope="module")
def ts() -> Iterator[TsMls]:
    """ts-mls with the corrections of node/mends.mjs."""
    need_node()
    with TsMls.start() as driver:
        yield driver


@pytest.fixture(scope="module")
def published_ts() -> Iterator[TsMls]:
    """ts-mls as it was published, faults included."""
    need_node()
    with TsMls.start(mended=False) as driver:
        yield driver
