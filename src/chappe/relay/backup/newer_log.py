"""The transparency log that outlived the database: its entries since the copy, and what they do to it.

The published log is a folder of files, in the data directory (`tlog/`) or with whoever mirrors it. Its
head is
signed, and every entry leads to that head, so nothing in the folder need be believed. From it the database
learns again which devices were signed out and which are to be erased, and goes on where the log stands, so
that nobody is ever shown a second past.

What an entry does not hold cannot come back: the certificate of a device that was added, a line that was
made, the roster that officers signed. Those are counted, for the operator to tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, delete, func, insert, select, update

from chappe.relay import brought_back
from chappe.relay.backup.checking import signed_head
from chappe.relay.fleet_rows import AnyRow, pieces
from chappe.relay.fleet_tables import order_devices, organisations
from chappe.relay.log_files import LogFiles
from chappe.relay.log_tree import Tree
from chappe.relay.storage import statements_of
from chappe.relay.tables import (
    delivery_tokens,
    devices,
    key_packages,
    last_resort_packages,
    lines,
    log_entries,
    push_subscriptions,
)
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import TlogError
from chappe.tlog.merkle import Frontier
from chappe.tlog.tile_reader import TileReader
from chappe.tlog.tiles import WIDTH
from chappe.wire import log_entries as log
from chappe.wire.errors import error

_ALL_OF_IT = 2**62
"""Above every sequence of a mailbox."""


@dataclass(slots=True)
class Learned:
    """What the log knew that the copy did not. `signed_out`: devices of the copy; `to_erase`: of these, those
    that an order erases; `closed`: lines. `devices`, `lines`, `officers`: what came since and cannot be
    brought back from the log; `officers` are changes of who may order."""

    entries: int = 0
    signed_out: int = 0
    to_erase: int = 0
    closed: int = 0
    devices: int = 0
    lines: int = 0
    officers: int = 0
    _lines: set[bytes] = field(default_factory=set)
    _rosters: dict[bytes, int] = field(default_factory=dict)
    """The newest versions, by `organisation_hash`."""


@dataclass(frozen=True, slots=True)
class NewerLog:
    """A published log: its folder, and the head in it that the relay's key signed."""

    files: LogFiles
    note: bytes
    head: Checkpoint

    @classmethod
    def open(cls, folder: Path, keys: Path, origin: str) -> NewerLog | None:
        """The log in `folder`, whose head the `log.key` in `keys` signed for `origin`; None where there is no
        head. Raises storage.failed, OSError."""
        files = LogFiles(folder)
        note = files.checkpoint()
        return None if note is None else cls(files, note, signed_head(keys, origin, note))


def catch_up(connection: Connection, newer: NewerLog) -> Learned:
    """Bring the database to where the log stands, in the transaction of `connection`.

    Raises storage.failed where the two have different pasts or a tile is missing, OSError.
    """
    learned = Learned()
    tree = Tree()
    for entry in _in_database(connection):
        if tree.size == newer.head.size:
            break
        tree.extend([entry])
    try:
        reader = TileReader(newer.head.size, newer.head.root, newer.files.read)
        past: Frontier = reader.frontier(tree.size)
        if past.root() != tree.root:
            raise _fork()
        _append(connection, reader, tree.size, learned)
    except FileNotFoundError:
        raise error(
            "storage.failed", "The transparency log that outlived the database lacks a tile; bring it whole."
        ) from None
    except TlogError:
        raise error(
            "storage.failed", "The transparency log that outlived the database does not lead to its head."
        ) from None
    _close(connection, learned)
    _mark_rosters(connection, learned)
    return learned


def _fork() -> Exception:
    return error(
        "storage.failed",
        "The transparency log that outlived the database has another past than the backup: they are not of "
        "one relay, or one was changed. Nothing was restored.",
    )


def _in_database(connection: Connection) -> Iterator[bytes]:
    start = 0
    while True:
        rows = connection.execute(
            select(log_entries.c.number, log_entries.c.entry)
            .where(log_entries.c.number >= start)
            .order_by(log_entries.c.number)
            .limit(10_000)
        ).all()
        for row in rows:
            if row.number != start:
                raise error("storage.failed", "The backup's transparency log has a gap; take another.")
            start += 1
            yield row.entry
        if not rows:
            return


