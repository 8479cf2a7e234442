"""By what a mailbox takes sealed messages: the hash of its device's delivery token."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import insert, select, update

from chappe.relay.mailroom import Mailroom
from chappe.relay.ports import Unit
from chappe.relay.tables import delivery_tokens as table
from chappe.relay.tables import devices
from chappe.wire.errors import error


@dataclass(frozen=True, slots=True)
class LeaveToken:
    """A `LeaveToken` frame. The one before holds for `overlap` seconds more; of older ones none does.

    The same again is passed over, so that a device may say it at each sign-in. Refused with signin.revoked.
    """

    mailroom: Mailroom
    mailbox: int
    digest: bytes
    overlap: int

    @property
    def weight(self) -> int:
        return 300

    def run(self, unit: Unit) -> None:
        connection = unit.connection
        revoked = connection.execute(select(devices.c.revoked_at).where(devices.c.mailbox == self.mailbox))
        if revoked.scalar() is not None:
            raise error("signin.revoked")
        kept = connection.execute(select(table).where(table.c.mailbox == self.mailbox)).one_or_none()
        if kept is None:
            connection.execute(insert(table).values(mailbox=self.mailbox, digest=self.digest))
        elif kept.digest != self.digest:
            before = (kept.digest, unit.now + self.overlap) if self.overlap else (None, None)
            connection.execute(
                update(table)
                .where(table.c.mailbox == self.mailbox)
                .values(digest=self.digest, before=before[0], before_until=before[1])
            )
        else:
            return
        self.mailroom.forget_token(self.mailbox)
