"""Attachments in the tables: tickets, how far an upload is durable, room per line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import func, insert, select, update

from chappe.relay.ports import Unit
from chappe.relay.storage import upsert
from chappe.relay.tables import attachment_use, attachments
from chappe.wire.errors import error

DAY: Final = 24 * 3600


def token_digest(token: bytes) -> bytes:
    """What is stored of an upload token."""
    return hashlib.sha256(b"chappe upload token v1" + token).digest()


@dataclass(frozen=True, slots=True)
class ReserveAttachment:
    """Note an attachment to come, and count it against its line. Gives when it expires.

    Refused with attachment.quota.
    """

    line: bytes
    attachment: bytes
    token: bytes
    size: int
    keep_seconds: int
    quota: int

    @property
    def weight(self) -> int:
        return 500

    def run(self, unit: Unit) -> int:
        today = unit.now // DAY
        used = unit.connection.execute(
            select(func.coalesce(func.sum(attachment_use.c.bytes), 0)).where(
                attachment_use.c.line == self.line, attachment_use.c.day > today - self.keep_seconds // DAY
            )
        ).scalar_one()
        if used + self.size > self.quota:
            raise error("attachment.quota")
        statement = upsert(unit.connection, attachment_use).values(line=self.line, day=today, bytes=self.size)
        unit.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["line", "day"], set_={"bytes": attachment_use.c.bytes + self.size}
            )
        )
        expires = unit.now + self.keep_seconds
        unit.connection.execute(
            insert(attachments).values(
                attachment=self.attachment,
                token_digest=token_digest(self.token),
                size=self.size,
                received=0,
                expires=expires,
            )
        )
        return expires


@dataclass(frozen=True, slots=True)
class NoteReceived:
    """So many bytes of an attachment are durable in its file."""

    attachment: bytes
    received: int

    @property
    def weight(self) -> int:
        return 100

    def run(self, unit: Unit) -> None:
        unit.connection.execute(
            update(attachments)
            .where(attachments.c.attachment == self.attachment)
            .values(received=self.received)
        )
