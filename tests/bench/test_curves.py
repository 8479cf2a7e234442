"""The curves can be measured, small: each point is there, and grows with what it is of."""

from __future__ import annotations

import json

import pytest
from bench.curves import main


def test_a_small_run(capfd: pytest.CaptureFixture[str]) -> None:
    sizes = ["--devices", "2", "--conversation", "2,4", "--backlog", "1000"]
    # The status says whether a second was enough, which is a machine's and not a test's.
    main([*sizes, "--messages", "200", "--times", "2", "--json"])
    found = json.loads(capfd.readouterr().out)
    assert [row["devices"] for row in found["devices"]] == [2]
    assert [row["devices"] for row in found["conversation"]] == [2, 4]
    assert all(row["all_delivered_ms"] > 0 for row in found["conversation"])
    (backlog,) = found["backlog"]
    assert backlog["entries"] == 1000
    # A hundred payloads of 1 KiB, and not a thousand: each is stored once for its ten mailboxes.
    assert 0.1 < backlog["database_mib"] < 1.9
