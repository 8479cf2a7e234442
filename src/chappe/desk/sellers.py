"""Whose codes activate: what the relay is told of each reseller, as its accreditation begins, ends or is
suspended.

What was decided is in the desk's database first; the relay is told after, and again until it took it. So a
desk that is killed between the two, or a relay that is away, is made good within a minute.
"""

from __future__ import annotations

from typing import Final, Protocol

from sqlalchemy import update
from starlette.concurrency import run_in_threadpool

from chappe.desk import resellers
from chappe.desk.database import Database
from chappe.desk.resellers import Standing
from chappe.desk.tables import resellers as table

ALLOWED: Final = "allowed"
WITHHELD: Final = "withheld"


class SellersDoor(Protocol):
    """What of the door (chappe.wire.door) this needs."""

    async def allow_seller(self, seller: bytes) -> None: ...

    async def withhold_seller(self, seller: bytes) -> None: ...

    async def allowed_sellers(self) -> list[bytes]: ...


async def tell(database: Database, door: SellersDoor, *, all_of_them: bool = False) -> None:
    """Where what the relay was told is not how things stand, or of all. One at a time. Raises
    StorageFailure.

    Of all means also those that the relay allows and the desk does not know: its database is not the one that
    the relay was told from (lost, or an older copy).
    """
    # First: whoever is accredited meanwhile is in the desk's database before the relay hears of it.
    allowed = await door.allowed_sellers() if all_of_them else []
    known = await run_in_threadpool(
        database.read, lambda connection: resellers.standings(connection, database.now())
    )
    for seller, standing, told in known:
        wanted = ALLOWED if standing is Standing.ACCREDITED else WITHHELD
        if wanted == (told or WITHHELD) and not all_of_them:
            continue
        await (door.allow_seller(seller) if wanted == ALLOWED else door.withhold_seller(seller))
        await run_in_threadpool(_note, database, seller, wanted)
    for seller in set(allowed) - {seller for seller, _, _ in known}:
        await door.withhold_seller(seller)


def _note(database: Database, seller: bytes, told: str) -> None:
    database.keep_books(
        lambda unit: unit.connection.execute(
            update(table).where(table.c.reseller == seller).values(told=told)
        )
    )
