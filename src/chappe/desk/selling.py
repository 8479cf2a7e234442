"""Selling: an order at the desk, its codes at the relay. The one place where the two meet.

Each step is safe to repeat: the process may die between any two. What was sold is on the books before a code
exists; what the relay made and nobody saw is voided before as much is made again. Of two at once, one has the
order's version first, and only then touches its codes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final, TypeVar

from sqlalchemy import Connection

from chappe.desk import batches
from chappe.desk.batches import Batch
from chappe.desk.database import Database, Unit
from chappe.desk.who import Actor
from chappe.wire.door import BatchState, CodeBatch, Door, MadeCodes
from chappe.wire.errors import ChappeError, error

T = TypeVar("T")
CODE_DAYS: Final = 365
"""How long a code that was sold can be used."""


class Selling:
    """Orders, codes made anew, orders taken back."""

    def __init__(self, database: Database, door: Door) -> None:
        self._database = database
        self._door = door

    async def check_organisation(self, organisation: bytes | None) -> None:
        """Before anything is sold for it. Raises organisation.unknown."""
        if organisation is None:
            return
        known = await self._door.organisations()
        if all(one.organisation != organisation for one in known):
            raise error("organisation.unknown")

    async def make(self, actor: Actor, batch: Batch, count: int) -> tuple[Batch, MadeCodes]:
        """The codes of an order that was just written.

        Raises code.withheld; desk.changed where it was taken back meanwhile; storage.* where they were sold
        and the relay did not make them: `remake` does.
        """
        asked, id_ = await self._change(actor, lambda unit: batches.ask_for_codes(unit, batch))
        return await self._make(actor, asked, id_, count)

    async def state(self, batch: Batch) -> BatchState:
        """What became of all its codes, whatever id they were made under."""
        total = BatchState(batch.id, 0, 0, 0, 0)
        for id_ in await self._read(lambda connection: batches.relay_ids(connection, batch.id)):
            one = await self._door.batch(id_)
            total = BatchState(
                batch.id,
                total.used + one.used,
                total.open + one.open,
                total.expired + one.expired,
                total.voided + one.voided,
            )
        return total

    async def remake(self, actor: Actor, batch: bytes, version: int) -> tuple[Batch, MadeCodes]:
        """Codes in place of those that nobody used; the old ones do nothing any more.

        Raises desk.unknown, desk.changed, desk.not_now (cancelled, too old, or all are used), code.withheld.
        """
        found = await self._open(batch, version)
        if (await self.state(found)).used >= found.quantity:
            raise _all_used()
        asked, id_ = await self._change(actor, lambda unit: batches.ask_for_codes(unit, found))
        unused = await self._void(asked)
        if unused < 1:
            raise _all_used()
        return await self._make(actor, asked, id_, unused)

    async def cancel(self, actor: Actor, batch: bytes, version: int) -> Batch:
        """Void what nobody used, and credit it. Raises desk.unknown, desk.changed, desk.not_now."""
        found = await self._open(batch, version)
        mine = await self._change(actor, lambda unit: batches.take_back(unit, found))
        unused = await self._void(mine)
        return await self._change(actor, lambda unit: batches.cancel(unit, batch, mine.version, unused))

    async def _make(self, actor: Actor, asked: Batch, id_: bytes, count: int) -> tuple[Batch, MadeCodes]:
        codes = await self._door.make_codes(
            CodeBatch(id_, count, asked.months, CODE_DAYS, asked.reseller, asked.organisation)
        )
        try:
            return await self._change(actor, lambda unit: batches.made(unit, asked)), codes
        except ChappeError:
            # Nobody is shown them: they may have been credited, or made again, while the relay was asked.
            with suppress(ChappeError):
                await self._door.void_codes(id_)
            raise

    async def _open(self, batch: bytes, version: int) -> Batch:
        found = await self._read(lambda connection: batches.find(connection, batch))
        batches.check_open(found, self._database.now())
        if found.version != version:
            raise error("desk.changed")
        return found

    async def _void(self, batch: Batch) -> int:
        """How many of what was sold nobody used, and now nobody can."""
        for id_ in await self._read(lambda connection: batches.relay_ids(connection, batch.id)):
            await self._door.void_codes(id_)
        return batch.quantity - (await self.state(batch)).used

    async def _change(self, actor: Actor, work: Callable[[Unit], T]) -> T:
        return await asyncio.to_thread(partial(self._database.change, actor, work))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await asyncio.to_thread(partial(self._database.read, work))


def _all_used() -> ChappeError:
    return error("desk.not_now", "All codes of this order are used.")
