"""Who is knocked for: devices that something came for while they had no socket here, or took nothing over it.
In the event loop alone.

Nothing waits for a knock: `absent` only notes. A device is knocked for once, and not again until it has come
or the knock has run out at the push service. The log hears that a knock failed, not for whom nor where.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final

import structlog

from chappe.relay.ports import Outcome
from chappe.relay.push import TTL_SECONDS, Pusher, Subscription
from chappe.relay.push import Outcome as Knocked
from chappe.relay.store import Store
from chappe.relay.usecases.subscriptions import (
    ForgetSubscription,
    HasMail,
    find_subscription,
    subscribed_mailboxes,
)
from chappe.wire.errors import ChappeError

log = structlog.get_logger()

AT_ONCE: Final = 8
MAX_WAITING: Final = 10_000
"""Devices that wait for their knock; beyond, the next envelope tries again."""
MAX_KNOCKED: Final = 100_000
ELSEWHERE_SECONDS: Final = 30.0
"""After another gateway said that it has the device: if its mail is still there then, ask again."""


class Knocker:
    """`is_here`: whether a mailbox's device has a socket; `is_elsewhere`: whether it has one at another
    gateway. `clock`: steady seconds."""

    def __init__(
        self,
        store: Store,
        pusher: Pusher,
        is_here: Callable[[int], bool],
        clock: Callable[[], float],
        is_elsewhere: Callable[[int], Awaitable[bool]] | None = None,
    ) -> None:
        self._is_elsewhere = is_elsewhere
        self._store = store
        self._pusher = pusher
        self._is_here = is_here
        self._clock = clock
        self._subscribed: set[int] = set()
        self._queue: asyncio.Queue[int] = asyncio.Queue(MAX_WAITING)
        self._waiting: set[int] = set()
        # They have a socket, and yet do not take what comes over it.
        self._stalled: set[int] = set()
        self._later: dict[int, asyncio.TimerHandle] = {}
        self._knocked: OrderedDict[int, float] = OrderedDict()
        self._workers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Raises storage.*."""
        self._subscribed |= await self._store.read(subscribed_mailboxes)
        loop = asyncio.get_running_loop()
        self._workers = [loop.create_task(self._work()) for _ in range(AT_ONCE)]

    async def close(self) -> None:
        for handle in self._later.values():
            handle.cancel()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._pusher.close()

    def changed(self, mailbox: int, *, subscribed: bool) -> None:
        """Its device left a subscription, or ended it."""
        self._knocked.pop(mailbox, None)
        if subscribed:
            self._subscribed.add(mailbox)
        else:
            self._subscribed.discard(mailbox)

    def came(self, mailbox: int) -> None:
        """Its device has signed in: what comes once it is gone knocks again."""
        self._knocked.pop(mailbox, None)
        self._stalled.discard(mailbox)
        later = self._later.pop(mailbox, None)
        if later is not None:
            later.cancel()

    # --- other gateways

    def wants(self, mailbox: int) -> bool:
        """Whether its device is knocked for."""
        return mailbox in self._subscribed

    def moved_elsewhere(self, mailbox: int) -> None:
        """Its device came to another gateway, or went from there: what waits for it until later is looked
        at now."""
        self._knocked.pop(mailbox, None)
        later = self._later.get(mailbox)
        if later is not None:
            later.cancel()
            self._again(mailbox)

    def changed_elsewhere(self, mailbox: int) -> None:
        """Its device may have left a subscription: the next knock reads what there is."""
        self._knocked.pop(mailbox, None)
        self._subscribed.add(mailbox)

    async def read_anew(self) -> None:
        """The bus may have lost what others said. Raises storage.*."""
        self._subscribed = await self._store.read(subscribed_mailboxes)
        self._knocked.clear()

    # --- this one

    def absent(self, mailbox: int) -> None:
        """An envelope became durable for a device that has no socket here. Never waits, never raises."""
        if mailbox not in self._subscribed or mailbox in self._waiting or mailbox in self._later:
            return
        knocked = self._knocked.get(mailbox)
        if knocked is not None and self._clock() - knocked < TTL_SECONDS:
            return
        if not self._queue.full():
            self._waiting.add(mailbox)
            self._queue.put_nowait(mailbox)

    def stalled(self, mailbox: int) -> None:
        """Its device has a socket and acknowledges nothing: it may be dead at the other end, which nobody has
        noticed yet. It is knocked for as if it were away."""
        self._stalled.add(mailbox)
        self.absent(mailbox)

    def took(self, mailbox: int) -> None:
        """Its device acknowledged something: it is there, and is knocked for again once it is not."""
        if mailbox in self._stalled:
            self._stalled.discard(mailbox)
            self._knocked.pop(mailbox, None)

    def went(self, mailbox: int) -> None:
        """Its last socket is gone. It may have been dead for a while, with a phone asleep behind it: what
        came meanwhile and was not acknowledged knocks now."""
        self._stalled.discard(mailbox)
        self._look(mailbox)

    def _look(self, mailbox: int) -> None:
        """Knock if something waits."""
        if mailbox in self._subscribed:
            # In turn, after the acknowledgements that the socket still brought.
            self._store.submit(HasMail(mailbox), partial(self._left_behind, mailbox))

    def _left_behind(self, mailbox: int, outcome: Outcome) -> None:
        if outcome is True:
            self.absent(mailbox)

    async def _work(self) -> None:
        while True:
            mailbox = await self._queue.get()
            self._waiting.discard(mailbox)
            try:
                await self._knock(mailbox)
            except ChappeError as problem:
                log.warning("a knock failed", kind=problem.code)
            except Exception as problem:  # noqa: BLE001 - outermost shell; a traceback names the endpoint
                log.error("a knock failed in a way it should not", kind=type(problem).__name__)

    async def _knock(self, mailbox: int) -> None:
        if self._is_here(mailbox) and mailbox not in self._stalled:
            return
        subscription = await self._store.read(lambda connection: find_subscription(connection, mailbox))
        if subscription is None:
            self._subscribed.discard(mailbox)
            return
        away = mailbox not in self._stalled and self._is_elsewhere is not None
        if away and self._is_elsewhere is not None and await self._is_elsewhere(mailbox):
            # That gateway knocks when the device goes. It may be killed first.
            self._look_later(mailbox, ELSEWHERE_SECONDS)
            return
        # Noted before it goes out: who comes while it is on its way is knocked for again.
        self._note(mailbox)
        outcome = await self._pusher.knock(subscription)
        if outcome is Knocked.SENT:
            return
        self._knocked.pop(mailbox, None)
        if outcome is Knocked.GONE:
            await self._store.run(ForgetSubscription(mailbox, subscription.endpoint))
            return
        if outcome is Knocked.FAILED:
            log.info("a push service did not take a knock")
        self._try_later(mailbox, subscription)

    def _try_later(self, mailbox: int, subscription: Subscription) -> None:
        """When the quiet is over, or the pause that the service asked for. It may have come by then."""
        self._look_later(mailbox, self._pusher.wait(subscription))

    def _look_later(self, mailbox: int, seconds: float) -> None:
        if mailbox not in self._later and len(self._later) < MAX_WAITING:
            loop = asyncio.get_running_loop()
            self._later[mailbox] = loop.call_later(seconds, self._again, mailbox)

    def _again(self, mailbox: int) -> None:
        self._later.pop(mailbox, None)
        self._look(mailbox)

    def _note(self, mailbox: int) -> None:
        self._knocked[mailbox] = self._clock()
        self._knocked.move_to_end(mailbox)
        if len(self._knocked) > MAX_KNOCKED:
            self._knocked.popitem(last=False)
