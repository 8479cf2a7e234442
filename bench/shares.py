"""`python -m bench.shares --lines 2000 --destroy 2000,100000 --json`: a Monday morning, and a lost phone.

Unlocking: every line opens at the same moment, each over a TLS connection of its own, with a challenge and a
guess that is right; refused for the rush, it comes again as a phone does. A relay of its own with the share
service inside, in a temporary directory on a real disk. What the phone does for itself (Argon2id) is not
counted; what the load costs on the same cores is, and both processes' CPU time is told.

Destroying: one share among so many; the others are wrapped anew under a fresh epoch key, and the old one is
overwritten. Counted is the call that an erase order waits for, a few times over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import resource
import secrets
import ssl
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.frames_client import in_loop
from bench.relay import Running, running_relay
from chappe.relay.config import load_settings
from chappe.relay.shares.service import Shares
from chappe.relay.shares.store import Row
from chappe.wire import api, unlock

PAUSE_SECONDS = 0.25
"""Before a guess that was refused for the rush comes again, at the least."""
DESTROYED = 5


@dataclass(frozen=True, slots=True)
class Phone:
    """What one locked phone needs, and the moment from which it is counted."""

    device: bytes
    seed: bytes
    auth: bytes


@dataclass(frozen=True, slots=True)
class Destruction:
    """Times in milliseconds."""

    shares: int
    median_ms: float
    longest_ms: float


@dataclass(frozen=True, slots=True)
class Result:
    """Times in milliseconds unless named otherwise."""

    lines: int
    unlock_p50_ms: float
    unlock_p99_ms: float
    unlocked_all_seconds: float
    came_again: int
    relay_cpu_seconds: float
    load_cpu_seconds: float
    destructions: list[Destruction]


def main(argv: list[str]) -> int:
    """Measure and print; gives the exit status."""
    options = _options(argv)
    sizes = [int(size) for size in options.destroy.split(",") if size]
    result = _unlock(options.lines, options.dir, [_destroy(size, options.dir) for size in sizes])
    if options.json:
        print(json.dumps(asdict(result)))
        return 0
    print(f"{result.lines} lines unlock at once: p50 {result.unlock_p50_ms:,.0f} ms,", end=" ")
    print(f"p99 {result.unlock_p99_ms:,.0f} ms, all after {result.unlocked_all_seconds:.1f} s")
    print(f"CPU: {result.relay_cpu_seconds:.1f} s of the relay, {result.load_cpu_seconds:.1f} s of the load")
    for one in result.destructions:
        print(
            f"one share of {one.shares:,} destroyed: {one.median_ms:,.0f} ms, {one.longest_ms:,.0f} at most"
        )
    return 0


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.shares", description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000, help="phones that unlock at once")
    parser.add_argument(
        "--destroy", default="2000,100000", help="numbers of shares, one of which is destroyed"
    )
    parser.add_argument("--dir", default=None, help="where the data is put for the while")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


# --- a Monday morning


def _unlock(lines: int, place: str | None, destructions: list[Destruction]) -> Result:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        data = Path(folder) / "data"
        data.mkdir(mode=0o700)
        phones = _fill(load_settings({}, data_dir=data).shares, lines)
        with running_relay(data) as relay:
            before = _cpu(relay), _own_cpu()
            took, again, seconds = in_loop(_all_at_once(phones, relay))
            relay_cpu, load_cpu = _cpu(relay) - before[0], _own_cpu() - before[1]
    hundredths = statistics.quantiles(took, n=100, method="inclusive")
    return Result(
        lines,
        round(hundredths[49] * 1000, 1),
        round(hundredths[98] * 1000, 1),
        round(seconds, 2),
        again,
        round(relay_cpu, 2),
        round(load_cpu, 2),
        destructions,
    )


def _cpu(relay: Running) -> float:
    times = relay.process.cpu_times()
    return float(times.user + times.system)


def _own_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _all_at_once(phones: list[Phone], relay: Running) -> tuple[list[float], int, float]:
    tls = ssl.create_default_context(cafile=relay.tls_file())
    async with _Line(relay.port, tls) as line:
        _, body = await line.ask("GET", "/v1/info")
    service = api.from_base64(api.decode(body, api.Info).share_key)
    began = time.monotonic()
    done = await asyncio.gather(*(_open(relay, tls, phone, service) for phone in phones))
    return [took for took, _ in done], sum(again for _, again in done), time.monotonic() - began


class _Line:
    """One TLS connection that asks one thing after another: no more of HTTP than that takes, for a client
    library's pool of 2,000 connections costs more than what is measured."""

    def __init__(self, port: int, tls: ssl.SSLContext) -> None:
        self._port = port
        self._tls = tls

    async def __aenter__(self) -> _Line:
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, ssl=self._tls, server_hostname="localhost"
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.transport.abort()

    async def ask(self, method: str, path: str, body: bytes = b"") -> tuple[int, bytes]:
        """Status and body of the answer."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        answer = await self._reader.readuntil(b"\r\n\r\n")
        status, *lines = answer.decode("latin-1").split("\r\n")
        fields = dict(line.lower().split(": ", 1) for line in lines if line)
        return int(status.split()[1]), await self._reader.readexactly(int(fields["content-length"]))


async def _open(relay: Running, tls: ssl.SSLContext, phone: Phone, service: bytes) -> tuple[float, int]:
    """Seconds until the share was there, and how often it came again: refused for the rush, or cut off, for
    nothing was asked on the connection for a while."""
    began, again = time.monotonic(), 0
    while True:
        try:
            async with _Line(relay.port, tls) as line:
                if await _guess(line, phone, service):
                    return time.monotonic() - began, again
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        again += 1
        await asyncio.sleep(PAUSE_SECONDS * (1 + 2 * random.random()))


async def _guess(line: _Line, phone: Phone, service: bytes) -> bool:
    """False where it was refused for the rush. Raises RuntimeError for anything else than a share."""
    device = api.to_base64(phone.device)
    asked = api.encode(api.UnlockChallenge(device))
    status, body = await line.ask("POST", "/v1/unlock/challenge", asked)
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return False
    challenge = api.from_base64(api.decode(body, api.UnlockChallenged).challenge)
    guess = unlock.make_guess(phone.seed, phone.device, challenge, phone.auth)
    sealed = api.to_base64(unlock.seal_guess(service, guess))
    status, body = await line.ask("POST", "/v1/unlock", api.encode(api.Unlock(device, sealed)))
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return False
    answer = unlock.open_answer(guess.answer_key, api.from_base64(api.decode(body, api.Unlocked).sealed))
    if answer.status != "open":
        raise RuntimeError("a right guess did not open")
    return True


# --- a lost phone


def _destroy(size: int, place: str | None) -> Destruction:
    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = Path(folder) / "shares"
        phones = _fill(path, size)
        shares = Shares(path)
        took = []
        try:
            for phone in phones[:DESTROYED]:
                began = time.monotonic()
                shares.destroy([phone.device])
                took.append(time.monotonic() - began)
        finally:
            shares.close()
    return Destruction(size, round(statistics.median(took) * 1000, 1), round(max(took) * 1000, 1))


def _fill(folder: Path, count: int) -> list[Phone]:
    """A share store as so many enrolments leave it, in one transaction instead of one each."""
    phones = [
        Phone(secrets.token_bytes(16), secrets.token_bytes(32), secrets.token_bytes(32)) for _ in range(count)
    ]
    shares = Shares(folder)
    try:
        shares._change(lambda: _put_all(shares, phones))
    finally:
        shares.close()
    return phones


def _put_all(shares: Shares, phones: list[Phone]) -> None:
    for phone in phones:
        _put(shares, phone)


def _put(shares: Shares, phone: Phone) -> None:
    unlock_key = Ed25519PrivateKey.from_private_bytes(phone.seed).public_key().public_bytes_raw()
    clear = bytearray(phone.auth + secrets.token_bytes(32))
    row = Row(phone.device, unlock_key, shares._key().wrap(phone.device, unlock_key, clear), unlock.TRIES, 0)
    shares._store.put(row, secrets.token_bytes(32))


if __name__ == "__main__":
    import sys

    sys.exit(main(sys.argv[1:]))
