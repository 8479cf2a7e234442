"""The first entries of the transparency log: what the relay had before there was one, then `log.opened`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from sqlalchemy import Connection, select

from chappe.relay import log_rows
from chappe.relay.fleet_rows import AnyRow, find_order, roster_chain
from chappe.relay.fleet_tables import order_devices, organisations
from chappe.relay.ports import Unit
from chappe.relay.tables import devices, lines, log_entries
from chappe.wire import log_entries as log
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import ChappeError
from chappe.wire.rosters import Roster, check_chain


@dataclass(frozen=True, slots=True)
class OpenLog:
    """Log what is here and open the log, once. `origin`: its name."""

    origin: str

    @property
    def weight(self) -> int:
        return 10_000

    def run(self, unit: Unit) -> None:
        if unit.connection.execute(select(log_entries.c.number).limit(1)).first() is None:
            found = [*_found(unit.connection, unit.now), log.LogOpened(1, unit.now, self.origin)]
            log_rows.insert_entries(unit, found, number=log_rows.FIRST, at=unit.now)


@dataclass(frozen=True, slots=True)
class LogRelease:
    """The phone's page that is served from now on."""

    digest: bytes
    release: str

    @property
    def weight(self) -> int:
        return 300

    def run(self, unit: Unit) -> None:
        log_rows.append(unit, log.Release(1, unit.now, self.digest, self.release))


def _found(connection: Connection, now: int) -> Iterator[log.LogEntry]:
    for organisation in connection.execute(
        select(organisations).order_by(organisations.c.created_at, organisations.c.organisation)
    ).all():
        yield from _officers(connection, now, organisation)
    rows = connection.execute(
        select(devices, lines.c.salt)
        .join(lines, lines.c.line == devices.c.line)
        .order_by(lines.c.created_at, lines.c.line, devices.c.mailbox)
    ).all()
    # One that cannot be read is nobody's: no phone takes it for a device.
    rows = [row for row in rows if _is_certificate(row.certificate)]
    for _, of_line in groupby(rows, key=lambda row: row.line):
        yield from _line(connection, now, list(of_line))
    yield from _erased(connection, now, {row.device for row in rows})


def _officers(connection: Connection, now: int, organisation: AnyRow) -> Iterator[log.LogEntry]:
    chain = roster_chain(connection, organisation.organisation)
    before: Roster | None = None
    for version, signed in enumerate(chain, 1):
        roster = check_chain(chain[:version], fleet_key=organisation.fleet_key).roster
        yield from log_rows.officers_changed(now, before, roster, signed)
        before = roster


def _line(connection: Connection, now: int, rows: list[AnyRow]) -> Iterator[log.LogEntry]:
    """The oldest device stands for the one that made the line. Nobody vouched for the others, then."""
    first, *others = rows
    yield log_rows.line_created(now, first.salt, DeviceCertificate.from_bytes(first.certificate))
    for row in others:
        yield log_rows.device_added(now, row.salt, DeviceCertificate.from_bytes(row.certificate), None)
    for row in rows:
        if row.revoked_at is not None:
            yield from log_rows.signed_out(connection, now, [row.device], row.revoked_by)


def _is_certificate(data: bytes) -> bool:
    try:
        DeviceCertificate.from_bytes(data)
    except ChappeError:
        return False
    return True


def _erased(connection: Connection, now: int, logged: set[bytes]) -> Iterator[log.LogEntry]:
    rows = connection.execute(
        select(order_devices)
        .where(order_devices.c.doomed)
        .order_by(order_devices.c.device, order_devices.c.ordered_at, order_devices.c.order_id)
    ).all()
    for device, of_device in groupby(rows, key=lambda row: row.device):
        stages = list(of_device)
        if device not in logged:
            continue
        order = find_order(connection, stages[0].order_id)
        if order is not None:
            yield log.EraseOrdered(1, now, log.device_hash(device), log_rows.order_digest(order))
        if any(stage.unreadable_at is not None for stage in stages):
            yield from log_rows.destroyed(now, [device])
