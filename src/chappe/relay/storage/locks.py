"""Advisory locks of PostgreSQL that outlive a transaction: they are their session's."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection

from chappe.relay.storage.postgres import lock_number

LEADER: Final = lock_number("leader")
"""Of the gateway that leads, or of a relay that is alone on its database."""
# A lock of one 64-bit number stands in two columns, with objsubid 1.
_HELD: Final = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid = pg_backend_pid() "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((classid::bigint << 32) | objid::bigint) = %s::bigint AND objsubid = 1"
)


def try_lead(connection: Connection) -> bool:
    """Take the leader's lock, if nobody has it; for as long as the connection lasts."""
    with connection.begin():
        found = connection.exec_driver_sql("SELECT pg_try_advisory_lock(%s::bigint)", (LEADER,))
        return bool(found.scalar())


def leads(connection: Connection) -> bool:
    """Whether this very session has it: not where a pooler put another in its place, say."""
    return bool(connection.exec_driver_sql(_HELD, (LEADER,)).scalar())
