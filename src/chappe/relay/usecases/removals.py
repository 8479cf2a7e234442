"""Removals from conversations: posted by officers, told to who watches, settled by members.

The relay does not know who is in a group. It knows that a removal was posted for it, and believes a member,
who has the opener of the group's present epoch, that it is done.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from chappe.relay import fleet_rows
from chappe.relay.asker import AsOfficer, still_officer
from chappe.relay.fleet_rows import AnyRow, pieces
from chappe.relay.fleet_tables import order_devices, orders, postings, proposals, registers
from chappe.relay.locks import lock_of
from chappe.relay.ports import Found, Unit
from chappe.relay.storage import upsert
from chappe.relay.tables import groups
from chappe.wire import fleet, frames
from chappe.wire.errors import error
from chappe.wire.orders import DESTROYING, SignedOrder
from chappe.wire.rosters import SignedRoster

MAX_TOLD: Final = 16 * 1024 * 1024
"""Bytes of removals that one `watch` is answered with: orders and rosters may be large, and groups many."""
MAX_OPEN: Final = 100_000
MAX_POSTED: Final = frames.MAX_WATCHED
"""Conversations of one device that one order removes it from."""


@dataclass(frozen=True, slots=True)
class PostRemovals:
    """A `Post`. Gives the groups in which there is something to tell. Proposals that are posted again take
    the place of those before. Refused with order.forged, order.unknown, order.malformed."""

    asker: AsOfficer
    ask: fleet.Post

    @property
    def weight(self) -> int:
        return 4_000 + sum(
            100 + sum(len(one.message) for one in posting.proposals) for posting in self.ask.postings
        )

    def run(self, unit: Unit) -> tuple[bytes, ...]:
        still_officer(unit.connection, self.asker)
        row = fleet_rows.find_order(unit.connection, self.ask.order)
        ours = row is not None and row.organisation == self.asker.organisation and row.line is None
        if row is None or not ours or row.kind not in DESTROYING:
            raise error("order.unknown")
        stage = _stage(unit.connection, self.ask.order, self.ask.device)
        if stage is None:
            raise error("order.unknown")
        self._file(unit)
        if self.ask.last and stage.told_at is None:
            unit.connection.execute(
                update(order_devices)
                .where(order_devices.c.order_id == self.ask.order, order_devices.c.device == self.ask.device)
                .values(told_at=unit.now)
            )
        finish(unit, self.ask.order, {self.ask.device})
        return tuple(posting.group for posting in self.ask.postings)

    def _file(self, unit: Unit) -> None:
        connection, ask = unit.connection, self.ask
        for posting in {posting.group: posting for posting in ask.postings}.values():
            key = {"group_id": posting.group, "order_id": ask.order, "device": ask.device}
            connection.execute(upsert(connection, postings).values(**key).on_conflict_do_nothing())
            connection.execute(
                delete(proposals).where(*(proposals.c[name] == value for name, value in key.items()))
            )
            rows = [
                key | {"epoch": epoch, "message": message}
                for epoch, message in {one.epoch: one.message for one in posting.proposals}.items()
            ]
            if rows:
                connection.execute(insert(proposals), rows)
        posted = connection.execute(
            select(func.count())
            .select_from(postings)
            .where(postings.c.order_id == ask.order, postings.c.device == ask.device)
        ).scalar_one()
        if posted > MAX_POSTED:
            raise error("order.malformed", "No device is in so many conversations.")


@dataclass(frozen=True, slots=True)
class FindPosted:
    """The removals that are open in these groups, as frames for who watches them. Gives `Found`."""

    wanted: tuple[bytes, ...]

    @property
    def weight(self) -> int:
        return 500 + 40 * len(self.wanted)

    def run(self, unit: Unit) -> Found:
        connection = unit.connection
        # Most of the time there is none at all, and thousands of groups need not be asked after.
        open_ = select(postings.c.group_id).where(postings.c.settled_at.is_(None)).limit(1)
        if connection.execute(open_).first() is None:
            return Found(())
        found: list[frames.Posted] = []
        orders_of: dict[bytes, _Ordered] = {}
        size = 0
        for piece in pieces(self.wanted):
            for row in connection.execute(_open_in(piece)):
                if row.order_id not in orders_of:
                    orders_of[row.order_id] = _ordered(connection, row.order_id)
                order = orders_of[row.order_id]
                size += order.size
                if size > MAX_TOLD and found:
                    return Found(tuple(found))
                posted = (row.group_id, row.device, order.signed, order.rosters, row.epoch, row.message)
                found.append(frames.Posted(*posted))
        return Found(tuple(found))


def open_postings(connection: Connection) -> list[tuple[bytes, bytes, bytes]]:
    """(group, order, device) of removals that are open, `MAX_OPEN` of them at most."""
    found = connection.execute(
        select(postings.c.group_id, postings.c.order_id, postings.c.device)
        .where(postings.c.settled_at.is_(None))
        .limit(MAX_OPEN)
    )
    return [(row.group_id, row.order_id, row.device) for row in found]


@dataclass(frozen=True, slots=True)
class _Ordered:
    """An order as members are shown it. `size`: about how many bytes that is."""

    signed: SignedOrder
    rosters: list[SignedRoster]
    size: int


def _ordered(connection: Connection, order: bytes) -> _Ordered:
    row = fleet_rows.find_order(connection, order)
    assert row is not None
    rosters = fleet_rows.chain_for(connection, row)
    size = len(row.signed) + sum(len(one.body) + 2_000 for one in rosters) + 2_000
    return _Ordered(fleet_rows.signed_order(row), rosters, size)


def _open_in(wanted: Iterable[bytes]) -> Select[Any]:
    epoch = func.coalesce(groups.c.epoch, 0)
    return (
        select(
            postings.c.group_id,
            postings.c.order_id,
            postings.c.device,
            epoch.label("epoch"),
            proposals.c.message,
        )
        .outerjoin(groups, groups.c.group_id == postings.c.group_id)
        .outerjoin(
            proposals,
            (proposals.c.group_id == postings.c.group_id)
            & (proposals.c.order_id == postings.c.order_id)
            & (proposals.c.device == postings.c.device)
            & (proposals.c.epoch == epoch),
        )
        .where(postings.c.settled_at.is_(None), postings.c.group_id.in_(list(wanted)))
        .order_by(postings.c.group_id)
    )


@dataclass(frozen=True, slots=True)
class SettleRemoval:
    """A `Settled` frame. Refused with commit.unknown_group, commit.conflict, commit.bad_opener,
    order.unknown."""

    frame: frames.Settled

    @property
    def weight(self) -> int:
        return 500

    def run(self, unit: Unit) -> None:
        frame = self.frame
        row = unit.connection.execute(
            select(groups.c.epoch, groups.c.lock).where(groups.c.group_id == frame.group)
        ).one_or_none()
        if row is None or frame.epoch > row.epoch:
            raise error("commit.unknown_group")
        if frame.epoch < row.epoch:
            raise error("commit.conflict")
        if not hmac.compare_digest(lock_of(frame.opener), row.lock):
            raise error("commit.bad_opener")
        there = unit.connection.execute(
            select(postings.c.device).where(
                postings.c.group_id == frame.group,
                postings.c.order_id == frame.order,
                postings.c.device == frame.device,
            )
        ).first()
        if there is None:
            raise error("order.unknown")
        settle(unit, frame.group, [frame.order], frame.device)


def settle(unit: Unit, group: bytes, order_ids: Iterable[bytes], device: bytes | None = None) -> None:
    """The removals that these orders posted for the group are done (of one device, or of all). What was
    never posted is passed over."""
    for order in dict.fromkeys(order_ids):
        here = (postings.c.group_id == group, postings.c.order_id == order, postings.c.settled_at.is_(None))
        where = here if device is None else (*here, postings.c.device == device)
        done = set(unit.connection.execute(select(postings.c.device).where(*where)).scalars())
        if not done:
            continue
        unit.connection.execute(update(postings).where(*where).values(settled_at=unit.now))
        unit.connection.execute(
            delete(proposals).where(
                proposals.c.group_id == group,
                proposals.c.order_id == order,
                proposals.c.device.in_(done),
            )
        )
        finish(unit, order, done)


def finish(unit: Unit, order: bytes, of: set[bytes]) -> None:
    """Note which of these devices are now gone from all conversations that were posted, and forget their
    registers."""
    for device in of:
        stage = _stage(unit.connection, order, device)
        if stage is None or stage.told_at is None or stage.removed_at is not None:
            continue
        still = unit.connection.execute(
            select(postings.c.group_id).where(
                postings.c.order_id == order, postings.c.device == device, postings.c.settled_at.is_(None)
            )
        ).first()
        if still is None:
            unit.connection.execute(
                update(order_devices)
                .where(order_devices.c.order_id == order, order_devices.c.device == device)
                .values(removed_at=unit.now)
            )
            unit.connection.execute(delete(registers).where(registers.c.device == device))


def _stage(connection: Connection, order: bytes, device: bytes) -> AnyRow | None:
    return connection.execute(
        select(order_devices)
        .join(orders, orders.c.order_id == order_devices.c.order_id)
        .where(order_devices.c.order_id == order, order_devices.c.device == device)
    ).one_or_none()
