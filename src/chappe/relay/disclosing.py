"""All that the relay and its share service hold on a line, as it is in their tables; nothing is written.

Every table of the schema is looked through: by its column `line`, `device` or `mailbox`, or as `_BY_HAND`
says. A test fails for a table that is neither, so that none is forgotten here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from chappe.relay.config import Settings
from chappe.relay.schema import metadata
from chappe.relay.serve import open_shares
from chappe.relay.shares.remote import RemoteShares
from chappe.relay.storage.reading import Reading, Rows, SqliteReading, reading
from chappe.relay.tables import lines
from chappe.wire.api import from_base64
from chappe.wire.audit import decode
from chappe.wire.errors import ChappeError, error
from chappe.wire.orders import Order, SignedOrder
from chappe.wire.stored import read_only

Held: TypeAlias = dict[str, Rows]
"""Table → rows, column by column."""

_PIECE: Final = 500

# Importing them has put all tables there.
assert lines.metadata is metadata


def lines_at(settings: Settings, named: str) -> tuple[bytes, list[bytes]]:
    """The id of the line that an address stands for, or of the one with this id in hexadecimal: the open one,
    else the last that had it. Then those that had the address before: they may have been other people's.

    Raises address.unknown, storage.*.
    """
    with reading(settings) as store:
        statement = "SELECT line FROM lines WHERE {} ORDER BY closed_at IS NULL DESC, created_at DESC"
        found = store.rows(statement.format("address = ?"), (named.lower(),))
        if not found and len(named) == 32:
            found = store.rows(statement.format("line = ?"), (_id(named),))
    if not found:
        raise error("address.unknown")
    first, *others = [bytes(row["line"]) for row in found]
    return first, others


def _id(named: str) -> bytes:
    try:
        return bytes.fromhex(named)
    except ValueError:
        return b""


def held_by_relay(settings: Settings, ids: list[bytes]) -> Held:
    """By table, without those that have nothing. Raises storage.*."""
    with reading(settings) as store:
        devices = _rows(store, "devices", "line", ids)
        keys: dict[str, list[Any]] = {
            "line": list(ids),
            "device": [row["device"] for row in devices],
            "mailbox": [row["mailbox"] for row in devices],
        }
        held: Held = {}
        for table in metadata.sorted_tables:
            key = key_of(table.name, table.columns.keys())
            if key is not None:
                held[table.name] = _rows(store, table.name, key, keys[key])
        for name, look in _BY_HAND.items():
            held[name] = look(store, held)
    return {name: rows for name, rows in held.items() if rows}


def held_by_shares(settings: Settings, held: Held) -> Held:
    """Of the devices found: whether they have a share, and its tries. A service on another machine is asked:
    raises unlock.unavailable where it does not answer."""
    devices = [row["device"] for row in held.get("devices", [])]
    if settings.share_service is not None:
        return asyncio.run(_held_elsewhere(settings, devices)) if devices else {}
    path = settings.shares / "shares.db"
    if not path.exists():
        return {}
    with read_only(path) as connection:
        store = SqliteReading(connection)
        found = {name: _rows(store, name, "device", devices) for name in ("shares", "gone")}
    return {name: rows for name, rows in found.items() if rows}


async def _held_elsewhere(settings: Settings, devices: list[bytes]) -> Held:
    """As rows of its tables are; a wrapped share is its size and hash there already."""
    service = open_shares(settings)
    assert isinstance(service, RemoteShares)
    try:
        answer = await service.held(devices)
    except ChappeError:
        raise error(
            "unlock.unavailable",
            "The share service on the other machine does not say what it holds, and a disclosure is whole or "
            "none: see that it runs, in this version, and ask again.",
        ) from None
    finally:
        await service.close()
    shares: Rows = [
        {
            "device": from_base64(one.device, 16),
            "unlock_key": from_base64(one.unlock_key),
            "wrapped": {"bytes": one.wrapped_bytes, "sha256": one.wrapped_sha256},
            "tries": one.tries,
            "not_before": one.not_before,
        }
        for one in answer.shares
    ]
    gone: Rows = [
        {
            "device": from_base64(one.device, 16),
            "unlock_key": from_base64(one.unlock_key) or None,
            "ordered": int(one.ordered),
        }
        for one in answer.gone
    ]
    return {name: rows for name, rows in (("shares", shares), ("gone", gone)) if rows}


def key_of(name: str, columns: Iterable[str]) -> str | None:
    """The column by which a table is looked through; None for one that is not, or by hand."""
    if name in _BY_HAND or name in NOT_BY_LINE:
        return None
    return next((key for key in ("line", "device", "mailbox") if key in columns), None)


def _rows(store: Reading, table: str, column: str, values: list[Any]) -> Rows:
    """Names are of the schema, never a person's; values are bound."""
    found: Rows = []
    for start in range(0, len(values), _PIECE):
        piece = values[start : start + _PIECE]
        marks = ",".join("?" * len(piece))
        statement = f"SELECT * FROM {table} WHERE {column} IN ({marks})"  # noqa: S608
        found += store.rows(statement, piece)
    return found


