"""Codes that the desk sells: made in batches, taken back, and withheld by seller."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, insert, select, update

from chappe.relay.fleet_tables import organisations
from chappe.relay.ports import Unit
from chappe.relay.storage import upsert
from chappe.relay.tables import codes, sellers
from chappe.relay.usecases.register import may_sell
from chappe.wire.door import BatchState, CodeBatch
from chappe.wire.errors import error

_DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Filed:
    """`fleet_key` of the organisation that they are for; empty for none."""

    fleet_key: bytes
    expires_at: int


@dataclass(frozen=True, slots=True)
class MakeCodes:
    """File the digests of fresh codes. Gives `Filed`. Refused with id.reused (the batch is there),
    code.withheld, organisation.unknown."""

    batch: CodeBatch
    digests: tuple[bytes, ...]

    @property
    def weight(self) -> int:
        return 100 * len(self.digests) + 200

    def run(self, unit: Unit) -> Filed:
        connection, batch = unit.connection, self.batch
        if connection.execute(select(codes.c.digest).where(codes.c.batch == batch.batch).limit(1)).first():
            raise error("id.reused", "This batch was made before; its codes are shown once. Order another.")
        if batch.seller is not None and not may_sell(connection, batch.seller):
            raise error("code.withheld")
        fleet_key = b"" if batch.organisation is None else _fleet_key(connection, batch.organisation)
        expires = unit.now + batch.days * _DAY
        row = {
            "created_at": unit.now,
            "expires_at": expires,
            "organisation": batch.organisation,
            "months": batch.months,
            "seller": batch.seller,
            "batch": batch.batch,
        }
        connection.execute(insert(codes), [row | {"digest": digest} for digest in self.digests])
        return Filed(fleet_key, expires)


@dataclass(frozen=True, slots=True)
class VoidCodes:
    """Take back what was not used of a batch. Gives how many codes there were."""

    batch: bytes
    weight: int = 1_000

    def run(self, unit: Unit) -> int:
        return unit.connection.execute(
            update(codes)
            .where(codes.c.batch == self.batch, codes.c.used_at.is_(None), codes.c.voided_at.is_(None))
            .values(voided_at=unit.now)
        ).rowcount


@dataclass(frozen=True, slots=True)
class SetSeller:
    """Whether a seller's codes do anything, those made before as well."""

    seller: bytes
    allowed: bool
    weight: int = 200

    def run(self, unit: Unit) -> None:
        since = None if self.allowed else unit.now
        row = upsert(unit.connection, sellers).values(seller=self.seller, withheld_at=since)
        changed = row.on_conflict_do_update(index_elements=["seller"], set_={"withheld_at": since})
        unit.connection.execute(changed)


def batch_state(connection: Connection, batch: bytes, now: int) -> BatchState:
    """All zero for a batch that is not here."""
    of_batch = select(func.count()).select_from(codes).where(codes.c.batch == batch)
    unused = of_batch.where(codes.c.used_at.is_(None))
    open_ = unused.where(codes.c.voided_at.is_(None))

    def count(statement: object) -> int:
        return int(connection.execute(statement).scalar_one())  # type: ignore[call-overload]

    return BatchState(
        batch,
        used=count(of_batch.where(codes.c.used_at.is_not(None))),
        open=count(open_.where(codes.c.expires_at > now)),
        expired=count(open_.where(codes.c.expires_at <= now)),
        voided=count(unused.where(codes.c.voided_at.is_not(None))),
    )


def allowed_sellers(connection: Connection) -> list[bytes]:
    """Whose codes do something now."""
    return list(connection.execute(select(sellers.c.seller).where(sellers.c.withheld_at.is_(None))).scalars())


def _fleet_key(connection: Connection, organisation: bytes) -> bytes:
    found: bytes | None = connection.execute(
        select(organisations.c.fleet_key).where(organisations.c.organisation == organisation)
    ).scalar()
    if found is None:
        raise error("organisation.unknown")
    return found
