"""The audit log of an organisation: appended to in the transaction of what it tells of.

A log of RFC 9162 (chappe.tlog): each row keeps the root with its entry, a row of its own what the next is
appended to. Whoever reads all entries finds one that was changed, taken out, put in or moved.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, insert, select

from chappe.relay.fleet_tables import audit, audit_heads
from chappe.relay.ports import Unit
from chappe.relay.storage import upsert
from chappe.tlog.chain import Chain, Row, replay_to
from chappe.tlog.errors import BrokenChain, Malformed
from chappe.wire.audit import AuditEntry, encode
from chappe.wire.errors import ChappeError, error


@dataclass(frozen=True, slots=True)
class Page:
    """`entries` from an index on; `root` of all `size` entries of the log."""

    entries: list[bytes]
    size: int
    root: bytes


def append(unit: Unit, organisation: bytes | None, *entries: AuditEntry) -> None:
    """Nothing where it is of no organisation. Raises storage.failed for a log that is damaged."""
    if organisation is None or not entries:
        return
    chain = _head(unit.connection, organisation)
    rows = []
    for entry in entries:
        chain, row = chain.append(encode(entry))
        rows.append(
            {
                "organisation": organisation,
                "number": row.index,
                "at": entry.at,
                "entry": row.entry,
                "root": row.root,
            }
        )
    unit.connection.execute(insert(audit), rows)
    head = upsert(unit.connection, audit_heads).values(organisation=organisation, chain=chain.to_bytes())
    unit.connection.execute(
        head.on_conflict_do_update(index_elements=["organisation"], set_={"chain": chain.to_bytes()})
    )


def read(connection: Connection, organisation: bytes, start: int, count: int) -> Page:
    """`count` entries at most. Raises storage.failed for a log that is damaged."""
    head = _head(connection, organisation)
    entries = connection.execute(
        select(audit.c.entry)
        .where(audit.c.organisation == organisation, audit.c.number >= start)
        .order_by(audit.c.number)
        .limit(count)
    ).scalars()
    return Page(list(entries), head.size, head.root)


def verify(connection: Connection, organisation: bytes) -> tuple[int, bytes]:
    """Size and root, every entry hashed anew.

    Raises storage.failed where one was changed, taken out, put in or moved. Who can write to the database can
    make a whole log anew: only a root that somebody else has kept tells then.
    """
    head = _head(connection, organisation)
    rows = connection.execute(
        select(audit.c.number, audit.c.entry, audit.c.root)
        .where(audit.c.organisation == organisation)
        .order_by(audit.c.number)
    )
    try:
        replay_to((Row(*row) for row in rows), size=head.size, root=head.root)
    except BrokenChain as problem:
        raise _damaged(f"entry {problem.index} is not the one that was written") from None
    return head.size, head.root


def _head(connection: Connection, organisation: bytes) -> Chain:
    kept = connection.execute(
        select(audit_heads.c.chain).where(audit_heads.c.organisation == organisation)
    ).scalar()
    try:
        return Chain() if kept is None else Chain.from_bytes(kept)
    except Malformed:
        raise _damaged("its head cannot be read") from None


def _damaged(what: str) -> ChappeError:
    return error("storage.failed", f"The audit log is damaged: {what}.")
