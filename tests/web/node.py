"""Runs the phone's own tests (vitest) with what Python gives them.

Without Node, or without the phone's packages, these tests are skipped, except in CI, where they fail.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

PHONE: Final = Path(__file__).parents[2] / "web" / "phone"
MIN_NODE: Final = 20
_VITEST: Final = PHONE / "node_modules" / "vitest" / "vitest.mjs"


def missing() -> str | None:
    """Why the phone's tests cannot run here; None if they can."""
    node = shutil.which("node")
    if node is None:
        return "Node is not installed"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    if int(version.lstrip("v").partition(".")[0] or 0) < MIN_NODE:
        return f"Node {version.strip()} is older than {MIN_NODE}"
    if not _VITEST.exists():
        return "web/phone/node_modules is missing: run `npm ci --ignore-scripts` in web/phone"
    return None


def need_phone() -> None:
    """Skips, or in CI fails, where the phone's tests cannot run."""
    reason = missing()
    if reason is None:
        return
    if os.environ.get("CI") == "true":
        pytest.fail(f"the phone's tests must run in CI: {reason}")
    pytest.skip(f"the phone's tests: {reason}")


def run_vitest(*files: str, seconds: float = 120, **environ: str) -> subprocess.CompletedProcess[str]:
    """`vitest run` on some test files; its output is for the message of a failure."""
    need_phone()
    return subprocess.run(
        ["node", str(_VITEST), "run", "--reporter=dot", "--no-color", *files],
        cwd=PHONE,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )
