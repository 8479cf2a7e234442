"""PostgreSQL: one database for several relay processes (gateways).

A batch of sends and acknowledgements shares the lock of batches with others of its kind and locks the rows of
its mailboxes; any other batch has that lock alone, for the use cases were written for one writer at a time.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

import psycopg
import structlog
from psycopg import conninfo
from sqlalchemy import Connection, Engine, create_engine, event, exc
from sqlalchemy.pool import NullPool

from chappe.relay import migrations
from chappe.relay.failures import storage_failure
from chappe.relay.storage.sqlite import ELSEWHERE
from chappe.wire import migrating
from chappe.wire.errors import ChappeError, error
from chappe.wire.sqlite import os_failure

log = structlog.get_logger()


def lock_number(name: str) -> int:
    """Of an advisory lock: 63 bits, so that no other program's lock in the same database is likely the
    same."""
    return int.from_bytes(hashlib.sha256(b"chappe lock: " + name.encode()).digest()[:8], "big") >> 1


BATCHES: Final = lock_number("batches")
"""Held by every transaction that writes: shared by those that only send and acknowledge, else alone."""

UNFINISHED: Final = "moving"
"""A table that is there while `chappe migrate-store`, or `chappe restore`, is not through."""

# What libpq leaves to the system, which waits for a machine that is gone for minutes.
_PATIENCE: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
# A gateway that stops dead in a transaction is cut off: the others wait for what it has locked. There is no
# timeout for statements: one would end a commit's wait for a synchronous standby, and call it done.
_SESSION: Final = (
    "-c idle_in_transaction_session_timeout=30s -c tcp_keepalives_idle=10 "
    "-c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c client_encoding=UTF8 -c TimeZone=UTC"
)
_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})
_WANTED: Final = {
    "fsync": frozenset({"on"}),
    "full_page_writes": frozenset({"on"}),
    "synchronous_commit": frozenset({"on", "remote_apply"}),
    "server_encoding": frozenset({"UTF8"}),
}

_PROMISES: Final = (
    "SELECT current_setting('fsync'), current_setting('full_page_writes'), "
    "set_config('synchronous_commit', current_setting('synchronous_commit'), false), "
    "current_setting('server_encoding')"
)
"""In the order of `_WANTED`. Set for this session, whatever the server's configuration becomes."""
_LOOK: Final = (
    f"SELECT to_regclass('{UNFINISHED}') IS NOT NULL, to_regclass('alembic_version') IS NOT NULL, "
    "current_setting('log_error_verbosity')"
)


class PostgresDatabase:
    shared = True
    readers = 4

    def __init__(self, url: str, data_dir: Path) -> None:
        """`url`: as libpq takes it, several hosts too. Raises usage.invalid, which does not repeat it: there
        is a password in it."""
        self._given = _read(url)
        self._data_dir = data_dir

    def __repr__(self) -> str:
        return "PostgresDatabase()"

    def upgrade(self) -> None:
        engine = self.engine(writes=True)
        try:
            with engine.connect() as connection:
                with connection.begin():
                    present = _revision(connection) == migrations.HEAD
                if not present:
                    self._migrate(connection)
        except exc.DBAPIError as problem:
            raise _at_start(problem) from None
        finally:
            engine.dispose()
        self._mark()

    def engine(self, *, writes: bool) -> Engine:
        return _engine(tuple(sorted(self._given.items())), writes)

    def begin(self, connection: Connection, *, alone: bool) -> None:
        shared = "" if alone else "_shared"
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock{shared}(%s::bigint)", (BATCHES,))

    def _migrate(self, connection: Connection) -> None:
        """While no gateway writes. Another one that starts at the same time finds it done."""
        with connection.begin():
            self.begin(connection, alone=True)
            if _revision(connection) != migrations.HEAD:
                migrating.bring_up(connection, migrations.FOLDER)

    def _mark(self) -> None:
        """So that a command which is not given the address makes no database beside it."""
        try:
            (self._data_dir / ELSEWHERE).write_text("The tables of this relay are in PostgreSQL.\n")
        except OSError as problem:
            raise os_failure(problem) from None


