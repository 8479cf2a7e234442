"""The leader's lock of several gateways. See chappe.relay.leader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

import structlog
from sqlalchemy import Connection, Engine, exc

from chappe.relay.failures import storage_failure
from chappe.relay.storage.locks import leads, try_lead
from chappe.wire.errors import ChappeError, error

log = structlog.get_logger()

T = TypeVar("T")

TRY_SECONDS: Final = 1.0
"""How often the lock is asked for, or looked after."""


class Elected:
    """Used in the event loop alone; its connection in a thread of its own. PostgreSQL alone."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        """`engine`: makes one that writes."""
        self._make = engine
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._leading = False
        self._told = False
        """What the log was told last: the lock is also found lost between two rounds."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chappe-leader")
        self._task: asyncio.Task[None] | None = None

    @property
    def is_leading(self) -> bool:
        return self._leading

    async def start(self) -> None:
        """Leads when it returns, if nobody else does."""
        await self._round()
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._off(self._drop)
        self._thread.shutdown(wait=True)

    async def run(self, work: Callable[[Connection], T]) -> T:
        return await self._off(partial(self._in_session, work))

    async def _off(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(TRY_SECONDS)
            await self._round()

    async def _round(self) -> None:
        try:
            await self._off(self._try)
        except ChappeError as problem:
            log.warning("the leader's lock could not be asked for", code=problem.code)
        except Exception:  # the task's outermost shell: somebody must lead in the end
            log.exception("asking for the leader's lock failed in a way it should not")
        if self._leading != self._told:
            self._told = self._leading
            log.info("this gateway leads" if self._told else "this gateway leads no more")

    # --- in the thread

    def _try(self) -> None:
        if self._leading:
            self._in_session(lambda connection: None)
            return
        try:
            connection = self._connect()
            self._leading = try_lead(connection)
        except exc.DBAPIError as problem:
            self._drop()
            raise storage_failure(problem) from None

    def _connect(self) -> Connection:
        if self._connection is None:
            self._engine = self._make()
            self._connection = self._engine.connect()
        return self._connection

    def _in_session(self, work: Callable[[Connection], T]) -> T:
        connection = self._connection
        if connection is None or not self._leading:
            raise error("storage.failed", "Another gateway leads.")
        try:
            with connection.begin():
                if not leads(connection):
                    raise error("storage.failed", "Another gateway leads.")
                return work(connection)
        except exc.DBAPIError as problem:
            self._drop()
            raise storage_failure(problem) from None
        except ChappeError:
            self._drop()
            raise

    def _drop(self) -> None:
        """With the connection the lock is gone."""
        self._leading = False
        connection, self._connection = self._connection, None
        engine, self._engine = self._engine, None
        try:
            if connection is not None:
                connection.close()
        except exc.DBAPIError:
            pass
        if engine is not None:
            engine.dispose()