def _append(connection: Connection, reader: TileReader, start: int, learned: Learned) -> None:
    """All entries from number `start` on."""
    if start == reader.size:
        return
    known = {log.device_hash(row.device): row for row in connection.execute(select(devices)).all()}
    for bundle in range(start // WIDTH, -(-reader.size // WIDTH)):
        first = bundle * WIDTH
        fresh = list(enumerate(reader.entries(bundle), first))[max(0, start - first) :]
        rows = []
        for number, data in fresh:
            entry = log.decode(data)
            rows.append({"number": number, "entry": data, "at": entry.at})
            _take(connection, known, entry, learned)
        connection.execute(insert(log_entries), rows)
        learned.entries += len(rows)


def _take(connection: Connection, known: dict[bytes, AnyRow], entry: log.LogEntry, learned: Learned) -> None:
    """What one entry does to the tables."""
    match entry:
        case log.DeviceRevoked():
            if row := known.get(entry.device):
                learned.signed_out += sign_out(connection, [row], entry.at)
                if entry.by == "lapsed":
                    _lapse(connection, row.line, entry.at, learned)
        case log.EraseOrdered():
            if row := known.get(entry.device):
                learned.signed_out += sign_out(connection, [row], entry.at)
                learned.to_erase += doom(connection, row, entry.order, entry.at)
                learned._lines.add(row.line)
        case log.ShareDestroyed():
            if row := known.get(entry.device):
                connection.execute(
                    update(order_devices)
                    .where(order_devices.c.device == row.device, order_devices.c.unreadable_at.is_(None))
                    .values(unreadable_at=entry.at)
                )
        case log.DeviceAdded():
            learned.devices += 1
        case log.LineCreated():
            learned.lines += 1
        case log.OfficerAdded() | log.OfficerRemoved():
            learned.officers += 1
            learned._rosters[entry.organisation] = entry.roster
        case _:
            pass


def sign_out(connection: Connection, rows: list[AnyRow], at: int) -> int:
    """Devices, for good, as an order does it: no mail, no key packages. Gives how many were not yet."""
    count = 0
    for piece in pieces(rows):
        ids, boxes = [row.device for row in piece], [row.mailbox for row in piece]
        count += connection.execute(
            update(devices)
            .where(devices.c.device.in_(ids), devices.c.revoked_at.is_(None))
            .values(revoked_at=at)
        ).rowcount
        statements_of(connection).acknowledge(connection, [(box, _ALL_OF_IT) for box in boxes])
        for table in (key_packages, last_resort_packages, push_subscriptions, delivery_tokens):
            connection.execute(delete(table).where(table.c.mailbox.in_(boxes)))
    return count


def doom(connection: Connection, row: AnyRow, order: bytes, at: int) -> int:
    """The device's share is to be destroyed: the relay asks the share service when it starts, until that is
    done. Of the order there is the digest alone, so its row is without it, and nothing hands it to the device
    until an officer or the owner gives it anew. Gives 1, or 0 where an order in the copy says it already."""
    before = connection.execute(
        select(func.count()).where(order_devices.c.device == row.device, order_devices.c.doomed)
    ).scalar()
    if before:
        return 0
    connection.execute(
        insert(order_devices).values(
            order_id=order[:16], device=row.device, line=row.line, ordered_at=at, doomed=True
        )
    )
    return 1


def _lapse(connection: Connection, line: bytes, at: int, learned: Learned) -> None:
    learned.closed += connection.execute(
        update(lines)
        .where(lines.c.line == line, lines.c.closed_at.is_(None))
        .values(closed_at=at, lapsed_at=at)
    ).rowcount


def _close(connection: Connection, learned: Learned) -> None:
    """A line of which an order erased a device, and no device is left, is closed: the log does not tell
    whether
    the order was for the line or for its devices, and one that was erased must not begin again by itself."""
    for line in sorted(learned._lines):
        row = connection.execute(
            select(
                func.count().filter(devices.c.revoked_at.is_(None)).label("left"),
                func.max(devices.c.revoked_at).label("at"),
            ).where(devices.c.line == line)
        ).one()
        if not row.left:
            learned.closed += connection.execute(
                update(lines)
                .where(lines.c.line == line, lines.c.closed_at.is_(None))
                .values(closed_at=row.at)
            ).rowcount


def _mark_rosters(connection: Connection, learned: Learned) -> None:
    """Of these organisations nobody orders until an officer has given the newest roster again."""
    for row in connection.execute(select(organisations.c.organisation, organisations.c.fleet_key)).all():
        version = learned._rosters.get(log.organisation_hash(row.fleet_key))
        if version is not None:
            brought_back.mark_roster(connection, row.organisation, version)
