"""`chappe chaos reconnect`: every device comes back at once, after the relay was killed, with mail waiting.

The relay is killed (kill -9) while 2,000 devices are connected (200 in small) and none of them has taken what
was sent to it. It is started again; from the moment it takes connections all of them come at once, sign in,
take all that waits and acknowledge it. What each was to have is in the sender's journal. Seconds on the wall
and of the relay's processor are told: the second say what a machine that does other work does not.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import secrets
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any, Final

import psutil
from tests.relay.world import RelayProcess

from bench.chaos.base import Options, Report, claim
from bench.frames_client import Account, Client, in_loop
from bench.relay import Running, _activate, _raise_file_limit
from chappe.wire import frames

TITLE = "Every device reconnects at once after the relay was killed: all signed in and caught up in time"

DEVICES: Final = 100
DEVICES_LARGE: Final = 2_000
WAITING: Final = 10
"""Messages that each has waiting, of `PAYLOAD` bytes."""
PAYLOAD: Final = 1024
SECONDS: Final = 30.0
AGAIN: Final = 0.25
LONGEST: Final = 4.0
"""Seconds, doubled each time up to the longest, before a device that was not let in tries again."""
PROCESSES: Final = 2


class Returning(Client):
    """Takes what waits, and acknowledges it."""

    acknowledges = True

    def __init__(self, account: Account, port: int, _heard: Any) -> None:
        super().__init__(account, port, self._take)
        self.got: list[tuple[int, bytes]] = []
        self.caught_up: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def _take(self, frame: frames.FromRelay) -> None:
        if isinstance(frame, frames.Deliver):
            self.got.append((frame.sequence, frame.id))
            if self.acknowledges and len(self.got) >= WAITING and not self.caught_up.done():
                self.say(frames.Ack(frame.sequence))
                self.caught_up.set_result(time.monotonic())

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.gone.set_result(None)
        if not self.caught_up.done():
            self.caught_up.set_exception(ConnectionError("cut off"))
            self.caught_up.exception()


class Dying(Returning):
    """Is pushed what waits, and dies before it has stored that."""

    acknowledges = False


@dataclass(frozen=True, slots=True)
class Back:
    """One process's devices: when each was caught up (steady seconds), and what it has."""

    at: list[float]
    tries: int
    got: list[list[tuple[int, bytes]]]


def run(options: Options) -> Report:
    _raise_file_limit()
    relay = RelayProcess(
        options.folder / "data",
        forked=False,
        attempts_burst=1_000_000,
        sends_burst=1_000_000_000,
        sends_per_second=1_000_000_000,
    )
    try:
        return _measure(relay, DEVICES_LARGE if options.large else DEVICES)
    finally:
        relay.kill()


def _measure(relay: RelayProcess, count: int) -> Report:
    accounts = in_loop(_activate(_running(relay), 1 + count))
    sender, devices = accounts[0], accounts[1:]
    ids = in_loop(_send(relay.port, _running(relay).tls_file(), sender, devices))
    crowds = [_Crowd(relay, devices[number::PROCESSES]) for number in range(PROCESSES)]
    for crowd in crowds:
        assert crowd.pipe.recv() == "connected"
    relay.kill()
    for crowd in crowds:
        assert crowd.pipe.recv() == "cut off"
    relay.start()
    began = time.monotonic()
    for crowd in crowds:
        crowd.pipe.send("come back")
    back = [crowd.pipe.recv() for crowd in crowds]
    cpu = sum(psutil.Process(relay.pid).cpu_times()[:2])
    for crowd in crowds:
        crowd.process.join()
    return _report(back, ids, began, cpu, count)


