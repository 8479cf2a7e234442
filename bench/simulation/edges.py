"""Time and chance as the code under test asks for them, handed out by the seed for as long as a run lasts.

What `cryptography` draws inside itself (the encapsulations of HPKE) stays what it is: it changes bytes, never
what happens, and no trace has them.
"""

from __future__ import annotations

import os
import random
import ssl
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest import mock

import httpx
import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from bench.simulation.loop import VirtualLoop, process_now
from chappe.client.core import Core
from chappe.relay import log_sequencer

BEGIN: Final = 1_800_000_000.0
"""Unix seconds at which every run begins."""
KEY_BYTES: Final = 32
_context: Final = ssl.create_default_context()
"""Made once: to read all authorities of the system takes longer than most runs."""


class Clocks:
    """The wall clocks: one for each process's name, some seconds off the true time."""

    def __init__(self, loop: VirtualLoop) -> None:
        self._loop = loop
        self.off: dict[str, float] = {}

    def now(self) -> float:
        process = process_now()
        off = 0.0 if process is None else self.off.get(process.name, 0.0)
        return BEGIN + self._loop.time() + off

    def steady(self) -> float:
        return self._loop.time()


@contextmanager
def edges(clocks: Clocks, chance: random.Random) -> Iterator[Sequence[Any]]:
    """In here the clock and all randomness are the seed's. Gives what is logged meanwhile."""
    before = random.getstate()
    random.seed(chance.getrandbits(64))
    with ExitStack() as stack:
        for target, name, stand_in in _replaced(clocks, chance):
            stack.enter_context(mock.patch.object(target, name, stand_in))
        logged = stack.enter_context(structlog.testing.capture_logs())
        try:
            yield logged
        finally:
            random.setstate(before)


def _replaced(clocks: Clocks, chance: random.Random) -> list[tuple[Any, str, Any]]:
    def draw(count: int) -> bytes:
        return chance.randbytes(count)

    return [
        (time, "time", clocks.now),
        (time, "monotonic", clocks.steady),
        (os, "urandom", draw),
        (random, "_urandom", draw),
        (Ed25519PrivateKey, "generate", staticmethod(_maker(Ed25519PrivateKey, draw))),
        (X25519PrivateKey, "generate", staticmethod(_maker(X25519PrivateKey, draw))),
        (Core.__init__, "__defaults__", (clocks.now,)),
        # It looks for what commands have written beside it, of which there are none here.
        (log_sequencer, "LOOK_SECONDS", 30.0),
        (httpx, "AsyncClient", PlainHttp),
        (ssl, "create_default_context", lambda *_, **__: _context),
    ]


class PlainHttp(httpx.AsyncClient):
    """Without TLS: what it would add is asked of real connections."""

    def __init__(self, *, base_url: str = "", verify: Any = None, **rest: Any) -> None:
        del verify
        super().__init__(base_url=base_url.replace("https:", "http:"), **rest)


def _maker(kind: Any, draw: Callable[[int], bytes]) -> Callable[[], Any]:
    return lambda: kind.from_private_bytes(draw(KEY_BYTES))
