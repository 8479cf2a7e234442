"""What concerns the devices that are here and happened at another gateway: mail, orders, another socket.

The bus says where to look. Every few seconds, and whenever the bus may have lost something, all mailboxes
that are here are looked at, in one read. Nothing happens for what the bus says alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import structlog
from sqlalchemy import Connection, func, select

from chappe.relay.bus import Bus
from chappe.relay.bus.wakes import Notice
from chappe.relay.fleet_tables import order_devices, orders
from chappe.relay.gateway_tables import holders
from chappe.relay.holders import Held, Holders
from chappe.relay.hub import Hub
from chappe.relay.store import Store
from chappe.relay.tables import devices, entries
from chappe.wire.errors import ChappeError
from chappe.wire.orders import OUTCOMES

log = structlog.get_logger()

TICK_SECONDS: Final = 1.0
GATHER_SECONDS: Final = 0.02
"""What is heard in this time shares a look."""
RARELY: Final = 12
"""Every so many looks, or when the bus lost something, what is seldom changed is read as well."""
AT_ONCE: Final = 4_000
"""Mailboxes of one statement."""
MAX_MOVES: Final = 5_000
"""Devices that came, or went, in one statement."""
ANNOUNCE_SECONDS: Final = 5.0
"""How long a sign-in waits until it is written down."""
GATEWAY: Final = 8
"""Bytes of a holder that say which run of which gateway it is."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A mailbox as the store has it. `orders`: that wait for its device."""

    mailbox: int
    newest: int
    revoked: bool
    holder: bytes | None
    orders: frozenset[bytes]


