"""TLS straight on a socket: what OpenSSL encrypts it gives to the system itself, and takes from there.

For one event loop of a process: the buffer of what was just read is all connections'.

asyncio's way, and uvloop's, is to keep both directions in memory between OpenSSL and the socket, at 9 KiB a
connection that does nothing (docs/decisions/0021-tls-on-the-socket.md). TLS itself is OpenSSL's either way.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol, cast

LARGEST_RECORD: Final = 16 * 1024
"""Bytes of content of a TLS record (RFC 8446 section 5.1). OpenSSL takes one at a time from the socket, so
that nothing is left in it that the system would not tell of."""
RECORDS_AT_ONCE: Final = 16
"""Of one connection in one turn of the loop."""
HIGH_WATER: Final = 64 * 1024
LOW_WATER: Final = 16 * 1024
"""Bytes that wait to be sent, at which the protocol is told to stop and to go on (`pause_writing`)."""
TAKE_SECONDS: Final = 30.0
"""How long the other end may take to read what waits for it when we close."""
LINGER_SECONDS: Final = 3.0
"""How long the other end may take to close once we have; to close with its words unread would reset the
connection, and our last words might be lost."""

MOST_MESSAGES: Final = 100
"""Handshake messages and alerts of a connection, either way. A handshake has a dozen, and a key update comes
after millions of records. OpenSSL answers them within one call, as many as come: without a bound whoever
sends nothing else has the whole process for himself."""

_ALERT_OR_HANDSHAKE: Final = (21, 22)
"""Content types (RFC 8446 section 5.1)."""
_read_into: Final = bytearray(LARGEST_RECORD)
_just_read: Final = memoryview(_read_into)
"""One for all connections: what was read is handed on before anything else is read."""


class Spoken(Protocol):
    """What the transport calls of an `asyncio.Protocol`."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None: ...

    def data_received(self, data: bytes) -> None: ...

    def eof_received(self) -> bool | None: ...

    def connection_lost(self, exc: Exception | None) -> None: ...

    def pause_writing(self) -> None: ...

    def resume_writing(self) -> None: ...


class _Counted(ssl.SSLSocket):
    messages = 0


def guard(context: ssl.SSLContext) -> None:
    """Bound what a connection of this context may say beside its data. By a hook that CPython keeps for
    looking into handshakes: a name of its own (`_msg_callback`), which a test holds it to."""
    context.sslsocket_class = _Counted
    # ssl.SSLContext's own would first make enumerations of all that is told, record by record.
    hook: Any = vars(cast(Any, ssl.SSLContext).__base__)["_msg_callback"]
    hook.__set__(context, _count)


def _count(tls: _Counted, _way: str, _version: int, kind: int, _message: int, _data: bytes) -> None:
    if kind not in _ALERT_OR_HANDSHAKE:
        return
    tls.messages += 1
    if tls.messages == MOST_MESSAGES:
        # OpenSSL, which is being called, finds the end of the stream: no more comes, and what came is gone.
        with suppress(OSError):
            socket.socket.shutdown(tls, socket.SHUT_RDWR)
        with suppress(OSError):
            while socket.socket.recv(tls, LARGEST_RECORD):
                pass


async def welcome(
    connection: socket.socket, context: ssl.SSLContext, make: Callable[[], Spoken], patience: float
) -> None:
    """Shake hands as a server, in `patience` seconds, and hand the connection to the protocol that `make`
    makes. Raises TimeoutError, OSError (of which SSLError is one): the connection is closed then."""
    loop = asyncio.get_running_loop()
    tls = context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
    try:
        async with asyncio.timeout(patience):
            await _shake_hands(loop, tls)
        TlsTransport(loop, tls, context).begin(make())
    except BaseException:
        tls.close()
        raise


async def _shake_hands(loop: asyncio.AbstractEventLoop, tls: ssl.SSLSocket) -> None:
    while True:
        try:
            tls.do_handshake()
            return
        except ssl.SSLWantReadError:
            add, remove = loop.add_reader, loop.remove_reader
        except ssl.SSLWantWriteError:
            add, remove = loop.add_writer, loop.remove_writer
        ready = asyncio.Event()
        add(tls.fileno(), ready.set)
        try:
            await ready.wait()
        finally:
            remove(tls.fileno())


