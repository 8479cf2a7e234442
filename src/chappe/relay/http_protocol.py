"""uvicorn's HTTP protocol with the patience and the bounds that a public port needs.

As it comes, it waits for a request for ever, takes headers of any size, and answers bad syntax in plain text.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from chappe.wire import api
from chappe.wire.errors import error

MAX_HEAD: Final = 64 * 1024
"""Bytes of a request line and its headers."""
HEAD_SECONDS: Final = 20.0
"""How long a connection may take to send them."""


class PatientProtocol(HttpToolsProtocol):
    """One HTTP connection."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._head_timer is None and (self.cycle is None or self.cycle.response_complete):
            # The next request on a connection that was kept alive.
            self._head_timer = self.loop.call_later(HEAD_SECONDS, self._too_slow)
        waiting = self._head_timer is not None
        super().data_received(data)
        if waiting and self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
                self.send_400_response("")

    def on_headers_complete(self) -> None:
        self._head_came()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Not HTTP, or too much of it."""
        problem = error("http.malformed")
        body = api.encode(api.Failure(problem.code, problem.message))
        head = (
            "HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()

    def _head_came(self) -> None:
        self._head_bytes = 0
        timer, self._head_timer = self._head_timer, None
        if timer is not None:
            timer.cancel()

    def _too_slow(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