class Lookout:
    """Used in the event loop alone. What the bus hears."""

    def __init__(
        self,
        store: Store,
        hub: Hub,
        bus: Bus,
        holders: Holders,
        *,
        seconds: float,
        told: Callable[[Notice], None],
        rarely: Sequence[Callable[[], Awaitable[None]]],
    ) -> None:
        """`seconds`: between two looks at all that is here; `told`: hears what is said to all gateways;
        `rarely`: other things to be read anew."""
        self._store = store
        self._hub = hub
        self._bus = bus
        self._holders = holders
        self._seconds = seconds
        self._told = told
        self._rarely = rarely
        self._loop = asyncio.get_running_loop()
        self._gateway = secrets.token_bytes(GATEWAY)
        self._count = 0
        self._here: set[int] = set()
        # As it stands in the store: of those that are here, and of those that are about to be.
        self._mine: dict[int, bytes] = {}
        self._announced: dict[int, bytes] = {}
        self._orders: dict[int, frozenset[bytes]] = {}
        self._came: list[tuple[Held, asyncio.Future[None]]] = []
        self._went: list[Held] = []
        # To look at: now, once the subscription has surely reached every node, and all.
        self._suspects: set[int] = set()
        self._fresh: dict[int, float] = {}
        self._everything = False
        self._awake = asyncio.Event()
        self._moved = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [self._loop.create_task(self._run()), self._loop.create_task(self._note_moves())]

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(ChappeError):
            await self._holders.write((), [*self._went, *self._mine.items()])
        await self._holders.close()

    # --- who is here

    async def announce(self, mailbox: int) -> None:
        """Write down that its device is about to have a socket here, before it is told that it is welcome:
        then what it does next, elsewhere, is written down after. Where that fails it is welcome all the same,
        and its older socket stays until it is found dead."""
        self._count += 1
        holder = self._gateway + self._count.to_bytes(8, "big")
        written: asyncio.Future[None] = self._loop.create_future()
        self._came.append(((mailbox, holder), written))
        self._moved.set()
        try:
            async with asyncio.timeout(ANNOUNCE_SECONDS):
                await written
        except (ChappeError, TimeoutError):
            return
        self._announced[mailbox] = holder

    def enter(self, mailbox: int) -> None:
        """Its device has a socket here, and no more an older one anywhere."""
        self._here.add(mailbox)
        holder = self._announced.pop(mailbox, None)
        if holder is not None:
            self._mine[mailbox] = holder
        self._bus.enter(mailbox)
        # The gateway that has an older socket looks, and finds this one.
        self._bus.changed(mailbox)
        self._suspects.add(mailbox)
        self._fresh.pop(mailbox, None)
        self._fresh[mailbox] = self._loop.time() + TICK_SECONDS
        self._awake.set()

    def leave(self, mailbox: int) -> None:
        """Its socket is gone; or was, before it entered."""
        if mailbox in self._here:
            self._here.discard(mailbox)
            self._orders.pop(mailbox, None)
            self._bus.leave(mailbox)
        self._forget(mailbox, self._mine.pop(mailbox, None))
        self._forget(mailbox, self._announced.pop(mailbox, None))

    def _forget(self, mailbox: int, holder: bytes | None) -> None:
        if holder is not None:
            self._went.append((mailbox, holder))
            self._moved.set()

    def read_orders(self, mailbox: int, read: Iterable[bytes]) -> None:
        """These orders were handed to its device."""
        if mailbox in self._here:
            self._orders[mailbox] = frozenset(read)

    # --- Heard

    def mail(self, mailbox: int, sequence: int) -> None:
        self._hub.noted(mailbox, sequence)

    def changed(self, mailbox: int) -> None:
        if mailbox in self._here:
            self._suspects.add(mailbox)
            self._awake.set()

    def answers_for(self, mailbox: int) -> bool:
        return self._hub.is_here(mailbox)

    def notice(self, notice: Notice) -> None:
        self._told(notice)

    def missed(self) -> None:
        self._everything = True

    # --- looking

    async def _run(self) -> None:
        next_look, looks = self._loop.time() + self._seconds, 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TICK_SECONDS):
                    await self._awake.wait()
                    await asyncio.sleep(GATHER_SECONDS)
            self._awake.clear()
            now = self._loop.time()
            missed = self._everything and now >= next_look - self._seconds + TICK_SECONDS
            try:
                if missed or now >= next_look:
                    self._everything = self._everything and not missed
                    next_look, looks = now + self._seconds, looks + 1
                    await self._look(tuple(self._here))
                    if missed or looks % RARELY == 0:
                        for read in self._rarely:
                            await read()
                else:
                    await self._look(self._take_suspects())
            except ChappeError as problem:
                log.warning("looking failed", code=problem.code)
            except Exception:  # the task's outermost shell: whatever it was, the next look must come
                log.exception("looking failed in a way it should not")

    def _take_suspects(self) -> tuple[int, ...]:
        suspects, self._suspects = self._suspects, set()
        now = self._loop.time()
        # They stand in the order in which they came.
        while self._fresh and next(iter(self._fresh.values())) <= now:
            mailbox = next(iter(self._fresh))
            del self._fresh[mailbox]
            suspects.add(mailbox)
        return tuple(suspects)

    async def _look(self, wanted: Sequence[int]) -> None:
        """Raises storage.*."""
        for start in range(0, len(wanted), AT_ONCE):
            piece = [mailbox for mailbox in wanted[start : start + AT_ONCE] if mailbox in self._here]
            if not piece:
                continue
            # Only a socket that was written down before may be older than the one that stands there.
            before = {mailbox: self._mine.get(mailbox) for mailbox in piece}
            for seen in await self._store.read(partial(look_at, mailboxes=piece)):
                if seen.mailbox in self._here:
                    self._act(seen, before[seen.mailbox])

    def _act(self, seen: Seen, before: bytes | None) -> None:
        mailbox = seen.mailbox
        same = before is not None and before == self._mine.get(mailbox)
        if same and seen.holder is not None and seen.holder[:GATEWAY] != self._gateway:
            self._hub.supersede(mailbox)
            return
        if seen.revoked:
            self._hub.sign_out(mailbox)
            return
        self._hub.noted(mailbox, seen.newest)
        if seen.orders - self._orders.get(mailbox, frozenset()):
            self._hub.ordered(mailbox)
        self._orders[mailbox] = seen.orders

    # --- writing down who is here

    async def _note_moves(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            came, self._came = self._came[:MAX_MOVES], self._came[MAX_MOVES:]
            went, self._went = self._went[:MAX_MOVES], self._went[MAX_MOVES:]
            if self._came or self._went:
                self._moved.set()
            # Of a mailbox the last: two in one statement would not be taken.
            newest = {mailbox: holder for (mailbox, holder), _ in came}
            try:
                await self._holders.write(tuple(newest.items()), went)
                problem = None
            except ChappeError as failure:
                log.warning("who is here could not be written down", code=failure.code)
                problem = failure
            for _, written in came:
                if not written.done():
                    written.set_result(None) if problem is None else written.set_exception(problem)


def look_at(connection: Connection, mailboxes: Sequence[int]) -> list[Seen]:
    """Those that are there."""
    newest = (
        select(func.max(entries.c.sequence))
        .where(entries.c.mailbox == devices.c.mailbox)
        .correlate(devices)
        .scalar_subquery()
    )
    found = connection.execute(
        select(devices.c.mailbox, devices.c.revoked_at.is_not(None), holders.c.holder, newest)
        .outerjoin(holders, holders.c.mailbox == devices.c.mailbox)
        .where(devices.c.mailbox.in_(mailboxes))
    ).all()
    waiting: dict[int, set[bytes]] = {}
    for mailbox, order in connection.execute(
        select(devices.c.mailbox, order_devices.c.order_id)
        .join(order_devices, order_devices.c.device == devices.c.device)
        .join(orders, orders.c.order_id == order_devices.c.order_id)
        .where(
            devices.c.mailbox.in_(mailboxes),
            order_devices.c.done_at.is_(None),
            orders.c.kind.in_(OUTCOMES),
        )
    ):
        waiting.setdefault(mailbox, set()).add(order)
    return [
        Seen(mailbox, newest or 0, revoked, holder, frozenset(waiting.get(mailbox, ())))
        for mailbox, revoked, holder, newest in found
    ]
