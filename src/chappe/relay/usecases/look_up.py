"""Who has an address: the line, its devices, and a key package of each if asked for."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select

from chappe.relay.ports import Unit
from chappe.relay.quotas import Ration
from chappe.relay.tables import devices, lines
from chappe.relay.usecases import key_packages
from chappe.wire import frames
from chappe.wire.errors import ChappeError, error


@dataclass(frozen=True, slots=True)
class LookUp:
    """A `Lookup` frame. Gives `frames.Line`. Refused with address.unknown.

    A device without a package to give is listed without one: whoever asked decides what that means.
    """

    frame: frames.Lookup
    line: bytes = b""
    """Who asks, for `ration`."""
    ration: Ration | None = None

    @property
    def weight(self) -> int:
        return 500

    def run(self, unit: Unit) -> frames.Line:
        connection, frame = unit.connection, self.frame
        line = connection.execute(
            select(lines).where(lines.c.address == frame.address, lines.c.closed_at.is_(None))
        ).one_or_none()
        if line is None:
            raise error("address.unknown")
        wanted = None if frame.devices is None else set(frame.devices)
        entries = []
        for row in connection.execute(
            select(devices.c.device, devices.c.certificate, devices.c.mailbox)
            .where(devices.c.line == line.line, devices.c.revoked_at.is_(None))
            .order_by(devices.c.mailbox)
        ).all():
            package = None
            if frame.key_packages and (wanted is None or row.device in wanted):
                package = key_packages.take(unit, row.mailbox, spare=not self._may_take(unit, row.mailbox))
            entries.append(frames.DeviceEntry(row.device, row.certificate, package))
        return frames.Line(frame.ref, line.line, line.address, line.identity_key, entries, line.salt)

    def _may_take(self, unit: Unit, mailbox: int) -> bool:
        """Whether it may be a one-time package: nobody takes all of another's."""
        if self.ration is None:
            return True
        try:
            self.ration.of(self.line, mailbox, unit.now).spend(unit.now)
        except ChappeError:
            return False
        return True
