"""What is no HTTP, and what is too much of it, at the bytes."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any
from unittest.mock import Mock

import msgspec
import pytest

from chappe.relay.http_protocol import STALL_SECONDS, PatientProtocol
from chappe.wire import api
from tests.relay.world import RelayProcess


async def exchange(relay: RelayProcess, data: bytes) -> bytes:
    """Send bytes, give all that comes until the relay closes."""
    reader, writer = await asyncio.open_connection("localhost", relay.port, ssl=relay.tls())
    try:
        writer.write(data)
        async with asyncio.timeout(10):
            return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET /v1/info HTTP/9.9\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /v1/activate HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/activate HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /v1/activate HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_bad_syntax_is_a_typed_failure(relay: RelayProcess, data: bytes) -> None:
    head, _, body = (await exchange(relay, data)).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert msgspec.json.decode(body, type=api.Failure).code == "http.malformed"


async def test_endless_headers_are_cut_off(relay: RelayProcess) -> None:
    answer = await exchange(relay, b"GET /v1/info HTTP/1.1\r\n" + b"X-Pad: " + b"a" * 200_000)
    assert answer == b"" or answer.startswith(b"HTTP/1.1 400 ")


async def test_headers_of_a_decent_size_pass(relay: RelayProcess) -> None:
    pad = b"X-Pad: " + b"a" * 30_000 + b"\r\n"
    answer = await exchange(
        relay, b"GET /v1/info HTTP/1.1\r\nHost: a\r\nConnection: close\r\n" + pad + b"\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_the_connection_lives_on_after_a_refused_body(relay: RelayProcess) -> None:
    big = b"POST /v1/activate HTTP/1.1\r\nHost: a\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000
    small = b"GET /v1/info HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = await exchange(relay, big + small)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"HTTP/1.1 200 " in answer


CHUNKED = b"GET /v1/info HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("trailer", [b"X-Pad: " + b"a" * 1_000 + b"\r\n", b"a"], ids=["many", "one"])
async def test_endless_trailers_are_cut_off(relay: RelayProcess, trailer: bytes) -> None:
    """What comes after a chunked body is bounded like a head, also once it is answered."""
    reader, writer = await asyncio.open_connection("localhost", relay.port, ssl=relay.tls())
    sent, piece = 0, trailer * (50_000 // len(trailer))
    try:
        writer.write(CHUNKED + b"0\r\nX: ")
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while sent < 16 * 1024 * 1024 and not reader.at_eof():
                    writer.write(piece)
                    await writer.drain()
                    sent += len(piece)
                    await asyncio.sleep(0)
        assert sent < 16 * 1024 * 1024
    finally:
        writer.close()


async def test_a_chunked_body_with_a_trailer_passes(relay: RelayProcess) -> None:
    body = b"5;note=x\r\nhello\r\n" * 100 + b"0\r\nX-Sum: 1\r\n\r\n"
    closing = b"GET /v1/info HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    answer = await exchange(relay, CHUNKED + body + closing)
    assert answer.count(b"HTTP/1.1 200 ") == 2


def test_who_takes_no_answer_is_let_go() -> None:
    """A timer runs from the moment on when nothing more can be written, and ends with it."""

    class Loop:
        def __init__(self) -> None:
            self.timers: list[tuple[float, Any, Any]] = []

        def call_later(self, seconds: float, call: Any) -> Any:
            handle = Mock()
            self.timers.append((seconds, call, handle))
            return handle

    protocol = PatientProtocol.__new__(PatientProtocol)
    loop, transport = Loop(), Mock()
    protocol.loop = loop  # type: ignore[assignment]
    protocol.transport, protocol.flow = transport, Mock()
    protocol._write_timer = None
    protocol.pause_writing()
    ((seconds, call, handle),) = loop.timers
    assert (seconds, call) == (STALL_SECONDS, transport.abort)
    protocol.resume_writing()
    handle.cancel.assert_called_once()
    protocol.pause_writing()
    assert len(loop.timers) == 2
