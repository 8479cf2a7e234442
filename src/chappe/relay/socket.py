"""The shell around a session: an asyncio protocol that moves bytes, on websockets' sans-I/O core.

uvicorn hands over a connection that asked to be a WebSocket. Driving the core here, without ASGI between,
saves two tasks and a queue per connection, and lets all frames of one turn of the loop leave in one write.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any, Final, Protocol, cast

from websockets.exceptions import PayloadTooBig
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol
from websockets.typing import Subprotocol

from chappe.relay.limits import Allowance
from chappe.relay.ports import Answer, Arrival, DeviceRecord
from chappe.relay.quotas import HOLD_SECONDS
from chappe.relay.reader import Page
from chappe.relay.seats import Seat
from chappe.relay.session import (
    LEAVING,
    MAX_BEFORE_SIGN_IN,
    SERVICE_RESTART,
    Acknowledge,
    Action,
    Ask,
    Identify,
    Open,
    Pause,
    Phase,
    ReadOrders,
    ReadPage,
    Say,
    Session,
)
from chappe.wire import frames
from chappe.wire.errors import StorageFailure, error

PATH: Final = "/v1/socket"
RETRY_PAGE_SECONDS: Final = 5.0
STALLED_SHARE: Final = 0.3
"""Of `ping_seconds`: so long without an acknowledgement, and a device counts as one that does not look. Its
socket may be dead, or its page stopped by the browser; or it is slow, and the knock tells it nothing."""
LINGER_SECONDS: Final = 2.0
"""How long a closed WebSocket may take to end its TCP connection."""
REPORT_SECONDS: Final = 60.0
"""How long a device that is signed out may take to erase itself and say so; it may come again."""
TAKE_SECONDS: Final = 20.0
"""How long the other end may then take to read what was still on its way to it."""

# The core would log a line per connection; the relay does not. Not known to logging.getLogger, so that no
# setting switches it on.
_quiet: Final = logging.Logger("chappe.websocket", logging.CRITICAL)
_SUBPROTOCOLS: Final = [Subprotocol(frames.SUBPROTOCOL)]


def _new_core(state: State) -> ServerProtocol:
    return ServerProtocol(subprotocols=_SUBPROTOCOLS, state=state, max_size=MAX_BEFORE_SIGN_IN, logger=_quiet)


class Desk(Protocol):
    """What sockets need of the relay."""

    server_name: str
    ping_seconds: float
    sign_in_seconds: float

    def admit(self, socket: Socket) -> bool: ...

    def dismiss(self, socket: Socket) -> None: ...

    async def announce(self, record: DeviceRecord) -> None:
        """Before a device is told that it is welcome."""

    def enter(self, record: DeviceRecord, socket: Socket) -> None: ...

    def leave(self, record: DeviceRecord, socket: Socket) -> None: ...

    def stalled(self, record: DeviceRecord) -> None: ...

    def lookups(self, record: DeviceRecord) -> Allowance: ...

    def unix_time(self) -> int: ...

    async def device(self, device: bytes) -> DeviceRecord | None: ...

    async def page(self, record: DeviceRecord, wanted: ReadPage) -> Page: ...

    async def orders(self, record: DeviceRecord) -> list[frames.OrderFrame]: ...

    def carry_out(self, record: DeviceRecord, ask: Ask, answer: Answer) -> float: ...

    def acknowledge(self, record: DeviceRecord, sequence: int, count: int) -> None: ...

    def refused(self, code: str) -> None: ...


class Socket(asyncio.Protocol):
    """One WebSocket. All methods run in the event loop."""

    __slots__ = (
        "_buffer",
        "_connections",
        "_core",
        "_desk",
        "_draining",
        "_events",
        "_flushing",
        "_held",
        "_loop",
        "_owing",
        "_parts",
        "_session",
        "_stopped_reading",
        "_tasks",
        "_transport",
        "_writable",
        "asked_at",
        "heard_at",
        "made_at",
        "seat",
        "signed_out_at",
    )

    def __init__(self, desk: Desk, connections: set[Any], tasks: set[asyncio.Task[None]]) -> None:
        self._desk = desk
        self._connections = connections
        self._tasks = tasks
        self._loop = asyncio.get_running_loop()
        self._core = _new_core(State.CONNECTING)
        self._session: Session | None = None
        self._transport: asyncio.Transport | None = None
        # What was parsed and waits until the session takes more: one read may hold thousands of frames.
        # None where nothing does: an empty deque is 600 bytes of each of thousands of idle connections.
        self._events: deque[Frame] | None = None
        self._buffer: list[bytes] = []
        # One piece of memory, not one per fragment: fragments may be empty, and without number.
        self._parts = bytearray()
        self._flushing = False
        self._stopped_reading = False
        self._writable = True
        self._held = False
        self._draining = False
        self.seat: Seat | None = None
        self.made_at = self.heard_at = self._loop.time()
        self.asked_at: float | None = None
        self.signed_out_at: float | None = None
        # Up to where it had acknowledged when it owed more, since when, and whether that was told.
        self._owing: tuple[int, float, bool] | None = None

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._connections.add(self)

    def data_received(self, data: bytes) -> None:
        self.heard_at = self._loop.time()
        self.asked_at = None
        core = self._core
        core.receive_data(data)
        for event in core.events_received():
            if isinstance(event, Request):
                self._shake_hands(event, whole=data.find(b"\r\n\r\n") == len(data) - 4)
            elif isinstance(event, Frame):
                if self._events is None:
                    self._events = deque()
                self._events.append(event)
        core = self._core
        self._mind_reading()
        if core.parser_exc is not None:
            self._unfit(core.parser_exc)
        self._buffer += core.data_to_send()
        self._flush_soon()
        if core.close_expected():
            self._close_soon()

    def eof_received(self) -> bool | None:
        self._core.receive_eof()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        self._transport = None
        self._buffer.clear()
        self._parts.clear()
        if self._events is not None:
            self._events.clear()
        if self.seat is not None:
            self.seat.leave()
        session, self._session = self._session, None
        if session is not None:
            session.lost()
            self._desk.dismiss(self)
            if session.record is not None:
                self._desk.leave(session.record, self)

    def pause_writing(self) -> None:
        self._writable = False
        self._mind_reading()

    def resume_writing(self) -> None:
        self._writable = True
        self._mind_reading()

    def shutdown(self) -> None:
        """uvicorn is going down: say so and close."""
        if self._core.state is State.OPEN:
            self._hang_up(SERVICE_RESTART)
        elif self._transport is not None:
            self._transport.close()

    # --- for the desk and the hub

    def drain(self) -> None:
        """The relay is going: take nothing more, answer what was taken, then say that it comes back."""
        self._draining = True
        self._mind_reading()
        self._leave_if_idle()

    def _leave_if_idle(self) -> None:
        if self._draining and (self._session is None or self._session.is_idle):
            self._hang_up(SERVICE_RESTART)

    def arrived(self, arrival: Arrival, sequence: int) -> None:
        if self._session is not None:
            self._carry_out(self._session.arrived(arrival, sequence))

    def look(self) -> None:
        if self._session is not None:
            self._carry_out(self._session.look())

    def noted(self, sequence: int) -> None:
        if self._session is not None:
            self._carry_out(self._session.noted(sequence))

    def superseded(self) -> None:
        if self._session is not None:
            self._carry_out(self._session.supersede())

    def posted(self, posted: Sequence[frames.Posted]) -> None:
        if self._session is not None:
            self._carry_out(self._session.posted(posted))

    def ordered(self) -> None:
        if self._session is not None:
            self._carry_out(self._session.ordered())

    def signed_out(self) -> None:
        if self._session is not None:
            self._carry_out(self._session.sign_out())

    def term(self, term: frames.Term) -> None:
        if self._session is not None:
            self._carry_out(self._session.term(term))

    def tick(self, now: float) -> None:
        """Called every few seconds: end what does not sign in or does not answer, ask who is silent."""
        session, desk = self._session, self._desk
        if session is None or self._transport is None:
            return
        if session.phase in (Phase.GREETED, Phase.CHECKING):
            # Since the beginning, not since the last byte: who drips bytes does not stay.
            if now - self.made_at > desk.sign_in_seconds:
                self._carry_out(session.end(error("signin.required")))
        elif session.phase in LEAVING:
            # Whatever it says meanwhile: it has an order to carry out, and no other reason to be here.
            self.signed_out_at = self.signed_out_at or now
            if now - self.signed_out_at > REPORT_SECONDS:
                self._carry_out(session.end(session.farewell()))
        else:
            self._mind_debts(session, now)
            self._mind_silence(now)

    def _mind_silence(self, now: float) -> None:
        patience = self._desk.ping_seconds
        if self.asked_at is not None:
            if now - self.asked_at > patience and self._transport is not None:
                self._transport.abort()
        elif now - self.heard_at > patience and self._core.state is State.OPEN:
            self.asked_at = now
            self._core.send_ping(b"")
            self._buffer += self._core.data_to_send()
            self._flush_soon()

    def _mind_debts(self, session: Session, now: float) -> None:
        """Tell the desk, once, of a device that acknowledges nothing of what it was pushed."""
        owed, owing = session.owed, self._owing
        if owed is None or session.record is None:
            self._owing = None
        elif owing is None or owing[0] != owed:
            self._owing = (owed, now, False)
        elif not owing[2] and now - owing[1] > STALLED_SHARE * self._desk.ping_seconds:
            self._owing = (owed, owing[1], True)
            self._desk.stalled(session.record)

    # --- WebSocket

    def _shake_hands(self, request: Request, *, whole: bool) -> None:
        """`whole`: nothing came with the request that the core may have begun to read."""
        core = self._core
        if request.path.partition("?")[0] != PATH:
            response = core.reject(HTTPStatus.NOT_FOUND, "No socket here; it is at /v1/socket.\n")
        else:
            response = core.accept(request)
        core.send_response(response)
        if response.status_code != 101:
            return
        session = Session(self._desk.server_name, secrets.token_bytes(32), self._desk.lookups)
        self._session = session
        admitted = self._desk.admit(self)
        self._buffer += core.data_to_send()
        if whole:
            # The core that shook hands keeps the request, several KiB, as long as it lives.
            self._core = _new_core(State.OPEN)
        if admitted:
            self._carry_out([session.greeting(self._desk.unix_time())])
        else:
            self._carry_out(session.end(error("limit.connections")))

    def _frame(self, frame: Frame) -> None:
        session = self._session
        if session is None:
            return
        opcode = frame.opcode
        if opcode is Opcode.BINARY or opcode is Opcode.CONT:
            data = frame.data
            if not frame.fin:
                self._parts += data
                return
            if self._parts:
                data = bytes(self._parts + data)
                self._parts = bytearray()
            self._carry_out(session.receive(bytes(data), self._loop.time()))
        elif opcode is Opcode.TEXT:
            self._carry_out(session.end(error("frame.malformed")))

    def _unfit(self, problem: Exception) -> None:
        """The WebSocket core gave up; its close frame is queued. Say why in our own words first."""
        session = self._session
        if session is None or session.phase is Phase.CLOSED:
            return
        code = "frame.oversized" if isinstance(problem, PayloadTooBig) else "frame.malformed"
        for action in session.end(error(code)):
            if isinstance(action, Say):
                self._desk.refused(code)
                self._buffer.append(Frame(Opcode.BINARY, action.data).serialize(mask=False))

    # --- actions

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Say):
                self._say(action.data)
                if action.refused is not None:
                    self._desk.refused(action.refused)
            elif isinstance(action, Ask):
                self._ask(action)
            elif isinstance(action, Acknowledge):
                session = self._session
                if session is not None and session.record is not None:
                    self._desk.acknowledge(session.record, action.sequence, action.count)
            elif isinstance(action, ReadPage):
                self._spawn(self._read_page(action))
            elif isinstance(action, ReadOrders):
                self._spawn(self._read_orders())
            elif isinstance(action, Pause):
                self._hold(HOLD_SECONDS)
            elif isinstance(action, Identify):
                self._spawn(self._identify(action.device))
            elif isinstance(action, Open):
                if not action.record.revoked:
                    self._core.max_message_size = frames.MAX_FRAME
                    if self.seat is not None:
                        # No stranger any more.
                        self.seat.leave()
                self._desk.enter(action.record, self)
            else:
                self._hang_up(action.code)

    def _say(self, data: bytes) -> None:
        core = self._core
        if core.state is State.OPEN:
            core.send_binary(data)
            self._buffer += core.data_to_send()
            self._flush_soon()

    def _ask(self, ask: Ask) -> None:
        session = self._session
        if session is None or session.record is None:
            return

        def answer(outcome: object) -> None:
            self._carry_out(session.answered(ask, outcome))
            self._mind_reading()
            if self._draining:
                self._leave_if_idle()

        hold = self._desk.carry_out(session.record, ask, answer)
        if hold:
            self._hold(hold)

    def _hold(self, seconds: float) -> None:
        self._held = True
        self._loop.call_later(seconds, self._let_go)

    def _let_go(self) -> None:
        self._held = False
        self._mind_reading()

    async def _identify(self, device: bytes) -> None:
        session = self._session
        if session is None:
            return
        try:
            record = await self._desk.device(device)
        except StorageFailure as failure:
            self._carry_out(session.end(failure))
            return
        actions = session.identified(record)
        if session.record is not None:
            await self._desk.announce(session.record)
            if self._session is not session:
                self._desk.leave(session.record, self)
                return
        self._carry_out(actions)

    async def _read_orders(self) -> None:
        session = self._session
        if session is None or session.record is None:
            return
        try:
            orders: list[frames.OrderFrame] | None = await self._desk.orders(session.record)
        except StorageFailure:
            orders = None
        self._carry_out(session.orders_read(orders))

    async def _read_page(self, wanted: ReadPage) -> None:
        session = self._session
        if session is None or session.record is None:
            return
        try:
            page: Page | None = await self._desk.page(session.record, wanted)
        except StorageFailure:
            page = None
        self._carry_out(session.page_read(page))
        if page is None:
            self._loop.call_later(RETRY_PAGE_SECONDS, self._read_again)

    def _read_again(self) -> None:
        if self._session is not None:
            self._carry_out(self._session.read_again())

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- bytes out, and when to read

    def _flush_soon(self) -> None:
        if self._buffer and not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        data = b"".join(self._buffer)
        self._buffer.clear()
        if data and self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def _mind_reading(self) -> None:
        """Take nothing from a device that has too much under way, or does not take its answers: neither of
        what was read, nor more."""
        events = self._events
        while events and self._takes_more():
            self._frame(events.popleft())
        if not events:
            self._events = None
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        may = self._takes_more()
        if may == self._stopped_reading:
            self._stopped_reading = not may
            (transport.resume_reading if may else transport.pause_reading)()

    def _takes_more(self) -> bool:
        if self._draining:
            return False
        return not self._held and self._writable and (self._session is None or self._session.wants_more)

    def _hang_up(self, code: int) -> None:
        if self._core.state is State.OPEN:
            self._core.send_close(code)
            self._buffer += self._core.data_to_send()
            self._flush_soon()
        self._close_soon()

    def _close_soon(self) -> None:
        """Leave the other end a moment to answer the close frame."""
        if self._transport is not None:
            self._loop.call_later(LINGER_SECONDS if self._core.close_rcvd is None else 0, self._close)

    def _close(self) -> None:
        self._flush()
        transport = self._transport
        if transport is not None and not transport.is_closing():
            transport.close()
            # Closing waits until everything is taken. Who takes nothing would keep the connection, its place
            # among the sockets and a window of mail in memory, and could then come again.
            self._loop.call_later(TAKE_SECONDS, transport.abort)


def protocol_class(desk: Desk) -> Callable[..., Socket]:
    """What uvicorn's `ws` setting takes: makes a Socket for each connection that asks to be one."""

    def make(*, config: Any, server_state: Any, app_state: Any, _loop: Any = None) -> Socket:
        return Socket(desk, server_state.connections, server_state.tasks)

    return make
