"""Starts that must fail, each with one line and its own exit status; and what is in the data directory."""

from __future__ import annotations

import contextlib
import datetime
import io
import os
import socket
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from chappe.relay.__main__ import main
from chappe.relay.config import load_settings
from chappe.relay.serve import serve
from chappe.relay.tls import certificate_pin, ensure_certificate, pin_in_force
from chappe.wire.errors import KINDS, ChappeError
from tests.relay.world import RelayProcess


def code_of(*arguments: str) -> str:
    """Start a relay that must not start; the code in its one line, which fits its exit status."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said):
        status = main(list(arguments))
    (line,) = said.getvalue().splitlines()
    code = line.rpartition("[")[2].rstrip("]")
    assert status == KINDS[code].exit_status
    return code


def test_a_failed_start_is_one_line_and_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    done = subprocess.run(
        [sys.executable, "-m", "chappe.relay", "--data-dir", str(tmp_path / "file")],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    expected = KINDS["storage.unwritable"]
    assert (done.returncode, done.stdout) == (expected.exit_status, "")
    assert done.stderr == f"chappe: {expected.message} [storage.unwritable]\n"


def test_a_port_that_is_taken(tmp_path: Path) -> None:
    """And the failed start leaves nothing that stops the next one: it holds no lock."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert code_of("--data-dir", str(tmp_path / "data"), "--port", str(port)) == "network.port_taken"
        assert code_of("--data-dir", str(tmp_path / "data"), "--port", str(port)) == "network.port_taken"


def test_a_host_that_is_not_ours(tmp_path: Path) -> None:
    assert code_of("--data-dir", str(tmp_path / "data"), "--host", "192.0.2.1") == "network.port_taken"


def test_two_relays_never_share_a_directory(tmp_path: Path) -> None:
    own = RelayProcess(tmp_path / "data", forked=False)
    try:
        assert code_of("--data-dir", str(tmp_path / "data"), "--port", "0") == "storage.locked"
        # The directory is the owner's alone, and the pin is that of the certificate in it.
        assert stat.S_IMODE(own.data_dir.stat().st_mode) == 0o700
        assert stat.S_IMODE((own.data_dir / "tls-key.pem").stat().st_mode) == 0o600
        assert own.pin == certificate_pin(own.data_dir) == pin_in_force(own.settings)
        # No lock is left behind however the process ended, and the certificate stays.
        pin, port = own.pin, own.port
        own.kill()
        own.start()
        assert (own.pin, own.port) == (pin, port)
    finally:
        own.kill()


def test_directories_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    assert code_of("--data-dir", str(tmp_path / "file")) == "storage.unwritable"
    assert code_of("--data-dir", str(tmp_path / "file" / "data")) == "storage.unwritable"


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="needs a directory that nobody may write")
def test_a_directory_that_nobody_may_write(tmp_path: Path) -> None:
    with pytest.raises(ChappeError) as caught:
        serve(load_settings({}, data_dir=Path("/proc/chappe"), port=0))
    assert caught.value.code in ("storage.unwritable", "storage.failed")


def test_a_database_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "relay.db").write_bytes(b"no database at all " * 500)
    assert code_of("--data-dir", str(tmp_path / "data"), "--port", "0") == "storage.failed"


def test_certificates_that_are_none(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n")
    both = ["--tls-cert", str(bad), "--tls-key", str(bad)]
    assert code_of("--data-dir", str(tmp_path / "data"), "--port", "0", *both) == "tls.unreadable"
    missing = ["--tls-cert", str(tmp_path / "none"), "--tls-key", str(bad)]
    assert code_of("--data-dir", str(tmp_path / "data"), "--port", "0", *missing) == "tls.unreadable"


def test_a_link_carries_the_hash_of_a_self_signed_certificate_and_of_no_other(tmp_path: Path) -> None:
    ensure_certificate(tmp_path, "localhost")
    files = {"tls_cert": tmp_path / "tls-certificate.pem", "tls_key": tmp_path / "tls-key.pem"}
    settings = load_settings({}, data_dir=tmp_path / "data", **files)
    assert pin_in_force(settings) == certificate_pin(tmp_path)
    # One that an authority signed.
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority")]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    files["tls_cert"].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    assert pin_in_force(settings) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--port", "http"],
        ["--no-such-thing", "1"],
        ["--port"],
        ["port", "1"],
        ["--tls-cert", "x.pem"],
        ["--server-name", "Not A Host"],
    ],
)
def test_settings_that_do_not_fit(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.endswith("[usage.invalid]\n")


def test_settings_come_from_the_environment_and_the_caller_wins(tmp_path: Path) -> None:
    environ = {"CHAPPE_PORT": "1234", "CHAPPE_DATA_DIR": str(tmp_path), "CHAPPE_HOME": "x", "PATH": "y"}
    settings = load_settings(environ, port=None, server_name="relay.example")
    assert (settings.port, settings.data_dir, settings.server_name) == (1234, tmp_path, "relay.example")
    assert load_settings(environ, port=99).port == 99
    with pytest.raises(ChappeError, match="CHAPPE_PROT"):
        load_settings(environ | {"CHAPPE_PROT": "1"})
    with pytest.raises(ChappeError, match="loopback"):
        load_settings({}, behind_proxy=True, host="0.0.0.0")


async def test_behind_a_proxy_it_speaks_plain_http(tmp_path: Path) -> None:
    import httpx

    own = RelayProcess(
        tmp_path / "data", forked=False, behind_proxy=True, attempts_burst=2, attempts_per_minute=0.01
    )
    try:
        assert own.pin is None
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{own.port}", trust_env=False) as http:
            assert (await http.get("/v1/info")).status_code == 200

            async def guess(network: str) -> int:
                answer = await http.post("/v1/activate", content=b"", headers={"X-Forwarded-For": network})
                return answer.status_code

            # The allowance is the network's that the proxy names, not the proxy's.
            assert [await guess("192.0.2.1") for _ in range(3)] == [400, 400, 429]
            assert await guess("192.0.2.2") == 400
    finally:
        own.kill()


def test_a_new_certificate_outlives_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Links carry its hash: each name is durable before anything goes on."""
    durable: list[list[str]] = []
    sync = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            durable.append(sorted(path.name for path in tmp_path.iterdir()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    ensure_certificate(tmp_path, "localhost")
    assert durable == [["tls-key.pem"], ["tls-certificate.pem", "tls-key.pem"]]
