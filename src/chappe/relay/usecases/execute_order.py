"""Carry an order out in the tables: all that it does there, in the transaction of whoever calls.

What is not in the tables comes after: the sockets of devices that were signed out, and their shares.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, func, insert, select, update

from chappe.relay import audit, fleet_rows, log_rows
from chappe.relay.fleet_rows import AnyRow, pieces
from chappe.relay.fleet_tables import order_devices, orders, postings
from chappe.relay.mailroom import Mailroom
from chappe.relay.ports import Unit
from chappe.relay.storage import statements_of
from chappe.relay.tables import devices, key_packages, last_resort_packages, lines, push_subscriptions
from chappe.wire.audit import AuditEntry, What
from chappe.wire.orders import ABOUT_LINES, DESTROYING, Order

_ALL_OF_IT: Final = 2**62
"""Above every sequence of a mailbox."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What the event loop has to do now that an order is in the tables.

    `signed_out`: (device, mailbox) of devices whose sockets end. `doomed`: devices whose shares are to be
    destroyed. `told`: mailboxes of devices that are to hear of the order. `posted`: groups in which a removal
    was posted.
    """

    order: bytes
    awaiting: bool = False
    signed_out: tuple[tuple[bytes, int], ...] = ()
    doomed: tuple[bytes, ...] = ()
    told: tuple[int, ...] = ()
    posted: tuple[bytes, ...] = ()


def execute(
    unit: Unit,
    mailroom: Mailroom,
    order: Order,
    organisation: bytes | None,
    conversations: Iterable[bytes] | None = None,
) -> Effects:
    """`conversations`: of an owner, where the devices are; None where an officer will post them."""
    unit.connection.execute(update(orders).where(orders.c.order_id == order.id).values(executed_at=unit.now))
    if order.kind in ABOUT_LINES:
        _hold_or_release(unit, order, organisation)
        return Effects(order.id)
    reached = _reached(unit, order, organisation)
    _file_stages(unit, order, reached)
    if order.kind not in DESTROYING:
        return Effects(order.id, told=tuple(row.mailbox for row in reached))
    _sign_out(unit, mailroom, order, reached)
    _log(unit, order, reached)
    _close_lines(unit, order)
    groups = () if conversations is None else tuple(dict.fromkeys(conversations))
    if conversations is not None:
        _post(unit, order, reached, groups)
    return Effects(
        order.id,
        signed_out=tuple((row.device, row.mailbox) for row in reached),
        doomed=tuple(row.device for row in reached) if order.kind == "erase" else (),
        posted=groups,
    )


def already(unit: Unit, order: AnyRow) -> Effects:
    """Of an order that was given before: what is still to be destroyed, and nothing else once more."""
    doomed = unit.connection.execute(
        select(order_devices.c.device).where(
            order_devices.c.order_id == order.order_id,
            order_devices.c.doomed,
            order_devices.c.unreadable_at.is_(None),
        )
    ).scalars()
    return Effects(order.order_id, awaiting=order.executed_at is None, doomed=tuple(doomed))


def _reached(unit: Unit, order: Order, organisation: bytes | None) -> list[AnyRow]:
    """The devices that it is about. One that is signed out is reached by an erase order alone."""
    connection = unit.connection
    if order.for_all:
        found = connection.execute(
            select(devices)
            .join(lines, lines.c.line == devices.c.line)
            .where(lines.c.organisation == organisation, devices.c.revoked_at.is_(None))
        ).all()
        return list(found)
    whole = {target.line for target in order.targets if target.device is None}
    named = fleet_rows.find_devices(
        connection, {target.device for target in order.targets if target.device is not None}
    )
    by_id = {row.device: row for row in fleet_rows.devices_of_lines(connection, whole)}
    by_id.update(named)
    erases = order.kind == "erase"
    return [row for row in by_id.values() if row.revoked_at is None or erases]


def _file_stages(unit: Unit, order: Order, reached: list[AnyRow]) -> None:
    if not reached:
        return
    unit.connection.execute(
        insert(order_devices),
        [
            {
                "order_id": order.id,
                "device": row.device,
                "line": row.line,
                "ordered_at": unit.now,
                "doomed": order.kind == "erase",
            }
            for row in reached
        ],
    )


def _sign_out(unit: Unit, mailroom: Mailroom, order: Order, reached: list[AnyRow]) -> None:
    """For good: no mail, no key packages, no place in a lookup."""
    connection = unit.connection
    for piece in pieces(reached):
        ids, boxes = [row.device for row in piece], [row.mailbox for row in piece]
        connection.execute(
            update(devices)
            .where(devices.c.device.in_(ids), devices.c.revoked_at.is_(None))
            .values(revoked_at=unit.now, revoked_by=order.id)
        )
        statements_of(connection).acknowledge(connection, [(box, _ALL_OF_IT) for box in boxes])
        connection.execute(delete(key_packages).where(key_packages.c.mailbox.in_(boxes)))
        connection.execute(delete(push_subscriptions).where(push_subscriptions.c.mailbox.in_(boxes)))
        connection.execute(delete(last_resort_packages).where(last_resort_packages.c.mailbox.in_(boxes)))
    for row in reached:
        mailroom.forget_device(row.device)


def _log(unit: Unit, order: Order, reached: list[AnyRow]) -> None:
    """`reached`: as they were before."""
    fresh = [row.device for row in reached if row.revoked_at is None]
    log_rows.append(unit, *log_rows.signed_out(unit.connection, unit.now, fresh, order.id))
    if order.kind == "erase":
        doomed = [row.device for row in reached]
        log_rows.append(unit, *log_rows.to_erase(unit.connection, unit.now, doomed, order.id))


def _close_lines(unit: Unit, order: Order) -> None:
    for piece in pieces(target.line for target in order.targets if target.device is None):
        unit.connection.execute(
            update(lines)
            .where(lines.c.line.in_(piece))
            # Erased from now on, whatever closed it before: nothing of it is forgotten, so that a copy of its
            # phone is told to erase itself whenever it comes.
            .values(closed_at=func.coalesce(lines.c.closed_at, unit.now), lapsed_at=None)
        )


def _post(unit: Unit, order: Order, reached: list[AnyRow], groups: tuple[bytes, ...]) -> None:
    """An owner's order says itself where the devices are, and no proposal goes with it."""
    rows = [
        {"group_id": group, "order_id": order.id, "device": row.device} for row in reached for group in groups
    ]
    if rows:
        unit.connection.execute(insert(postings), rows)
    told = {"told_at": unit.now} | ({} if rows else {"removed_at": unit.now})
    unit.connection.execute(update(order_devices).where(order_devices.c.order_id == order.id).values(**told))


def _hold_or_release(unit: Unit, order: Order, organisation: bytes | None) -> None:
    holds = order.kind == "hold"
    changed: list[bytes] = []
    for row in fleet_rows.find_lines(unit.connection, order.lines).values():
        if (row.held_at is None) is holds:
            changed.append(row.line)
    values = {"held_at": unit.now, "held_by": order.id} if holds else {"held_at": None, "held_by": None}
    for piece in pieces(sorted(changed)):
        unit.connection.execute(update(lines).where(lines.c.line.in_(piece)).values(**values))
    what: What = "line.held" if holds else "line.released"
    audit.append(
        unit,
        organisation,
        *(AuditEntry(1, unit.now, what, order=order.id, line=line) for line in sorted(changed)),
    )
