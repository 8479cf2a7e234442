"""TLS on the socket, with a real client in a thread: nothing is lost, nothing piles up, and all ends end."""

from __future__ import annotations

import asyncio
import re
import secrets
import socket
import ssl
import struct
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from chappe.relay import tls, tls_transport
from chappe.relay.config import load_settings
from chappe.relay.tls_transport import HIGH_WATER, LARGEST_RECORD, MOST_MESSAGES, TlsTransport, guard, welcome

Talk = Callable[[ssl.SSLSocket], Any]
PATIENCE = 20.0
"""Seconds for anything that is waited for, at either end: a thread that waits for ever cannot be ended."""
RESET = struct.pack("ii", 1, 0)


class Heard(asyncio.Protocol):
    """Writes down what it is called with."""

    def __init__(self) -> None:
        self.transport: TlsTransport
        self.data = bytearray()
        self.calls: list[str] = []
        self.problem: Exception | None = None
        self.came = asyncio.Event()
        self.lost = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, TlsTransport)
        self.transport = transport
        self.calls.append("made")

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.came.set()

    def eof_received(self) -> None:
        self.calls.append("eof")

    def pause_writing(self) -> None:
        self.calls.append("pause")

    def resume_writing(self) -> None:
        self.calls.append("resume")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("lost")
        self.problem = exc
        self.lost.set()

    async def until(self, size: int) -> None:
        while len(self.data) < size:
            self.came.clear()
            await self.came.wait()


class Pair:
    """A connection with `Heard` at this end, and what a thread does at the other."""

    def __init__(self, folder: Path) -> None:
        settings = load_settings({}, data_dir=folder)
        context = tls.server_context(settings)
        assert context is not None
        guard(context)
        self.context = context
        self.client = ssl.create_default_context(cafile=folder / tls.CERTIFICATE_NAME)
        self.keys = folder / "keys"
        self.client.keylog_filename = str(self.keys)

    async def open(self, heard: Heard, *, patience: float = 10.0) -> Callable[[Talk], Awaitable[Any]]:
        """Gives what runs a talk of the other end in a thread."""
        listener = socket.create_server(("127.0.0.1", 0))
        listener.settimeout(PATIENCE)
        loop = asyncio.get_running_loop()
        with closing(listener):
            shaking = loop.run_in_executor(None, self._connect, listener.getsockname()[1])
            connection, _ = await asyncio.to_thread(listener.accept)
        connection.setblocking(False)
        await welcome(connection, self.context, lambda: heard, patience)
        other = await shaking

        def run(talk: Talk) -> Awaitable[Any]:
            return loop.run_in_executor(None, talk, other)

        return run

    def _connect(self, port: int) -> ssl.SSLSocket:
        raw = socket.create_connection(("127.0.0.1", port), PATIENCE)
        # Otherwise what is said last may still be held back here when it is cut off.
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.client.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)


def bare(other: ssl.SSLSocket) -> socket.socket:
    """The same connection, past its TLS."""
    made = socket.socket(fileno=other.detach())
    made.settimeout(PATIENCE)
    return made


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("tls"))


class Runner:
    """Runs a test's coroutine in a loop of a kind, and ends it."""

    def __init__(self, loops: asyncio.Runner) -> None:
        self._loops = loops

    def run(self, main: Coroutine[Any, Any, None]) -> None:
        async def in_time() -> None:
            async with asyncio.timeout(2 * PATIENCE):
                await main

        self._loops.run(in_time())


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[Runner]:
    with asyncio.Runner(loop_factory=request.param) as made:
        yield Runner(made)


def say(other: ssl.SSLSocket, said: bytes) -> None:
    other.sendall(said)


def read_all(other: ssl.SSLSocket, size: int) -> bytes:
    found = bytearray()
    while len(found) < size and (piece := other.recv(size - len(found))):
        found += piece
    return bytes(found)


