"""`chappe audit`: anybody reads all of a relay's log, and a log with a second past is caught."""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from chappe.client.log_audit import place_of
from chappe.tlog.keys import Kind, Signer
from chappe.tlog.notes import SignedNote
from chappe.wire import api
from chappe.wire.errors import BadInput
from chappe.wire.links import RelayPlace
from tests.cli.test_failures import failed
from tests.cli.world import begin, chappe
from tests.relay.world import RelayProcess, add_device_body


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def relay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RelayProcess]:
    process = RelayProcess(tmp_path_factory.mktemp("audit") / "data")
    ada = await process.device("ada")
    async with process.http() as http:
        body = api.encode(add_device_body(ada.sibling()))
        assert (await http.post("/v1/devices", content=body)).status_code == 200
        while await _size(process) < 4:
            await asyncio.sleep(0.05)
    yield process
    process.kill()


async def _size(relay: RelayProcess) -> int:
    async with relay.http() as http:
        return int((await http.get("/v1/tlog/checkpoint")).text.split("\n")[1])


def url(relay: RelayProcess) -> str:
    return f"https://localhost:{relay.port}#{relay.pin}"


async def test_all_of_a_log(relay: RelayProcess, tmp_path: Path) -> None:
    (told,) = chappe("audit", url(relay), "--json").json
    assert told["origin"] == "localhost/chappe"
    assert (told["lines"], told["devices"], told["revoked"], told["unvouched"]) == (1, 2, 0, 0)
    assert told["new"]["device.added"] == 1
    assert told["size"] == sum(told["new"].values())
    assert (told["old"], told["policy"], told["witnesses"]) == (False, "relay", [])
    async with relay.http() as http:
        policy = tmp_path / "policy"
        policy.write_bytes((await http.get("/v1/tlog/policy")).content)
    ran = chappe("audit", url(relay), "--policy", str(policy))
    assert ran.status == 0
    assert "Every entry is one that the log may hold" in ran.out
    assert "no witness has seen it" in ran.out
    assert "own word" not in ran.out
    # Other keys than the log's; a witness that has not seen it; no policy; another relay's.
    key = Signer.from_seed("localhost/chappe", Kind.ED25519, bytes(32)).key
    other, text = tmp_path / "other", policy.read_text()
    other.write_text(f"log {key}\nquorum none\n")
    failed(chappe("audit", url(relay), "--policy", str(other)), "audit.rewritten")
    witness = Signer.from_seed("w.example", Kind.COSIGNATURE_ML_DSA_44, bytes(32)).key
    other.write_text(text.replace("quorum none", f"witness w {witness}\nquorum w"))
    ran = chappe("audit", url(relay), "--policy", str(other))
    failed(ran, "audit.rewritten")
    assert "too few witnesses" in ran.err
    other.write_text("nonsense")
    failed(chappe("audit", url(relay), "--policy", str(other)), "usage.invalid")


@pytest.mark.parametrize(
    "url", ["http://localhost", "localhost", "https://localhost/x", "https://localhost#pin", "https://h:x"]
)
def test_what_is_no_relay(url: str) -> None:
    with pytest.raises(BadInput, match=r"usage\.invalid"):
        place_of(url)
    assert place_of("https://relay.example/") == RelayPlace("relay.example", 443, None)
    assert place_of("https://[::1]:8440").authority == "[::1]:8440"


@pytest.fixture
def watch(relay: RelayProcess, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    state = ("--state", str(tmp_path / "state"))
    process = begin("audit", url(relay), "--watch", "--every", "0.2", "--json", *state)
    yield process
    process.kill()
    process.wait()


async def said(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = await asyncio.to_thread(process.stdout.readline)
    found: dict[str, Any] = json.loads(line)
    return found


async def test_a_watch_tells_what_is_new_and_catches_a_second_past(
    relay: RelayProcess, watch: subprocess.Popen[str], tmp_path: Path
) -> None:
    first = await said(watch)
    await relay.device("ben")
    second = await said(watch)
    assert second["size"] == first["size"] + 1
    assert second["new"] == {"line.created": 1}
    # The relay is away for a moment: nothing is wrong.
    relay.stop()
    relay.start()
    await relay.device("cyd")
    third = await said(watch)
    assert third["new"] == {"line.created": 1}
    relay.stop()
    # The same keys, and a past in which cyd was never there.
    other = tmp_path / "data"
    shutil.copytree(relay.data_dir, other)
    shutil.rmtree(other / "tlog")
    with sqlite3.connect(other / "relay.db") as connection:
        connection.execute("DELETE FROM log_entries WHERE number = ?", (third["size"] - 1,))
    forked = RelayProcess(other, start=False)
    forked.port = relay.port
    forked.start()
    try:
        await forked.device("eve")
        assert watch.stdout is not None
        assert watch.stderr is not None
        # Until the other head is there it is a smaller one, signed later.
        assert await asyncio.to_thread(watch.wait, 60) == 57
        assert "[audit.rewritten]" in watch.stderr.read()
    finally:
        forked.kill()
    evidence = json.loads((tmp_path / "state.evidence").read_text())
    held, shown = (SignedNote.parse(base64.b64decode(evidence[name])) for name in ("held", "shown"))
    assert held.text != shown.text
    assert {each.id for each in held.signatures} == {each.id for each in shown.signatures}
    relay.start()
