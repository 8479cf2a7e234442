"""Gateways and the bus are killed: what was accepted arrives, once by its id, and the log has one history."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psycopg
import pytest
from websockets.exceptions import ConnectionClosed

from chappe.relay.storage.locks import LEADER
from chappe.wire import frames
from chappe.wire.errors import ChappeError
from tests.relay.fleet_world import LiveWorld, only
from tests.relay.gateways_world import PATIENCE, Gateways, until
from tests.relay.log_world import of_relay
from tests.relay.world import Device, RelayProcess, Wire

LOOK = 1.0


@dataclass
class Phone:
    """A device that goes to the next gateway when one is gone, and its journal: ids that were accepted, ids
    that came."""

    device: Device
    gateways: list[RelayProcess]
    at: int
    accepted: list[bytes] = field(default_factory=list)
    came: list[tuple[int, bytes]] = field(default_factory=list)
    wire: Wire | None = None

    async def stay(self) -> None:
        """Receive and acknowledge, for ever."""
        while True:
            gateway = self.gateways[self.at % len(self.gateways)]
            try:
                async with gateway.sign_in(self.device) as wire:
                    self.wire = wire
                    while True:
                        frame = await wire.hear_any()
                        if isinstance(frame, frames.Deliver):
                            self.came.append((frame.sequence, frame.id))
                            await wire.say(frames.Ack(frame.sequence))
                        elif isinstance(frame, frames.Accepted):
                            self.accepted.append(frame.id)
            except (OSError, ConnectionClosed, TimeoutError, AssertionError, ChappeError):
                self.wire = None
                self.at += 1
                await asyncio.sleep(0.05)

    async def send(self, to: Device, count: int) -> list[bytes]:
        """So many messages, each said again until it is accepted; gives their ids."""
        ids = [secrets.token_bytes(16) for _ in range(count)]
        for number, id_ in enumerate(ids):
            said_to: Wire | None = None
            while id_ not in self.accepted[-50:]:
                if self.wire is not None and self.wire is not said_to:
                    said_to = self.wire
                    with contextlib.suppress(ConnectionClosed):
                        await said_to.say(frames.Send(number, id_, [to.id], b"payload"))
                await asyncio.sleep(0.005)
        return ids

    def assert_got(self, ids: list[bytes]) -> None:
        """In their order, each once but for what was pushed again before it was acknowledged."""
        first: dict[int, bytes] = {}
        for sequence, id_ in self.came:
            assert first.setdefault(sequence, id_) == id_
        numbers = sorted(first)
        assert numbers == list(range(1, len(ids) + 1))
        assert [first[number] for number in numbers] == ids


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateways]:
    """Starting it costs more than the tests. Each leaves three gateways that run."""
    made = Gateways(tmp_path_factory.mktemp("gateways"), count=3, look_seconds=LOOK)
    yield made
    made.stop()


async def test_a_leader_that_was_stopped_and_wakes_up_publishes_nothing(world: Gateways) -> None:
    a, b, _ = world.gateways
    await log_with(a, await a.device(secrets.token_hex(4)))
    with psycopg.connect(world.url, autocommit=True) as database:

        def leader() -> int:
            rows = database.execute(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 "
                # Other relays of these tests have databases on the same server, and leaders.
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
                "AND ((classid::bigint << 32) | objid::bigint) = %s",
                (LEADER,),
            ).fetchall()
            return int(rows[0][0]) if rows else 0

        before = leader()
        # The first that was started leads. It stops dead, and PostgreSQL gives it up.
        await stop_between_transactions(a, database)
        try:
            database.execute("SELECT pg_terminate_backend(%s)", (before,))
            await until(lambda: leader() not in (0, before))
            bob = await b.device(secrets.token_hex(4))
            size = await log_with(b, bob)
        finally:
            os.kill(a.pid, signal.SIGCONT)
        # It serves the new head, and an old one is nowhere.
        await until(lambda: "leads no more" in world.log)
        assert await log_with(a, bob) >= size
        folder = world.data_dir / "tlog"
        assert int((folder / "checkpoint").read_bytes().split(b"\n")[1]) >= size


async def stop_between_transactions(gateway: RelayProcess, database: psycopg.Connection) -> None:
    """In one it would hold the others up for 30 seconds, until PostgreSQL cuts it off."""
    while True:
        os.kill(gateway.pid, signal.SIGSTOP)
        for _ in range(20):
            (open_ones,) = database.execute(
                "SELECT count(*) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL"
            ).fetchall()[0]
            if open_ones == 0:
                return
            # The others' end soon.
            await asyncio.sleep(0.05)
        os.kill(gateway.pid, signal.SIGCONT)
        await asyncio.sleep(0.1)


async def log_with(gateway: RelayProcess, device: Device) -> int:
    """Wait until a gateway serves a log, whole and signed, that this device is in; gives its size."""
    async with gateway.http() as http, asyncio.timeout(PATIENCE):
        # At the very beginning there is none yet.
        while not (await http.get("/v1/tlog/checkpoint")).is_success:
            await asyncio.sleep(0.1)
        while True:
            view, entries = await of_relay(http)
            if device.certificate.signature_key in [getattr(one, "signature_key", b"") for one in entries]:
                assert view.size == len(entries)
                return view.size
            await asyncio.sleep(0.1)


async def test_gateways_and_nats_are_killed_under_load(world: Gateways) -> None:
    a, b, c = world.gateways
    ada, ben = Phone(await a.device("eve"), [a, c], 0), Phone(await a.device("fay"), [b, c], 0)
    staying = [asyncio.create_task(phone.stay()) for phone in (ada, ben)]
    try:
        ids = await ada.send(ben.device, 20)
        await until(lambda: len(ben.came) >= 20)

        # A node of NATS: gateways go to the others.
        world.nats.kill(0)
        ids += await ada.send(ben.device, 20)
        await until(lambda: len(ben.came) >= 40)

        # All of them: the store is looked at, and the sequence has no gap.
        world.nats.kill_all()
        started = time.monotonic()
        ids += await ada.send(ben.device, 20)
        await until(lambda: ben.came[-1][0] == 60)
        assert time.monotonic() - started < 30
        ben.assert_got(ids)

        # Nor does anybody say that a device came elsewhere, or was signed out: the store does.
        await _without_a_bus(a, b)
        await asyncio.to_thread(world.nats.start_all)

        # The gateway that holds the receiver, then the one that has the sender and leads.
        for victim in (b, a):
            sending = asyncio.create_task(ada.send(ben.device, 60))
            await asyncio.sleep(0.1)
            await asyncio.to_thread(victim.kill)
            ids += await sending
        await until(lambda: bool(ben.came) and ben.came[-1][0] == len(ids))
        ben.assert_got(ids)
        assert set(ids) <= set(ada.accepted)

        # What was alone with the log goes on at another: one history, with the line that comes now.
        gil = await c.device("gil")
        size = await log_with(c, gil)
        # The two that were killed come back, and serve the same.
        await asyncio.gather(*(asyncio.to_thread(gateway.start) for gateway in (a, b)))
        for gateway in (a, b):
            assert await log_with(gateway, gil) >= size
    finally:
        for task in staying:
            task.cancel()
        await asyncio.gather(*staying, return_exceptions=True)


async def _without_a_bus(a: RelayProcess, b: RelayProcess) -> None:
    officers = LiveWorld(a)
    try:
        of = officers.organisation()
        dan = await officers.line(of)
        async with a.sign_in(dan) as older, b.sign_in(dan) as newer:
            assert await older.refused() == "signin.superseded"
            given = await officers.give(of, "erase", only(dan))
            assert (await newer.hear(frames.OrderFrame)).order == (
                await officers.status(of, given.order)
            ).order
            await newer.send([dan], b"x")
            assert await newer.refused() == "signin.revoked"
    finally:
        await officers.close()