def read_to_the_end(other: ssl.SSLSocket) -> bytes:
    """Raises SSLEOFError where the end is not TLS's own."""
    found = bytearray()
    while piece := other.recv(1 << 20):
        found += piece
    return bytes(found)


def cut(other: ssl.SSLSocket) -> None:
    """With a reset."""
    other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    other.close()


SIZES = [
    1,
    1000,
    LARGEST_RECORD - 1,
    LARGEST_RECORD,
    LARGEST_RECORD + 1,
    3 * LARGEST_RECORD,
    40 * LARGEST_RECORD,
]


def test_all_that_is_said_arrives_in_both_directions(pair: Pair, runner: Runner) -> None:
    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        for size in SIZES:
            heard.data.clear()
            said = secrets.token_bytes(size)
            await run(partial(say, said=said))
            await heard.until(size)
            assert heard.data == said
            reading = run(partial(read_all, size=size))
            heard.transport.write(bytearray(said))
            assert await reading == said
        assert heard.transport.get_write_buffer_size() == 0
        await run(lambda other: other.close())
        await heard.lost.wait()
        assert (heard.calls[0], heard.calls[-2:], heard.problem) == ("made", ["eof", "lost"], None)

    runner.run(main())


def test_who_does_not_read_is_waited_for_and_has_it_all_in_the_end(pair: Pair, runner: Runner) -> None:
    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        pieces = [secrets.token_bytes(256 * 1024) for _ in range(64)]
        for piece in pieces:
            heard.transport.write(piece)
        assert heard.calls == ["made", "pause"]
        assert heard.transport.get_write_buffer_size() > HIGH_WATER
        await asyncio.sleep(0.05)
        assert heard.calls == ["made", "pause"]
        whole = b"".join(pieces)
        assert await run(partial(read_all, size=len(whole))) == whole
        assert heard.calls == ["made", "pause", "resume"]
        assert heard.transport.get_write_buffer_size() == 0
        heard.transport.abort()
        await heard.lost.wait()

    runner.run(main())


def test_nothing_is_taken_while_reading_is_paused(pair: Pair, runner: Runner) -> None:
    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        heard.transport.pause_reading()
        said = secrets.token_bytes(16 << 20)
        sending = asyncio.ensure_future(run(lambda other: other.sendall(said)))
        await asyncio.sleep(0.1)
        assert (bytes(heard.data), sending.done()) == (b"", False)
        heard.transport.resume_reading()
        await sending
        await heard.until(len(said))
        assert heard.data == said
        heard.transport.abort()
        await heard.lost.wait()

    runner.run(main())


def test_closing_sends_what_waits_and_ends_as_tls_ends(pair: Pair, runner: Runner) -> None:
    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        # Of this nobody reads a word, and still the last words arrive.
        heard.transport.pause_reading()
        await run(lambda other: other.sendall(b"unread" * 1000))
        said = secrets.token_bytes(8 << 20)
        heard.transport.write(said)
        heard.transport.close()
        heard.transport.write(b"too late")
        assert heard.transport.is_closing()
        assert await run(read_to_the_end) == said
        assert "lost" not in heard.calls
        await run(lambda other: other.close())
        await heard.lost.wait()
        assert heard.problem is None

    runner.run(main())


