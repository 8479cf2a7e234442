"""The console's vectors of an officer's papers are what Python signs and opens."""

from __future__ import annotations

import json

from tests.console import vectors


def test_the_consoles_vectors_are_pythons() -> None:
    vectors.check(json.loads(vectors.FILE.read_text()))
