"""An operator's part of organisations, straight in the data directory, whether or not a relay runs on it.

The operator says which organisations there are and makes their codes. He orders nothing: he has no officer's
key.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import msgspec
from sqlalchemy import Connection, exc, func, insert, select

from chappe.relay import audit, log_rows
from chappe.relay.config import Settings
from chappe.relay.database import prepare_folder
from chappe.relay.fleet_rows import newest_roster
from chappe.relay.fleet_tables import organisations, rosters
from chappe.relay.ports import Unit
from chappe.relay.storage import change, open_database
from chappe.relay.tables import lines
from chappe.wire.audit import AuditEntry
from chappe.wire.errors import ChappeError, error
from chappe.wire.rosters import MAX_ROSTER, Roster, SignedRoster, check_chain

MAX_FILE: Final = 2 * MAX_ROSTER


@dataclass(frozen=True, slots=True)
class Known:
    """An organisation as the operator sees it. `log`: size and root of its audit log, every entry checked."""

    id: bytes
    name: str
    fleet_key: bytes
    officers: int
    lines: int
    log: tuple[int, bytes]


def add(settings: Settings, roster_file: bytes) -> Roster:
    """Take an organisation on by its first roster, as its first officer made it.

    The same again changes nothing. Raises roster.invalid (does not hold, not a first one, or its name, id or
    fleet key is another organisation's), storage.*.
    """
    signed, roster = _read(roster_file)
    with _database(settings) as unit:
        if not _has(unit.connection, signed, roster):
            _insert(unit, signed, roster)
    return roster


def known(settings: Settings) -> list[Known]:
    """All, by name. Raises storage.failed where an audit log is not what was written; storage.*."""
    with _database(settings) as unit:
        rows = unit.connection.execute(select(organisations).order_by(organisations.c.name)).all()
        return [_describe(unit.connection, row.organisation, row.name, row.fleet_key) for row in rows]


def find(connection: Connection, name: str) -> tuple[bytes, bytes]:
    """Id and fleet key of the organisation of that name. Raises organisation.unknown."""
    row = connection.execute(select(organisations).where(organisations.c.name == name)).one_or_none()
    if row is None:
        raise error("organisation.unknown", "No organisation of that name; see `chappe organisation list`.")
    return row.organisation, row.fleet_key


def _has(connection: Connection, signed: SignedRoster, roster: Roster) -> bool:
    before = connection.execute(
        select(rosters.c.signed).where(
            rosters.c.organisation == roster.organisation, rosters.c.version == roster.version
        )
    ).scalar()
    return before == msgspec.msgpack.encode(signed)


def _insert(unit: Unit, signed: SignedRoster, roster: Roster) -> None:
    try:
        unit.connection.execute(
            insert(organisations).values(
                organisation=roster.organisation,
                name=roster.name,
                fleet_key=roster.fleet_key,
                created_at=unit.now,
            )
        )
        unit.connection.execute(
            insert(rosters).values(
                organisation=roster.organisation,
                version=roster.version,
                signed=msgspec.msgpack.encode(signed),
            )
        )
    except exc.IntegrityError:
        raise error(
            "roster.invalid", "This relay has an organisation of that name, id or fleet key."
        ) from None
    entry = AuditEntry(
        1,
        unit.now,
        "roster.amended",
        officers=sorted(one.officer for one in signed.officers),
        digest=hashlib.sha256(signed.body).digest(),
        number=roster.version,
    )
    audit.append(unit, roster.organisation, entry)
    log_rows.append(unit, *log_rows.officers_changed(unit.now, None, roster, signed))


def _describe(connection: Connection, id_: bytes, name: str, fleet_key: bytes) -> Known:
    open_lines = connection.execute(
        select(func.count())
        .select_from(lines)
        .where(lines.c.organisation == id_, lines.c.closed_at.is_(None))
    ).scalar_one()
    officers = len(newest_roster(connection, id_).officers)
    return Known(id_, name, fleet_key, officers, open_lines, audit.verify(connection, id_))


def _read(data: bytes) -> tuple[SignedRoster, Roster]:
    """A first roster, signed by the fleet key that it names: the operator's word makes it the
    organisation's."""
    if len(data) > MAX_FILE:
        raise _no_roster()
    try:
        signed = msgspec.msgpack.decode(data, type=SignedRoster)
        fleet_key = msgspec.msgpack.decode(signed.body, type=Roster).fleet_key
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise _no_roster() from None
    return signed, check_chain([signed], fleet_key=fleet_key).roster


def _no_roster() -> ChappeError:
    return error("roster.invalid", "That file is no roster.")


@contextmanager
def _database(settings: Settings) -> Iterator[Unit]:
    prepare_folder(settings.data_dir)
    database = open_database(settings)
    database.upgrade()
    with change(database) as connection:
        yield Unit(connection, int(time.time()))
