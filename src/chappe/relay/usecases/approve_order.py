"""A second officer signs an order: one that waited is carried out; one that was, outlives who gave it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import update

from chappe.relay import audit, fleet_rows
from chappe.relay.asker import AsOfficer, still_officer
from chappe.relay.fleet_rows import AnyRow
from chappe.relay.fleet_tables import orders
from chappe.relay.mailroom import Mailroom
from chappe.relay.ports import Unit
from chappe.relay.usecases.execute_order import Effects, already, execute
from chappe.wire import fleet
from chappe.wire.audit import AuditEntry
from chappe.wire.errors import error
from chappe.wire.orders import SignedOrder, check_officers_order, order_bytes
from chappe.wire.rosters import MAX_OFFICERS, OfficerSignature, Roster, verify

AWAIT_SECONDS: Final = 7 * 24 * 3600
"""How long an order waits for its second officer."""


@dataclass(frozen=True, slots=True)
class ApproveOrder:
    """An `Approve`. Gives `Effects`. The same again has no more effect.

    Refused with order.unknown (none, another organisation's, an owner's, or one that waited too long),
    order.forged, order.two_officers (the officer who signed it before).
    """

    mailroom: Mailroom
    asker: AsOfficer
    ask: fleet.Approve
    server: str

    @property
    def weight(self) -> int:
        return 4_000

    def run(self, unit: Unit) -> Effects:
        roster, officer = still_officer(unit.connection, self.asker)
        row = fleet_rows.find_order(unit.connection, self.ask.order)
        if row is None or row.organisation != roster.organisation or row.line is not None:
            raise error("order.unknown")
        waits = row.executed_at is None
        if waits and row.given_at <= unit.now - AWAIT_SECONDS:
            raise error("order.unknown")
        signed = fleet_rows.signed_order(row)
        if self.ask.signature.officer != officer.id:
            raise error("order.forged")
        verify(officer.key, self.ask.signature.signature, order_bytes(signed.body), "order.forged")
        if officer.id in {one.officer for one in signed.officers}:
            if waits:
                raise error("order.two_officers")
            return already(unit, row)
        return self._add(unit, roster, row, _with(signed, roster, self.ask.signature))

    def _add(self, unit: Unit, roster: Roster, row: AnyRow, signed: SignedOrder) -> Effects:
        unit.connection.execute(
            update(orders)
            .where(orders.c.order_id == row.order_id)
            .values(signed=fleet_rows.encode(signed), alone=row.alone and row.executed_at is not None)
        )
        entry = AuditEntry(
            1, unit.now, "order.approved", officers=[self.asker.officer], order=row.order_id, kind=row.kind
        )
        audit.append(unit, roster.organisation, entry)
        verified = check_officers_order(signed, roster, self.server)
        if row.executed_at is not None or len(verified.officers) < 2:
            # Nothing more to do; or the first who signed has left, and another has to.
            return already(unit, row)
        return execute(unit, self.mailroom, verified.order, roster.organisation)


def _with(signed: SignedOrder, roster: Roster, signature: OfficerSignature) -> SignedOrder:
    """With this signature, without those of officers who have left: theirs count for nothing."""
    kept = [one for one in signed.officers if roster.officer(one.officer) is not None]
    return msgspec.structs.replace(signed, officers=[*kept, signature][:MAX_OFFICERS])
