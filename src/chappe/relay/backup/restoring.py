"""Bring a backup back into a data directory, so that what was erased since stays erased.

    check all of it -> copy beside (`restoring/`) -> schema up to date -> what the log knows since
    -> what the share service knows -> settle -> all in its place, relay.db last

Until the last step the directory is no relay's. One that was cut off is begun again.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, cast

from sqlalchemy import Connection, exc, select

from chappe.relay.backup import manifest as m
from chappe.relay.backup import postgres_copy
from chappe.relay.backup.checking import check
from chappe.relay.backup.contents import SURVIVORS
from chappe.relay.backup.copying import copy_file, write_file
from chappe.relay.backup.newer_log import Learned, NewerLog, catch_up, doom, sign_out
from chappe.relay.backup.settling import Settled, settle
from chappe.relay.config import Settings
from chappe.relay.database import prepare_folder
from chappe.relay.failures import storage_failure
from chappe.relay.fleet_rows import AnyRow
from chappe.relay.log_files import LogFiles
from chappe.relay.serve import open_shares
from chappe.relay.shares.disk import disk_failure
from chappe.relay.starting import alone_in
from chappe.relay.storage import Database, change, open_database
from chappe.relay.storage.sqlite import RESTORING, SqliteDatabase
from chappe.relay.tables import devices
from chappe.wire.api import SharesHeld, from_base64
from chappe.wire.durable import sync_folder
from chappe.wire.errors import error

BESIDE: Final = RESTORING
_WAL: Final = (f"{m.RELAY_DB}-wal", f"{m.RELAY_DB}-shm")
_AT_ONCE: Final = 1_000
"""Devices that the share service is asked of at once."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it. `learned` None: no newer log was there. `by_shares`: devices that the share
    service knew to be erased, and nothing else did."""

    manifest: m.Manifest
    learned: Learned | None
    by_shares: int
    settled: Settled


def restore(
    settings: Settings,
    source: Path,
    *,
    log: Path | None = None,
    without_log: bool = False,
    database_restored: bool = False,
    expected: str | None = None,
) -> Restored:
    """`log`: the folder of the published log that outlived the database (with `checkpoint` and `tile/`); else
    the one that lies in the data directory. Without either, `without_log` says that there is none.
    `database_restored`: PostgreSQL's database was brought back in another way, and is to be settled.

    Raises storage.missing (no backup), storage.failed (not whole; logs that do not fit), storage.exists (the
    directory is not empty), storage.locked, usage.invalid (no log and nothing said), storage.*.
    """
    checked = check(source, expected)
    data_dir = settings.data_dir
    prepare_folder(data_dir)
    with alone_in(data_dir):
        try:
            _check_kind(settings, checked.manifest, database_restored)
            _check_empty(data_dir)
            beside = data_dir / BESIDE
            if beside.exists():
                shutil.rmtree(beside)
            beside.mkdir(mode=0o700)
            _copy(source, beside, checked.manifest)
            newer = _newer_log(data_dir, beside, checked.manifest, log, without_log)
            restored = _bring_up_to_date(settings, beside, checked.manifest, newer, database_restored)
            _put_in_place(data_dir, beside)
        except (OSError, sqlite3.Error) as problem:
            raise disk_failure(problem) from None
        except exc.DBAPIError as problem:
            raise storage_failure(problem) from None
    return restored


def _check_empty(data_dir: Path) -> None:
    """But for what outlived the database, and what a restore that was cut off left."""
    if (data_dir / m.RELAY_DB).exists():
        raise error("storage.exists", "A relay's database is here already; restore into an empty directory.")
    if (data_dir / BESIDE).exists():
        return
    more = sorted(path.name for path in data_dir.iterdir() if path.name not in SURVIVORS)
    if more:
        raise error(
            "storage.exists",
            f"The data directory is not empty: {more[0]} is here. Beside a backup only these may be: "
            f"{', '.join(SURVIVORS[:4])}.",
        )


def _copy(source: Path, beside: Path, manifest: m.Manifest) -> None:
    """Each file is held against its digest once more, as it is copied."""
    for part in manifest.files:
        if copy_file(source / part.name, beside / part.name, part.name) != part:
            raise m.broken(f"{part.name} changed while it was read")


def _newer_log(
    data_dir: Path, beside: Path, manifest: m.Manifest, log: Path | None, without_log: bool
) -> NewerLog | None:
    """The log that outlived the database. Its head becomes the one that is served, if it is newer."""
    if not manifest.log:
        return None
    if without_log and _outlived(data_dir, beside):
        raise error("usage.invalid", "There is a log in the data directory; leave --without-log away.")
    newer = None if without_log else NewerLog.open(log or data_dir / "tlog", beside, manifest.log)
    if newer is None:
        if log is not None:
            raise error("storage.missing", f"{log} has no `checkpoint`: it is not the folder of a log.")
        if not without_log:
            raise error(
                "usage.invalid",
                "What was erased since the backup is in the transparency log alone. Put the tlog/ that "
                "outlived it into the data directory, or name a mirror's with --log; if there is none, say "
                "--without-log and read docs/operating.md first.",
            )
        return None
    if newer.head.size > manifest.log_size:
        (beside / m.CHECKPOINT).unlink()
        write_file(newer.note, beside / m.CHECKPOINT, m.CHECKPOINT)
    return newer


def _outlived(data_dir: Path, beside: Path) -> bool:
    """Whether a log lies in the data directory, other than the one that a restore which was cut off put
    there."""
    note = LogFiles(data_dir / "tlog").checkpoint()
    return note is not None and note != (beside / m.CHECKPOINT).read_bytes()


def _check_kind(settings: Settings, manifest: m.Manifest, database_restored: bool) -> None:
    """What is in the backup is what goes into the database that the settings name. Raises usage.invalid."""
    on_sqlite = manifest.part(m.RELAY_DB) is not None
    if on_sqlite and settings.database_url is not None:
        raise error(
            "usage.invalid",
            "This backup is of a relay on SQLite: restore it without a database's address, then move it.",
        )
    if not on_sqlite and settings.database_url is None:
        raise error(
            "usage.invalid",
            "This backup is of a relay on PostgreSQL: give an empty one in CHAPPE_DATABASE_URL.",
        )
    if on_sqlite and database_restored:
        raise error("usage.invalid", "--database-restored is for a relay on PostgreSQL.")
    if not on_sqlite and not database_restored and manifest.part(m.DUMP) is None:
        raise error(
            "usage.invalid",
            "This backup has no database in it: bring PostgreSQL's back in its own way first, and say "
            "--database-restored.",
        )


def _bring_up_to_date(
    settings: Settings,
    beside: Path,
    manifest: m.Manifest,
    newer: NewerLog | None,
    database_restored: bool,
) -> Restored:
    on_sqlite = settings.database_url is None
    database: Database = SqliteDatabase(beside / m.RELAY_DB) if on_sqlite else open_database(settings)
    if not on_sqlite:
        assert settings.database_url is not None
        dump = beside / m.DUMP if manifest.part(m.DUMP) is not None and not database_restored else None
        postgres_copy.prepare(settings.database_url.get_secret_value(), dump)
    else:
        database.upgrade()
    with change(database) as connection:
        learned = None if newer is None else catch_up(connection, newer)
        by_shares = _ask_shares(settings, connection)
        settled = settle(connection, int(time.time()), _finder(beside / "attachments"))
        if not on_sqlite:
            postgres_copy.release(connection)
    if on_sqlite:
        with closing(sqlite3.connect(beside / m.RELAY_DB)) as last:
            # One file, whole, for it is moved.
            last.execute("PRAGMA journal_mode=DELETE")
    return Restored(manifest, learned, by_shares, settled)


def _finder(folder: Path) -> Callable[[bytes, int], bool]:
    def has_file(attachment: bytes, received: int) -> bool:
        try:
            return (folder / attachment.hex()).stat().st_size >= received
        except FileNotFoundError:
            return False

    return has_file


class _Holding(Protocol):
    """What both share services answer."""

    async def held(self, devices: Sequence[bytes]) -> SharesHeld: ...

    async def close(self) -> None: ...


def _ask_shares(settings: Settings, connection: Connection) -> int:
    """Sign out the devices whose share an order destroyed, where a share service outlived the database."""
    if settings.share_service is None and not (settings.shares / "shares.db").exists():
        return 0
    rows = connection.execute(select(devices).where(devices.c.revoked_at.is_(None))).all()
    erased = asyncio.run(_erased(settings, list(rows)))
    count, now = 0, int(time.time())
    for row in erased:
        count += sign_out(connection, [row], now)
        doom(connection, row, row.device, now)
    return count


async def _erased(settings: Settings, rows: list[AnyRow]) -> list[AnyRow]:
    shares = cast(_Holding, open_shares(settings))
    try:
        found: list[AnyRow] = []
        for start in range(0, len(rows), _AT_ONCE):
            some = rows[start : start + _AT_ONCE]
            held = await shares.held([row.device for row in some])
            gone = {from_base64(one.device, 16) for one in held.gone if one.ordered}
            found += [row for row in some if row.device in gone]
        return found
    finally:
        await shares.close()


def _put_in_place(data_dir: Path, beside: Path) -> None:
    """The relay's database last: while it is not there, the restore may be begun again."""
    for path in sorted(beside.rglob("*")):
        if path.is_dir():
            (data_dir / path.relative_to(beside)).mkdir(mode=0o700, exist_ok=True)
    names = [path.relative_to(beside) for path in sorted(beside.rglob("*")) if not path.is_dir()]
    last = Path(m.RELAY_DB)
    names = [name for name in names if name not in (last, Path(m.DUMP)) and name.parts[0] not in _WAL]
    for name in [*names, *([last] if (beside / last).exists() else [])]:
        descriptor = os.open(beside / name, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if name == last:
            _sync_folders(data_dir)
        (beside / name).replace(data_dir / name)
    _sync_folders(data_dir)
    shutil.rmtree(beside)


def _sync_folders(data_dir: Path) -> None:
    for path in data_dir.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            sync_folder(path)
    sync_folder(data_dir)
