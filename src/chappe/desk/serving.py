"""The desk as it answers beside the relay: its routes, and what it does by itself as time goes by."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.routing import BaseRoute, Mount

from chappe.desk.api import PREFIX, build_app
from chappe.desk.desk import Desk
from chappe.desk.dossier.live import Make, stored_routes
from chappe.desk.register import register_routes
from chappe.desk.settings import DeskSettings
from chappe.wire.door import Door
from chappe.wire.errors import ChappeError

log = structlog.get_logger()

MINUTE: Final = 60
MINUTES_OF_AN_HOUR: Final = 60


class Serving:
    """Made and used in one event loop. Raises StorageFailure when it is made."""

    def __init__(self, settings: DeskSettings, door: Door | None = None, stored: Make | None = None) -> None:
        """`stored`: what relay and desk keep, as it is when it is asked for; None: no page of it."""
        self._stored = stored
        self.desk = Desk(settings, door=door, relay=door)
        self._tending: asyncio.Task[None] | None = None

    def routes(self) -> Sequence[BaseRoute]:
        pages = [] if self._stored is None else stored_routes(self._stored)
        return [Mount(PREFIX, build_app(self.desk)), *register_routes(self.desk), *pages]

    async def start(self) -> None:
        await run_in_threadpool(self.desk.check_numbers)
        self._tending = asyncio.create_task(self._tend())

    async def close(self) -> None:
        if self._tending is not None:
            self._tending.cancel()
            with suppress(asyncio.CancelledError):
                await self._tending
        self.desk.close()

    async def _tend(self) -> None:
        minute = 0
        while True:
            try:
                await self.desk.each_minute()
                if minute % MINUTES_OF_AN_HOUR == 0:
                    await self.desk.each_hour()
            except ChappeError as problem:
                log.error("what the desk does by itself failed; it is tried again", code=problem.code)
            await asyncio.sleep(MINUTE)
            minute += 1
