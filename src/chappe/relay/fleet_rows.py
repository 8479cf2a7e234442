"""What the tables of organisations say, as the protocol's structures. For reads and for operations alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeAlias, TypeVar

import msgspec
from sqlalchemy import Connection, Row, or_, select

from chappe.relay.fleet_tables import order_devices, orders, rosters
from chappe.relay.tables import devices, lines
from chappe.wire import frames
from chappe.wire.errors import error
from chappe.wire.orders import DESTROYING, OUTCOMES, FleetPolicy, Reason, SignedOrder, read_order
from chappe.wire.rosters import Roster, SignedRoster

AT_ONCE: Final = 500
"""Values of one IN list."""

T = TypeVar("T")
AnyRow: TypeAlias = Row[Any]

_signed_order: Final = msgspec.msgpack.Decoder(SignedOrder)
_signed_roster: Final = msgspec.msgpack.Decoder(SignedRoster)
_roster: Final = msgspec.msgpack.Decoder(Roster)


def pieces(values: Iterable[T]) -> Iterable[Sequence[T]]:
    """In lists of at most AT_ONCE."""
    whole = list(values)
    for start in range(0, len(whole), AT_ONCE):
        yield whole[start : start + AT_ONCE]


def newest_roster(connection: Connection, organisation: bytes) -> Roster:
    """It was verified when it was taken. Raises organisation.unknown."""
    signed = connection.execute(
        select(rosters.c.signed)
        .where(rosters.c.organisation == organisation)
        .order_by(rosters.c.version.desc())
        .limit(1)
    ).scalar()
    if signed is None:
        raise error("organisation.unknown")
    return _roster.decode(_signed_roster.decode(signed).body)


def roster_chain(connection: Connection, organisation: bytes) -> list[SignedRoster]:
    """All of an organisation's, oldest first."""
    rows = connection.execute(
        select(rosters.c.signed).where(rosters.c.organisation == organisation).order_by(rosters.c.version)
    )
    return [_signed_roster.decode(signed) for signed in rows.scalars()]


def find_order(connection: Connection, order: bytes) -> AnyRow | None:
    return connection.execute(select(orders).where(orders.c.order_id == order)).one_or_none()


def signed_order(row: AnyRow) -> SignedOrder:
    return _signed_order.decode(row.signed)


def find_lines(connection: Connection, wanted: Iterable[bytes]) -> dict[bytes, AnyRow]:
    """Those that are here, by id."""
    found: dict[bytes, AnyRow] = {}
    for piece in pieces(wanted):
        for row in connection.execute(select(lines).where(lines.c.line.in_(piece))):
            found[row.line] = row
    return found


def find_devices(connection: Connection, wanted: Iterable[bytes]) -> dict[bytes, AnyRow]:
    """Those that are here, by id."""
    found: dict[bytes, AnyRow] = {}
    for piece in pieces(wanted):
        for row in connection.execute(select(devices).where(devices.c.device.in_(piece))):
            found[row.device] = row
    return found


def devices_of_lines(connection: Connection, wanted: Iterable[bytes]) -> list[AnyRow]:
    """All devices that these lines ever had, in the order of their mailboxes."""
    found: list[AnyRow] = []
    for piece in pieces(wanted):
        found += connection.execute(
            select(devices).where(devices.c.line.in_(piece)).order_by(devices.c.line, devices.c.mailbox)
        ).all()
    return found


def waiting_orders(connection: Connection, device: bytes) -> list[frames.OrderFrame]:
    """The orders that a device is to carry out, in the order in which they were issued: until its receipt is
    here. Of several policies only the newest. One that is signed out is told only what signed it out; to
    erase, whenever it asks: a receipt says that one phone obeyed, and who asks now may be a copy of it."""
    revoked = connection.execute(
        select(devices.c.revoked_at.is_not(None)).where(devices.c.device == device)
    ).scalar()
    rows = connection.execute(
        select(orders)
        .join(order_devices, order_devices.c.order_id == orders.c.order_id)
        .where(
            order_devices.c.device == device,
            or_(order_devices.c.done_at.is_(None), orders.c.kind == "erase"),
            orders.c.kind.in_(DESTROYING if revoked else OUTCOMES),
        )
        .order_by(orders.c.issued_at, orders.c.given_at, orders.c.order_id)
    ).all()
    policies = [row for row in rows if row.kind == "policy"]
    rows = [row for row in rows if row.kind != "policy"] + policies[-1:]
    chains: dict[bytes, list[SignedRoster]] = {}
    return [
        frames.OrderFrame(
            signed_order(row), _chain_for(connection, row, chains), Reason(row.reason, row.salt)
        )
        for row in rows
    ]


def _chain_for(
    connection: Connection, row: AnyRow, chains: dict[bytes, list[SignedRoster]]
) -> list[SignedRoster]:
    """What verifies the order: none where the line's owner gave it."""
    if row.line is not None or row.organisation is None:
        return []
    if row.organisation not in chains:
        chains[row.organisation] = roster_chain(connection, row.organisation)
    return chains[row.organisation]


def chain_for(connection: Connection, row: AnyRow) -> list[SignedRoster]:
    """As frames carry it: none where the line's owner gave the order."""
    return _chain_for(connection, row, {})


def newest_policy(connection: Connection, organisation: bytes) -> bytes | None:
    """The order that is for every line, now and later."""
    found: bytes | None = connection.execute(
        select(orders.c.order_id)
        .where(orders.c.organisation == organisation, orders.c.for_all, orders.c.executed_at.is_not(None))
        .order_by(orders.c.issued_at.desc(), orders.c.given_at.desc(), orders.c.order_id.desc())
        .limit(1)
    ).scalar()
    return found


def policy_of(connection: Connection, organisation: bytes) -> FleetPolicy | None:
    """What holds for every line of the organisation, now and later."""
    order = newest_policy(connection, organisation)
    if order is None:
        return None
    row = connection.execute(select(orders).where(orders.c.order_id == order)).one()
    return read_order(signed_order(row)).policy


def encode(part: msgspec.Struct) -> bytes:
    """What is stored of a signed order, roster or receipt."""
    return msgspec.msgpack.encode(part)


def decode_order(signed: bytes) -> SignedOrder:
    return _signed_order.decode(signed)
