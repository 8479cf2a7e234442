"""Where two devices of a line meet once, for several gateways: rows that last ten minutes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from sqlalchemy import Connection, delete, func, insert, select, update

from chappe.relay.fleet_rows import AnyRow
from chappe.relay.gateway_tables import meetings
from chappe.relay.ports import Unit
from chappe.wire.api import RENDEZVOUS_SECONDS
from chappe.wire.errors import error

Slot: TypeAlias = Literal["offer", "answer"]


@dataclass(frozen=True, slots=True)
class LeaveSlot:
    """Write a slot; gives whether a meeting begins with it. At most `limit` meetings at once."""

    meeting: bytes
    slot: Slot
    data: bytes
    limit: int

    @property
    def weight(self) -> int:
        return 200 + len(self.data)

    def run(self, unit: Unit) -> bool:
        connection, table = unit.connection, meetings
        forget_old(unit)
        row = _of(connection, self.meeting)
        if row is not None:
            before: bytes | None = row.offer if self.slot == "offer" else row.answer
            if before is None:
                mine = update(table).where(table.c.meeting == self.meeting)
                connection.execute(mine.values({self.slot: self.data}))
            elif before != self.data:
                raise error("link.used")
            return False
        if self.slot == "answer":
            raise error("link.unknown")
        if connection.execute(select(func.count()).select_from(table)).scalar_one() >= self.limit:
            raise error("limit.rate")
        values = {"meeting": self.meeting, "ends": unit.now + RENDEZVOUS_SECONDS, "offer": self.data}
        connection.execute(insert(table).values(values))
        return True


def _of(connection: Connection, meeting: bytes) -> AnyRow | None:
    return connection.execute(select(meetings).where(meetings.c.meeting == meeting)).one_or_none()


def forget_old(unit: Unit) -> None:
    """Meetings that have ended."""
    unit.connection.execute(delete(meetings).where(meetings.c.ends <= unit.now))


def find_meetings(connection: Connection, wanted: list[bytes], now: int) -> dict[bytes, dict[Slot, bytes]]:
    """What is left at these meetings."""
    rows = connection.execute(select(meetings).where(meetings.c.meeting.in_(wanted), meetings.c.ends > now))
    found: dict[bytes, dict[Slot, bytes]] = {}
    for row in rows:
        slots: dict[Slot, bytes] = {}
        if row.offer is not None:
            slots["offer"] = row.offer
        if row.answer is not None:
            slots["answer"] = row.answer
        found[row.meeting] = slots
    return found
