"""Which gateway's socket a device came to last: written as it comes, forgotten as it goes.

A wake only says that somebody may have come elsewhere; what is here decides. On a connection of its own, and
without waiting for the disk: after a crash nobody has a socket anywhere. It is not one of the writer's
operations, for two thousand devices that come back at once would have that wait.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeAlias

from sqlalchemy import Connection, Engine, and_, bindparam, delete, exc, select
from sqlalchemy.dialects.postgresql import insert

from chappe.relay.failures import storage_failure
from chappe.relay.gateway_tables import holders

Held: TypeAlias = tuple[int, bytes]
"""(mailbox, holder)."""
_FORGET: Final = delete(holders).where(
    and_(holders.c.mailbox == bindparam("m"), holders.c.holder == bindparam("h"))
)


class Holders:
    """Used in the event loop; PostgreSQL alone."""

    def __init__(self, engine: Callable[[], Engine]) -> None:
        """`engine`: makes one that writes."""
        self._make = engine
        self._engine: Engine | None = None
        self._connection: Connection | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chappe-holders")

    async def write(self, came: Sequence[Held], went: Sequence[Held]) -> None:
        """Each mailbox once in each. Raises storage.*."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._write, came, went)

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._drop)
        self._thread.shutdown(wait=True)

    def _write(self, came: Sequence[Held], went: Sequence[Held]) -> None:
        try:
            if self._connection is None:
                self._engine = self._make()
                self._connection = self._engine.connect()
            with self._connection.begin():
                write(self._connection, came, went)
        except exc.DBAPIError as problem:
            self._drop()
            raise storage_failure(problem) from None

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        engine, self._engine = self._engine, None
        try:
            if connection is not None:
                connection.close()
        except exc.DBAPIError:
            pass
        if engine is not None:
            engine.dispose()


def has_holder(connection: Connection, mailbox: int) -> bool:
    """Whether its device has a socket anywhere; or had one, at a gateway that was killed."""
    found = select(holders.c.mailbox).where(holders.c.mailbox == mailbox)
    return connection.execute(found).first() is not None


def write(connection: Connection, came: Sequence[Held], went: Sequence[Held]) -> None:
    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    # In one order, so that two gateways never wait for each other.
    if went:
        connection.execute(_FORGET, [{"m": mailbox, "h": holder} for mailbox, holder in sorted(went)])
    if came:
        statement = insert(holders).values(
            [{"mailbox": mailbox, "holder": holder} for mailbox, holder in sorted(came)]
        )
        update = {"holder": statement.excluded.holder}
        connection.execute(statement.on_conflict_do_update(index_elements=["mailbox"], set_=update))
