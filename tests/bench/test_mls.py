"""The engine's measurement runs, and says what it measured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from bench import mls

NODE_MODULES = Path(__file__).parents[1] / "interop" / "node" / "node_modules" / "ts-mls"
TS_MLS = shutil.which("node") is not None and NODE_MODULES.exists()
"""Without it the comparison is left out here; the interoperation tests say so, and fail in CI."""


@pytest.mark.parametrize("suite", ["0x0001", "0xF00D"])
def test_every_operation_is_measured(suite: str, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["--members", "2,10", "--suite", suite, "--rounds", "2", "--json"]
    assert mls.main([*command, *(["--against", "ts-mls"] if TS_MLS else [])]) == 0
    result = json.loads(capsys.readouterr().out)
    assert [size["members"] for size in result["sizes"]] == [2, 10]
    for size in result["ts_mls"] if TS_MLS else []:
        assert all(size[name]["median"] > 0 for name in ("join", "commit", "process", "encrypt", "decrypt"))
    for size in result["sizes"]:
        assert size["join_memory_mib"] > 1
        handshakes = {"add", "commit", "process"}
        assert set(size["bulk"]) == set(size["populated"]) == handshakes
        assert set(size["messages"]) == {"encrypt", "decrypt", "first_decrypt", "secret_bytes"}
        summaries = [size["create"], size["join"]]
        summaries += [s for part in ("bulk", "populated", "messages") for s in size[part].values()]
        for summary in summaries:
            assert summary["runs"] >= 1
            assert 0 < summary["median"] <= summary["p90"]


def test_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert mls.main(["--members", "2", "--rounds", "1"]) == 0
    assert "decrypt" in capsys.readouterr().out


@pytest.mark.parametrize("members", ["1", "two", "0,5"])
def test_sizes_that_are_none(members: str) -> None:
    with pytest.raises(SystemExit):
        mls.main(["--members", members])
