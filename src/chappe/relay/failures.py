"""What a driver raised, as Chappe's errors and as what to do next; of SQLite and of PostgreSQL.

Nothing of a driver's own text is passed on: PostgreSQL's names hosts, users and values.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import exc

from chappe.wire import sqlite
from chappe.wire.errors import ChappeError, error

_FULL: Final = frozenset({"53100"})
_UNWRITABLE: Final = frozenset({"42501", "28000", "28P01"})
# Shut down, crashed, not yet up; a standby, which takes no writes; ended for being idle in a transaction.
_GONE: Final = frozenset({"57P01", "57P02", "57P03", "25006", "25P03"})
_CONNECTION: Final = "08"
# Serialization failure, deadlock; and a row that another relay wrote a moment before.
_PASSING: Final = frozenset({"40001", "40P01", "23505"})


def storage_failure(problem: BaseException) -> ChappeError:
    """The typed error for what the driver raised: storage.full where the disk has no room."""
    state = _state(problem)
    if state in _FULL:
        return error("storage.full")
    if state in _UNWRITABLE:
        return error("storage.unwritable", "The database refuses this user; check its rights and password.")
    if is_lost(problem):
        return error("storage.failed", "The database does not answer; nothing was accepted. Ask again.")
    return sqlite.storage_failure(problem)


def is_lost(problem: BaseException) -> bool:
    """The connection, or what was at its other end, is gone: another one may do."""
    if not isinstance(problem, exc.DBAPIError) or not _is_postgres(problem):
        return False
    state = _state(problem)
    if state is None:
        # The driver's own: it could not connect, or was cut off.
        return problem.connection_invalidated or isinstance(
            problem, (exc.OperationalError, exc.InterfaceError)
        )
    return problem.connection_invalidated or state in _GONE or state.startswith(_CONNECTION)


def is_doubtful(problem: BaseException) -> bool:
    """Where a commit ended so, it may be there all the same: the connection was lost, or the disk failed.
    SQLite writes a transaction to its log and syncs that; where the sync fails and the power goes next, the
    log may be found whole. A disk that is full has not taken the end of it."""
    if is_lost(problem):
        return True
    original = problem.orig if isinstance(problem, exc.DBAPIError) else problem
    return (getattr(original, "sqlite_errorname", "") or "").startswith("SQLITE_IOERR")


def is_passing(problem: BaseException) -> bool:
    """Two transactions were in each other's way: the same again may well go through."""
    return _state(problem) in _PASSING


def unknown_outcome() -> ChappeError:
    return error(
        "storage.failed",
        "The database failed while it stored this: whether it did is not known. Ask again.",
    )


def _is_postgres(problem: exc.DBAPIError) -> bool:
    return hasattr(problem.orig, "sqlstate")


def _state(problem: BaseException) -> str | None:
    """PostgreSQL's SQLSTATE; None for SQLite, and where the server did not say anything."""
    original = problem.orig if isinstance(problem, exc.DBAPIError) else problem
    state: str | None = getattr(original, "sqlstate", None)
    return state
