"""`python -m bench.relay --pairs 50 --seconds 10 --idle 2000 --json`: what one relay process can do.

A relay of its own, in a temporary directory, over real TLS and a real disk. Pairs of devices: one sends
1 KiB payloads with a bounded number under way, the other acknowledges what it gets. A message counts when it
is delivered, which the relay does only after it is durable. The load comes from processes of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import resource
import secrets
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx
import psutil

from bench.frames_client import Account, Client, activate, in_loop
from chappe.relay.config import Settings, load_settings
from chappe.relay.new_codes import new_code
from chappe.wire import frames

WARM_UP_SECONDS = 1.0
CONNECTING_AT_ONCE = 20
STAMP = 8


@dataclass(frozen=True, slots=True)
class Result:
    """Times in milliseconds unless named otherwise; sizes as named."""

    pairs: int
    seconds: float
    payload_bytes: int
    window: int
    delivered: int
    delivered_per_second: float
    latency_p50_ms: float
    latency_p99_ms: float
    relay_cpu_seconds_per_1000: float
    relay_cpu_share: float
    relay_rss_mib: float
    idle_connections: int
    rss_kib_per_idle_connection: float | None


def main(argv: list[str]) -> int:
    """Measure and print; gives the exit status."""
    options = _options(argv)
    with (
        tempfile.TemporaryDirectory(dir=options.dir) as folder,
        _database(options) as url,
        running_relay(Path(folder) / "data", database_url=url) as relay,
    ):
        result = _measure(relay, options)
    if options.json:
        print(json.dumps(asdict(result)))
    else:
        for name, value in asdict(result).items():
            print(
                f"{name.replace('_', ' '):32} {value:,.1f}"
                if isinstance(value, float)
                else f"{name:32} {value}"
            )
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.relay", description=__doc__)
    parser.add_argument("--pairs", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--idle", type=int, default=2_000, help="idle signed-in connections; 0 for none")
    parser.add_argument("--window", type=int, default=16, help="messages of a pair under way at most")
    parser.add_argument(
        "--rate", type=float, default=0, help="messages/s of all pairs together; 0: all they can"
    )
    parser.add_argument("--payload", type=int, default=1024, help="bytes")
    parser.add_argument("--processes", type=int, default=1, help="processes that make the load")
    parser.add_argument("--dir", default=None, help="where the relay's data is put for the while")
    parser.add_argument("--database", default=None, help="postgresql://… in place of SQLite")
    parser.add_argument("--postgres", action="store_true", help="a PostgreSQL server of its own, likewise")
    parser.add_argument(
        "--profile", default=None, help="write a py-spy profile (speedscope) of the load here"
    )
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


@contextlib.contextmanager
def _database(options: argparse.Namespace) -> Iterator[str | None]:
    """PostgreSQL's address; None for SQLite. A server that is started for it is on the disk where the relay's
    data is, with what it is shipped with but for its memory."""
    if not options.postgres:
        yield options.database
        return
    from bench import postgres

    folder = Path(options.dir or tempfile.gettempdir())
    with postgres.running({"shared_buffers": "256MB", "log_error_verbosity": "terse"}, folder) as server:
        yield server.create("relay")


@dataclass(frozen=True, slots=True)
class Running:
    settings: Settings
    port: int
    process: psutil.Process

    def tls_file(self) -> str:
        return str(self.settings.data_dir / "tls-certificate.pem")


@contextlib.contextmanager
def running_relay(
    data_dir: Path, *, limited: bool = False, database_url: str | None = None
) -> Iterator[Running]:
    """A relay in a process of its own, with room for a crowd from one network; its lines may send as fast as
    it takes, unless it is `limited` as relays are."""
    _raise_file_limit()
    settings = load_settings({}, data_dir=data_dir, attempts_burst=1_000_000, database_url=database_url)
    command = [sys.executable, "-m", "chappe.relay", "--data-dir", str(data_dir), "--port", "0"]
    if not limited:
        command += ["--sends-burst", "1000000000", "--sends-per-second", "1000000000"]
    if database_url is not None:
        command += ["--database-url", database_url]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CHAPPE_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            yield Running(settings, ready["port"], psutil.Process(process.pid))
        finally:
            process.terminate()


def _raise_file_limit() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _measure(relay: Running, options: argparse.Namespace) -> Result:
    accounts = in_loop(_activate(relay, 2 * options.pairs + options.idle))
    busy, idle = accounts[: 2 * options.pairs], accounts[2 * options.pairs :]
    # First, for a relay that has worked has free memory, which would hide what a connection takes.
    per_idle = _measure_idle(relay, idle) if idle else None
    return _measure_load(relay, busy, options, per_idle, len(idle))


async def _activate(relay: Running, count: int) -> list[Account]:
    codes = new_code(relay.settings, count)
    async with httpx.AsyncClient(
        base_url=f"https://localhost:{relay.port}",
        verify=ssl.create_default_context(cafile=relay.tls_file()),
        trust_env=False,
        # Well before the relay lets go of a silent connection: on a busy machine the two would cross.
        limits=httpx.Limits(keepalive_expiry=1),
    ) as http:
        gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

        async def one(code: str) -> Account:
            async with gate:
                return await activate(http, relay.settings.server_name, code)

        return list(await asyncio.gather(*(one(code) for code in codes)))


# --- idle connections


def _measure_idle(relay: Running, accounts: list[Account]) -> float:
    """KiB of the relay's resident memory per connection that is signed in and silent."""
    here, there = multiprocessing.Pipe()
    holder = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(there, relay.port, relay.tls_file(), accounts)
    )
    holder.start()
    here.recv()
    before: int = relay.process.memory_info().rss
    here.send("connect")
    here.recv()
    time.sleep(1)
    after: int = relay.process.memory_info().rss
    here.send("stop")
    holder.join()
    return (after - before) / 1024 / len(accounts)


