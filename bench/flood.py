"""`chappe bench flood --json`: what a flooder takes from the others.

A relay of its own with its default limits, over real TLS and a real disk. Pairs of devices talk as fast as
people do. Then, beside them, three floods at 100 times what is allowed, each from a process of its own: a
line that signed in sends to one victim, somebody with a token that leaked sends to it without a sign-in, and
a line takes its key packages. In turn with that, the same floods at another relay on the same machine: a
flooder has a machine of its own, and what is asked is what it takes of the relay, not of the processor here.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import secrets
import sqlite3
import ssl
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import httpx

from bench.frames_client import Account, Client, in_loop
from bench.relay import WARM_UP_SECONDS, Running, _activate, _cpu, _load, running_relay
from chappe.relay.config import Settings
from chappe.wire import delivery, frames

FACTOR = 100
HEAD_START = 8.0
"""Seconds, in which a flood uses up what it may have at once."""
PACKAGES = 50
SEALED_AT_ONCE = 16
ELSEWHERE = "127.0.0.2"
"""The network that the floods come from."""


@dataclass(frozen=True, slots=True)
class Result:
    """Latencies in milliseconds, of the others' messages, from being made to being delivered. Calm: while
    the floods are at another relay."""

    rounds: int
    seconds: float
    others_per_second: float
    calm_p50_ms: float
    calm_p99_ms: float
    flood_p50_ms: float
    flood_p99_ms: float
    p99_ratio: float
    calm_cpu_share: float
    flood_cpu_share: float
    """Of one core, the relay's: what a loaded machine changes less than latencies."""
    offered_per_second: float
    victims_mailbox_items: int
    victims_key_packages_left: int
    of_key_packages: int


def main(argv: list[str]) -> int:
    """Measure and print; gives the exit status: 1 where the others' p99 more than doubled."""
    parser = argparse.ArgumentParser(prog="bench.flood", description=__doc__)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=5, help="of each calm and each flood")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=100, help="messages/s of all pairs together")
    parser.add_argument("--dir", default=None, help="where the relay's data is put for the while")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    with (
        tempfile.TemporaryDirectory(dir=options.dir) as folder,
        running_relay(Path(folder) / "data", limited=True) as relay,
        running_relay(Path(folder) / "other", limited=True) as other,
    ):
        result = measure(relay, other, options)
    if options.json:
        print(json.dumps(asdict(result)))
    else:
        for name, value in asdict(result).items():
            print(f"{name.replace('_', ' '):32} {value}")
    return 0 if result.p99_ratio <= 2 else 1


def measure(relay: Running, other: Running, options: argparse.Namespace) -> Result:
    busy = in_loop(_activate(relay, 2 * options.pairs))
    victim, floods = _floods(relay)
    _, elsewhere = _floods(other)
    calm: list[list[float]] = []
    flood: list[list[float]] = []
    shares = [0.0, 0.0]
    offered = 0.0
    for _ in range(options.rounds):
        with _flooding(other, elsewhere):
            calm.append(_others(relay, busy, options, shares, 0))
        with _flooding(relay, floods) as said:
            flood.append(_others(relay, busy, options, shares, 1))
        offered += said["per_second"]
    calm_p50, calm_p99 = _percentiles(calm)
    flood_p50, flood_p99 = _percentiles(flood)
    items, left = _left(relay, victim.device)
    return Result(
        options.rounds,
        options.seconds,
        options.rate,
        calm_p50,
        calm_p99,
        flood_p50,
        flood_p99,
        round(flood_p99 / calm_p99, 2),
        round(shares[0] / options.rounds, 3),
        round(shares[1] / options.rounds, 3),
        round(offered / options.rounds, 1),
        items,
        left,
        PACKAGES,
    )


def _floods(relay: Running) -> tuple[Account, list[tuple[Any, ...]]]:
    """Who is flooded, and by what."""
    victim, sender, taker = in_loop(_activate(relay, 3))
    token = secrets.token_bytes(delivery.TOKEN_BYTES)
    address = in_loop(_prepare(relay, victim, token))
    return victim, [
        (_flood_signed_in, sender, victim.device),
        (_flood_sealed, victim.device, token),
        (_flood_lookups, taker, address),
    ]


def _percentiles(rounds: list[list[float]]) -> tuple[float, float]:
    """p50 and p99 in milliseconds: the median of the rounds' own, so that one disturbance counts once."""
    each = [statistics.quantiles(sorted(one), n=100, method="inclusive") for one in rounds]
    p50, p99 = (round(statistics.median(q[at] for q in each) * 1000, 2) for at in (49, 98))
    return p50, p99


def _left(relay: Running, device: bytes) -> tuple[int, int]:
    """Of the victim: items in its mailbox, one-time key packages that are left."""
    with contextlib.closing(sqlite3.connect(relay.settings.database, timeout=10)) as connection:
        (mailbox,) = connection.execute("SELECT mailbox FROM devices WHERE device = ?", (device,)).fetchone()
        (items,) = connection.execute("SELECT count(*) FROM entries WHERE mailbox = ?", (mailbox,)).fetchone()
        (left,) = connection.execute(
            "SELECT count(*) FROM key_packages WHERE mailbox = ? AND taken_at IS NULL", (mailbox,)
        ).fetchone()
    return items, left


