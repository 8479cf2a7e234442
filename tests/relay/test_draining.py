"""SIGTERM under load: what was taken is answered, what was answered is there, and everybody comes back."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sqlite3
import time
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed

from chappe.wire import frames
from tests.relay.test_watching import free_port
from tests.relay.world import Device, RelayProcess, Wire

STOPS = 2
SENDERS = 4
WINDOW = 32
ENOUGH = 200
"""Accepted between two stops."""


class Sender:
    """Sends all the time, signs in again by itself, and keeps a journal."""

    def __init__(self, relay: RelayProcess, device: Device, to: Device) -> None:
        self._relay = relay
        self._device = device
        self._to = to
        self.accepted: set[bytes] = set()
        self.endings: list[int] = []
        self.connections = 0

    async def run(self) -> None:
        while True:
            with contextlib.suppress(OSError, ConnectionClosed, EOFError, TimeoutError):
                async with self._relay.sign_in(self._device) as wire:
                    self.connections += 1
                    try:
                        await self._pump(wire)
                    except ConnectionClosed as closed:
                        self.endings.append(closed.rcvd.code if closed.rcvd else 0)
            await asyncio.sleep(0.05)

    async def _pump(self, wire: Wire) -> None:
        under_way: dict[int, bytes] = {}
        ref = 0
        with contextlib.suppress(ConnectionClosed):
            while True:
                while len(under_way) < WINDOW:
                    ref, id_ = ref + 1, secrets.token_bytes(16)
                    under_way[ref] = id_
                    await wire.say(frames.Send(ref, id_, [self._to.id], b"x" * 200))
                answer = await wire.hear(frames.Accepted)
                self.accepted.add(under_way.pop(answer.ref))
        # Closed; the answers that came before are still to be read.
        while True:
            answer = await wire.hear(frames.Accepted)
            self.accepted.add(under_way.pop(answer.ref))


async def test_a_stop_under_load_answers_all_that_it_took(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "data", sends_burst=1_000_000)
    bob = await relay.device("bob")
    senders = [Sender(relay, await relay.device(f"ada{number}"), bob) for number in range(SENDERS)]
    running = [asyncio.create_task(sender.run()) for sender in senders]
    try:
        for _ in range(STOPS):
            before = [len(sender.accepted) for sender in senders]
            async with asyncio.timeout(60):
                while any(
                    len(sender.accepted) < had + ENOUGH for sender, had in zip(senders, before, strict=True)
                ):
                    await asyncio.sleep(0.01)
            assert await asyncio.to_thread(relay.stop) == 0
            await asyncio.to_thread(relay.start)
        async with asyncio.timeout(60):
            while any(sender.connections <= STOPS for sender in senders):
                await asyncio.sleep(0.01)
        assert await asyncio.to_thread(relay.stop) == 0
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        relay.kill()
    with sqlite3.connect(relay.settings.database) as database:
        stored = [row[0] for row in database.execute("SELECT envelope FROM entries")]
    accepted = set().union(*(sender.accepted for sender in senders))
    # Not one accepted is lost, and not one stored was left without its answer, or is there twice.
    assert set(stored) == accepted
    assert len(stored) == len(accepted)
    assert {code for sender in senders for code in sender.endings} == {1012}


async def test_a_load_balancer_hears_of_it_first(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "data", metrics=f"127.0.0.1:{free_port()}", drain_notice=2)
    try:
        async with relay.http() as http, httpx.AsyncClient(trust_env=False) as inside:
            assert (await http.get("/readyz")).status_code == 200
            stopping = asyncio.create_task(asyncio.to_thread(relay.stop))
            async with asyncio.timeout(30):
                while (answer := await http.get("/readyz")).status_code == 200:
                    await asyncio.sleep(0.02)
            assert answer.json() == {"ready": False, "whole": False}
            told = (await inside.get(f"http://{relay.settings.metrics}/readyz")).json()
            assert list(told["checks"]) == ["draining"]
            assert await stopping == 0
            with pytest.raises(httpx.TransportError):
                await http.get("/readyz")
    finally:
        relay.kill()


async def test_who_does_not_go_does_not_hold_it_up(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "data", drain_seconds=1)
    try:
        ada = await relay.device("ada")
        async with relay.sign_in(ada) as wire:
            # It reads nothing more, and so never answers the close.
            wire.connection.transport.pause_reading()
            began = time.monotonic()
            assert await asyncio.to_thread(relay.stop) == 0
            assert time.monotonic() - began < 15
            wire.connection.transport.abort()
    finally:
        relay.kill()
