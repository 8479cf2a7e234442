"""The phone's connection and its files, on a real relay, and between the phone and Python.

What is tested stands in web/phone/tests/client: vitest starts the relay through tests/web/relay.py.
"""

from __future__ import annotations

import pytest

from tests.web.node import run_vitest


@pytest.mark.parametrize("name", ["session", "files", "relay", "opfs"])
def test_the_phone(name: str) -> None:
    done = run_vitest(f"tests/client/{name}.test.ts", seconds=240)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
