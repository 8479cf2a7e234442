"""The socket to the relay: signs in, hands over frames, matches answers, and comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

from chappe.client.identity import Me
from chappe.client.transport import CONNECT_SECONDS, tls_context
from chappe.wire import frames
from chappe.wire.errors import ChappeError, error, from_peer

FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 30.0
ANSWER_SECONDS: Final = 60.0
BATCH: Final = 256
# A phone does not come back by itself after these: a person has to act.
FATAL: Final = frozenset(
    {
        "signin.unknown_device",
        "signin.revoked",
        "signin.bad_signature",
        "signin.superseded",
        "network.untrusted",
        "term.suspended",
        "term.closed",
    }
)
TRY_LATER: Final = frozenset(
    {
        "mailbox.full",
        "limit.rate",
        "limit.connections",
        "storage.full",
        "storage.failed",
        "storage.unwritable",
        "term.grace",
    }
)
"""Refusals that are no verdict on what was asked: it is asked again, with the same id."""

F = TypeVar("F", bound=frames.Frame)


class Owner(Protocol):
    """Whose connection it is."""

    def opened(self, welcome: frames.Welcome) -> None: ...

    def delivered(self, envelopes: list[frames.Deliver]) -> None:
        """Envelopes in order. Acknowledged by the owner once its store holds them."""

    def answered(self, answers: list[tuple[int, frames.FromRelay | ChappeError]]) -> None:
        """Answers, by their refs, to frames that were said, not asked."""

    def ordered(self, frame: frames.OrderFrame) -> None:
        """A fleet order, so the relay says."""

    def termed(self, term: frames.Term) -> None:
        """The line's term, so the relay says."""

    def posted(self, frame: frames.Posted) -> None:
        """A removal that waits in a watched group, so the relay says."""

    def lost(self, reason: ChappeError) -> None: ...


