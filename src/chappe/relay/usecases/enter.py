"""A new phone that two officers let in comes to its line, a day after it was announced."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, select, update

from chappe.relay import enrolment_rows, log_rows
from chappe.relay.fleet_tables import enrolments
from chappe.relay.ports import Unit
from chappe.relay.tables import devices, lines
from chappe.relay.usecases.enrol import ENTER_SECONDS, line_for
from chappe.relay.usecases.register import Registered, add_device, has_device, registered, tell_policy
from chappe.wire import enrolments as wire
from chappe.wire import log_entries as log
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import error

UNKNOWN: Final = "No officers let this phone in, or they took it back; ask them."


@dataclass(frozen=True, slots=True)
class EnterPhone:
    """The phone of an enrolment: its certificate and its proof of possession were verified before. The line's
    identity key is the phone's from then on. The same again is answered again.

    Refused with order.unknown (nobody let it in, or it was taken back), order.two_officers, order.stale (the
    day is not over), devices.too_many (the line has a device yet), certificate.invalid,
    signin.revoked (it was in, and was signed out since), and as `usecases.enrol.line_for`.
    """

    certificate: DeviceCertificate

    @property
    def weight(self) -> int:
        return 4_000

    def run(self, unit: Unit) -> Registered:
        connection, certificate = unit.connection, self.certificate
        row = connection.execute(
            select(enrolments).where(enrolments.c.device == certificate.device_id)
        ).one_or_none()
        if row is None or row.withdrawn_at is not None:
            raise error("order.unknown", UNKNOWN)
        found = wire.read(enrolment_rows.signed(row).body)
        if found.order.certificate != certificate.to_bytes():
            raise error("certificate.invalid", "The officers let in another phone than this one.")
        if row.added_at is not None:
            if not has_device(connection, certificate):
                raise error("order.unknown", UNKNOWN)
            enrolment_rows.line_of(connection, certificate.device_id)
            return registered(connection, certificate)
        _check_time(row.announced_at, unit.now)
        line = line_for(unit, found)
        _check_alone(unit, line.line)
        connection.execute(
            update(lines).where(lines.c.line == line.line).values(identity_key=certificate.identity_key)
        )
        add_device(unit, certificate)
        tell_policy(unit, line.organisation, certificate)
        connection.execute(
            update(enrolments).where(enrolments.c.order_id == row.order_id).values(added_at=unit.now)
        )
        fields = log_rows.device_fields(line.salt, certificate)
        log_rows.append(unit, log.DeviceAdded(1, unit.now, by=None, order=found.digest, **fields))
        enrolment_rows.note(unit, row, "line.phone_entered", [])
        return registered(connection, certificate)


def _check_time(announced_at: int | None, now: int) -> None:
    """Raises order.stale, order.two_officers, order.unknown."""
    if announced_at is None:
        raise error("order.two_officers", "One officer has asked for this phone; a second has to approve it.")
    if now >= announced_at + ENTER_SECONDS:
        raise error("order.unknown", "The officers let this phone in too long ago; ask them anew.")
    if now < announced_at + log.ANNOUNCED_SECONDS:
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(announced_at + log.ANNOUNCED_SECONDS))
        raise error("order.stale", f"The new phone is let in at {when} UTC; run this again then.")


def _check_alone(unit: Unit, line: bytes) -> None:
    """Certificates under the old key end here: none of the line's devices may be left with one."""
    living = select(func.count()).where(devices.c.line == line, devices.c.revoked_at.is_(None))
    if unit.connection.execute(living.select_from(devices)).scalar_one():
        raise error(
            "devices.too_many",
            "The line has a device that is not signed out: officers erase or revoke it first; a line that "
            "has a phone links a new one from it.",
        )
