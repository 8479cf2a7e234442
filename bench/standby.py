"""Two PostgreSQL servers: a primary, and a standby that confirms every commit before it is answered.

with pair(folder) as servers:
    url = servers.url("relay")      # both hosts; whoever takes writes is connected to
    servers.fail()                  # the primary is gone, with all its processes, from one moment to the next
    servers.promote()               # the standby is the primary
    servers.rebuild()               # the other one is its standby
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import quote

from bench.postgres import SMALL, USER, Server

NAME: Final = "standby"
"""`application_name` of whichever is the standby now: what `synchronous_standby_names` waits for."""
SYNC_SECONDS: Final = 60.0


class Pair:
    def __init__(self, folder: Path) -> None:
        # The server's own user has to get through.
        folder.chmod(0o755)
        self.primary = Server(folder / "one", SMALL)
        self.standby = Server(folder / "two", SMALL)

    def start(self) -> None:
        self.primary.start()
        self.rebuild()

    def url(self, database: str) -> str:
        hosts = sorted(str(server.folder) for server in (self.primary, self.standby))
        return f"postgresql://{USER}@/{database}?host={quote(','.join(hosts), safe=',')}"

    def rebuild(self) -> None:
        """A standby from the primary that is there, and commits that wait for it from here on.

        The copy is made before the primary is told to wait: a standby that was told so as well would, once it
        is promoted, wait for one that is not there.
        """
        shutil.rmtree(self.standby.data, ignore_errors=True)
        self.primary.execute("ALTER SYSTEM RESET synchronous_standby_names")
        self.primary.run(
            *("pg_basebackup", "-D", str(self.standby.data), "-X", "stream", "-c", "fast", "-R"),
            *("-d", f"host={self.primary.folder} user={USER} application_name={NAME}"),
        )
        self.standby.start()
        self.primary.execute(f"ALTER SYSTEM SET synchronous_standby_names TO '{NAME}'")
        self.primary.execute("SELECT pg_reload_conf()")
        until = time.monotonic() + SYNC_SECONDS
        while self.primary.execute("SELECT sync_state FROM pg_stat_replication") != [("sync",)]:
            if time.monotonic() > until:
                raise RuntimeError(f"the standby does not follow: {self.standby.log[-2_000:]}")
            time.sleep(0.05)

    def fail(self) -> None:
        """kill -9 of the primary and all its processes: nobody says goodbye, nobody finishes anything."""
        _kill_all(self.primary)

    def lose_standby(self) -> None:
        """The same of the standby. `self.standby.start()` brings it back."""
        _kill_all(self.standby)

    def promote(self) -> None:
        """What an operator does, or a program like Patroni."""
        self.standby.run("pg_ctl", "promote", "-D", str(self.standby.data), "-w", "-t", "60")
        self.primary, self.standby = self.standby, self.primary

    def remove(self) -> None:
        self.standby.remove()
        self.primary.remove()


def _kill_all(server: Server) -> None:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
    server.kill()
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)


@contextlib.contextmanager
def pair(folder: Path) -> Iterator[Pair]:
    """In `folder`, which should be on a disk where durability counts. Gone afterwards."""
    servers = Pair(folder)
    try:
        servers.start()
        yield servers
    finally:
        servers.remove()
