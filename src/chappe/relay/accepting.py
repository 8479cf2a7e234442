"""Taking connections: counted before TLS, with a bound on how long a handshake may take.

uvicorn's own way counts nothing until TLS is done, and gives a handshake a minute: whoever opens sockets and
says nothing would have all of a process's files.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import struct
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, TypeAlias

from chappe.relay.proxy_protocol import NoProxy, read_source
from chappe.relay.seats import Seat, Seats
from chappe.relay.tls_transport import guard, welcome

HANDSHAKE_SECONDS: Final = 10.0
AT_ONCE: Final = 64
"""Connections that are taken in one turn of the loop."""
PAUSE_SECONDS: Final = 0.5
"""How long nobody is taken after the system had no file left for one."""
_NO_FILES: Final = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_ABORT: Final = struct.pack("ii", 1, 0)

Make: TypeAlias = Callable[[Seat], asyncio.Protocol]
"""The protocol gives the seat back when its connection is lost; it may hand it on to a WebSocket."""


class Acceptor:
    """Of some listening sockets, until `close`. Used in the event loop alone."""

    def __init__(
        self, seats: Seats, make: Make, context: ssl.SSLContext | None, *, proxied: bool = False
    ) -> None:
        """`proxied`: a load balancer says who it is (proxy_protocol.py), and nobody else reaches the port."""
        self._proxied = proxied
        self._seats = seats
        self._make = make
        self._context = context
        if context is not None:
            guard(context)
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()

    def open(self, listeners: Sequence[socket.socket]) -> None:
        for listener in listeners:
            listener.setblocking(False)
            self._listeners.append(listener)
            self._loop.add_reader(listener, self._take_some, listener)

    def close(self) -> None:
        """Take nobody any more; the sockets are closed. Handshakes under way go on."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
            listener.close()
        self._listeners.clear()

    def _take_some(self, listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as problem:
                if problem.errno in _NO_FILES:
                    self._rest(listener)
                return
            connection.setblocking(False)
            with suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._proxied:
                self._begin(self._ask_proxy(connection))
                continue
            seat = self._seats.take(str(address[0]) if isinstance(address, tuple) else "")
            if seat is None:
                _turn_away(connection)
            else:
                self._begin(self._welcome(connection, seat))

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask_proxy(self, connection: socket.socket) -> None:
        """Its own looks count as of no network."""
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                source = await read_source(connection)
        except (NoProxy, OSError, TimeoutError):
            _turn_away(connection)
            return
        seat = self._seats.take(source or "", said=True)
        if seat is None:
            _turn_away(connection)
            return
        await self._welcome(connection, seat)

    def _rest(self, listener: socket.socket) -> None:
        self._loop.remove_reader(listener)
        self._loop.call_later(PAUSE_SECONDS, self._go_on, listener)

    def _go_on(self, listener: socket.socket) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._take_some, listener)

    async def _welcome(self, connection: socket.socket, seat: Seat) -> None:
        make = partial(self._make, seat)
        try:
            if self._context is None:
                await self._loop.connect_accepted_socket(make, connection)
            else:
                await welcome(connection, self._context, make, HANDSHAKE_SECONDS)
        except OSError as problem:
            # Of all ends of a handshake, only this one says something about who is at the other end.
            if isinstance(problem, TimeoutError):
                self._seats.too_slow()
            seat.leave()
            connection.close()
        except BaseException:
            seat.leave()
            connection.close()
            raise


def _turn_away(connection: socket.socket) -> None:
    """With a reset: neither end keeps anything of it."""
    with suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    connection.close()
