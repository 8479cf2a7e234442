"""`chappe chaos slow`: devices that sign in and then read nothing.

First one of them, then several hundred, each with far more mail waiting than a window holds. The relay's
resident memory is measured: with the windows full, and again after several times as much mail; it may not
grow with what waits. Then they read after all, and have everything once and in order.

With `--large` also what the others feel: pairs of devices talk as fast as people do, in turn with the silent
ones there, and with them away (calm). Either way the same mail waits for them and is sent to them, so that
what differs is a socket that is not read. The others' p99 is the median of the rounds' own. A machine that
does other work changes it, so the small run does not look at it.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import socket
import ssl
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any, Final

import psutil
from tests.relay.world import RelayProcess

from bench.chaos.base import Options, Report, claim
from bench.frames_client import Account, Client, in_loop
from bench.relay import WARM_UP_SECONDS, Running, _activate, _load, _raise_file_limit
from chappe.relay.delivery import WINDOW_BYTES
from chappe.wire import frames

TITLE = "Devices that read nothing: the relay's memory stays bounded, and the others do not feel it"

SILENT: Final = 24
SILENT_LARGE: Final = 500
PAYLOAD: Final = 16 * 1024
FULL: Final = 2 * WINDOW_BYTES // PAYLOAD
"""Messages that are more than a window."""
MORE: Final = 3
"""Times as much mail again, for which nothing more may be needed."""
PER_SILENT: Final = 1.5
"""Windows: what one of them may cost, in encrypted form and with what hangs on it."""
SLACK: Final = 32 << 20
"""Bytes: of the store's caches, and of an allocator that gives nothing back."""
ROUNDS: Final = 7
SECONDS: Final = 6.0
PAIRS: Final = 10
RATE: Final = 100
"""Messages a second of all pairs together."""
MAIL_RATE: Final = 5
"""Messages a second to all silent ones at once, while the others are measured."""
MAX_RATIO: Final = 1.2
MIB: Final = 1 << 20


class Silent(Client):
    """Reads what it needs to sign in; then nothing, until it is told to."""

    def __init__(self, account: Account, port: int, _heard: Any) -> None:
        super().__init__(account, port, self._take)
        self.got: list[tuple[int, bytes]] = []

    def stop(self) -> None:
        assert self._transport is not None
        self._take_up_to(16 * 1024)
        self._transport.pause_reading()

    def begin(self) -> None:
        assert self._transport is not None
        self._take_up_to(1 << 20)
        self._transport.resume_reading()

    def _take_up_to(self, size: int) -> None:
        """Bytes that the system takes from the relay in its stead."""
        assert self._transport is not None
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, size)

    def _take(self, frame: frames.FromRelay) -> None:
        if isinstance(frame, frames.Deliver):
            self.got.append((frame.sequence, frame.id))
            self.say(frames.Ack(frame.sequence))


def run(options: Options) -> Report:
    _raise_file_limit()
    relay = RelayProcess(
        options.folder / "data",
        forked=False,
        attempts_burst=1_000_000,
        sends_burst=1_000_000_000,
        sends_per_second=1_000_000_000,
        # Who does not answer a ping is let go, and its memory with it: here it stays.
        ping_seconds=3_600,
    )
    try:
        return _measure(relay, options)
    finally:
        relay.kill()


def _measure(relay: RelayProcess, options: Options) -> Report:
    running = Running(relay.settings, relay.port, psutil.Process(relay.pid))
    count = SILENT_LARGE if options.large else SILENT
    accounts = in_loop(_activate(running, 1 + count + 2 * PAIRS))
    sender, silent, pairs = accounts[0], accounts[1 : count + 1], accounts[count + 1 :]
    _ask(running, "warm up", sender, silent)
    one = _ask(running, "fill", sender, silent[:1])
    many = _ask(running, "fill", sender, silent)
    faults = [
        *_over("one silent device", one, 1),
        *_over(f"{count} silent devices", many, count),
        *(f"{name} is not what was accepted" for told in (one, many) for name in told.wrong),
    ]
    figures: dict[str, int | float | str] = {
        "silent_devices": count,
        "mail_waiting_mib_each": round(MORE * FULL * PAYLOAD / MIB + FULL * PAYLOAD / MIB, 1),
        "rss_before_mib": _mib(many.before),
        "one_silent_adds_mib": _mib(one.more - one.before),
        "all_silent_add_mib": _mib(many.full - many.before),
        "with_more_mail_add_mib": _mib(many.more - many.before),
        "bound_mib": _mib(_bound(count)),
        "relay_cpu_seconds": round(sum(running.process.cpu_times()[:2]), 1),
    }
    if options.large:
        faults += _felt(running, sender, silent, pairs, figures, options.tell)
    if faults:
        figures["faults"] = "\n".join(faults)
    accepted = one.accepted + many.accepted
    return Report(
        name="slow",
        passed=not faults,
        trials=1 + count,
        accepted=accepted,
        lost=one.lost + many.lost,
        doubled=one.doubled + many.doubled,
        figures=figures,
        can_claim=(
            f"With {count} devices that read nothing the relay needs what their windows hold, whatever waits "
            f"for them; of deliveries to them once they read: {claim(accepted, one.lost + many.lost)}."
        ),
        cannot_claim=(
            "That other sizes of mail cost the same, or what the others feel on a machine that is busy: "
            + ("their p99 is of this machine." if options.large else "that is measured with --large only.")
        ),
    )