@cache
def _engine(given: tuple[tuple[str, Any], ...], writes: bool) -> Engine:
    """Kept, though it holds no connection: what SQLAlchemy asks a server first, it asks once."""
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(**dict(given)),
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level="READ COMMITTED" if writes else "REPEATABLE READ",
    )
    if not writes:
        return engine.execution_options(postgresql_readonly=True)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: psycopg.Connection[Any], _record: Any) -> None:
        _check_durable(connection)

    return engine


def set_numbers(connection: Connection) -> None:
    """After rows were copied in from elsewhere: numbers that are given from now on are higher."""
    for sequence, highest in (
        ("payload_numbers", "SELECT max(payload) FROM payloads"),
        ("mailboxes_mailbox_seq", "SELECT max(mailbox) FROM mailboxes"),
    ):
        connection.exec_driver_sql(
            f"SELECT setval('{sequence}', greatest(({highest}), (SELECT last_value FROM {sequence}), 1))"  # noqa: S608
        )


def _revision(connection: Connection) -> str | None:
    """Of the tables that are here; None where there are none yet. Raises storage.failed for those of a
    migration that is not through."""
    unfinished, made, verbosity = connection.exec_driver_sql(_LOOK).one()
    if unfinished:
        raise error(
            "storage.failed",
            "What goes into this database is not through: finish `chappe migrate-store` or `chappe restore`.",
        )
    if verbosity != "terse":
        # Relays log no address and no device; PostgreSQL does, with an error's details.
        log.warning("PostgreSQL may write addresses into its log; set log_error_verbosity = terse")
    if not made:
        return None
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    return None if found is None else str(found)


def _read(url: str) -> dict[str, Any]:
    try:
        given = conninfo.conninfo_to_dict(url) if _is_url(url) else None
    except psycopg.Error:
        given = None
    if given is None:
        raise error(
            "usage.invalid",
            "The database's address does not fit; it is postgresql://USER:PASSWORD@HOST:PORT/NAME.",
        )
    hosts = str(given.get("hostaddr") or given.get("host") or "").split(",")
    if not all(_is_near(host) for host in hosts) and given.get("sslmode") not in _ENCRYPTED | {"disable"}:
        raise error(
            "usage.invalid",
            "The database is on another machine: add sslmode=verify-full (and sslrootcert=FILE) to its "
            "address; or sslmode=disable, where nobody else is on the way.",
        )
    options = f"{given.get('options') or ''} {_SESSION}".strip()
    return {**_PATIENCE, "target_session_attrs": "read-write", **given, "options": options}


def _is_url(url: str) -> bool:
    return url.startswith(("postgresql://", "postgres://"))


def _is_near(host: str) -> bool:
    """A socket of this machine, or its loopback."""
    return not host or host.startswith(("/", "@")) or host in {"127.0.0.1", "::1", "localhost"}


def _check_durable(connection: psycopg.Connection[Any]) -> None:
    """Raises storage.failed: what such a server says is stored, it may lose."""
    found = connection.execute(_PROMISES).fetchone() or ()
    wrong = [
        f"{name} = {value}" for name, value in zip(_WANTED, found, strict=True) if value not in _WANTED[name]
    ]
    # A rollback would take back what was set.
    connection.commit()
    if wrong:
        raise error(
            "storage.failed",
            f"PostgreSQL runs with {', '.join(sorted(wrong))}: it would lose what it said was stored. Set "
            "fsync, full_page_writes and synchronous_commit to on; the encoding is UTF8.",
        )


def _at_start(problem: exc.DBAPIError) -> ChappeError:
    """For who starts a relay or runs a command."""
    failure = storage_failure(problem)
    if "does not answer" not in failure.message:
        return failure
    return error(
        "storage.failed",
        "The database cannot be reached, or takes no writes: see that it runs, and that address, user and "
        "password are right.",
    )
