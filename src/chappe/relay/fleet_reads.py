"""What officers and owners may see of lines and orders: read beside the writer, nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from sqlalchemy import ColumnElement, Connection, func, select

from chappe.relay import audit, fleet_rows
from chappe.relay.asker import AsOfficer, AsOwner
from chappe.relay.fleet_rows import AnyRow, pieces
from chappe.relay.fleet_tables import order_devices, orders, postings, registers
from chappe.relay.tables import devices, groups, lines
from chappe.wire import fleet
from chappe.wire.errors import error
from chappe.wire.orders import DESTROYING, Reason, SignedReceipt

MAX_REGISTERS: Final = 32 * 1024 * 1024
"""Bytes of registers in one answer."""
MAX_STAGES: Final = 2_000
"""Devices of all orders in one answer, but at least one order."""
_NEWEST: Final = 100

_receipts: Final = msgspec.msgpack.Decoder(SignedReceipt)


def roster_chain(connection: Connection, organisation: bytes) -> fleet.RosterChain:
    return fleet.RosterChain(fleet_rows.roster_chain(connection, organisation))


def rosters_of_device(connection: Connection, device: bytes) -> fleet.RosterChain:
    """Of the organisation of its line; empty where it is of none."""
    organisation: bytes | None = connection.execute(
        select(lines.c.organisation)
        .join(devices, devices.c.line == lines.c.line)
        .where(devices.c.device == device)
    ).scalar()
    return fleet.RosterChain([]) if organisation is None else roster_chain(connection, organisation)


def line_list(connection: Connection, organisation: bytes, after: bytes) -> fleet.LineList:
    """A page of lines with all devices that they ever had."""
    rows = connection.execute(
        select(lines)
        .where(lines.c.organisation == organisation, lines.c.line > after)
        .order_by(lines.c.line)
        .limit(fleet.PAGE + 1)
    ).all()
    page = rows[: fleet.PAGE]
    by_line: dict[bytes, list[fleet.DeviceOfLine]] = {row.line: [] for row in page}
    for row in fleet_rows.devices_of_lines(connection, by_line):
        by_line[row.line].append(
            fleet.DeviceOfLine(row.device, row.certificate, row.created_at, row.revoked_at, row.revoked_by)
        )
    found = [
        fleet.LineOf(
            row.line,
            row.address,
            row.identity_key,
            row.created_at,
            row.held_at,
            row.closed_at,
            by_line[row.line],
        )
        for row in page
    ]
    return fleet.LineList(found, len(rows) > fleet.PAGE)


def given(connection: Connection, order: bytes, *, registers_too: bool) -> fleet.Given:
    """What came of an order so far. Raises order.unknown. `registers_too`: the asker is an officer; those
    that he has not posted for come first, and of those that do not fit he hears when he gives it again."""
    row = fleet_rows.find_order(connection, order)
    if row is None:
        raise error("order.unknown")
    if row.executed_at is None:
        return fleet.Given(order, True, False, [])
    stages = connection.execute(
        select(order_devices)
        .where(order_devices.c.order_id == order)
        .order_by(order_devices.c.told_at.is_not(None), order_devices.c.line, order_devices.c.device)
    ).all()
    sealed: dict[bytes, bytes] = {}
    if registers_too and row.kind in DESTROYING:
        sealed = _registers(connection, (stage.device for stage in stages))
    places = [fleet.Place(stage.device, stage.line, sealed.get(stage.device)) for stage in stages]
    unreadable = row.kind == "erase" and all(stage.unreadable_at is not None for stage in stages)
    return fleet.Given(order, False, unreadable, places)


def _registers(connection: Connection, wanted: Iterable[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    size = 0
    for device in wanted:
        sealed = connection.execute(select(registers.c.sealed).where(registers.c.device == device)).scalar()
        if sealed is None:
            continue
        size += len(sealed)
        if size > MAX_REGISTERS:
            break
        found[device] = sealed
    return found


def order_status(connection: Connection, asker: AsOfficer | AsOwner, order: bytes | None) -> fleet.Orders:
    """One order, or the newest. Raises order.unknown."""
    if isinstance(asker, AsOfficer):
        mine: ColumnElement[Any] = orders.c.organisation == asker.organisation
    else:
        mine = orders.c.line == asker.line
    wanted = select(orders).where(mine)
    if order is not None:
        wanted = wanted.where(orders.c.order_id == order)
    rows = connection.execute(
        wanted.order_by(orders.c.given_at.desc(), orders.c.order_id).limit(_NEWEST)
    ).all()
    if order is not None and not rows:
        raise error("order.unknown")
    found: list[fleet.OrderStatus] = []
    shown = 0
    for row in rows:
        stages = _stages(connection, row)
        shown += len(stages)
        if found and shown > MAX_STAGES:
            break
        found.append(
            fleet.OrderStatus(
                fleet_rows.signed_order(row),
                row.kind,
                Reason(row.reason, row.salt),
                row.given_at,
                row.executed_at is None,
                stages,
            )
        )
    return fleet.Orders(found)


def _stages(connection: Connection, order: AnyRow) -> list[fleet.DeviceStages]:
    counted = (
        select(
            postings.c.device,
            func.count().label("posted"),
            func.count(postings.c.settled_at).label("settled"),
        )
        .where(postings.c.order_id == order.order_id)
        .group_by(postings.c.device)
        .subquery()
    )
    rows = connection.execute(
        select(
            order_devices,
            lines.c.address,
            devices.c.certificate,
            devices.c.unlock_key,
            devices.c.unlock_proof,
            func.coalesce(counted.c.posted, 0).label("posted"),
            func.coalesce(counted.c.settled, 0).label("settled"),
        )
        .join(devices, devices.c.device == order_devices.c.device)
        .join(lines, lines.c.line == order_devices.c.line)
        .outerjoin(counted, counted.c.device == order_devices.c.device)
        .where(order_devices.c.order_id == order.order_id)
        .order_by(lines.c.address, order_devices.c.device)
    )
    return [
        fleet.DeviceStages(
            row.device,
            row.line,
            row.address,
            row.ordered_at,
            row.unreadable_at,
            None if row.told_at is None else row.posted,
            row.settled,
            row.removed_at,
            row.done_at,
            None if row.receipt is None else _receipts.decode(row.receipt),
            row.certificate,
            row.unlock_key,
            row.unlock_proof,
        )
        for row in rows
    ]


def epochs(connection: Connection, wanted: list[bytes]) -> fleet.EpochList:
    """None for a group that the relay does not know."""
    found: dict[bytes, int] = {}
    for piece in pieces(wanted):
        for row in connection.execute(
            select(groups.c.group_id, groups.c.epoch).where(groups.c.group_id.in_(piece))
        ):
            found[row.group_id] = row.epoch
    return fleet.EpochList([fleet.EpochOf(group, found.get(group)) for group in wanted])


def audit_page(connection: Connection, organisation: bytes, start: int) -> fleet.AuditPage:
    page = audit.read(connection, organisation, start, fleet.PAGE)
    return fleet.AuditPage(start, page.entries, page.size, page.root)


def for_device(connection: Connection, device: bytes) -> fleet.ForDevice:
    return fleet.ForDevice(fleet_rows.waiting_orders(connection, device))


def doom_of(connection: Connection, device: bytes) -> tuple[bool, bool]:
    """Whether an order says that its share is to be destroyed; and whether one did, and it was."""
    found = connection.execute(
        select(order_devices.c.unreadable_at).where(order_devices.c.device == device, order_devices.c.doomed)
    ).scalars()
    times = list(found)
    return None in times, any(at is not None for at in times)


def still_readable(connection: Connection) -> list[bytes]:
    """Devices with an erase order whose shares are still to be destroyed."""
    return list(
        connection.execute(
            select(order_devices.c.device)
            .where(order_devices.c.doomed, order_devices.c.unreadable_at.is_(None))
            .distinct()
        ).scalars()
    )