class Connection:
    """Runs until it is cancelled or something fatal happens (`fatal`)."""

    def __init__(self, me: Me, owner: Owner) -> None:
        self._me = me
        self._owner = owner
        self._socket: ClientConnection | None = None
        self._context: ssl.SSLContext | None = None
        self._asked: dict[int, asyncio.Future[frames.FromRelay]] = {}
        self._next_ref = 0
        self._since = 0.0
        self.relay_time = 0
        """What the relay's clock said at the last sign-in: Unix seconds."""
        self.fatal: ChappeError | None = None
        self.last_error: ChappeError | None = None

    @property
    def online(self) -> bool:
        return self._socket is not None

    async def context(self) -> ssl.SSLContext:
        """What trusts this relay alone. Raises network.unreachable, network.untrusted."""
        if self._context is None:
            self._context = await tls_context(self._me.place)
        return self._context

    async def run(self) -> None:
        """Connect, serve, wait with full jitter, again: longer each time, until a connection has held."""
        pause, loop = FIRST_PAUSE, asyncio.get_running_loop()
        while self.fatal is None:
            self._since = loop.time()
            try:
                await self._serve()
            except ChappeError as problem:
                if self.online and loop.time() - self._since > pause:
                    pause = FIRST_PAUSE
                self._end(problem)
                if problem.code in FATAL:
                    self.fatal = problem
                    return
            await asyncio.sleep(random.uniform(FIRST_PAUSE / 4, pause))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _serve(self) -> None:
        """One connection from greeting to end. Raises the reason that it ended."""
        context = await self.context()
        try:
            async with connect(
                f"wss://{self._me.place.authority}/v1/socket",
                ssl=context,
                subprotocols=[Subprotocol(frames.SUBPROTOCOL)],
                max_size=frames.MAX_FRAME,
                compression=None,
                open_timeout=CONNECT_SECONDS,
                close_timeout=1,
                proxy=None,
            ) as socket:
                welcome = await self._sign_in(socket)
                self._socket, self._since = socket, asyncio.get_running_loop().time()
                self._owner.opened(welcome)
                await self._listen(socket)
        except ssl.SSLCertVerificationError:
            raise error("network.untrusted") from None
        except (OSError, WebSocketException, TimeoutError, EOFError):
            raise error("network.unreachable") from None

    async def _sign_in(self, socket: ClientConnection) -> frames.Welcome:
        hello = await _in_time(_next(socket))
        if not isinstance(hello, frames.Hello) or hello.server != self._me.server:
            raise error("network.untrusted", "This is not the relay that the line belongs to.")
        self.relay_time = hello.time
        signature = self._me.sign(frames.sign_in_bytes(hello.server, hello.nonce))
        await socket.send(frames.encode(frames.SignIn(self._me.device_id, signature)))
        answer = await _in_time(_next(socket))
        over: frames.Term | None = None
        if isinstance(answer, frames.Term):
            # In place of the welcome: the line is suspended, or closed.
            over = answer
            self._owner.termed(over)
            answer = await _in_time(_next(socket))
        if isinstance(answer, frames.OrderFrame):
            # Signed out: it is handed orders, and nothing else. Their receipts go over HTTP.
            self._owner.ordered(answer)
            raise error("signin.revoked" if over is None else f"term.{over.stage}")
        if isinstance(answer, frames.Refusal):
            raise from_peer(answer.code, answer.message)
        if not isinstance(answer, frames.Welcome):
            raise error("frame.unexpected")
        return answer

    async def _listen(self, socket: ClientConnection) -> None:
        """Take frames; envelopes that came together are handed over together."""
        arrived: asyncio.Queue[frames.FromRelay | ChappeError] = asyncio.Queue(BATCH)
        reader = asyncio.create_task(_read(socket, arrived))
        try:
            while True:
                batch = [await arrived.get()]
                while len(batch) < BATCH and not arrived.empty():
                    batch.append(arrived.get_nowait())
                self._hand_over(batch)
        finally:
            reader.cancel()

    def _hand_over(self, batch: list[frames.FromRelay | ChappeError]) -> None:
        """Neighbours of a kind go to the owner together: one transaction takes them all."""
        envelopes: list[frames.Deliver] = []
        answers: list[tuple[int, frames.FromRelay | ChappeError]] = []
        problem: ChappeError | None = None
        for frame in batch:
            if isinstance(frame, frames.Deliver):
                envelopes.append(frame)
            elif isinstance(frame, ChappeError):
                problem = frame
            else:
                answers += self._match(frame)
        if answers:
            self._owner.answered(answers)
        if envelopes:
            self._owner.delivered(envelopes)
        if problem is not None:
            raise problem

    def _match(self, frame: frames.FromRelay) -> list[tuple[int, frames.FromRelay | ChappeError]]:
        """Give an answer to whoever asked; what nobody asked comes back, for the owner."""
        if isinstance(frame, frames.Refusal) and frame.ref is None:
            raise from_peer(frame.code, frame.message)
        if isinstance(frame, frames.OrderFrame):
            self._owner.ordered(frame)
            return []
        if isinstance(frame, frames.Posted):
            self._owner.posted(frame)
            return []
        if isinstance(frame, frames.Term):
            self._owner.termed(frame)
            return []
        ref = getattr(frame, "ref", None)
        if ref is None:
            raise error("frame.unexpected")
        answer: frames.FromRelay | ChappeError = frame
        if isinstance(frame, frames.Refusal):
            answer = from_peer(frame.code, frame.message)
        future = self._asked.pop(ref, None)
        if future is None:
            return [(ref, answer)]
        if not future.done():
            if isinstance(answer, ChappeError):
                future.set_exception(answer)
            else:
                future.set_result(answer)
        return []

    def _end(self, reason: ChappeError) -> None:
        self.last_error = reason
        was_online, self._socket = self._socket is not None, None
        for future in self._asked.values():
            if not future.done():
                future.set_exception(error("network.unreachable"))
        self._asked.clear()
        if was_online or reason.code in FATAL:
            self._owner.lost(reason)

    # --- saying and asking

    def new_ref(self) -> int:
        self._next_ref = (self._next_ref + 1) % 2**32
        return self._next_ref

    async def say(self, frame: frames.Frame) -> None:
        """Send a frame whose answer, if any, goes to the owner. Raises network.unreachable."""
        await self.say_bytes(frames.encode(frame))

    async def say_bytes(self, data: bytes) -> None:
        socket = self._socket
        if socket is None:
            raise error("network.unreachable")
        try:
            await socket.send(data)
        except (OSError, WebSocketException):
            raise error("network.unreachable") from None

    async def ask(self, make: Callable[[int], frames.Frame], kind: type[F]) -> F:
        """Send a request and wait for its answer. Raises what the relay refused with, or network.*."""
        ref = self.new_ref()
        future: asyncio.Future[frames.FromRelay] = asyncio.get_running_loop().create_future()
        self._asked[ref] = future
        try:
            await self.say(make(ref))
            async with asyncio.timeout(ANSWER_SECONDS):
                answer = await future
        except TimeoutError:
            raise error("network.timeout") from None
        finally:
            self._asked.pop(ref, None)
        if not isinstance(answer, kind):
            raise error("frame.unexpected")
        return answer

    async def give_up(self, reason: ChappeError) -> None:
        """For good."""
        self.fatal = reason
        self._owner.lost(reason)
        await self.close()

    async def close(self) -> None:
        socket, self._socket = self._socket, None
        if socket is not None:
            with contextlib.suppress(OSError, WebSocketException):
                await socket.close()


async def _in_time(coming: Coroutine[Any, Any, F]) -> F:
    async with asyncio.timeout(CONNECT_SECONDS):
        return await coming


async def _next(socket: ClientConnection) -> frames.FromRelay:
    data = await socket.recv(decode=False)
    return frames.decode_from_relay(data)


async def _read(socket: ClientConnection, arrived: asyncio.Queue[frames.FromRelay | ChappeError]) -> None:
    """Frames into the queue, and at the end the reason; its bound holds the relay back."""
    try:
        while True:
            await arrived.put(await _next(socket))
    except ChappeError as problem:
        await arrived.put(problem)
    except (OSError, WebSocketException, EOFError):
        await arrived.put(error("network.unreachable"))
