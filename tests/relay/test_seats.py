"""Connections of strangers: counted from before TLS, given back on sign-in, and never without end."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from chappe.relay import accepting, tls
from chappe.relay.accepting import Acceptor
from chappe.relay.config import load_settings
from chappe.relay.proxy_protocol import SIGNATURE
from chappe.relay.seats import Seats
from chappe.wire import frames
from tests.relay.test_watching import free_port, private, scrape
from tests.relay.world import RelayProcess

ROOM = 6


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    relay = RelayProcess(
        tmp_path_factory.mktemp("seats") / "data",
        metrics=f"127.0.0.1:{free_port()}",
        max_strangers_per_network=ROOM,
    )
    yield relay
    relay.stop()


def test_seats_are_by_network_and_in_all() -> None:
    away: Counter[str] = Counter()
    seats = Seats(of_a_network=2, in_all=3, turned_away=lambda limit: away.update([limit]))
    one, two = seats.take("192.0.2.1"), seats.take("192.0.2.1")
    assert one is not None
    assert two is not None
    assert seats.take("192.0.2.1") is None
    # A subscriber's /64 is one network.
    assert seats.take("2001:db8::1")
    assert seats.take("2001:db8::2") is None
    assert away == {"network": 1, "all": 1}
    one.leave()
    one.leave()
    assert seats.taken == 2
    assert seats.take("2001:db8::ffff")
    behind_a_proxy = Seats(of_a_network=None, in_all=3)
    assert all(behind_a_proxy.take("127.0.0.1") for _ in range(3))


async def test_a_network_has_no_more_and_who_signed_in_takes_none(relay: RelayProcess) -> None:
    ada = await relay.device("ada")
    async with relay.sign_in(ada) as wire:
        async with asyncio.timeout(30):
            while (await scrape(relay))[1]["chappe_connections_of_strangers"]:
                await asyncio.sleep(0.02)
        before = (await scrape(relay))[0]
        strangers = [await asyncio.open_connection("127.0.0.1", relay.port) for _ in range(ROOM)]
        try:
            with pytest.raises((httpx.TransportError, OSError)):
                async with relay.http() as http:
                    await http.get("/v1/info")
            # Who is here goes on, and its messages with it.
            await wire.say(frames.Send(1, b"i" * 16, [ada.id], b"x"))
            await wire.hear(frames.Accepted)
            page, now = await scrape(relay)
            assert now["chappe_connections_of_strangers"] == ROOM
            assert 'chappe_turned_away_total{limit="network"} 0.0' in before
            assert 'chappe_turned_away_total{limit="network"} 0.0' not in page
        finally:
            for _, writer in strangers:
                writer.close()
        async with asyncio.timeout(30):
            while (await scrape(relay))[1]["chappe_connections_of_strangers"]:
                await asyncio.sleep(0.02)
        async with relay.http() as http:
            assert (await http.get("/v1/info")).status_code == 200
        async with private(relay) as http:
            assert (await http.get("/healthz")).status_code == 200


async def test_a_handshake_that_does_not_end_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accepting, "HANDSHAKE_SECONDS", 0.2)
    away: Counter[str] = Counter()
    seats = Seats(of_a_network=None, in_all=10, turned_away=lambda limit: away.update([limit]))
    settings = load_settings({}, data_dir=tmp_path)
    acceptor = Acceptor(seats, lambda _seat: asyncio.Protocol(), tls.server_context(settings))
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    acceptor.open([listener])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        assert seats.taken <= 1
        async with asyncio.timeout(20):
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read() == b""
            while seats.taken:
                await asyncio.sleep(0.01)
        assert away == {"handshake": 1}
    finally:
        writer.close()
        acceptor.close()


def said(address: str, command: int = 0x21) -> bytes:
    """A PROXY header, as HAProxy sends it for somebody at `address`."""
    packed = ipaddress.ip_address(address).packed
    body = packed + packed + b"\x01\x02\x03\x04"
    family = 0x11 if len(packed) == 4 else 0x21
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2, "big") + body


async def answered(relay: RelayProcess, header: bytes, request: bytes) -> bytes:
    """What comes back for one HTTP request behind a PROXY header; nothing where the relay hangs up."""
    connection = socket.create_connection(("127.0.0.1", relay.port))
    connection.sendall(header)
    try:
        reader, writer = await asyncio.open_connection(
            sock=connection, ssl=relay.tls(), server_hostname="localhost"
        )
        writer.write(request)
        async with asyncio.timeout(30):
            got = await reader.read(20)
        writer.close()
    except (OSError, EOFError):
        return b""
    return got


async def test_behind_a_load_balancer_networks_are_those_that_it_says(tmp_path: Path) -> None:
    relay = RelayProcess(tmp_path / "data", proxy_protocol=True, attempts_burst=2, attempts_per_minute=0.001)
    guess = b"GET /v1/attachments/" + b"A" * 43 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
    ready = b"GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    try:
        for _ in range(2):
            assert b" 404" in await answered(relay, said("192.0.2.1"), guess)
        assert b" 429" in await answered(relay, said("192.0.2.1"), guess)
        # Others are others.
        assert b" 404" in await answered(relay, said("192.0.2.2"), guess)
        assert b" 404" in await answered(relay, said("2001:db8::1"), guess)
        # The load balancer's own look, and who says nothing, or nonsense.
        assert b" 200" in await answered(relay, SIGNATURE + b"\x20\x00\x00\x00", ready)
        assert await answered(relay, b"", ready) == b""
        assert await answered(relay, said("192.0.2.3", 0x31), ready) == b""
        assert await answered(relay, SIGNATURE + b"\x21\x11\xff\xff", ready) == b""
        assert await answered(relay, SIGNATURE + b"\x21\x11\x00\x04abcd", ready) == b""
    finally:
        relay.kill()