def _hold(pipe: Connection, port: int, certificate: str, accounts: list[Account]) -> None:
    in_loop(_hold_connections(pipe, port, certificate, accounts))


async def _hold_connections(pipe: Connection, port: int, certificate: str, accounts: list[Account]) -> None:
    _raise_file_limit()
    tls = ssl.create_default_context(cafile=certificate)
    # What the first connections set up once is not counted for the rest.
    first = await _connect_all(accounts[:50], port, tls)
    for client in first:
        client.close()
    await asyncio.sleep(0.5)
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    clients = await _connect_all(accounts, port, tls)
    pipe.send(len(clients))
    await asyncio.to_thread(pipe.recv)
    for client in clients:
        client.close()


async def _connect_all(accounts: list[Account], port: int, tls: ssl.SSLContext) -> list[Client]:
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(account: Account) -> Client:
        async with gate:
            return await Client.connect(account, port, tls, lambda _frame: None)

    return list(await asyncio.gather(*(one(account) for account in accounts)))


# --- load


def _measure_load(
    relay: Running, accounts: list[Account], options: argparse.Namespace, per_idle: float | None, idle: int
) -> Result:
    context = multiprocessing.get_context("spawn")
    pipes, processes = [], []
    for number in range(options.processes):
        here, there = multiprocessing.Pipe()
        share = (
            accounts[2 * number :: 2 * options.processes],
            accounts[2 * number + 1 :: 2 * options.processes],
        )
        pairs = list(zip(*share, strict=True))
        process = context.Process(
            target=_load, args=(there, relay.port, relay.tls_file(), pairs, vars(options))
        )
        process.start()
        pipes.append(here)
        processes.append(process)
    for pipe in pipes:
        pipe.recv()
    for pipe in pipes:
        pipe.send("go")
    time.sleep(WARM_UP_SECONDS)
    spy = _spy(relay, options)
    cpu, began = _cpu(relay), time.monotonic()
    time.sleep(options.seconds)
    cpu, took = _cpu(relay) - cpu, time.monotonic() - began
    memory = relay.process.memory_info().rss
    for pipe in pipes:
        pipe.send((began, began + took))
    latencies = sorted(latency for pipe in pipes for latency in pipe.recv())
    for process in processes:
        process.join()
    if spy is not None:
        spy.wait()
    hundredths = statistics.quantiles(latencies, n=100, method="inclusive")
    return Result(
        pairs=options.pairs,
        seconds=round(took, 3),
        payload_bytes=options.payload,
        window=options.window,
        delivered=len(latencies),
        delivered_per_second=round(len(latencies) / took, 1),
        latency_p50_ms=round(hundredths[49] * 1000, 2),
        latency_p99_ms=round(hundredths[98] * 1000, 2),
        relay_cpu_seconds_per_1000=round(cpu / len(latencies) * 1000, 4),
        relay_cpu_share=round(cpu / took, 3),
        relay_rss_mib=round(memory / 2**20, 1),
        idle_connections=idle,
        rss_kib_per_idle_connection=None if per_idle is None else round(per_idle, 1),
    )