class TlsTransport(asyncio.Transport):
    """One connection, after its handshake. Used in the event loop alone."""

    __slots__ = (
        "_blocked",
        "_closing",
        "_context",
        "_full",
        "_gone",
        "_loop",
        "_paused",
        "_protocol",
        "_queue",
        "_said_goodbye",
        "_size",
        "_timer",
        "_tls",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, tls: ssl.SSLSocket, context: ssl.SSLContext) -> None:
        self._loop = loop
        self._tls = tls
        self._context = context
        self._protocol: Any = None
        # None while nothing waits: an empty deque is 600 bytes.
        self._queue: deque[memoryview] | None = None
        self._size = 0
        self._full = False
        self._paused = False
        # Reading has to wait until something can be written: an answer of TLS's own.
        self._blocked = False
        self._closing = False
        self._gone = False
        self._said_goodbye = False
        # From when it is closed: how long the other end has.
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, protocol: Spoken) -> None:
        self._protocol = protocol
        protocol.connection_made(self)
        if not self._paused and not self._closing:
            self._loop.add_reader(self._tls.fileno(), self._read)

    # --- asyncio.BaseTransport

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        found: dict[str, Callable[[], Any]] = {
            "socket": lambda: self._tls,
            "sslcontext": lambda: self._context,
            "peername": self._tls.getpeername,
            "sockname": self._tls.getsockname,
        }
        try:
            return found[name]() if name in found else default
        except OSError:
            return default

    def get_protocol(self) -> Any:
        return self._protocol

    def set_protocol(self, protocol: Any) -> None:
        self._protocol = protocol

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        """Once all is sent that waits. `connection_lost` comes when the other end has closed too, or is too
        slow at it."""
        if self._closing:
            return
        self._closing = True
        self._stop_reading()
        self._timer = self._loop.call_later(TAKE_SECONDS, self._lose, None)
        if self._queue is None:
            self._say_goodbye()

    def abort(self) -> None:
        self._lose(None)

    # --- reading

    def pause_reading(self) -> None:
        if not self._paused and not self._closing:
            self._paused = True
            self._stop_reading()

    def resume_reading(self) -> None:
        if self._paused and not self._closing:
            self._paused = False
            if not self._blocked:
                self._loop.add_reader(self._tls.fileno(), self._read)

    def _stop_reading(self) -> None:
        self._loop.remove_reader(self._tls.fileno())

    def _read(self) -> None:
        for _ in range(RECORDS_AT_ONCE):
            try:
                size = self._tls.recv_into(_read_into)
            except ssl.SSLWantReadError:
                return
            except ssl.SSLWantWriteError:
                self._blocked = True
                self._stop_reading()
                self._loop.add_writer(self._tls.fileno(), self._write_on)
                return
            except OSError as problem:
                self._lose(problem)
                return
            self._hand_on(size)
            if self._paused or self._closing:
                return
        # Not left to the system to tell: of a reset uvloop tells once.
        self._loop.call_soon(self._read_on)

    def _read_on(self) -> None:
        if not self._paused and not self._blocked and not self._closing:
            self._read()

    def _hand_on(self, size: int) -> None:
        try:
            if size:
                self._protocol.data_received(bytes(_just_read[:size]))
            else:
                self._protocol.eof_received()
                self.close()
        except Exception as problem:  # noqa: BLE001 - the loop's own way with a protocol that fails
            self._loop.call_exception_handler(
                {"message": "a protocol failed", "exception": problem, "protocol": self._protocol}
            )
            self._lose(problem)

    # --- writing

    def get_write_buffer_size(self) -> int:
        return self._size

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return LOW_WATER, HIGH_WATER

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self._closing or not data:
            return
        # What may change after this call is kept as it is now.
        rest = memoryview(data if isinstance(data, bytes) else bytes(data))
        if self._queue is None:
            rest = self._send(rest)
            if not rest or self._gone:
                return
            self._queue = deque()
            self._loop.add_writer(self._tls.fileno(), self._write_on)
        self._queue.append(rest)
        self._size += len(rest)
        if self._size > HIGH_WATER and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def _send(self, data: memoryview[Any]) -> memoryview[Any]:
        """Gives what the system does not take now."""
        while data:
            try:
                data = data[self._tls.send(data) :]
            except ssl.SSLWantWriteError:
                break
            except OSError as problem:
                # Also SSLWantRead, which nobody has a reason for: renegotiation is refused.
                self._lose(problem)
                break
        return data

    def _write_on(self) -> None:
        """The system takes more again."""
        if self._blocked:
            self._blocked = False
            if not self._paused and not self._closing:
                self._loop.add_reader(self._tls.fileno(), self._read)
                self._read()
        queue = self._queue
        while queue and not self._gone:
            rest = self._send(queue[0])
            self._size -= len(queue[0]) - len(rest)
            if rest:
                queue[0] = rest
                break
            queue.popleft()
        if self._gone:
            return
        if not queue:
            self._queue = None
            if not self._blocked:
                self._loop.remove_writer(self._tls.fileno())
        if self._full and self._size <= LOW_WATER:
            self._full = False
            self._protocol.resume_writing()
        if self._closing and self._queue is None and not self._said_goodbye:
            self._say_goodbye()

    # --- the end

    def _say_goodbye(self) -> None:
        """close_notify (RFC 8446 section 6.1) and the end of what we send; the other end's is waited for."""
        try:
            self._tls.unwrap()
        except ssl.SSLWantWriteError:
            self._loop.add_writer(self._tls.fileno(), self._say_goodbye)
            return
        except (OSError, ValueError):
            # It was sent: what this says is that the other end has not sent its own.
            pass
        self._said_goodbye = True
        self._loop.remove_writer(self._tls.fileno())
        try:
            self._tls.shutdown(socket.SHUT_WR)
        except OSError:
            self._lose(None)
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(LINGER_SECONDS, self._lose, None)
        self._loop.add_reader(self._tls.fileno(), self._wait_for_end)

    def _wait_for_end(self) -> None:
        """What still comes is nobody's any more."""
        try:
            if self._tls.recv_into(_read_into):
                return
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            pass
        self._lose(None)

    def _lose(self, problem: Exception | None) -> None:
        if self._gone:
            return
        self._gone = self._closing = True
        self._loop.remove_reader(self._tls.fileno())
        self._loop.remove_writer(self._tls.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._queue = None
        self._size = 0
        self._loop.call_soon(self._end, problem)

    def _end(self, problem: Exception | None) -> None:
        try:
            self._protocol.connection_lost(problem)
        finally:
            self._protocol = None
            self._tls.close()