async def _prepare(relay: Running, victim: Account, token: bytes) -> str:
    """The victim leaves key packages and a token, and goes. Gives its address."""
    heard: asyncio.Queue[frames.FromRelay] = asyncio.Queue()
    tls = ssl.create_default_context(cafile=relay.tls_file())
    client = await Client.connect(victim, relay.port, tls, heard.put_nowait)
    client.say(frames.PublishKeyPackages(1, [secrets.token_bytes(1_500) for _ in range(PACKAGES)], b"last"))
    client.say(frames.LeaveToken(2, delivery.token_digest(token)))
    for _ in range(2):
        assert isinstance(await heard.get(), frames.Done)
    client.close()
    with contextlib.closing(sqlite3.connect(relay.settings.database, timeout=10)) as connection:
        (address,) = connection.execute(
            "SELECT address FROM lines NATURAL JOIN devices WHERE device = ?", (victim.device,)
        ).fetchone()
    return str(address)


# --- the others


def _others(
    relay: Running, accounts: list[Account], options: argparse.Namespace, shares: list[float], at: int
) -> list[float]:
    """Latencies in seconds, over so many seconds; the relay's share of a core is added to `shares[at]`."""
    here, there = multiprocessing.Pipe()
    pairs = list(zip(accounts[::2], accounts[1::2], strict=True))
    given = {"pairs": options.pairs, "rate": options.rate, "payload": 1024, "window": 16}
    process = multiprocessing.get_context("spawn").Process(
        target=_load, args=(there, relay.port, relay.tls_file(), pairs, given)
    )
    process.start()
    here.recv()
    here.send("go")
    time.sleep(WARM_UP_SECONDS)
    began, cpu = time.monotonic(), _cpu(relay)
    time.sleep(options.seconds)
    ended = time.monotonic()
    shares[at] += (_cpu(relay) - cpu) / (ended - began)
    here.send((began, ended))
    latencies: list[float] = here.recv()
    process.join()
    return latencies


# --- floods


@contextlib.contextmanager
def _flooding(relay: Running, floods: list[tuple[Any, ...]]) -> Iterator[dict[str, float]]:
    """All of them at once, each in a process; in the end, what they offered."""
    context, running = multiprocessing.get_context("spawn"), []
    for flood, *given in floods:
        here, there = multiprocessing.Pipe()
        process = context.Process(target=_run, args=(flood, there, relay.port, relay.tls_file(), *given))
        process.start()
        running.append((process, here))
    time.sleep(HEAD_START)
    said: dict[str, float] = {}
    try:
        yield said
    finally:
        for _, here in running:
            here.send("stop")
        said["per_second"] = sum(here.recv() for _, here in running)
        for process, _ in running:
            process.join()


def _run(flood: Callable[..., Any], pipe: Connection, *given: Any) -> None:
    in_loop(flood(pipe, *given))


class _Flooder(Client):
    """Does not mind being refused."""

    def _frame(self, frame: frames.FromRelay) -> None:
        if not isinstance(frame, frames.Refusal):
            super()._frame(frame)


async def _beat(pipe: Connection, per_second: float, one: Callable[[], Awaitable[None]]) -> None:
    """So often, on time in the long run, until told to stop."""
    loop = asyncio.get_running_loop()
    began, times = loop.time(), 0
    while not pipe.poll():
        await one()
        times += 1
        await asyncio.sleep(max(0.0, began + times / per_second - loop.time()))
    pipe.send(times / (loop.time() - began))


async def _flood_signed_in(
    pipe: Connection, port: int, certificate: str, account: Account, victim: bytes
) -> None:
    limits = Settings.model_fields
    client = await _Flooder.connect(
        account, port, ssl.create_default_context(cafile=certificate), lambda _frame: None
    )

    async def say() -> None:
        client.say(frames.Send(1, secrets.token_bytes(16), [victim], b"x" * 1024))

    await _beat(pipe, FACTOR * limits["sends_per_second"].default, say)
    client.close()


async def _flood_sealed(pipe: Connection, port: int, certificate: str, victim: bytes, token: bytes) -> None:
    codes: Counter[int] = Counter()
    transport = httpx.AsyncHTTPTransport(
        verify=ssl.create_default_context(cafile=certificate), trust_env=False, local_address=ELSEWHERE
    )
    async with httpx.AsyncClient(base_url=f"https://localhost:{port}", transport=transport) as http:

        async def say() -> None:
            made = [
                delivery.Sealed(secrets.token_bytes(16), [(victim, token)], b"x" * 1024)
                for _ in range(SEALED_AT_ONCE)
            ]
            answer = await http.post("/v1/deliver", content=delivery.encode(delivery.Deliver(made)))
            codes[answer.status_code] += 1

        limit = Settings.model_fields["token_per_second"].default
        await _beat(pipe, FACTOR * limit / SEALED_AT_ONCE, say)


async def _flood_lookups(
    pipe: Connection, port: int, certificate: str, account: Account, address: str
) -> None:
    client = await _Flooder.connect(
        account, port, ssl.create_default_context(cafile=certificate), lambda _frame: None
    )

    async def say() -> None:
        client.say(frames.Lookup(1, address, key_packages=True))

    await _beat(pipe, FACTOR * Settings.model_fields["lookups_per_second"].default, say)
    client.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
