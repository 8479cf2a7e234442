"""Enrolments as the tables have them: read, and taken back. What the use cases about them share."""

from __future__ import annotations

from typing import Final, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, select, update

from chappe.relay import audit, log_rows
from chappe.relay.fleet_rows import AnyRow
from chappe.relay.fleet_tables import enrolments
from chappe.relay.ports import Unit
from chappe.relay.tables import devices, lines
from chappe.wire import enrolments as wire
from chappe.wire import fleet
from chappe.wire import log_entries as log
from chappe.wire.audit import AuditEntry
from chappe.wire.errors import error
from chappe.wire.orders import Reason

NEWEST: Final = 100
_decoder: Final = msgspec.msgpack.Decoder(wire.SignedEnrolment)


def signed(row: AnyRow) -> wire.SignedEnrolment:
    return _decoder.decode(row.signed)


def find(connection: Connection, order: bytes) -> AnyRow | None:
    return connection.execute(select(enrolments).where(enrolments.c.order_id == order)).one_or_none()


def is_open() -> ColumnElement[bool]:
    """Still to come."""
    return enrolments.c.added_at.is_(None) & enrolments.c.withdrawn_at.is_(None)


def of_officers(connection: Connection, organisation: bytes) -> fleet.Enrolments:
    """The newest first. Those that changed a line's key stay: they show officers why."""
    mine = enrolments.c.organisation == organisation
    return _listed(connection, mine)


def of_device(connection: Connection, device: bytes) -> fleet.Enrolments:
    """What is still to come to its line. Raises signin.revoked."""
    return _listed(connection, (enrolments.c.line == line_of(connection, device)) & is_open())


def one(connection: Connection, order: bytes) -> fleet.Enrolments:
    return _listed(connection, enrolments.c.order_id == order)


def line_of(connection: Connection, device: bytes) -> bytes:
    """Of a device that is not signed out. Raises signin.revoked."""
    row = connection.execute(
        select(devices.c.line, devices.c.revoked_at).where(devices.c.device == device)
    ).one_or_none()
    if row is None or row.revoked_at is not None:
        raise error("signin.revoked")
    found: bytes = row.line
    return found


def salt_of(connection: Connection, organisation: bytes, line: bytes) -> fleet.LineSalt:
    """Raises order.not_yours."""
    salt = connection.execute(
        select(lines.c.salt).where(lines.c.line == line, lines.c.organisation == organisation)
    ).scalar()
    if salt is None:
        raise error("order.not_yours")
    return fleet.LineSalt(line, salt)


def withdraw(
    unit: Unit, row: AnyRow, by: Literal["owner", "officers", "lapsed"], officers: list[bytes]
) -> None:
    """One that was announced is taken back in the log, too, and stays; of another nothing is left."""
    order = wire.read(signed(row).body)
    here = enrolments.c.order_id == row.order_id
    if row.announced_at is None:
        unit.connection.execute(delete(enrolments).where(here))
    else:
        unit.connection.execute(update(enrolments).where(here).values(withdrawn_at=unit.now))
        gone = log.DeviceRevoked(1, unit.now, order.announced["device"], by, order.digest)
        log_rows.append(unit, gone)
    note(unit, row, "line.phone_withdrawn", officers)


def note(
    unit: Unit,
    row: AnyRow,
    what: Literal["line.phone_awaits", "line.phone_announced", "line.phone_entered", "line.phone_withdrawn"],
    officers: list[bytes],
) -> None:
    """In the organisation's audit log; with the reason when it begins."""
    order = wire.read(signed(row).body)
    begins = what == "line.phone_awaits"
    entry = AuditEntry(
        1,
        unit.now,
        what,
        officers=sorted(officers),
        order=row.order_id,
        digest=order.digest,
        reason=row.reason if begins else None,
        line=row.line,
        device=row.device,
    )
    audit.append(unit, row.organisation, entry)


def _listed(connection: Connection, wanted: ColumnElement[bool]) -> fleet.Enrolments:
    newest = enrolments.c.given_at.desc(), enrolments.c.order_id
    rows = connection.execute(select(enrolments).where(wanted).order_by(*newest).limit(NEWEST))
    return fleet.Enrolments(
        [
            fleet.EnrolmentStatus(
                signed(row),
                Reason(row.reason, row.salt),
                row.given_at,
                row.announced_at,
                row.added_at,
                row.withdrawn_at,
            )
            for row in rows
        ]
    )
