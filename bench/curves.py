"""`chappe bench curves --json`: what grows with what.

Three curves of one relay over real TLS and a real disk: devices that are here (100 to 10,000), devices of a
conversation (2 to 2,000), and what is stored and waits (0 to 10 million entries). CPU seconds say more than
the clock on a machine that does other things as well. `--plot FOLDER` draws them (matplotlib, not installed
with the rest: pip install matplotlib).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import os
import secrets
import sqlite3
import ssl
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from bench.frames_client import Account, Client, in_loop, while_connected
from bench.relay import CONNECTING_AT_ONCE, Running, _activate, _cpu, _raise_file_limit, running_relay
from chappe.wire import frames

PAYLOAD: Final = 1024
PAIRS: Final = 20
RECIPIENTS_OF_STORED: Final = 10
"""Of each message of the backlog: it is stored once."""

Row = dict[str, float]


def main(argv: list[str]) -> int:
    """Measure and print. Exit status 1 where a message to the largest conversation took over a second."""
    options = _options(argv)
    _raise_file_limit()
    found: dict[str, list[Row]] = {}
    if "devices" in options.curve:
        found["devices"] = _devices(options)
    if "conversation" in options.curve:
        found["conversation"] = _conversation(options)
    if "backlog" in options.curve:
        found["backlog"] = [_backlog(size, options) for size in options.backlog]
    print(json.dumps(found) if options.json else _text(found))
    if options.plot:
        from bench.curves_plot import draw

        draw(found, Path(options.plot))
    slowest = found.get("conversation", [{"all_delivered_ms": 0.0}])[-1]["all_delivered_ms"]
    return 0 if slowest <= 1000 else 1


def _options(argv: list[str]) -> argparse.Namespace:
    def numbers(text: str) -> list[int]:
        return [int(part) for part in text.split(",")]

    parser = argparse.ArgumentParser(prog="bench.curves", description=__doc__)
    parser.add_argument("--curve", action="append", choices=("devices", "conversation", "backlog"))
    parser.add_argument("--devices", type=numbers, default=[100, 300, 1_000, 3_000, 10_000])
    parser.add_argument("--conversation", type=numbers, default=[2, 10, 50, 200, 1_000, 2_000])
    parser.add_argument("--backlog", type=numbers, default=[0, 10_000, 100_000, 1_000_000, 10_000_000])
    parser.add_argument("--messages", type=int, default=10_000, help="of each point, of all pairs together")
    parser.add_argument("--times", type=int, default=20, help="messages to each conversation")
    parser.add_argument("--dir", default=None, help="where the relay's data is put for the while")
    parser.add_argument("--plot", default=None, help="a folder for the plots")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(argv)
    options.curve = options.curve or ["devices", "conversation", "backlog"]
    return options


# --- devices that are here


def _devices(options: argparse.Namespace) -> list[Row]:
    """One relay, to which more and more devices come; the same pairs talk each time."""
    rows = []
    with _relay(options) as relay:
        accounts = in_loop(_activate(relay, max(options.devices) + 2 * PAIRS))
        pairs, idle = accounts[: 2 * PAIRS], accounts[2 * PAIRS :]
        for count in options.devices:
            before = relay.process.memory_info().rss
            with _held(relay, idle[:count]):
                time.sleep(1)
                rss = relay.process.memory_info().rss
                cpu = _talking(relay, pairs, options.messages)
            rows.append(
                {
                    "devices": count,
                    "cpu_seconds_per_1000": cpu,
                    "rss_mib": round(rss / 2**20, 1),
                    "kib_per_device": round(max(0, rss - before) / 1024 / count, 1),
                }
            )
    return rows


@contextlib.contextmanager
def _held(relay: Running, accounts: list[Account]) -> Any:
    """These devices are signed in and silent, from a process of their own."""
    here, there = multiprocessing.Pipe()
    holder = multiprocessing.get_context("spawn").Process(
        target=_hold, args=(there, relay.port, relay.tls_file(), accounts)
    )
    holder.start()
    here.recv()
    try:
        yield
    finally:
        here.send("stop")
        holder.join()


def _hold(pipe: Connection, port: int, certificate: str, accounts: list[Account]) -> None:
    async def hold() -> None:
        _raise_file_limit()
        clients = await _connect(accounts, port, certificate, lambda _frame: None)
        pipe.send("here")
        await asyncio.to_thread(pipe.recv)
        for client in clients:
            client.close()

    in_loop(hold())


async def _connect(accounts: list[Account], port: int, certificate: str, heard: Any) -> list[Client]:
    tls = ssl.create_default_context(cafile=certificate)
    gate = asyncio.Semaphore(CONNECTING_AT_ONCE)

    async def one(account: Account) -> Client:
        async with gate:
            return await Client.connect(account, port, tls, heard)

    return list(await asyncio.gather(*(one(account) for account in accounts)))


def _talking(relay: Running, accounts: list[Account], messages: int) -> float:
    """The relay's CPU seconds per 1,000 messages of 1 KiB between pairs."""
    cpu: float = in_loop(_talk(relay, accounts, messages))
    return round(cpu / messages * 1000, 4)


