"""Prosody and ejabberd, from Debian's packages, set up as like a Chappe relay as they can be: TLS, accounts
of their own, no limits on rates, and every message kept: archived (XEP-0313), and for who is away (XEP-0160).
Both do that in SQLite with its default, `synchronous=FULL`. Each runs in a folder that goes with it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from bench.peers.xmpp import Address

READY_SECONDS: Final = 60

PROSODY: Final = """
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
plugin_paths = {{}}
admins = {{}}
modules_enabled = {{ "saslauth", "tls", "roster", "register", "ping", "offline", "mam", "disco" }}
modules_disabled = {{ "s2s" }}
allow_registration = true
authentication = "internal_hashed"
storage = {{ archive = "sql", offline = "sql" }}
sql = {{ driver = "SQLite3", database = "{folder}/prosody.sqlite" }}
sqlite_tune = "safe"
archive_expires_after = "never"
default_archive_policy = true
c2s_ports = {{}}
c2s_direct_tls_ports = {{ {port} }}
c2s_require_encryption = true
interfaces = {{ "127.0.0.1" }}
c2s_direct_tls_ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/cert.pem" }}
ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/cert.pem" }}
log = {{ warn = "{folder}/log.txt" }}
VirtualHost "localhost"
"""

EJABBERD: Final = """
loglevel: error
log_rotate_count: 0
hosts: [localhost]
certfiles: ["{folder}/both.pem"]
listen:
  - port: {port}
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    tls: true
auth_method: internal
auth_password_format: scram
registration_timeout: infinity
default_db: sql
sql_type: sqlite
sql_database: "{folder}/ejabberd.sqlite"
access_rules:
  register:
    allow: all
shaper_rules:
  max_user_offline_messages:
    1000000: all
modules:
  mod_mam:
    default: always
  mod_offline:
    access_max_user_messages: max_user_offline_messages
  mod_ping: {{}}
  mod_disco: {{}}
  mod_register:
    access: register
    ip_access: all
    password_strength: 0
  mod_roster:
    db_type: mnesia
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """A server that runs."""

    name: str
    version: str
    address: Address
    process: psutil.Process

    def cpu(self) -> float:
        """CPU seconds of the process and its children so far."""
        times = [each.cpu_times() for each in self._family()]
        return float(sum(one.user + one.system for one in times))

    def rss(self) -> int:
        """Resident bytes."""
        return int(sum(each.memory_info().rss for each in self._family()))

    def _family(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


def installed() -> list[str]:
    """The peers that are here."""
    return [name for name in ("prosody", "ejabberd") if _program(name) is not None]


def _program(name: str) -> str | None:
    return shutil.which({"prosody": "prosody", "ejabberd": "ejabberdctl"}[name], path="/usr/bin:/usr/sbin")


@contextlib.contextmanager
def running(name: str, folder: Path) -> Iterator[Peer]:
    """The server of that name, in `folder`, until the end of the block."""
    port = _free_port()
    user = pwd.getpwnam(name)
    folder.mkdir(parents=True, exist_ok=True)
    _certificate(folder)
    (folder / "data").mkdir()
    text = {"prosody": PROSODY, "ejabberd": EJABBERD}[name].format(folder=folder, port=port)
    settings = folder / {"prosody": "prosody.cfg.lua", "ejabberd": "ejabberd.yml"}[name]
    settings.write_text(text)
    for path in (folder, *folder.rglob("*")):
        os.chown(path, user.pw_uid, user.pw_gid)
    start = {"prosody": _start_prosody, "ejabberd": _start_ejabberd}[name]
    with start(settings, folder) as process:
        _wait_for(port)
        context = ssl.create_default_context(cafile=str(folder / "cert.pem"))
        yield Peer(name, _version(name), Address(port, context), process)


@contextlib.contextmanager
def _start_prosody(settings: Path, folder: Path) -> Iterator[psutil.Process]:
    command = ["runuser", "-u", "prosody", "--", "/usr/bin/prosody", "-F", "--config", str(settings)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as child:
        try:
            yield psutil.Process(child.pid)
        finally:
            for process in psutil.Process(child.pid).children(recursive=True):
                process.terminate()
            child.terminate()


@contextlib.contextmanager
def _start_ejabberd(settings: Path, folder: Path) -> Iterator[psutil.Process]:
    environ = {
        "PATH": "/usr/bin:/bin:/usr/sbin",
        "HOME": str(folder),
        "EJABBERD_CONFIG_PATH": str(settings),
        "EJABBERDCTL_CONFIG_PATH": str(folder / "none"),
        "SPOOL_DIR": str(folder / "data"),
        "LOGS_DIR": str(folder),
    }
    ejabberdctl = str(_program("ejabberd"))
    options = ["--spool", str(folder / "data"), "--logs", str(folder), "--config", str(settings)]
    options += ["--node", f"chappepeers{os.getpid()}@localhost"]
    with subprocess.Popen(
        [ejabberdctl, *options, "foreground"],
        env=environ,
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as child:
        try:
            yield psutil.Process(child.pid)
        finally:
            for process in psutil.Process(child.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            child.kill()


def _certificate(folder: Path) -> None:
    key, certificate = folder / "key.pem", folder / "cert.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
    )
    (folder / "both.pem").write_text(certificate.read_text() + key.read_text())


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _wait_for(port: int) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.2)
    raise RuntimeError("the server took no connection; see the logs in its folder")


def _version(name: str) -> str:
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", name], check=False, capture_output=True, text=True
    )
    return shown.stdout or "unknown"