def test_who_takes_nothing_is_not_waited_for_for_ever(
    pair: Pair, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that has closed its own end, which makes ours close."""
    monkeypatch.setattr(tls_transport, "TAKE_SECONDS", 0.3)

    async def main() -> None:
        for closes in (True, False):
            heard = Heard()
            run = await pair.open(heard)
            # So much that the system takes no more, and a little that waits.
            while not heard.transport.get_write_buffer_size():
                heard.transport.write(bytes(1 << 20))
            if closes:
                heard.transport.close()
            else:
                await run(lambda other: socket.socket.shutdown(other, socket.SHUT_WR))
            await heard.lost.wait()
            await run(lambda other: other.close())

    runner.run(main())


def test_who_never_closes_is_not_waited_for_for_ever(
    pair: Pair, runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tls_transport, "LINGER_SECONDS", 0.2)

    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        began = time.monotonic()
        heard.transport.close()
        await run(lambda other: other.sendall(b"still here"))
        await heard.lost.wait()
        assert 0.15 < time.monotonic() - began < 5
        await run(lambda other: other.close())

    runner.run(main())


def test_a_connection_that_is_cut_off_ends(pair: Pair, runner: Runner) -> None:
    def leave_without_a_word(other: ssl.SSLSocket) -> None:
        bare(other).close()

    def talk_nonsense(other: ssl.SSLSocket) -> None:
        with bare(other) as past:
            past.sendall(b"\x17\x03\x03\x00\x20" + bytes(32))
            with suppress(OSError):
                while past.recv(1000):
                    pass

    async def main() -> None:
        for end, problem in (
            # Some versions of Python take a reset for an end.
            (cut, (ConnectionResetError, type(None))),
            (leave_without_a_word, type(None)),
            (talk_nonsense, ssl.SSLError),
        ):
            heard = Heard()
            run = await pair.open(heard)
            await run(end)
            await heard.lost.wait()
            assert heard.calls in (["made", "lost"], ["made", "eof", "lost"]), end
            assert isinstance(heard.problem, problem), end

    runner.run(main())


def test_what_came_before_a_reset_is_handed_on_and_the_reset_noticed(pair: Pair, runner: Runner) -> None:
    """All of it in one turn of a busy loop: uvloop tells of a reset once."""

    def talk(other: ssl.SSLSocket) -> None:
        other.sendall(b"one")
        other.sendall(b"two")
        cut(other)

    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        done = run(talk)
        time.sleep(0.2)  # noqa: ASYNC251 - the loop is busy
        await done
        await heard.lost.wait()
        assert heard.data == b"onetwo"

    runner.run(main())


class Updates:
    """Key updates as a client sends them (RFC 8446 sections 4.6.3, 5.2 and 7.1), by its keys."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    @classmethod
    def of_newest(cls, pair: Pair) -> Updates:
        """Of the connection that was opened last."""
        return cls(bytes.fromhex(re.findall(r"CLIENT_TRAFFIC_SECRET_0 \w+ (\w+)", pair.keys.read_text())[-1]))

    def one(self) -> bytes:
        key, iv = self._expand(b"key", 32), self._expand(b"iv", 12)
        head = b"\x17\x03\x03" + (5 + 1 + 16).to_bytes(2, "big")
        # The first record under each key: its number is 0.
        sealed = AESGCM(key).encrypt(iv, b"\x18\x00\x00\x01\x00\x16", head)
        self._secret = self._expand(b"traffic upd", 48)
        return head + sealed

    def _expand(self, label: bytes, length: int) -> bytes:
        label = b"tls13 " + label
        info = length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\x00"
        return HKDFExpand(hashes.SHA384(), length, info).derive(self._secret)


def test_who_says_nothing_but_handshakes_is_cut_off(pair: Pair, runner: Runner) -> None:
    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        served = heard.transport.get_extra_info("socket")
        updates = Updates.of_newest(pair)
        flood = b"".join(updates.one() for _ in range(2_000))

        def talk(other: ssl.SSLSocket) -> None:
            with bare(other) as past, suppress(OSError):
                past.sendall(flood[: 27 * 10])
                past.sendall(flood[27 * 10 :])

        assert served.cipher()[0] == "TLS_AES_256_GCM_SHA384"
        await run(talk)
        await heard.lost.wait()
        # The last one is read, and none after it.
        assert served.messages == MOST_MESSAGES
        assert heard.data == b""

    runner.run(main())


def test_a_few_key_updates_are_taken(pair: Pair, runner: Runner) -> None:
    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        updates = Updates.of_newest(pair)
        few = b"".join(updates.one() for _ in range(50))
        await run(lambda other: socket.socket.sendall(other, few))
        heard.transport.write(b"still here")
        assert await run(partial(read_all, size=10)) == b"still here"
        heard.transport.abort()
        await heard.lost.wait()

    runner.run(main())


def test_writing_to_who_is_gone_ends_it(pair: Pair, runner: Runner) -> None:
    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        heard.transport.pause_reading()
        await run(lambda other: other.close())
        while not heard.lost.is_set():
            heard.transport.write(bytes(1 << 20))
            await asyncio.sleep(0.01)
        assert isinstance(heard.problem, OSError)

    runner.run(main())


def test_a_protocol_that_fails_loses_its_connection_and_the_loop_is_told(pair: Pair, runner: Runner) -> None:
    class Failing(Heard):
        def data_received(self, _data: bytes) -> None:
            raise ZeroDivisionError

    async def main() -> None:
        told: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: told.append(context))
        heard = Failing()
        run = await pair.open(heard)
        await run(lambda other: other.sendall(b"x"))
        await heard.lost.wait()
        assert [type(context["exception"]) for context in told] == [ZeroDivisionError]
        assert isinstance(heard.problem, ZeroDivisionError)

    runner.run(main())


