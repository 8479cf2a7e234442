"""Renew a line's term: by a code that somebody bought, or by the desk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, select, update

from chappe.relay import audit, term_rows
from chappe.relay.fleet_rows import find_lines
from chappe.relay.ports import Unit
from chappe.relay.tables import codes, devices, lines
from chappe.relay.usecases.register import check_open, day_of, find_code
from chappe.wire import frames
from chappe.wire.audit import AuditEntry
from chappe.wire.door import Renewal
from chappe.wire.errors import error


@dataclass(frozen=True, slots=True)
class RenewedLine:
    """The line, and its term from now on."""

    line: bytes
    term: frames.Term


@dataclass(frozen=True, slots=True)
class RenewByDevice:
    """A device redeems a code for its line. It has shown its signature key: `key` is the one that signed.

    Gives `RenewedLine`. Refused with signin.unknown_device, signin.bad_signature (another key has its place),
    and as `RenewByCode`.
    """

    device: bytes
    key: bytes
    code_digest: bytes

    @property
    def weight(self) -> int:
        return 1_000

    def run(self, unit: Unit) -> RenewedLine:
        row = unit.connection.execute(select(devices).where(devices.c.device == self.device)).one_or_none()
        if row is None:
            raise error("signin.unknown_device")
        if row.signature_key != self.key:
            raise error("signin.bad_signature")
        if row.revoked_by is not None:
            raise error("signin.revoked")
        return RenewByCode(row.line, self.code_digest, "code").run(unit)


@dataclass(frozen=True, slots=True)
class RenewByCode:
    """A code's months for a line. The same code for the same line again is answered again, and adds nothing.

    `by`: who brought it, for the audit log. Gives `RenewedLine`. Refused with line.unknown, code.unknown,
    code.used, code.expired, code.withheld, code.no_term, term.transfer, term.none, term.closed,
    term.too_long.
    """

    line: bytes
    code_digest: bytes
    by: str

    @property
    def weight(self) -> int:
        return 1_000

    def run(self, unit: Unit) -> RenewedLine:
        connection = unit.connection
        line = find_lines(connection, [self.line]).get(self.line)
        if line is None:
            raise error("line.unknown")
        code = find_code(connection, self.code_digest)
        if code.used_at is not None:
            if code.renewed != self.line:
                raise error("code.used")
            return RenewedLine(self.line, _told(line, unit))
        check_open(connection, code, unit.now)
        if code.months is None:
            raise error("code.no_term")
        if code.organisation != line.organisation:
            raise error("term.transfer")
        renewed = extend(unit, line, code.months, self.by)
        connection.execute(
            update(codes)
            .where(codes.c.digest == self.code_digest)
            .values(used_at=day_of(unit.now), renewed=self.line)
        )
        return renewed


@dataclass(frozen=True, slots=True)
class RenewByDesk:
    """Months for lines, all or none. Gives a tuple of `RenewedLine`. Refused with line.unknown (also: not of
    that organisation), term.changed, term.none, term.closed, term.too_long."""

    renewals: tuple[Renewal, ...]

    @property
    def weight(self) -> int:
        return 300 * len(self.renewals) + 200

    def run(self, unit: Unit) -> tuple[RenewedLine, ...]:
        found = find_lines(unit.connection, [renewal.line for renewal in self.renewals])
        renewed: list[RenewedLine] = []
        for renewal in self.renewals:
            line = found.get(renewal.line)
            if line is None or line.organisation != renewal.organisation:
                raise error("line.unknown")
            if line.term_ends is None:
                raise error("term.none")
            if line.term_ends != renewal.ends or renewal.line in {one.line for one in renewed}:
                raise error("term.changed")
            renewed.append(extend(unit, line, renewal.months, renewal.by))
        return tuple(renewed)


def extend(unit: Unit, line: Row[Any], months: int, by: str) -> RenewedLine:
    """Raises term.none, term.closed (also: an order erased it), term.too_long."""
    term = term_rows.term_of(line)
    if line.closed_at is not None:
        raise error("term.closed")
    if term is None:
        raise error("term.none")
    renewed = term.renewed(months, unit.now, held=line.held_at is not None)
    unit.connection.execute(
        update(lines).where(lines.c.line == line.line).values(**term_rows.columns(renewed, months))
    )
    entry = AuditEntry(1, unit.now, "line.renewed", line=line.line, outcome=by, number=months)
    audit.append(unit, line.organisation, entry)
    fresh = unit.connection.execute(select(lines).where(lines.c.line == line.line)).one()
    return RenewedLine(line.line, _told(fresh, unit))


def _told(line: Row[Any], unit: Unit) -> frames.Term:
    told = term_rows.frame_of(line, unit.now)
    if told is None:
        raise error("term.closed")
    return told
