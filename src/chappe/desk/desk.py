"""The desk as one thing: its settings, database, passkeys and allowances."""

from __future__ import annotations

import asyncio
import time
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool

from chappe.desk import accounts, lines, numbers, once, resellers, sellers, sessions, subscribers
from chappe.desk.database import Clock, Database
from chappe.desk.passkeys import Passkeys
from chappe.desk.sellers import SellersDoor
from chappe.desk.settings import DeskSettings
from chappe.desk.strangers import Strangers
from chappe.desk.who import SYSTEM
from chappe.wire.door import Door
from chappe.wire.errors import ChappeError, error

log = structlog.get_logger()

ATTEMPTS: Final = 30
ATTEMPTS_PER_MINUTE: Final = 30
APPLICATIONS: Final = 5
"""To become a reseller, from one network in a day."""


class Desk:
    """Of one data directory; blocking. `close` it at the end."""

    def __init__(
        self,
        settings: DeskSettings,
        clock: Clock = time.time,
        door: SellersDoor | None = None,
        relay: Door | None = None,
    ) -> None:
        """`door`, `relay`: to the relay, for its sellers and for everything else; None where there is none in
        this process. Raises StorageFailure."""
        self.door = door
        self.relay = relay
        self.telling = asyncio.Lock()
        self.settings = settings
        self.database = Database(settings.data_dir, clock)
        self.clock_guard = self.database.beside.clock
        self.passkeys = Passkeys(settings, self.database)
        self.strangers = Strangers(ATTEMPTS, ATTEMPTS_PER_MINUTE)
        self.applicants = Strangers(APPLICATIONS, APPLICATIONS / (24 * 60))

    def close(self) -> None:
        self.database.close()

    def check_numbers(self) -> None:
        """At the start: say that nothing can be invoiced, if so. A full disk stops no start."""
        try:
            problem = self.database.change(SYSTEM, numbers.agree)
        except ChappeError as failed:
            problem = failed
        if problem is not None:
            log.error("nothing can be invoiced", why=problem.message)

    async def each_minute(self) -> None:
        """What follows from dates that have come. Raises StorageFailure."""
        await self.tell_sellers()

    async def each_hour(self) -> None:
        """What has had its time is dropped, unless the clock has jumped. Raises StorageFailure."""
        await self.tell_sellers(all_of_them=True)
        jump = await run_in_threadpool(self.clock_guard.pass_by)
        if jump is not None:
            log.warning(
                "the clock went forward; no record is ended or forgotten until it is confirmed: "
                "chappe desk clock --confirm",
                days=jump.days,
            )
            return
        if self.relay is not None:
            await lines.tend(self.database, self.relay)
        await run_in_threadpool(self._sweep)

    def relay_door(self) -> Door:
        """Raises desk.not_now."""
        if self.relay is None:
            raise error("desk.not_now", "This desk has no relay beside it; ask the one of `chappe serve`.")
        return self.relay

    async def tell_sellers(self, *, all_of_them: bool = False) -> None:
        """Whose codes activate: tell the relay where it has changed, or of all. Raises StorageFailure."""
        if self.door is not None:
            async with self.telling:
                await sellers.tell(self.database, self.door, all_of_them=all_of_them)

    def _sweep(self) -> None:
        self.database.keep_books(sessions.sweep)
        self.database.keep_books(once.sweep)
        self.database.change(SYSTEM, accounts.forget_closed)
        self.database.change(SYSTEM, resellers.turn_down_forgotten)
        self.database.change(SYSTEM, resellers.end_lapsed)
        self.database.change(SYSTEM, resellers.forget_contacts)
        self.database.change(SYSTEM, subscribers.end_unused)
        while self.database.change(SYSTEM, subscribers.sweep):
            pass