def test_reading_waits_where_tls_has_to_answer_first(pair: Pair, runner: Runner) -> None:
    """As a key update that asks for one (RFC 8446 section 4.6.3) makes it, when nothing can be sent."""
    refused = 3

    class Busy(tls_transport._Counted):
        def recv_into(self, *arguments: Any) -> int:
            nonlocal refused
            if refused:
                refused -= 1
                raise ssl.SSLWantWriteError
            return super().recv_into(*arguments)

    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        await run(lambda other: other.sendall(b"after all"))
        await heard.until(9)
        assert (bytes(heard.data), refused) == (b"after all", 0)
        heard.transport.write(b"and back")
        assert await run(partial(read_all, size=8)) == b"and back"
        heard.transport.abort()
        await heard.lost.wait()

    pair.context.sslsocket_class = Busy
    try:
        runner.run(main())
    finally:
        guard(pair.context)


def test_a_handshake_that_is_none_or_too_slow_is_refused(pair: Pair, runner: Runner) -> None:
    async def attempt(say: bytes, *, leave: bool) -> type[BaseException]:
        here, there = socket.socketpair(socket.AF_UNIX)
        here.setblocking(False)
        there.sendall(say)
        if leave:
            there.close()
        with pytest.raises(OSError) as caught:
            await welcome(here, pair.context, Heard, 0.1)
        assert here.fileno() == -1
        if not leave:
            # The other end sees it closed.
            there.settimeout(5)
            with suppress(ConnectionResetError):
                while there.recv(1000):
                    pass
            there.close()
        return caught.type

    async def main() -> None:
        assert await attempt(b"", leave=False) is TimeoutError
        assert issubclass(await attempt(b"GET / HTTP/1.1\r\n\r\n", leave=False), ssl.SSLError)
        assert issubclass(await attempt(b"\x16\x03\x01", leave=True), OSError)

    runner.run(main())


def test_what_it_says_of_itself_and_that_no_file_is_left(pair: Pair, runner: Runner) -> None:
    async def main() -> None:
        heard = Heard()
        run = await pair.open(heard)
        fileno = heard.transport.get_extra_info("socket").fileno()
        assert heard.transport.get_extra_info("sslcontext") is pair.context
        assert heard.transport.get_extra_info("peername")[0] == "127.0.0.1"
        await run(lambda other: other.close())
        await heard.lost.wait()
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="Bad file descriptor"):
            socket.socket(fileno=fileno)
        assert heard.transport.get_extra_info("peername", "gone") == "gone"
        # Nor do transport and protocol hold each other until somebody looks for such pairs.
        assert heard.transport.get_protocol() is None

    runner.run(main())
