"""Key packages: published by a device, each one-time package handed out at most once, ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, func, insert, select, update

from chappe.relay.ports import Unit
from chappe.relay.tables import key_packages as packages
from chappe.relay.tables import last_resort_packages as last_resort
from chappe.wire import frames
from chappe.wire.errors import error

REMEMBER_TAKEN_SECONDS: Final = 100 * 24 * 3600
"""How long a package that was handed out is known again if it is published again (longer than it lives)."""


@dataclass(frozen=True, slots=True)
class PublishKeyPackages:
    """Add one-time packages, replace the last-resort one. A package known before is passed over.

    Refused with packages.too_many.
    """

    mailbox: int
    one_time: tuple[bytes, ...]
    last_resort: bytes | None

    @property
    def weight(self) -> int:
        return sum(map(len, self.one_time)) + len(self.last_resort or b"") + 500

    def run(self, unit: Unit) -> None:
        connection = unit.connection
        fresh = self._fresh(connection)
        if count_free(connection, self.mailbox) + len(fresh) > frames.MAX_KEY_PACKAGES:
            raise error("packages.too_many")
        position = connection.execute(
            select(func.coalesce(func.max(packages.c.position), 0)).where(packages.c.mailbox == self.mailbox)
        ).scalar_one()
        if fresh:
            connection.execute(
                insert(packages),
                [
                    {"mailbox": self.mailbox, "digest": digest, "position": position + place, "data": data}
                    for place, (digest, data) in enumerate(fresh.items(), start=1)
                ],
            )
        if self.last_resort is not None:
            connection.execute(delete(last_resort).where(last_resort.c.mailbox == self.mailbox))
            connection.execute(insert(last_resort).values(mailbox=self.mailbox, data=self.last_resort))

    def _fresh(self, connection: Connection) -> dict[bytes, bytes]:
        by_digest = {_digest(data): data for data in self.one_time}
        known = connection.execute(
            select(packages.c.digest).where(
                packages.c.mailbox == self.mailbox, packages.c.digest.in_(list(by_digest))
            )
        ).scalars()
        for digest in known:
            del by_digest[digest]
        return by_digest


def take(unit: Unit, mailbox: int, *, spare: bool = False) -> bytes | None:
    """One package of a mailbox: the oldest one-time package, which is then gone, or the last-resort one; that
    one at once where it is to `spare` the others."""
    connection = unit.connection
    row = connection.execute(
        select(packages.c.digest, packages.c.data)
        .where(packages.c.mailbox == mailbox, packages.c.taken_at.is_(None))
        .order_by(packages.c.position)
        .limit(1)
    ).first()
    if spare or row is None:
        last: bytes | None = connection.execute(
            select(last_resort.c.data).where(last_resort.c.mailbox == mailbox)
        ).scalar()
        return last
    connection.execute(
        update(packages)
        .where(packages.c.mailbox == mailbox, packages.c.digest == row.digest)
        .values(taken_at=unit.now, data=None)
    )
    data: bytes = row.data
    return data


def count_free(connection: Connection, mailbox: int) -> int:
    """One-time packages of a mailbox that are still to be had."""
    return connection.execute(
        select(func.count())
        .select_from(packages)
        .where(packages.c.mailbox == mailbox, packages.c.taken_at.is_(None))
    ).scalar_one()


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()[:16]