async def _talk(relay: Running, accounts: list[Account], messages: int) -> float:
    each = messages // (len(accounts) // 2)
    pairs = [_Pair(accounts[at], accounts[at + 1], each) for at in range(0, len(accounts), 2)]
    await asyncio.gather(*(pair.connect(relay) for pair in pairs))
    before = _cpu(relay)
    await asyncio.gather(*(pair.run() for pair in pairs))
    used = _cpu(relay) - before
    for pair in pairs:
        pair.close()
    return used


class _Pair:
    """A sender with 16 messages under way, and a receiver that acknowledges."""

    def __init__(self, sender: Account, receiver: Account, count: int) -> None:
        self._accounts = sender, receiver
        self._left_to_send = self._left = count
        self._done = asyncio.Event()
        self._sender: Client
        self._receiver: Client

    async def connect(self, relay: Running) -> None:
        tls = ssl.create_default_context(cafile=relay.tls_file())
        self._sender = await Client.connect(self._accounts[0], relay.port, tls, lambda _frame: None)
        self._receiver = await Client.connect(self._accounts[1], relay.port, tls, self._arrived)

    async def run(self) -> None:
        for _ in range(min(16, self._left)):
            self._send()
        await while_connected(self._done.wait(), self._sender, self._receiver)

    def close(self) -> None:
        self._sender.close()
        self._receiver.close()

    def _send(self) -> None:
        if self._left_to_send:
            self._left_to_send -= 1
            to = [self._accounts[1].device]
            self._sender.say(frames.Send(1, os.urandom(16), to, secrets.token_bytes(PAYLOAD)))

    def _arrived(self, frame: frames.FromRelay) -> None:
        if isinstance(frame, frames.Deliver):
            self._receiver.say(frames.Ack(frame.sequence))
            self._left -= 1
            self._send()
            if not self._left:
                self._done.set()


# --- a conversation


def _conversation(options: argparse.Namespace) -> list[Row]:
    """One sends to all the others, who are here and acknowledge; one message at a time."""
    with _relay(options) as relay:
        accounts = in_loop(_activate(relay, max(options.conversation)))
        rows: list[Row] = []
        for size in options.conversation:
            rows.append(in_loop(_spread(relay, accounts[:size], options.times)))
    return rows


