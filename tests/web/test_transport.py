"""The phone's connection and its files, on a real relay, and between the phone and Python.

What is tested stands in web/phone/tests/client: vitest starts the relay through tests/web/relay.py.
"""

from __future__ import annotations

from tests.web.node import run_vitest

FILES = ("session", "files", "relay", "opfs")
"""`make test` leaves them out of the phone's own tests."""


def test_the_phone() -> None:
    """At once: a vitest takes longer to start than most of them to run."""
    done = run_vitest(*(f"tests/client/{name}.test.ts" for name in FILES), seconds=280)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
