"""`chappe shares`: a service of its own, how it is, and the end of all shares."""

from __future__ import annotations

import signal
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chappe.wire import api
from tests.cli.test_failures import failed
from tests.cli.world import begin, chappe
from tests.relay.shares.world import Bench


def test_status_and_reset(tmp_path: Path) -> None:
    data = ("--data-dir", str(tmp_path))
    failed(chappe("shares", "status", *data), "storage.missing")
    failed(chappe("shares", "reset", *data), "storage.missing")
    bench = Bench(tmp_path / "shares")
    owner = bench.enrolled()
    ran = chappe("shares", "status", *data)
    assert ran.lines == ["devices with a share: 1", "last change: 2027-01-15T08:00:00+00:00"]
    assert owner.device.hex() not in ran.out
    busy = chappe("shares", "reset", *data, stdin="DESTROY\n")
    assert busy.status != 0
    assert "[storage.locked]" in busy.err
    bench.shares.close()
    for wrong in ("", "destroy\n"):
        ran = chappe("shares", "reset", *data, stdin=wrong)
        assert ran.status != 0
        assert (tmp_path / "shares" / "epoch").exists()
    ran = chappe("shares", "reset", *data, stdin="DESTROY\n")
    assert ran.status == 0
    assert "never opens again" in ran.err
    assert not (tmp_path / "shares" / "epoch").exists()
    bench.start()
    bench.shares.close()


def test_a_relay_does_not_start_on_an_old_store(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "shares")
    bench.enrolled()
    bench.shares.close()
    (tmp_path / "shares" / "head").write_bytes(bytes(72))
    for command in (["serve"], ["shares", "serve"]):
        ran = chappe(*command, "--data-dir", str(tmp_path), "--port", "0")
        assert ran.err.endswith("[shares.rolled_back]\n")
        assert "chappe shares reset" in ran.err
        assert ran.status == 115


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[list[str]]:
    """`chappe shares serve`, and what it said before it waited."""
    process = begin("shares", "serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert process.stderr is not None
    yield [process.stderr.readline() for _ in range(3)]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_service_of_its_own(alone: list[str], tmp_path: Path) -> None:
    said = "".join(alone)
    assert "The share service is ready at localhost:" in said, said
    assert str(tmp_path / "data" / "share-token") in said
    port = said.split("localhost:")[1].split(".")[0]
    token = (tmp_path / "data" / "share-token").read_text().strip()
    assert token not in said
    trust = ssl.create_default_context(cafile=str(tmp_path / "data" / "tls-certificate.pem"))
    with httpx.Client(verify=trust, trust_env=False) as http:
        url = f"https://localhost:{port}/v1/shares/key"
        assert http.get(url).status_code == 409
        answer = http.get(url, headers={"Authorization": f"Bearer {token}"})
    assert len(api.from_base64(api.decode(answer.content, api.ShareKey).share_key)) == 1216
    failed(
        chappe("shares", "serve", "--port", port, "--data-dir", str(tmp_path / "other")), "network.port_taken"
    )
    locked = chappe("shares", "serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    assert "[storage.locked]" in locked.err
