"""Plans: what a term costs. A price never changes: another plan takes its place, and what was sold stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, exc, insert, select, update

from chappe.desk.database import Unit
from chappe.desk.ids import new_id
from chappe.desk.ledger_tables import plans as table
from chappe.desk.money import checked_amount, checked_rate, digits
from chappe.wire.errors import error
from chappe.wire.terms import MAX_MONTHS


@dataclass(frozen=True, slots=True)
class Plan:
    """`unit_net`: for one line, without VAT, in minor units; `vat_rate` in basis points."""

    id: bytes
    name: str
    months: int
    unit_net: int
    currency: str
    vat_rate: int
    created_at: int
    withdrawn_at: int | None
    version: int


def make(unit: Unit, *, name: str, months: int, unit_net: int, currency: str, vat_rate: int) -> Plan:
    """A plan that is sold from now on. Raises desk.malformed; desk.exists for a name that is sold already."""
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60 or not name.isprintable():
        raise error("desk.malformed", "A plan's name has 1 to 60 letters.")
    if not 1 <= months <= MAX_MONTHS:
        raise error("desk.malformed", f"A term has 1 to {MAX_MONTHS} months.")
    digits(currency)
    plan = Plan(
        new_id(),
        name,
        months,
        checked_amount(unit_net),
        currency,
        checked_rate(vat_rate),
        unit.now,
        None,
        1,
    )
    try:
        unit.connection.execute(insert(table).values(_values(plan)))
    except exc.IntegrityError:
        raise error("desk.exists", "A plan of that name is sold; withdraw it first.") from None
    unit.log("plan.made", plan.id, months=months, unit_net=unit_net, currency=currency, vat_rate=vat_rate)
    return plan


def withdraw(unit: Unit, plan: bytes, version: int) -> Plan:
    """It is sold no more. Raises desk.unknown, desk.changed."""
    found = find(unit.connection, plan)
    if found.version != version:
        raise error("desk.changed")
    if found.withdrawn_at is not None:
        return found
    unit.connection.execute(
        update(table).where(table.c.plan == plan).values(withdrawn_at=unit.now, version=version + 1)
    )
    unit.log("plan.withdrawn", plan)
    return find(unit.connection, plan)


def find(connection: Connection, plan: bytes) -> Plan:
    """Raises desk.unknown."""
    row = connection.execute(select(table).where(table.c.plan == plan)).one_or_none()
    if row is None:
        raise error("desk.unknown")
    return _plan(row)


def known(connection: Connection, *, withdrawn: bool = False) -> list[Plan]:
    """Those that are sold, by name; with `withdrawn`, the others too."""
    query = select(table).order_by(table.c.name, table.c.created_at)
    if not withdrawn:
        query = query.where(table.c.withdrawn_at.is_(None))
    return [_plan(row) for row in connection.execute(query)]


def _plan(row: Row[Any]) -> Plan:
    return Plan(
        row.plan,
        row.name,
        row.months,
        row.unit_net,
        row.currency,
        row.vat_rate,
        row.created_at,
        row.withdrawn_at,
        row.version,
    )


def _values(plan: Plan) -> dict[str, object]:
    return {
        "plan": plan.id,
        "name": plan.name,
        "months": plan.months,
        "unit_net": plan.unit_net,
        "currency": plan.currency,
        "vat_rate": plan.vat_rate,
        "created_at": plan.created_at,
        "version": plan.version,
    }
