"""The disk of `chappe chaos power` and `disk` is in C, and for Linux (bench/chaos/disk.c)."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

import pytest

_HERE: Final = sys.platform == "linux" and bool(shutil.which("cc") or shutil.which("gcc"))

needs_compiler: Final = pytest.mark.skipif(
    not _HERE and os.environ.get("CI") != "true", reason="no C compiler here: install gcc and libc6-dev"
)