async def _spread(relay: Running, accounts: list[Account], times: int) -> Row:
    arrived = asyncio.Event()
    left = 0

    class Hearing:
        """Acknowledges for one device."""

        client: Client

        def __call__(self, frame: frames.FromRelay) -> None:
            nonlocal left
            if isinstance(frame, frames.Deliver):
                self.client.say(frames.Ack(frame.sequence))
                left -= 1
                if left == 0:
                    arrived.set()

    tls = ssl.create_default_context(cafile=relay.tls_file())
    sender = await Client.connect(accounts[0], relay.port, tls, lambda _frame: None)
    clients = [sender]
    for account in accounts[1:]:
        hearing = Hearing()
        hearing.client = await Client.connect(account, relay.port, tls, hearing)
        clients.append(hearing.client)
    to = [account.device for account in accounts[1:]]

    async def say_all() -> list[float]:
        nonlocal left
        took: list[float] = []
        for _ in range(times):
            left = len(to)
            arrived.clear()
            began = time.monotonic()
            sender.say(frames.Send(1, os.urandom(16), to, secrets.token_bytes(PAYLOAD)))
            await arrived.wait()
            took.append(time.monotonic() - began)
        return took

    cpu = _cpu(relay)
    took = await while_connected(say_all(), *clients)
    cpu = _cpu(relay) - cpu
    return {
        "devices": len(accounts),
        "all_delivered_ms": round(statistics.median(took) * 1000, 1),
        "slowest_ms": round(max(took) * 1000, 1),
        "cpu_ms_per_message": round(cpu / times * 1000, 2),
        "cpu_ms_per_delivery": round(cpu / times / len(to) * 1000, 4),
    }


# --- a backlog


def _backlog(size: int, options: argparse.Namespace) -> Row:
    """So many entries wait for devices that do not come, while pairs talk."""
    with tempfile.TemporaryDirectory(dir=options.dir) as folder:
        data = Path(folder) / "data"
        with running_relay(data) as relay:
            accounts = in_loop(_activate(relay, 2 * PAIRS + RECIPIENTS_OF_STORED))
        _fill(data / "relay.db", accounts[2 * PAIRS :], size)
        began = time.monotonic()
        with running_relay(data) as relay:
            started = time.monotonic() - began
            cpu = _talking(relay, accounts[: 2 * PAIRS], options.messages)
            rss = relay.process.memory_info().rss
        stored = (data / "relay.db").stat().st_size
    return {
        "entries": size,
        "cpu_seconds_per_1000": cpu,
        "rss_mib": round(rss / 2**20, 1),
        "database_mib": round(stored / 2**20, 1),
        "start_seconds": round(started, 2),
    }


def _fill(database: Path, absent: list[Account], size: int) -> None:
    """Entries of their mailboxes, one each for a payload of 1 KiB: the same rows as sending, and faster."""
    now = int(time.time())
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        of = "SELECT mailbox FROM devices WHERE device = ?"
        mailboxes = [connection.execute(of, (one.device,)).fetchone()[0] for one in absent]
        step = 100_000
        for start in range(0, size // len(mailboxes), step):
            numbers = range(start + 1, min(start + step, size // len(mailboxes)) + 1)
            connection.executemany(
                "INSERT INTO payloads (payload, at, data) VALUES (?, ?, randomblob(1024))",
                ((number, now) for number in numbers),
            )
            connection.executemany(
                "INSERT INTO shares (payload, mailboxes_left) VALUES (?, ?)",
                ((number, len(mailboxes)) for number in numbers),
            )
            connection.executemany(
                "INSERT INTO entries (mailbox, sequence, envelope, payload, total_bytes, at) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    (mailbox, number, number.to_bytes(16, "big"), number, number * PAYLOAD, now)
                    for mailbox in mailboxes
                    for number in numbers
                ),
            )
            connection.commit()


@contextlib.contextmanager
def _relay(options: argparse.Namespace) -> Any:
    with (
        tempfile.TemporaryDirectory(dir=options.dir) as folder,
        running_relay(Path(folder) / "data") as relay,
    ):
        yield relay


def _text(found: dict[str, list[Row]]) -> str:
    lines = []
    for curve, rows in found.items():
        lines.append(f"\n{curve}\n" + "  ".join(f"{name:>22}" for name in rows[0]))
        lines += ["  ".join(f"{value:>22}" for value in row.values()) for row in rows]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
