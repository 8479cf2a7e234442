"""Organisations, their orders and audit logs as the desk may see them: no key, no certificate, no receipt."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from chappe.relay import audit, fleet_reads
from chappe.relay.asker import AsOfficer
from chappe.relay.fleet_rows import newest_roster
from chappe.relay.fleet_tables import order_devices, orders, organisations
from chappe.relay.tables import attachments, devices, entries, lines
from chappe.wire.door import (
    AuditView,
    DeviceStage,
    ErasureCounts,
    OrderView,
    OrganisationView,
)
from chappe.wire.errors import error
from chappe.wire.fleet import OrderStatus
from chappe.wire.orders import read_order


def known(connection: Connection) -> list[OrganisationView]:
    """All, by name."""
    found = connection.execute(
        select(lines.c.organisation, func.count())
        .where(lines.c.organisation.is_not(None), lines.c.closed_at.is_(None))
        .group_by(lines.c.organisation)
    )
    counted: dict[bytes, int] = {row[0]: row[1] for row in found}
    rows = connection.execute(select(organisations).order_by(organisations.c.name)).all()
    return [
        OrganisationView(
            row.organisation,
            row.name,
            row.created_at,
            counted.get(row.organisation, 0),
            len(newest_roster(connection, row.organisation).officers),
        )
        for row in rows
    ]


def audit_view(connection: Connection, organisation: bytes, start: int, limit: int) -> AuditView:
    """Raises organisation.unknown."""
    _check(connection, organisation)
    page = audit.read(connection, organisation, start, limit)
    return AuditView(start, page.entries, page.size, page.root)


def order_views(connection: Connection, organisation: bytes, order: bytes | None) -> list[OrderView]:
    """Raises organisation.unknown, order.unknown."""
    _check(connection, organisation)
    # What officers see, without what only their keys can judge.
    found = fleet_reads.order_status(connection, AsOfficer(organisation, b"", b""), order)
    return [_order(status) for status in found.orders]


def erasures(connection: Connection, organisation: bytes | None) -> ErasureCounts:
    """Each device of an erase order once, by the furthest stage of its newest order."""
    mine = [orders.c.kind == "erase"]
    if organisation is not None:
        mine.append(orders.c.organisation == organisation)
    awaiting = connection.execute(
        select(func.count()).select_from(orders).where(orders.c.executed_at.is_(None), *mine)
    ).scalar_one()
    rows = connection.execute(
        select(
            order_devices.c.device,
            func.max(order_devices.c.done_at),
            func.max(order_devices.c.removed_at),
            func.max(order_devices.c.unreadable_at),
        )
        .join(orders, orders.c.order_id == order_devices.c.order_id)
        .where(*mine)
        .group_by(order_devices.c.device)
    ).all()
    stages = {"ordered": 0, "unreadable": 0, "removed": 0, "erased": 0}
    for _, done, removed, unreadable in rows:
        reached = "erased" if done else "removed" if removed else "unreadable" if unreadable else "ordered"
        stages[reached] += 1
    return ErasureCounts(awaiting, **stages)


def stored(connection: Connection) -> tuple[int, int, int]:
    """Devices that are not signed out, envelopes in all mailboxes, bytes of attachments."""
    open_devices = select(func.count()).select_from(devices).where(devices.c.revoked_at.is_(None))
    return (
        connection.execute(open_devices).scalar_one(),
        connection.execute(select(func.count()).select_from(entries)).scalar_one(),
        connection.execute(select(func.coalesce(func.sum(attachments.c.received), 0))).scalar_one(),
    )


def _check(connection: Connection, organisation: bytes) -> None:
    there = select(organisations.c.organisation).where(organisations.c.organisation == organisation)
    if connection.execute(there).one_or_none() is None:
        raise error("organisation.unknown")


def _order(status: OrderStatus) -> OrderView:
    return OrderView(
        read_order(status.order).id,
        status.kind,
        status.reason.text,
        status.ordered_at,
        status.awaiting,
        sorted(one.officer for one in status.order.officers),
        [
            DeviceStage(
                stage.device,
                stage.line,
                stage.address,
                stage.ordered_at,
                stage.unreadable_at,
                stage.conversations,
                stage.removed,
                stage.removed_at,
                stage.done_at,
                stage.receipt is not None,
            )
            for stage in status.devices
        ],
    )
