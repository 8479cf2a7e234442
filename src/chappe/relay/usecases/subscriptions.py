"""Where the browsers of devices are knocked for: kept, replaced, forgotten. One for each device at most."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, exists, select

from chappe.relay.ports import Unit
from chappe.relay.push import Subscription
from chappe.relay.storage import upsert
from chappe.relay.tables import devices, entries, push_subscriptions
from chappe.wire.errors import error


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A `Subscribe` frame; its subscription was checked before. None ends it. Refused with signin.revoked."""

    mailbox: int
    subscription: Subscription | None

    @property
    def weight(self) -> int:
        return 2_000

    def run(self, unit: Unit) -> None:
        connection, table = unit.connection, push_subscriptions
        revoked = connection.execute(
            select(devices.c.revoked_at).where(devices.c.mailbox == self.mailbox)
        ).scalar()
        if revoked is not None:
            # An order came first, and forgot what was here.
            raise error("signin.revoked")
        if self.subscription is None:
            connection.execute(delete(table).where(table.c.mailbox == self.mailbox))
            return
        given = self.subscription
        values = {"endpoint": given.endpoint, "p256dh": given.p256dh, "auth": given.auth}
        statement = upsert(connection, table).values(mailbox=self.mailbox, **values)
        connection.execute(statement.on_conflict_do_update(index_elements=["mailbox"], set_=values))


@dataclass(frozen=True, slots=True)
class ForgetSubscription:
    """The push service says that it has ended. One that was left meanwhile stays."""

    mailbox: int
    endpoint: str

    @property
    def weight(self) -> int:
        return 1_500

    def run(self, unit: Unit) -> None:
        table = push_subscriptions
        unit.connection.execute(
            delete(table).where(table.c.mailbox == self.mailbox, table.c.endpoint == self.endpoint)
        )


@dataclass(frozen=True, slots=True)
class HasMail:
    """Whether something waits in a mailbox, after all that was asked before."""

    mailbox: int

    @property
    def weight(self) -> int:
        return 100

    def run(self, unit: Unit) -> bool:
        waiting = select(exists().where(entries.c.mailbox == self.mailbox))
        return bool(unit.connection.execute(waiting).scalar())


def find_subscription(connection: Connection, mailbox: int) -> Subscription | None:
    """Of one mailbox's device, if it left one."""
    row = connection.execute(
        select(push_subscriptions).where(push_subscriptions.c.mailbox == mailbox)
    ).one_or_none()
    return None if row is None else Subscription(row.endpoint, row.p256dh, row.auth)


def subscribed_mailboxes(connection: Connection) -> set[int]:
    """All whose devices left one."""
    return set(connection.execute(select(push_subscriptions.c.mailbox)).scalars())