def _report(back: list[Back], ids: list[bytes], began: float, cpu: float, count: int) -> Report:
    lost = doubled = wrong = 0
    for got in (got for one in back for got in one.got):
        found = [id_ for _, id_ in got]
        lost += len(set(ids) - set(found))
        doubled += len(found) - len(set(found))
        wrong += [sequence for sequence, _ in got] != list(range(1, len(ids) + 1)) or found != ids
    times = sorted(at - began for one in back for at in one.at)
    all_back = len(times) == count
    took = times[-1] if all_back else float("inf")
    owed = count * len(ids)
    return Report(
        name="reconnect",
        passed=all_back and took < SECONDS and not lost and not doubled and not wrong,
        trials=count,
        accepted=owed,
        lost=lost,
        doubled=doubled,
        figures={
            "devices": count,
            "waiting_each": len(ids),
            "all_back_seconds": round(took, 2),
            "half_back_seconds": round(times[len(times) // 2], 2) if times else -1.0,
            "relay_cpu_seconds": round(cpu, 2),
            "tries_per_device": round(sum(one.tries for one in back) / count, 2),
            "in_another_order": wrong,
            "devices_not_back": count - len(times),
        },
        can_claim=(
            f"{count} devices on one machine with the relay are back within {SECONDS:.0f} s of its start, "
            f"with what waited; of {owed:,} deliveries: {claim(owed, lost + doubled)}."
        ),
        cannot_claim=(
            "One restart is one trial: nothing of how often it takes longer. Phones on real networks come "
            "with other delays, spread by their own waiting; nobody else wrote meanwhile."
        ),
    )


def _running(relay: RelayProcess) -> Running:
    return Running(relay.settings, relay.port, psutil.Process(relay.pid))


async def _send(port: int, certificate: str, sender: Account, devices: list[Account]) -> list[bytes]:
    """One message to all at once, `WAITING` times; gives the ids that were accepted, in their order."""
    heard: asyncio.Queue[frames.FromRelay] = asyncio.Queue()
    tls = ssl.create_default_context(cafile=certificate)
    client = await Client.connect(sender, port, tls, heard.put_nowait)
    ids = [secrets.token_bytes(16) for _ in range(WAITING)]
    for id_ in ids:
        client.say(frames.Send(1, id_, [one.device for one in devices], secrets.token_bytes(PAYLOAD)))
        answer = await heard.get()
        assert isinstance(answer, frames.Accepted), answer
        assert answer.id == id_
    client.close()
    return ids


# --- the devices, in processes of their own


class _Crowd:
    def __init__(self, relay: RelayProcess, accounts: list[Account]) -> None:
        self.pipe, there = multiprocessing.Pipe()
        certificate = str(relay.data_dir / "tls-certificate.pem")
        self.process = multiprocessing.get_context("spawn").Process(
            target=_go, args=(there, relay.port, certificate, accounts)
        )
        self.process.start()


def _go(pipe: Connection, port: int, certificate: str, accounts: list[Account]) -> None:
    _raise_file_limit()
    in_loop(_leave_and_return(pipe, port, certificate, accounts))


async def _leave_and_return(pipe: Connection, port: int, certificate: str, accounts: list[Account]) -> None:
    tls = ssl.create_default_context(cafile=certificate)
    gate = asyncio.Semaphore(20)

    async def first(account: Account) -> Returning:
        async with gate:
            return await _connect(Dying, account, port, tls)

    before = await asyncio.gather(*(first(account) for account in accounts))
    pipe.send("connected")
    await asyncio.gather(*(client.gone for client in before))
    pipe.send("cut off")
    await asyncio.to_thread(pipe.recv)
    tries = [0]
    back = await asyncio.gather(*(_come_back(account, port, tls, tries) for account in accounts))
    found = [one for one in back if one is not None]
    # A little longer, for what comes twice.
    await asyncio.sleep(0.3)
    pipe.send(Back([client.caught_up.result() for client in found], tries[0], [one.got for one in found]))
    for client in found:
        client.close()


async def _connect(kind: type[Returning], account: Account, port: int, tls: ssl.SSLContext) -> Returning:
    client = await kind.connect(account, port, tls, lambda _frame: None)
    assert isinstance(client, Returning)
    return client


async def _come_back(account: Account, port: int, tls: ssl.SSLContext, tries: list[int]) -> Any:
    """As a phone does it: at once, and again after a while that doubles. None if it takes far too long."""
    wait = AGAIN
    with suppress(TimeoutError):
        async with asyncio.timeout(3 * SECONDS):
            while True:
                tries[0] += 1
                try:
                    client = await _connect(Returning, account, port, tls)
                    await client.caught_up
                except (OSError, ConnectionError):
                    await asyncio.sleep(wait)
                    wait = min(2 * wait, LONGEST)
                else:
                    return client
    return None
