"""uvicorn's HTTP protocol with the patience and the bounds that a public port needs.

As it comes, it waits for a request for ever, takes headers of any size, and answers bad syntax in plain text.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chappe.relay.http_errors import ERROR_HEADER
from chappe.relay.seats import Seat
from chappe.wire import api
from chappe.wire.errors import error

MAX_HEAD: Final = 64 * 1024
"""Bytes of a request line and its headers."""
PATIENCE_SECONDS: Final = 20.0
"""How long a connection may take to send them, and to end a request that was answered."""
STALL_SECONDS: Final = 60.0
"""How long a client may leave an answer untaken: whoever takes none keeps a connection and an open file."""


class PatientProtocol(HttpToolsProtocol):
    """One HTTP connection. A timer runs whenever a request's head, or the rest of a body that was answered
    already, is awaited; another whenever the client does not take what it is sent."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._in_body = False
        self._head_bytes = 0
        self._timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None
        self.seat: Seat | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if self.seat is not None and self.seat.host is not None:
            self.client = (self.seat.host, 0)
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self._stop_write_timer()
        if self.seat is not None:
            self.seat.leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        """The WebSocket has the connection from here on, and its seat."""
        super().handle_websocket_upgrade()
        cast(Any, self.transport).get_protocol().seat = self.seat

    def data_received(self, data: bytes) -> None:
        if not self._in_body:
            self._start_timer()
        # Also in a body, where what is no content of it (chunk heads, trailers) has the same bound.
        self._head_bytes += len(data)
        super().data_received(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response("")

    def on_headers_complete(self) -> None:
        self._in_body = True
        self._head_bytes = 0
        self._stop_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._head_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._head_bytes = 0
        self._stop_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body:
            self._start_timer()

    def send_400_response(self, msg: str) -> None:
        """Not HTTP, or too much of it."""
        problem = error("http.malformed")
        body = api.encode(api.Failure(problem.code, problem.message))
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
            f"{ERROR_HEADER}: {problem.code}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(STALL_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        self._stop_write_timer()
        super().resume_writing()

    def _stop_write_timer(self) -> None:
        timer, self._write_timer = self._write_timer, None
        if timer is not None:
            timer.cancel()

    def _start_timer(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(PATIENCE_SECONDS, self._too_slow)

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _too_slow(self) -> None:
        self._timer = None
        if not self.transport.is_closing():
            self.transport.close()
