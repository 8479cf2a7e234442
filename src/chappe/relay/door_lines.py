"""Lines as the desk may see them: pages, single ones, counts. Read beside the writer, nothing is changed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, and_, case, func, or_, select

from chappe.relay import term_rows
from chappe.relay.fleet_rows import AnyRow, pieces
from chappe.relay.tables import devices, given_addresses, lines
from chappe.wire.door import DeviceView, LinePage, LineQuery, LineView, StageCounts, TermView
from chappe.wire.errors import error
from chappe.wire.terms import CLOSED_AFTER_DAYS, GRACE_DAYS

_DAY: Final = 24 * 3600
_NEVER: Final = 2**62
"""In place of the end of a term that a line has not: it comes last."""


def page(connection: Connection, query: LineQuery, now: int) -> LinePage:
    """Raises line.unknown where `after` is none of these lines."""
    wanted = _wanted(query, now)
    total = connection.execute(select(func.count()).select_from(wanted.subquery())).scalar_one()
    key = _key(query)
    statement = wanted.order_by(key, lines.c.line).limit(query.limit + 1)
    if query.after is not None:
        # Within what may be seen: another's line is no place in the list.
        last = connection.execute(
            select(key).where(lines.c.line == query.after, *_whose(query))
        ).one_or_none()
        if last is None:
            raise error("line.unknown")
        statement = statement.where(or_(key > last[0], and_(key == last[0], lines.c.line > query.after)))
    rows = connection.execute(statement).all()
    shown = rows[: query.limit]
    return LinePage(views(connection, shown, now), len(rows) > query.limit, total)


def line(connection: Connection, wanted: bytes, organisation: bytes | None, now: int) -> LineView:
    """Raises line.unknown: also where it is not the organisation's."""
    return views(connection, [_row(connection, wanted, organisation)], now)[0]


def devices_of(connection: Connection, wanted: bytes, organisation: bytes | None) -> list[DeviceView]:
    """All that the line ever had. Raises line.unknown."""
    row = _row(connection, wanted, organisation)
    found = connection.execute(
        select(devices.c.device, devices.c.created_at, devices.c.revoked_at)
        .where(devices.c.line == row.line)
        .order_by(devices.c.mailbox)
    )
    return [DeviceView(*device) for device in found]


def taken(connection: Connection, addresses: Iterable[str]) -> list[str]:
    """Addresses that a line has, or had; one that is closed counts, for only its organisation may reuse
    it."""
    found: set[str] = set()
    wanted = list(dict.fromkeys(addresses))
    for piece in pieces(wanted):
        found |= set(connection.execute(select(lines.c.address).where(lines.c.address.in_(piece))).scalars())
        digests = {term_rows.given_digest(address): address for address in piece}
        given = select(given_addresses.c.digest).where(given_addresses.c.digest.in_(digests))
        found |= {digests[digest] for digest in connection.execute(given).scalars()}
    return [address for address in wanted if address in found]


def counts(connection: Connection, organisation: bytes | None, now: int) -> StageCounts:
    """Of an organisation, or of all."""
    mine = [] if organisation is None else [lines.c.organisation == organisation]
    stage = stage_sql(now)
    rows = connection.execute(select(stage, func.count()).where(*mine).group_by(stage)).all()
    by_stage: dict[str, int] = {row[0]: row[1] for row in rows}

    def ending_within(days: int) -> int:
        ends = (lines.c.term_ends > now) & (lines.c.term_ends <= now + days * _DAY)
        return connection.execute(
            select(func.count()).select_from(lines).where(lines.c.closed_at.is_(None), ends, *mine)
        ).scalar_one()

    return StageCounts(**by_stage, within_30_days=ending_within(30), within_7_days=ending_within(7))


def views(connection: Connection, rows: Iterable[AnyRow], now: int) -> list[LineView]:
    """In the order of `rows`."""
    shown = list(rows)
    counted: dict[bytes, int] = {}
    for piece in pieces(row.line for row in shown):
        found = connection.execute(
            select(devices.c.line, func.count())
            .where(devices.c.line.in_(piece), devices.c.revoked_at.is_(None))
            .group_by(devices.c.line)
        )
        counted |= {row[0]: row[1] for row in found}
    return [
        LineView(
            row.line,
            row.organisation,
            row.address,
            row.created_at,
            term_rows.line_stage(row, now),
            _term(row, now),
            row.held_at is not None,
            row.closed_at is not None and row.lapsed_at is None,
            counted.get(row.line, 0),
        )
        for row in shown
    ]


def stage_sql(now: int) -> ColumnElement[str]:
    """`term_rows.line_stage` as SQL; a test compares the two."""
    ends, closed, held = lines.c.term_ends, lines.c.closed_at, lines.c.held_at
    return case(
        (closed.is_not(None), "closed"),
        (ends.is_(None), "none"),
        (ends > now, "active"),
        (ends > now - GRACE_DAYS * _DAY, "grace"),
        (or_(held.is_not(None), ends > now - CLOSED_AFTER_DAYS * _DAY), "suspended"),
        else_="closed",
    )


def _wanted(query: LineQuery, now: int) -> Select[Any]:
    statement = select(lines).where(*_whose(query))
    if query.search:
        statement = statement.where(lines.c.address.contains(query.search.strip().lower(), autoescape=True))
    if query.stage is not None:
        statement = statement.where(stage_sql(now) == query.stage)
    if query.ends_before is not None:
        statement = statement.where(lines.c.term_ends < query.ends_before)
    return statement


def _whose(query: LineQuery) -> list[ColumnElement[bool]]:
    if query.organisation is not None:
        return [lines.c.organisation == query.organisation]
    return [lines.c.organisation.is_(None)] if query.of_none else []


def _key(query: LineQuery) -> ColumnElement[Any]:
    return lines.c.address if query.order == "address" else func.coalesce(lines.c.term_ends, _NEVER)


def _row(connection: Connection, wanted: bytes, organisation: bytes | None) -> AnyRow:
    row = connection.execute(select(lines).where(lines.c.line == wanted)).one_or_none()
    if row is None or (organisation is not None and row.organisation != organisation):
        raise error("line.unknown")
    return row


def _term(row: AnyRow, now: int) -> TermView | None:
    term = term_rows.term_of(row)
    if term is None:
        return None
    return TermView(
        term.last_day.isoformat(),
        row.term_months,
        term.days_left(now),
        term.ends,
        term.suspends,
        term.closes,
        term.forgotten,
    )
