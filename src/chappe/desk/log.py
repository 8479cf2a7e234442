"""The audit log: appended to in the transaction of what it tells of, read by filter, verified, exported.

A log of RFC 9162 (chappe.tlog.chain): each row keeps the root with its entry. Whoever reads all entries
finds one that was changed, taken out, put in or moved. Who can write to the database file can make a whole
log anew: only a head that somebody else has kept tells then (`verify(kept=…)`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, insert, select
from sqlalchemy.dialects.sqlite import insert as upsert

from chappe.desk.entries import Entry, decode, encode
from chappe.desk.tables import log, log_heads
from chappe.tlog.chain import Chain, Row
from chappe.tlog.errors import BrokenChain, Malformed
from chappe.wire.errors import ChappeError, error

MAX_PAGE: Final = 200
_EXPORT_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Head:
    """`root`: 32 bytes, of all `size` entries."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry with its place: `number` from 0, `root` of the log with it as the last."""

    number: int
    entry: Entry
    data: bytes
    root: bytes


@dataclass(frozen=True, slots=True)
class Filter:
    """None is any. Times are Unix seconds, `since` inclusive and `until` exclusive; `text` is the start of
    what happened ("reseller." finds all of resellers)."""

    since: int | None = None
    until: int | None = None
    what: str | None = None
    account: bytes | None = None
    subject: bytes | None = None
    reseller: bytes | None = None
    organisation: bytes | None = None


def append(connection: Connection, entries: list[Entry]) -> None:
    """Raises storage.failed for a log whose head cannot be read, desk.malformed for an entry too long."""
    chain = _chain(connection)
    rows = []
    for one in entries:
        chain, row = chain.append(encode(one))
        rows.append({"number": row.index, "entry": row.entry, "root": row.root} | _columns(one))
    if not rows:
        return
    connection.execute(insert(log), rows)
    head = upsert(log_heads).values(head=1, chain=chain.to_bytes())
    connection.execute(head.on_conflict_do_update(index_elements=["head"], set_={"chain": chain.to_bytes()}))


def head(connection: Connection) -> Head:
    """Raises storage.failed."""
    chain = _chain(connection)
    return Head(chain.size, chain.root)


def read(
    connection: Connection, wanted: Filter, *, before: int | None = None, limit: int = MAX_PAGE
) -> list[Logged]:
    """The newest first: `limit` at most, with a number below `before`. Raises storage.failed."""
    statement = select(log).where(*_conditions(wanted))
    if before is not None:
        statement = statement.where(log.c.number < before)
    rows = connection.execute(statement.order_by(log.c.number.desc()).limit(min(limit, MAX_PAGE)))
    return [Logged(row.number, decode(row.entry), row.entry, row.root) for row in rows]


def pieces(connection: Connection, start: int) -> list[Logged]:
    """From an entry on, oldest first, so many at a time: for an export. Raises storage.failed."""
    rows = connection.execute(
        select(log).where(log.c.number >= start).order_by(log.c.number).limit(_EXPORT_PAGE)
    )
    return [Logged(row.number, decode(row.entry), row.entry, row.root) for row in rows]


def verify(connection: Connection, *, kept: Head | None = None) -> Head:
    """The head, with every entry hashed anew and every column that is filtered by compared.

    `kept`: a head that somebody wrote down before; the log must have been that one at that size. Raises
    storage.failed where an entry was changed, taken out, put in or moved, audit.rewritten where the log is
    whole and not the one that was kept.
    """
    said = _chain(connection)
    chain = Chain()
    seen = kept is None or kept.size == 0
    rows = connection.execute(select(log).order_by(log.c.number))
    try:
        for row in rows:
            chain = _follow(chain, Row(row.number, row.entry, row.root))
            if _columns(decode(row.entry)) != {name: row._mapping[name] for name in _FILTERED}:
                raise BrokenChain("it is filed under something else", index=row.number)
            if kept is not None and chain.size == kept.size:
                seen = chain.root == kept.root
        if chain != said:
            raise BrokenChain("the entries do not end in the head", index=min(chain.size, said.size))
    except BrokenChain as problem:
        raise _damaged(f"entry {problem.index} is not the one that was written") from None
    if not seen:
        raise error("audit.rewritten", "The desk's audit log is not the one whose head was kept.")
    return Head(chain.size, chain.root)


def _follow(chain: Chain, row: Row) -> Chain:
    """Raises BrokenChain."""
    if row.index != chain.size:
        raise BrokenChain("an entry is missing", index=chain.size)
    chain, made = chain.append(row.entry)
    if made.root != row.root:
        raise BrokenChain("the root is another", index=row.index)
    return chain


_FILTERED: Final = ("at", "what", "account", "subject", "reseller", "organisation")


def _columns(one: Entry) -> dict[str, object]:
    return {name: getattr(one, name) for name in _FILTERED}


def _conditions(wanted: Filter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    for name in ("account", "subject", "reseller", "organisation"):
        value = getattr(wanted, name)
        if value is not None:
            conditions.append(log.c[name] == value)
    if wanted.since is not None:
        conditions.append(log.c.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(log.c.at < wanted.until)
    if wanted.what is not None:
        conditions.append(log.c.what.startswith(wanted.what, autoescape=True))
    return conditions


def _chain(connection: Connection) -> Chain:
    kept = connection.execute(select(log_heads.c.chain).where(log_heads.c.head == 1)).scalar()
    try:
        return Chain() if kept is None else Chain.from_bytes(kept)
    except Malformed:
        raise _damaged("its head cannot be read") from None


def _damaged(what: str) -> ChappeError:
    return error("storage.failed", f"The desk's audit log is damaged: {what}.")