def _cpu(relay: Running) -> float:
    times = relay.process.cpu_times()
    return float(times.user + times.system)


def _spy(relay: Running, options: argparse.Namespace) -> subprocess.Popen[bytes] | None:
    if options.profile is None:
        return None
    return subprocess.Popen(
        [
            *(str(Path(sys.executable).parent / "py-spy"), "record", "--pid", str(relay.process.pid)),
            *("--duration", str(int(options.seconds)), "--format", "speedscope", "--gil", "--threads"),
            *("--output", options.profile),
        ],
        stdout=subprocess.DEVNULL,
    )


def _load(
    pipe: Connection,
    port: int,
    certificate: str,
    pairs: list[tuple[Account, Account]],
    options: dict[str, Any],
) -> None:
    in_loop(_run_load(pipe, port, certificate, pairs, options))


async def _run_load(
    pipe: Connection,
    port: int,
    certificate: str,
    accounts: list[tuple[Account, Account]],
    options: dict[str, Any],
) -> None:
    tls = ssl.create_default_context(cafile=certificate)
    every: float = options["pairs"] / options["rate"] if options["rate"] else 0.0
    pairs = [_Pair(sender, receiver, options["payload"], options["window"]) for sender, receiver in accounts]
    for pair in pairs:
        await pair.connect(port, tls)
    pipe.send("ready")
    await asyncio.to_thread(pipe.recv)
    for number, pair in enumerate(pairs):
        pair.begin(every, number / len(pairs))
    began, ended = await asyncio.to_thread(pipe.recv)
    for pair in pairs:
        pair.stop()
    pipe.send([took for pair in pairs for at, took in pair.delivered if began <= at < ended])


class _Pair:
    """A sender and a receiver. A message holds the time at which it was made."""

    def __init__(self, sender: Account, receiver: Account, size: int, window: int) -> None:
        self._accounts = sender, receiver
        self._filler = secrets.token_bytes(size - STAMP)
        self._window = window
        self._under_way = 0
        self._unacknowledged = 0
        self._stopped = False
        self._sender: Client
        self._receiver: Client
        self._every = self._next = 0.0
        self.delivered: list[tuple[float, float]] = []

    async def connect(self, port: int, tls: ssl.SSLContext) -> None:
        self._sender = await Client.connect(self._accounts[0], port, tls, self._answer)
        self._receiver = await Client.connect(self._accounts[1], port, tls, self._arrive)

    def begin(self, every: float, phase: float) -> None:
        """Send whenever there is room, or once `every` so many seconds."""
        self._every = every
        if every:
            self._next = asyncio.get_running_loop().time() + every * phase
            self._beat()
        else:
            self._fill()

    def stop(self) -> None:
        self._stopped = True
        self._sender.close()
        self._receiver.close()

    def _beat(self) -> None:
        """On time in the long run: a beat that comes late does not move the next."""
        loop = asyncio.get_running_loop()
        while self._next <= loop.time() and not self._stopped:
            self._next += self._every
            self._send()
        if not self._stopped:
            loop.call_at(self._next, self._beat)

    def _fill(self) -> None:
        while self._under_way < self._window and not self._stopped:
            self._send()

    def _send(self) -> None:
        self._under_way += 1
        payload = time.monotonic_ns().to_bytes(STAMP, "big") + self._filler
        self._sender.say(frames.Send(1, os.urandom(16), [self._accounts[1].device], payload))

    def _answer(self, frame: frames.FromRelay) -> None:
        assert isinstance(frame, frames.Accepted)

    def _arrive(self, frame: frames.FromRelay) -> None:
        """Delivered. The window counts from sending to delivery, so that nothing piles up unseen."""
        assert isinstance(frame, frames.Deliver)
        now = time.monotonic()
        self.delivered.append((now, now - int.from_bytes(frame.payload[:STAMP], "big") / 1e9))
        self._under_way -= 1
        if not self._unacknowledged:
            asyncio.get_running_loop().call_soon(self._acknowledge)
        self._unacknowledged = frame.sequence
        if not self._every:
            self._fill()

    def _acknowledge(self) -> None:
        """All that one turn of the loop brought, at once."""
        sequence, self._unacknowledged = self._unacknowledged, 0
        if not self._stopped:
            self._receiver.say(frames.Ack(sequence))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
