"""The transparency log's entries: appended in the transaction of what they tell of.

What makes a line, lets a device in or signs one out calls one of these; nothing is logged that was not
committed. The files that are served come after (chappe.relay.log_sequencer).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import msgspec
from sqlalchemy import Connection, insert, select

from chappe.relay.fleet_rows import AnyRow, decode_order, find_order, pieces
from chappe.relay.fleet_tables import order_devices
from chappe.relay.ports import Unit
from chappe.relay.tables import log_entries
from chappe.wire import log_entries as log
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.rosters import Roster, SignedRoster, needed_signatures

FIRST: Final = 0
"""The number of the first entry."""
Fields: TypeAlias = dict[str, Any]


def append(unit: Unit, *entries: log.LogEntry) -> None:
    """`at` of an entry is never less than that of the one before, whatever the clock does.

    Nothing before the log is opened: what is there by then is logged at the opening.
    """
    if not entries:
        return
    last = unit.connection.execute(
        select(log_entries.c.number, log_entries.c.at).order_by(log_entries.c.number.desc()).limit(1)
    ).one_or_none()
    if last is not None:
        insert_entries(unit, entries, number=last.number + 1, at=max(last.at, unit.now))


def insert_entries(unit: Unit, entries: Iterable[log.LogEntry], *, number: int, at: int) -> None:
    rows = [
        {"number": place, "entry": log.encode(msgspec.structs.replace(entry, at=at)), "at": at}
        for place, entry in enumerate(entries, number)
    ]
    if rows:
        unit.connection.execute(insert(log_entries), rows)
        unit.logged = True


# --- What they say


def device_fields(salt: bytes, certificate: DeviceCertificate) -> Fields:
    """Of an entry about a device that comes to a line."""
    return {
        "line": log.line_commitment(salt, certificate.line_id, certificate.address),
        "device": log.device_hash(certificate.device_id),
        "certificate": log.certificate_hash(certificate.to_bytes()),
        "signature_key": certificate.signature_key,
    }


def line_created(now: int, salt: bytes, certificate: DeviceCertificate) -> log.LineCreated:
    return log.LineCreated(
        1,
        now,
        identity_key=certificate.identity_key,
        organisation=log.organisation_hash(certificate.fleet_key),
        **device_fields(salt, certificate),
    )


def device_added(
    now: int, salt: bytes, certificate: DeviceCertificate, by: log.Endorsement | None
) -> log.DeviceAdded:
    return log.DeviceAdded(1, now, by=by, order=None, **device_fields(salt, certificate))


def signed_out(
    connection: Connection, now: int, devices: Iterable[bytes], order: bytes | None
) -> list[log.LogEntry]:
    """Of devices that were not signed out before. `order`: which did it; None: the line's term is over."""
    row = None if order is None else find_order(connection, order)
    by, digest = _by(row)
    return [log.DeviceRevoked(1, now, log.device_hash(device), by, digest) for device in devices]


def to_erase(connection: Connection, now: int, devices: Iterable[bytes], order: bytes) -> list[log.LogEntry]:
    """Of devices that an order erases, those that none before it did."""
    row = find_order(connection, order)
    _, digest = _by(row)
    assert digest is not None
    found: list[log.LogEntry] = []
    for piece in pieces(devices):
        before = set(
            connection.execute(
                select(order_devices.c.device).where(
                    order_devices.c.device.in_(piece),
                    order_devices.c.doomed,
                    order_devices.c.order_id != order,
                )
            ).scalars()
        )
        found += [
            log.EraseOrdered(1, now, log.device_hash(device), digest)
            for device in piece
            if device not in before
        ]
    return found


def destroyed(now: int, devices: Iterable[bytes]) -> list[log.LogEntry]:
    """Each once."""
    return [log.ShareDestroyed(1, now, log.device_hash(device)) for device in dict.fromkeys(devices)]


def officers_changed(
    now: int, before: Roster | None, roster: Roster, signed: SignedRoster
) -> list[log.LogEntry]:
    """What a roster, whose signatures hold, changes about who may order. First who leaves."""
    said: Fields = {
        "organisation": log.organisation_hash(roster.fleet_key),
        "roster": roster.version,
        "digest": hashlib.sha256(signed.body).digest(),
        "signatures": _marks(before, signed),
    }
    old = {} if before is None else {officer.id: officer.key for officer in before.officers}
    new = {officer.id: officer.key for officer in roster.officers}
    gone: list[log.LogEntry] = [
        log.OfficerRemoved(1, now, officer=log.officer_hash(id_), key=key, **said)
        for id_, key in sorted(old.items())
        if new.get(id_) != key
    ]
    come = [
        log.OfficerAdded(1, now, officer=log.officer_hash(id_), key=key, **said)
        for id_, key in sorted(new.items())
        if old.get(id_) != key
    ]
    return [*gone, *come]


def _marks(before: Roster | None, signed: SignedRoster) -> list[log.OfficerMark]:
    needed = 1 if before is None else needed_signatures(before)
    chosen = sorted(signed.officers, key=lambda one: one.officer)[:needed]
    return [log.OfficerMark(log.officer_hash(one.officer), one.signature) for one in chosen]


def _by(order: AnyRow | None) -> tuple[Any, bytes | None]:
    """Who signed out, and the order's digest."""
    if order is None:
        return "lapsed", None
    return "officers" if order.line is None else "owner", order_digest(order)


def order_digest(order: AnyRow) -> bytes:
    """SHA-256 of its body, as it was signed."""
    return hashlib.sha256(decode_order(order.signed).body).digest()
