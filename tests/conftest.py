"""What all tests share: where the published vectors are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def vectors() -> Path:
    """The folder of published vectors: CHAPPE_VECTORS, by default ../shared/vectors. Without it a test
    skips, except under CI=true, where it fails."""
    default = Path(__file__).parents[2] / "shared" / "vectors"
    folder = Path(os.environ.get("CHAPPE_VECTORS", default))
    if not folder.is_dir():
        reason = f"no published test vectors at {folder}; set CHAPPE_VECTORS"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return folder