def _bound(count: int) -> int:
    return int(count * PER_SILENT * WINDOW_BYTES) + SLACK


def _over(what: str, told: Told, count: int) -> list[str]:
    found = []
    if told.full - told.before > _bound(count):
        found.append(f"{what}: {_mib(told.full - told.before)} MiB with full windows")
    if told.more - told.full > SLACK + told.before // 10:
        found.append(f"{what}: {_mib(told.more - told.full)} MiB more for mail that only waits")
    return found


def _mib(size: int) -> float:
    return round(size / MIB, 1)


# --- the silent ones, in a process of their own


@dataclass(frozen=True, slots=True)
class Told:
    """Resident bytes of the relay: before, with windows full, with more mail. Of deliveries: how many were
    owed, lost, and doubled. `wrong`: devices that have others, or in another order."""

    before: int
    full: int
    more: int
    accepted: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: list[str] = field(default_factory=list)


def _ask(relay: Running, what: str, sender: Account, silent: list[Account]) -> Told:
    """In a process of its own, so that the relay has the other core."""
    here, there = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(
        target=_go, args=(there, what, relay.process.pid, relay.port, relay.tls_file(), sender, silent)
    )
    process.start()
    told: Told = here.recv()
    process.join()
    return told


def _go(pipe: Connection, what: str, *given: Any) -> None:
    _raise_file_limit()
    pipe.send(in_loop({"fill": _fill, "warm up": _warm_up}[what](*given)))


async def _warm_up(pid: int, port: int, certificate: str, sender: Account, silent: list[Account]) -> Told:
    """The same mail to devices that are away, so that the store's caches are as large as they get."""
    post = await Post.open(port, certificate, sender)
    await post.send(silent, FULL + MORE * FULL)
    tls = ssl.create_default_context(cafile=certificate)
    readers = [await Silent.connect(account, port, tls, _nothing) for account in silent]
    await _until_all_have(readers, FULL + MORE * FULL)
    for reader in readers:
        reader.close()
    post.client.close()
    return Told(0, 0, 0)


async def _fill(pid: int, port: int, certificate: str, sender: Account, silent: list[Account]) -> Told:
    relay = psutil.Process(pid)
    post = await Post.open(port, certificate, sender)
    tls = ssl.create_default_context(cafile=certificate)
    readers: list[Silent] = []
    for account in silent:
        reader = await Silent.connect(account, port, tls, _nothing)
        assert isinstance(reader, Silent)
        reader.stop()
        readers.append(reader)
    before = relay.memory_info().rss
    sent = await post.send(silent, FULL)
    full = await _settled(relay)
    sent += await post.send(silent, MORE * FULL)
    more = await _settled(relay)
    for reader in readers:
        reader.begin()
    await _until_all_have(readers, len(sent))
    lost = doubled = 0
    wrong = []
    for number, reader in enumerate(readers):
        ids = [id_ for _, id_ in reader.got]
        lost += len(set(sent) - set(ids))
        doubled += len(ids) - len(set(ids))
        if ids != sent:
            wrong.append(f"what silent device {number} had")
        reader.close()
    post.client.close()
    return Told(before, full, more, len(sent) * len(readers), lost, doubled, wrong)


def _nothing(_frame: frames.FromRelay) -> None:
    """It has its own ears."""


async def _settled(relay: psutil.Process) -> int:
    """The most that is resident until it has not grown for a moment."""
    most, since = 0, time.monotonic()
    while time.monotonic() - since < 0.5:
        found = relay.memory_info().rss
        if found > most:
            most, since = found, time.monotonic()
        await asyncio.sleep(0.05)
    return most


