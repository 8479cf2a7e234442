"""`python -m bench.shares --lines 2000 --destroy 2000,100000 --json`: a Monday morning, and a lost phone.

Unlocking: every line opens at the same moment, each over a TLS connection of its own, with a challenge and a
guess that is right; refused for the rush, it comes again as a phone does. A relay of its own with the share
service inside, in a temporary directory on a real disk. What the phone does for itself (Argon2id) is not
counted; what the load costs on the same two cores is.

Destroying: one share among so many; the others are wrapped anew under a fresh epoch key, and the old one is
overwritten. Counted is the call that an erase order waits for, a few times over.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import ssl
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.frames_client import in_loop
from bench.relay import running_relay
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
            took, again, seconds = in_loop(_all_at_once(phones, relay.port, relay.tls_file()))
    hundredths = statistics.quantiles(took, n=100, method="inclusive")
    return Result(
        lines,
        round(hundredths[49] * 1000, 1),
        round(hundredths[98] * 1000, 1),
        round(seconds, 2),
        again,
        destructions,
    )


async def _all_at_once(phones: list[Phone], port: int, authority: str) -> tuple[list[float], int, float]:
    tls = ssl.create_default_context(cafile=authority)
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    address = f"https://localhost:{port}"
    async with httpx.AsyncClient(base_url=address, verify=tls, limits=limits, timeout=300) as http:
        info = api.decode((await http.get("/v1/info")).content, api.Info)
        service = api.from_base64(info.share_key)
        began = time.monotonic()
        done = await asyncio.gather(*(_open(http, phone, service) for phone in phones))
        seconds = time.monotonic() - began
    return [took for took, _ in done], sum(again for _, again in done), seconds


async def _open(http: httpx.AsyncClient, phone: Phone, service: bytes) -> tuple[float, int]:
    """Seconds until the share was there, and how often it came again."""
    began, again = time.monotonic(), 0
    while True:
        if await _guess(http, phone, service):
            return time.monotonic() - began, again
        again += 1
        await asyncio.sleep(PAUSE_SECONDS * (1 + 2 * random.random()))


async def _guess(http: httpx.AsyncClient, phone: Phone, service: bytes) -> bool:
    """False where it was refused for the rush. Raises RuntimeError for anything else than a share."""
    device = api.to_base64(phone.device)
    answer = await http.post("/v1/unlock/challenge", content=api.encode(api.UnlockChallenge(device)))
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return False
    challenge = api.from_base64(api.decode(answer.content, api.UnlockChallenged).challenge)
    guess = unlock.make_guess(phone.seed, phone.device, challenge, phone.auth)
    body = api.Unlock(device, api.to_base64(unlock.seal_guess(service, guess)))
    answer = await http.post("/v1/unlock", content=api.encode(body))
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS:
        return False
    sealed = api.from_base64(api.decode(answer.content, api.Unlocked).sealed)
    if unlock.open_answer(guess.answer_key, sealed).status != "open":
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