def _payloads(store: Reading, held: Held) -> Rows:
    return _rows(store, "payloads", "payload", sorted({row["payload"] for row in held["entries"]}))


def _shares(store: Reading, held: Held) -> Rows:
    return _rows(store, "shares", "payload", sorted({row["payload"] for row in held["entries"]}))


def _codes(store: Reading, held: Held) -> Rows:
    """Those that renewed the line. Which one made it is in no column."""
    return _rows(store, "codes", "renewed", [row["line"] for row in held["lines"]])


def _organisations(store: Reading, held: Held) -> Rows:
    ids = sorted({row["organisation"] for row in held["lines"] if row["organisation"]})
    return _rows(store, "organisations", "organisation", ids)


def _orders(store: Reading, held: Held) -> Rows:
    """Given by the line's owner, carried out on its devices, or naming the line."""
    ids = {row["line"] for row in held["lines"]}
    devices = {row["order_id"] for row in held["order_devices"]}
    found = []
    for row in store.rows("SELECT * FROM orders ORDER BY given_at"):
        if row["line"] in ids or row["order_id"] in devices or _targets(row["signed"]) & ids:
            found.append(row)
    return found


def _targets(signed: bytes) -> set[bytes]:
    try:
        body = msgspec.msgpack.decode(signed, type=SignedOrder).body
        return {target.line for target in msgspec.msgpack.decode(body, type=Order).targets}
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return set()


def _audit(store: Reading, held: Held) -> Rows:
    """Entries of the organisation's audit log about the line, its devices, or orders for it."""
    ids = {row["line"] for row in held["lines"]} | {row["device"] for row in held["devices"]}
    ids |= {row["order_id"] for row in held["orders"]}
    organisations = sorted({row["organisation"] for row in held["lines"] if row["organisation"]})
    rows = _rows(store, "audit", "organisation", organisations)
    return [row for row in rows if _named(row["entry"]) & ids]


def _named(data: bytes) -> set[bytes]:
    try:
        entry = decode(data)
    except ChappeError:
        return set()
    return {one for one in (entry.line, entry.device, entry.order) if one is not None}


_BY_HAND: Final[Mapping[str, Callable[[Reading, Held], Rows]]] = {
    "payloads": _payloads,
    "codes": _codes,
    "shares": _shares,
    "organisations": _organisations,
    "orders": _orders,
    "audit": _audit,
}

NOT_BY_LINE: Final[Mapping[str, str]] = {
    "groups": "random ids of conversations; nothing says whose",
    "attachments": "encrypted files under random ids; nothing says whose",
    "sent_ids": "random ids of messages, with hashes; nothing says whose",
    "log_entries": "the public transparency log: hashes that the line's salt and its devices' keys lead to",
    "rosters": "the organisation's officers, not its lines",
    "audit_heads": "hashes over the organisation's whole audit log",
    "sellers": "resellers",
    "given_addresses": "hashes of addresses of lines that were forgotten",
    "gone_devices": "ids of devices of lines that were forgotten; nothing says whose",
    "meetings": "two sealed answers of phones that link, under a random id, for minutes",
    "log_heads": "the public transparency log's newest signed head",
}
"""Tables that cannot be looked through for a line, and why."""
