"""Officers let a new phone into a line that lost all of its own: two of them sign, and it is announced. It
may be taken back until the phone has come (`usecases.enter`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, insert, select, update

from chappe.relay import enrolment_rows, fleet_rows, log_rows, term_rows
from chappe.relay.asker import AsDevice, AsOfficer, still_officer
from chappe.relay.enrolment_rows import is_open
from chappe.relay.fleet_rows import AnyRow
from chappe.relay.fleet_tables import enrolments
from chappe.relay.ports import Unit
from chappe.relay.tables import devices, gone_devices, log_entries
from chappe.relay.usecases.approve_order import AWAIT_SECONDS
from chappe.wire import enrolments as wire
from chappe.wire import fleet
from chappe.wire import log_entries as log
from chappe.wire.errors import error
from chappe.wire.rosters import OfficerSignature, needed_signatures, verify

DAY: Final = 24 * 3600
ENTER_SECONDS: Final = 30 * DAY
"""After its announcement: a phone that has not come by then does not come any more."""
AT_ONCE: Final = 50


@dataclass(frozen=True, slots=True)
class EnrolPhone:
    """An `Enrol`. Gives the order's id. The same again from the same officer has no more effect.

    Refused with order.malformed, order.forged, order.stale, order.two_officers, order.not_yours, order.hold,
    certificate.invalid, line.closed, term.*, id.reused, devices.too_many (another phone is on its way).
    """

    asker: AsOfficer
    ask: fleet.Enrol
    server: str

    @property
    def weight(self) -> int:
        return 8_000

    def run(self, unit: Unit) -> bytes:
        roster, officer = still_officer(unit.connection, self.asker)
        found, by = wire.check(self.ask.enrolment, roster, self.server)
        if by != (officer.id,) or len(self.ask.enrolment.officers) != 1:
            raise error("order.forged")
        order = found.order
        before = enrolment_rows.find(unit.connection, order.id)
        if before is not None:
            if enrolment_rows.signed(before).body != self.ask.enrolment.body:
                raise error("id.reused")
            return order.id
        # Nobody can hold an order back and have it carried out when it suits him.
        if abs(order.issued_at - unit.now) > fleet.CLOCK_SECONDS:
            raise error("order.stale")
        if self.ask.reason.digest() != order.reason_digest:
            raise error("order.malformed", "The reason is not the one that the order was signed with.")
        if needed_signatures(roster) < 2:
            raise error("order.two_officers", "This takes two officers: appoint a second one first.")
        line_for(unit, found)
        _check_new(unit.connection, found)
        certificate = found.certificate
        unit.connection.execute(
            insert(enrolments).values(
                order_id=order.id,
                organisation=order.organisation,
                line=certificate.line_id,
                device=certificate.device_id,
                signed=fleet_rows.encode(self.ask.enrolment),
                reason=self.ask.reason.text,
                salt=self.ask.reason.salt,
                given_at=unit.now,
            )
        )
        row = enrolment_rows.find(unit.connection, order.id)
        assert row is not None
        enrolment_rows.note(unit, row, "line.phone_awaits", [officer.id])
        return order.id


@dataclass(frozen=True, slots=True)
class ApproveEnrolment:
    """An `ApproveEnrolment`: the second officer's signature announces it. Gives the order's id. The same
    again has no more effect.

    Refused with order.unknown (none, another organisation's, taken back, or one that waited too long),
    order.forged, order.two_officers (the officer who signed it before), and as `EnrolPhone` by what became of
    the line since.
    """

    asker: AsOfficer
    ask: fleet.ApproveEnrolment
    server: str

    @property
    def weight(self) -> int:
        return 8_000

    def run(self, unit: Unit) -> bytes:
        roster, officer = still_officer(unit.connection, self.asker)
        row = _of_organisation(unit.connection, self.ask.order, roster.organisation)
        signed = enrolment_rows.signed(row)
        found, _ = wire.check(signed, roster, self.server)
        if self.ask.signature.officer != officer.id:
            raise error("order.forged")
        verify(officer.key, self.ask.signature.signature, found.signed_bytes, "order.forged")
        waits = row.announced_at is None
        if officer.id in {one.officer for one in signed.officers}:
            if waits:
                raise error("order.two_officers")
            return found.order.id
        if not waits:
            return found.order.id
        if row.given_at <= unit.now - AWAIT_SECONDS:
            raise error("order.unknown")
        line_for(unit, found)
        # Signatures of officers who have left count for nothing.
        kept = [one for one in signed.officers if roster.officer(one.officer) is not None]
        by = [*kept, self.ask.signature]
        changed = {"signed": fleet_rows.encode(msgspec.structs.replace(signed, officers=by))}
        here = enrolments.c.order_id == row.order_id
        unit.connection.execute(update(enrolments).where(here).values(**changed))
        if len(by) == 2:
            at = _announce(unit, found, by)
            unit.connection.execute(update(enrolments).where(here).values(announced_at=at))
            enrolment_rows.note(unit, row, "line.phone_announced", [one.officer for one in by])
        return found.order.id


@dataclass(frozen=True, slots=True)
class WithdrawEnrolment:
    """A `Withdraw`: any officer, or any device of the line that is not signed out. Once more changes nothing.

    Refused with order.unknown (also where the phone has come), order.forged, signin.revoked.
    """

    asker: AsOfficer | AsDevice
    order: bytes

    @property
    def weight(self) -> int:
        return 4_000

    def run(self, unit: Unit) -> None:
        row = enrolment_rows.find(unit.connection, self.order)
        if isinstance(self.asker, AsOfficer):
            roster, _ = still_officer(unit.connection, self.asker)
            mine = row is not None and row.organisation == roster.organisation
        else:
            line = enrolment_rows.line_of(unit.connection, self.asker.device)
            mine = row is not None and row.line == line
        if row is None or not mine:
            raise error("order.unknown")
        if row.added_at is not None:
            raise error("order.unknown", "The phone has come already; revoke it, as any other device.")
        if row.withdrawn_at is None:
            by_officer = isinstance(self.asker, AsOfficer)
            officers = [self.asker.officer] if isinstance(self.asker, AsOfficer) else []
            enrolment_rows.withdraw(unit, row, "officers" if by_officer else "owner", officers)


def lapse(unit: Unit) -> None:
    """Those that nobody approved, and those whose phone never came."""
    late = (enrolments.c.announced_at.is_(None) & (enrolments.c.given_at <= unit.now - AWAIT_SECONDS)) | (
        enrolments.c.announced_at <= unit.now - ENTER_SECONDS
    )
    # It follows from the above, and has an index.
    old = enrolments.c.given_at <= unit.now - min(AWAIT_SECONDS, ENTER_SECONDS)
    for row in unit.connection.execute(select(enrolments).where(is_open() & old & late).limit(AT_ONCE)).all():
        enrolment_rows.withdraw(unit, row, "lapsed", [])


def line_for(unit: Unit, found: wire.Read) -> AnyRow:
    """The line, if it takes this phone now. Raises order.not_yours, order.hold, certificate.invalid,
    line.closed, term.*."""
    certificate, order = found.certificate, found.order
    line = fleet_rows.find_lines(unit.connection, [certificate.line_id]).get(certificate.line_id)
    if line is None or line.organisation != order.organisation or line.salt != order.salt:
        raise error("order.not_yours")
    if line.address != certificate.address:
        raise error("certificate.invalid", "That phone's request is for another address than the line's.")
    if line.identity_key != order.former_key:
        raise error("certificate.invalid", "The line's key is not the one that the officers knew.")
    term_rows.check_devices(line, unit.now)
    if line.held_at is not None:
        raise error("order.hold", "The line is under legal hold: no phone is let in until it ends.")
    return line


def _check_new(connection: Connection, found: wire.Read) -> None:
    """Raises certificate.invalid, devices.too_many."""
    certificate = found.certificate
    taken = (
        select(devices.c.device).where(devices.c.device == certificate.device_id),
        select(gone_devices.c.device).where(gone_devices.c.device == certificate.device_id),
        select(enrolments.c.device).where(enrolments.c.device == certificate.device_id),
    )
    if any(connection.execute(one).first() is not None for one in taken):
        raise error("certificate.invalid", "This phone was named before; it makes a fresh request.")
    others = select(enrolments.c.order_id).where((enrolments.c.line == certificate.line_id) & is_open())
    if connection.execute(others).first() is not None:
        raise error("devices.too_many", "Another phone is being let into this line; take that back first.")


def _of_organisation(connection: Connection, order: bytes, organisation: bytes) -> AnyRow:
    row = enrolment_rows.find(connection, order)
    if row is None or row.organisation != organisation or row.withdrawn_at is not None:
        raise error("order.unknown")
    return row


def _announce(unit: Unit, found: wire.Read, by: list[OfficerSignature]) -> int:
    """Gives the time that stands in the log: the day counts from there, whatever clocks did."""
    marks = [log.OfficerMark(log.officer_hash(one.officer), one.signature) for one in by]
    log_rows.append(unit, log.DeviceAnnounced(1, unit.now, officers=marks, **found.announced))
    newest = select(log_entries.c.at).order_by(log_entries.c.number.desc()).limit(1)
    at: int | None = unit.connection.execute(newest).scalar()
    return max(unit.now, at or 0)