async def _until_all_have(readers: list[Any], count: int) -> None:
    """Or until nothing has come for long: what is missing is then for the journals to say."""
    last, since = -1, time.monotonic()
    while (found := min(len(reader.got) for reader in readers)) < count:
        total = sum(len(reader.got) for reader in readers)
        if total != last:
            last, since = total, time.monotonic()
        if time.monotonic() - since > 60:
            return
        await asyncio.sleep(0.02)
    assert found >= count


class Post:
    """Sends to many at once; every message is accepted before the call is over."""

    def __init__(self) -> None:
        self.client: Client
        self._accepted: set[bytes] = set()
        self._wake = asyncio.Event()

    @classmethod
    async def open(cls, port: int, certificate: str, account: Account) -> Post:
        made = cls()
        tls = ssl.create_default_context(cafile=certificate)
        made.client = await Client.connect(account, port, tls, made._hear)
        return made

    def _hear(self, frame: frames.FromRelay) -> None:
        assert isinstance(frame, frames.Accepted), frame
        self._accepted.add(frame.id)
        self._wake.set()

    async def send(self, to: list[Account], count: int) -> list[bytes]:
        """The ids, in their order."""
        ids = [secrets.token_bytes(16) for _ in range(count)]
        devices = [account.device for account in to]
        for number, id_ in enumerate(ids):
            self.client.say(frames.Send(1, id_, devices, b"x" * PAYLOAD))
            while number - len(self._accepted & set(ids)) > 32:
                self._wake.clear()
                await self._wake.wait()
        while not self._accepted.issuperset(ids):
            self._wake.clear()
            await self._wake.wait()
        return ids


# --- what the others feel


def _felt(
    relay: Running,
    sender: Account,
    silent: list[Account],
    pairs: list[Account],
    figures: dict[str, int | float | str],
    tell: Callable[[int, int], None],
) -> list[str]:
    calm: list[float] = []
    slow: list[float] = []
    for number in range(ROUNDS):
        tell(number, ROUNDS)
        for there, told in ((False, calm), (True, slow)):
            here, other = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=_stay, args=(other, there, relay.port, relay.tls_file(), sender, silent)
            )
            process.start()
            here.recv()
            told.append(_p99(relay, pairs))
            here.send("stop")
            process.join()
    before, after = statistics.median(calm), statistics.median(slow)
    figures |= {
        "rounds": ROUNDS,
        "others_calm_p99_ms": round(before * 1000, 2),
        "others_slow_p99_ms": round(after * 1000, 2),
        "p99_ratio": round(after / before, 2),
    }
    return [f"the others' p99 is {after / before:.2f} times as long"] if after > MAX_RATIO * before else []


def _stay(pipe: Connection, there: bool, *given: Any) -> None:
    _raise_file_limit()
    in_loop(_stay_and_send(pipe, there, *given))


async def _stay_and_send(
    pipe: Connection, there: bool, port: int, certificate: str, sender: Account, silent: list[Account]
) -> None:
    tls = ssl.create_default_context(cafile=certificate)
    post = await Post.open(port, certificate, sender)
    readers: list[Any] = []
    for account in silent if there else ():
        readers.append(await Silent.connect(account, port, tls, _nothing))
        readers[-1].stop()
    # As much waits for those that are away: the store has the same to do.
    await post.send(silent, FULL)
    pipe.send("ready")
    while not pipe.poll():
        await post.send(silent, 1)
        await asyncio.sleep(1 / MAIL_RATE)
    for reader in readers:
        reader.close()
    # So that no mailbox fills up over the rounds.
    readers = [await Silent.connect(account, port, tls, _nothing) for account in silent]
    await _until_quiet(readers)
    for reader in readers:
        reader.close()
    post.client.close()


async def _until_quiet(readers: list[Any]) -> None:
    last = -1
    while (found := sum(len(reader.got) for reader in readers)) != last:
        last = found
        await asyncio.sleep(1.0)


def _p99(relay: Running, accounts: list[Account]) -> float:
    """Seconds, of one round."""
    here, there = multiprocessing.Pipe()
    given = {"pairs": PAIRS, "rate": RATE, "payload": 1024, "window": 16}
    together = list(zip(accounts[::2], accounts[1::2], strict=True))
    process = multiprocessing.get_context("spawn").Process(
        target=_load, args=(there, relay.port, relay.tls_file(), together, given)
    )
    process.start()
    here.recv()
    here.send("go")
    time.sleep(WARM_UP_SECONDS)
    began = time.monotonic()
    time.sleep(SECONDS)
    here.send((began, time.monotonic()))
    latencies: list[float] = here.recv()
    process.join()
    return statistics.quantiles(sorted(latencies), n=100, method="inclusive")[98]
