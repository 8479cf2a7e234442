"""Make a backup of a data directory, beside the relay that uses it.

    head of the log -> its tiles -> relay.db -> desk.db -> keys and papers -> attachments -> manifest
    -> all of it read again and checked -> in its place

The head of the log is copied before the database, so that no copy has a head of which it lacks entries.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

import chappe
from chappe.relay.backup import manifest as m
from chappe.relay.backup import postgres_copy
from chappe.relay.backup.checking import Checked, check
from chappe.relay.backup.contents import contents
from chappe.relay.backup.copying import copy_database, copy_file, part_of, sync_file, write_file
from chappe.relay.log_files import LogFiles
from chappe.relay.shares.disk import disk_failure
from chappe.relay.storage.sqlite import has_moved_out
from chappe.tlog.checkpoints import Checkpoint
from chappe.tlog.errors import TlogError
from chappe.tlog.notes import SignedNote
from chappe.tlog.tiles import new_tiles
from chappe.wire.durable import sync_folder
from chappe.wire.errors import error

BESIDE: Final = ".part"


def take(
    data_dir: Path,
    target: Path,
    *,
    attachments: bool = False,
    database_url: str | None = None,
    without_database: bool = False,
) -> Checked:
    """A new folder `target`, for its owner alone, there whole or not at all. The relay may run meanwhile.
    `database_url`: of a relay on PostgreSQL; `without_database`: which is kept in another way.

    Raises storage.missing (no relay has been here; pg_dump is not), storage.exists (`target` is there),
    usage.invalid, storage.*.
    """
    _check_database(data_dir, database_url, without_database)
    if os.path.lexists(target):
        raise error("storage.exists", f"{target} is there already; a backup replaces nothing: name another.")
    beside = target.with_name(target.name + BESIDE)
    try:
        beside.mkdir(mode=0o700, parents=True)
    except FileExistsError:
        raise error(
            "storage.exists",
            f"{beside} is there: a backup is being made, or one was cut off. Remove it and try again.",
        ) from None
    except OSError as problem:
        raise disk_failure(problem) from None
    try:
        _fill(data_dir, beside, attachments, None if without_database else database_url)
        checked = check(beside)
        _put(beside, target)
    except (OSError, sqlite3.Error) as problem:
        raise disk_failure(problem) from None
    finally:
        # Gone already where all went well. It holds keys: nothing of it stays.
        with suppress(OSError):
            shutil.rmtree(beside)
    return checked


def _check_database(data_dir: Path, database_url: str | None, without_database: bool) -> None:
    if database_url is None:
        if has_moved_out(data_dir):
            raise error(
                "usage.invalid", "This relay is on PostgreSQL: give its address in CHAPPE_DATABASE_URL."
            )
        if without_database:
            raise error("usage.invalid", "This relay is on SQLite: its database belongs into its backup.")
        if not (data_dir / m.RELAY_DB).exists():
            raise error("storage.missing", "No relay has been in this data directory; check --data-dir.")
    elif not without_database and not postgres_copy.can_dump():
        raise error(
            "storage.missing",
            "pg_dump is not here: install PostgreSQL's client programs; or keep the database in another way "
            "(docs/operating.md), and say --without-database.",
        )


def _fill(data_dir: Path, folder: Path, attachments: bool, dumped: str | None) -> None:
    found = contents(data_dir, attachments=attachments)
    files, origin, size = _copy_log(data_dir, folder)
    schemas: dict[str, str] = {}
    made_at = int(time.time())
    names = [m.DESK_DB]
    if not has_moved_out(data_dir):
        names.insert(0, m.RELAY_DB)
    if dumped is not None:
        postgres_copy.dump(dumped, folder / m.DUMP)
        files.append(part_of(folder / m.DUMP, m.DUMP))
        sync_file(folder / m.DUMP)
    for name in names:
        if (data_dir / name).exists():
            part, schemas[name] = copy_database(data_dir / name, folder / name, name)
            files.append(part)
    files += [copy_file(data_dir / name, folder / name, name) for name in found.files]
    for name in found.attachments:
        # One that ended meanwhile is gone, and its row ends where it is brought back.
        with suppress(FileNotFoundError):
            files.append(copy_file(data_dir / name, folder / name, name))
    manifest = m.Manifest(
        1, chappe.__version__, made_at, origin, size, schemas, attachments, files, list(found.left_out)
    )
    write_file(m.encode(manifest), folder / m.NAME, m.NAME)
    for path in folder.rglob("*"):
        if path.is_dir():
            sync_folder(path)
    sync_folder(folder)


def _copy_log(data_dir: Path, folder: Path) -> tuple[list[m.Part], str, int]:
    """The head that is published, and the tiles that it needs. Gives the log's name and size as well."""
    log = LogFiles(data_dir / "tlog")
    note = log.checkpoint()
    if note is None:
        return [], "", 0
    try:
        head = Checkpoint.parse(SignedNote.parse(note).text)
    except TlogError:
        raise error("storage.failed", "The log's head, tlog/checkpoint, is damaged.") from None
    files = [write_file(note, folder / m.CHECKPOINT, m.CHECKPOINT)]
    for tile in new_tiles(0, head.size):
        name = f"tlog/{tile.path}"
        # Through the log's own reader: a partial tile is gone as soon as the full one is there.
        files.append(write_file(log.read(tile), folder / name, name))
    return files, head.origin, head.size


def _put(beside: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise error("storage.exists", f"{target} is there by now; a backup replaces nothing.")
    beside.rename(target)
    sync_folder(target.parent)
