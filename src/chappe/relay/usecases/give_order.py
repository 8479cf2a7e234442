"""Take an order in: who signed it, about whose lines, by how many; then carry it out, or let it wait."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import insert, select

from chappe.relay import audit, fleet_rows
from chappe.relay.asker import AsOfficer, AsOwner, still_officer
from chappe.relay.fleet_rows import AnyRow
from chappe.relay.fleet_tables import orders
from chappe.relay.mailroom import Mailroom
from chappe.relay.ports import Unit
from chappe.relay.usecases.execute_order import Effects, already, execute
from chappe.wire import fleet
from chappe.wire.audit import AuditEntry
from chappe.wire.errors import error
from chappe.wire.orders import (
    DESTROYING,
    LINES_WITHOUT_A_SECOND,
    Order,
    Verified,
    check_officers_order,
    check_owners_order,
    enough_officers,
    read_order,
)
from chappe.wire.rosters import needed_signatures

DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class GiveOrder:
    """A `Give`, asked by somebody whose envelope held. Gives `Effects`.

    The same again from the same asker has no more effect. Refused with order.malformed, order.forged,
    order.stale, order.not_yours, order.two_officers, order.hold, line.closed, id.reused.
    """

    mailroom: Mailroom
    asker: AsOfficer | AsOwner
    ask: fleet.Give
    server: str

    @property
    def weight(self) -> int:
        return len(self.ask.order.body) + 32 * len(self.ask.conversations) + 4_000

    def run(self, unit: Unit) -> Effects:
        order = read_order(self.ask.order)
        before = fleet_rows.find_order(unit.connection, order.id)
        if before is not None:
            if before.digest != self._digest():
                raise error("id.reused")
            return already(unit, before)
        # Nobody can hold an order back and have it carried out when it suits him.
        if abs(order.issued_at - unit.now) > fleet.CLOCK_SECONDS:
            raise error("order.stale")
        if self.ask.reason.digest() != order.reason_digest:
            raise error("order.malformed", "The reason is not the one that the order was signed with.")
        if isinstance(self.asker, AsOwner):
            return self._by_owner(unit, order, self.asker)
        return self._by_officer(unit, order, self.asker)

    def _by_officer(self, unit: Unit, order: Order, asker: AsOfficer) -> Effects:
        roster, _ = still_officer(unit.connection, asker)
        verified = check_officers_order(self.ask.order, roster, self.server)
        if asker.officer not in verified.officers:
            raise error("order.forged")
        targets = _targets(unit, order, roster.organisation)
        two = order.kind in DESTROYING and (
            any(row.held_at is not None for row in targets.values())
            or _too_many_alone(unit, order, asker.officer)
        )
        if enough_officers(verified, roster, two):
            self._file(unit, order, roster.organisation, verified)
            self._note(unit, order, roster.organisation, verified, "order.given")
            return execute(unit, self.mailroom, order, roster.organisation)
        if needed_signatures(roster) < 2:
            raise error("order.two_officers", "This takes two officers: appoint a second one first.")
        self._file(unit, order, roster.organisation, verified)
        self._note(unit, order, roster.organisation, verified, "order.awaits")
        return Effects(order.id, awaiting=True)

    def _by_owner(self, unit: Unit, order: Order, asker: AsOwner) -> Effects:
        line = fleet_rows.find_lines(unit.connection, [asker.line])[asker.line]
        # One that was closed because its term was over can still be erased: its phones are there yet.
        if line.closed_at is not None and line.lapsed_at is None:
            raise error("line.closed")
        verified = check_owners_order(self.ask.order, line.line, line.identity_key, self.server)
        _check_devices(unit, order)
        if order.kind in DESTROYING and line.held_at is not None:
            raise error("order.hold")
        self._file(unit, order, line.organisation, verified)
        self._note(unit, order, line.organisation, verified, "order.given")
        return execute(unit, self.mailroom, order, line.organisation, self.ask.conversations)

    def _file(self, unit: Unit, order: Order, organisation: bytes | None, verified: Verified) -> None:
        asker = self.asker
        unit.connection.execute(
            insert(orders).values(
                order_id=order.id,
                kind=order.kind,
                organisation=organisation,
                line=asker.line if isinstance(asker, AsOwner) else None,
                officer=asker.officer if isinstance(asker, AsOfficer) else None,
                signed=fleet_rows.encode(self.ask.order),
                digest=self._digest(),
                reason=self.ask.reason.text,
                salt=self.ask.reason.salt,
                issued_at=order.issued_at,
                given_at=unit.now,
                alone=len(verified.officers) == 1,
                for_all=order.for_all,
            )
        )

    def _note(
        self, unit: Unit, order: Order, organisation: bytes | None, verified: Verified, what: str
    ) -> None:
        entry = AuditEntry(
            1,
            unit.now,
            "order.given" if what == "order.given" else "order.awaits",
            officers=sorted(verified.officers),
            order=order.id,
            kind=order.kind,
            digest=hashlib.sha256(self.ask.order.body).digest(),
            reason=self.ask.reason.text,
            line=self.asker.line if isinstance(self.asker, AsOwner) else None,
        )
        audit.append(unit, organisation, entry)

    def _digest(self) -> bytes:
        return hashlib.sha256(self.asker.name + fleet.encode(self.ask)).digest()[:16]


def _targets(unit: Unit, order: Order, organisation: bytes) -> dict[bytes, AnyRow]:
    """The lines that it is about. Raises order.not_yours."""
    found = fleet_rows.find_lines(unit.connection, order.lines)
    if len(found) != len(order.lines) or any(row.organisation != organisation for row in found.values()):
        raise error("order.not_yours")
    _check_devices(unit, order)
    return found


def _check_devices(unit: Unit, order: Order) -> None:
    """Every device is of the line that it is named with. Raises order.not_yours."""
    named = {target.device: target.line for target in order.targets if target.device is not None}
    found = fleet_rows.find_devices(unit.connection, named)
    if any(device not in found or found[device].line != line for device, line in named.items()):
        raise error("order.not_yours")


def _too_many_alone(unit: Unit, order: Order, officer: bytes) -> bool:
    """Whether this officer alone would have ended more lines within a day than one may."""
    rows = unit.connection.execute(
        select(orders.c.signed).where(
            orders.c.organisation == order.organisation,
            orders.c.officer == officer,
            orders.c.alone,
            orders.c.kind.in_(DESTROYING),
            orders.c.given_at > unit.now - DAY,
            orders.c.executed_at.is_not(None),
        )
    )
    lines = set(order.lines)
    for signed in rows.scalars():
        lines |= read_order(fleet_rows.decode_order(signed)).lines
    return len(lines) > LINES_WITHOUT_A_SECOND
