"""A relay's PostgreSQL database as one file, by PostgreSQL's own programs: `pg_dump` and `pg_restore`.

They are found on the PATH, and must be of the server's version or newer. The password goes to them in their
environment, not on their command line, which others can read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import psycopg
from psycopg import conninfo
from sqlalchemy import Connection

from chappe.relay.storage.postgres import UNFINISHED
from chappe.wire.errors import error

DUMP: Final = "pg_dump"
RESTORE: Final = "pg_restore"


def can_dump() -> bool:
    return shutil.which(DUMP) is not None


def dump(url: str, target: Path) -> None:
    """All of the database as of one moment, beside relays that write. `target` is a new file, for its owner
    alone. Raises storage.failed, OSError."""
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
    _run(url, DUMP, "--format=custom", "--no-owner", "--no-privileges", f"--file={target}")


def load(url: str, source: Path) -> None:
    """Into an empty database: all of it, or nothing. Raises storage.failed, storage.missing."""
    if shutil.which(RESTORE) is None:
        raise error("storage.missing", "pg_restore is not here; install PostgreSQL's client programs.")
    _run(
        url, RESTORE, "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges", str(source)
    )


def _run(url: str, program: str, *words: str) -> None:
    given: dict[str, Any] = conninfo.conninfo_to_dict(url)
    password = given.pop("password", None)
    environment = os.environ | ({} if password is None else {"PGPASSWORD": str(password)})
    # libpq's own words go by; what the program says may name hosts and users.
    name = conninfo.make_conninfo(**{"target_session_attrs": "read-write", **given})
    done = subprocess.run(
        [shutil.which(program) or program, f"--dbname={name}", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment,
        check=False,
    )
    if done.returncode != 0:
        why = "its version is older than the server's" if b"version mismatch" in done.stderr else "it failed"
        raise error(
            "storage.failed",
            f"{program} did not do it: {why}. Run it by hand with the same address to see what it says.",
        )


# --- the database that a backup is brought back to


def prepare(url: str, dump_file: Path | None) -> None:
    """Load an empty database from `dump_file`, or take the one that was brought back in another way (None).
    From here on no relay starts on it, until `release`. Raises storage.exists, storage.missing, storage.*."""
    with psycopg.connect(**_given(url)) as connection:
        tables = connection.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = ANY(current_schemas(false))"
        ).fetchone()
        assert tables is not None
        if dump_file is not None and tables[0]:
            raise error(
                "storage.exists", "The database is not empty: drop it and make it anew, then restore again."
            )
        if dump_file is None and not tables[0]:
            raise error("storage.missing", "The database is empty: it was not brought back yet.")
        connection.execute(
            f"CREATE TABLE IF NOT EXISTS {UNFINISHED} "
            "(name text PRIMARY KEY, upto bytea, rows bigint NOT NULL, done boolean NOT NULL)".encode()
        )
    if dump_file is not None:
        load(url, dump_file)


def release(connection: Connection) -> None:
    """In the transaction that settled it: relays may use it."""
    connection.exec_driver_sql(f"DROP TABLE {UNFINISHED}")


def _given(url: str) -> dict[str, Any]:
    return {"target_session_attrs": "read-write", **conninfo.conninfo_to_dict(url)}
