"""PostgreSQL's statements of the hot path (`Statements`), each for many rows at once: columns go as arrays.

Rows that two transactions may want are locked in one order by all of them: mailboxes by number, then ids of
what was sent, then shares by payload. So no two wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import Connection

_LOCK: Final = (
    "SELECT count(*) FROM (SELECT 1 FROM mailboxes WHERE mailbox = ANY(%s::bigint[]) ORDER BY mailbox "
    "FOR NO KEY UPDATE) AS locked"
)
# What leaves; the number that is gone, and the bytes gone with it, both from the last entry that leaves. The
# number never goes back: in a mailbox that was brought back from a copy it is ahead of what waits.
_LEAVE: Final = (
    "WITH acked AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) AS a(mailbox, upto)), "
    "leaving AS (DELETE FROM entries e USING acked a WHERE e.mailbox = a.mailbox AND e.sequence <= a.upto "
    "RETURNING e.mailbox, e.sequence, e.total_bytes, e.payload), "
    "marked AS (UPDATE mailboxes m SET gone_sequence = greatest(m.gone_sequence, l.sequence), "
    "gone_bytes = l.total_bytes FROM "
    "(SELECT mailbox, max(sequence) AS sequence, max(total_bytes) AS total_bytes FROM leaving "
    "GROUP BY mailbox) AS l WHERE m.mailbox = l.mailbox) "
    "SELECT payload, count(*) FROM leaving GROUP BY payload ORDER BY payload"
)
_LOCK_SHARES: Final = (
    "SELECT payload FROM shares WHERE payload = ANY(%s::bigint[]) ORDER BY payload FOR NO KEY UPDATE"
)
_COUNT_DOWN: Final = (
    "UPDATE shares s SET mailboxes_left = s.mailboxes_left - l.times "
    "FROM unnest(%s::bigint[], %s::int[]) AS l(payload, times) WHERE s.payload = l.payload "
    "RETURNING s.payload, s.mailboxes_left"
)
_LOAD: Final = (
    "SELECT m.mailbox, greatest(m.gone_sequence, coalesce(e.sequence, 0)), "
    "greatest(m.gone_bytes, coalesce(e.total_bytes, 0)), m.gone_sequence, m.gone_bytes FROM mailboxes m "
    "LEFT JOIN LATERAL (SELECT sequence, total_bytes FROM entries WHERE mailbox = m.mailbox "
    "ORDER BY sequence DESC LIMIT 1) AS e ON true WHERE m.mailbox = ANY(%s::bigint[])"
)
# Bytes of those before it, from the second on, decide whether one is still of the page.
_PAGE: Final = (
    "WITH head AS (SELECT sequence, envelope, payload, total_bytes, at FROM entries WHERE mailbox = %s "
    "AND sequence > %s AND at > %s ORDER BY sequence LIMIT %s), "
    "whole AS (SELECT min(total_bytes) AS first, count(*) AS count FROM head) "
    "SELECT h.sequence, h.envelope, p.data, h.at, w.count FROM whole w, head h "
    "JOIN payloads p ON p.payload = h.payload WHERE h.total_bytes - w.first < %s ORDER BY h.sequence"
)


def lock(connection: Connection, mailboxes: set[int]) -> None:
    if mailboxes:
        connection.exec_driver_sql(_LOCK, (list(mailboxes),))


def acknowledge(connection: Connection, upto: list[tuple[int, int]]) -> None:
    """Delete entries up to a sequence in each of the mailboxes, and payloads that no mailbox holds."""
    boxes, sequences = [box for box, _ in upto], [sequence for _, sequence in upto]
    left = connection.exec_driver_sql(_LEAVE, (boxes, sequences)).all()
    if not left:
        return
    times = {row[0]: row[1] for row in left}
    shared = connection.exec_driver_sql(_LOCK_SHARES, (list(times),)).scalars().all()
    gone = times.keys() - set(shared)
    if shared:
        counts = (list(shared), [times[payload] for payload in shared])
        nobody = [row[0] for row in connection.exec_driver_sql(_COUNT_DOWN, counts) if row[1] <= 0]
        if nobody:
            connection.exec_driver_sql("DELETE FROM shares WHERE payload = ANY(%s::bigint[])", (nobody,))
            gone |= set(nobody)
    if gone:
        connection.exec_driver_sql("DELETE FROM payloads WHERE payload = ANY(%s::bigint[])", (sorted(gone),))


def find_ids(connection: Connection, ids: list[bytes]) -> dict[bytes, tuple[bytes, int]]:
    rows = connection.exec_driver_sql(
        "SELECT id, digest, expires FROM sent_ids WHERE id = ANY(%s::bytea[])", (ids,)
    )
    return {id_: (digest, expires) for id_, digest, expires in rows}


def find_tokens(
    connection: Connection, mailboxes: list[int]
) -> Iterator[tuple[int, bytes, bytes | None, int | None]]:
    rows = connection.exec_driver_sql(
        "SELECT mailbox, digest, before, before_until FROM delivery_tokens WHERE mailbox = ANY(%s::bigint[])",
        (mailboxes,),
    )
    yield from ((row[0], row[1], row[2], row[3]) for row in rows)


def find_mailboxes(connection: Connection, devices: list[bytes]) -> Iterator[tuple[bytes, int]]:
    rows = connection.exec_driver_sql(
        "SELECT device, CASE WHEN revoked_at IS NULL THEN mailbox ELSE 0 END FROM devices "
        "WHERE device = ANY(%s::bytea[]) "
        "UNION ALL SELECT device, 0 FROM gone_devices WHERE device = ANY(%s::bytea[])",
        (devices, devices),
    )
    yield from ((device, mailbox) for device, mailbox in rows)


def load_boxes(connection: Connection, mailboxes: list[int]) -> Iterator[tuple[int, int, int, int, int]]:
    rows = connection.exec_driver_sql(_LOAD, (mailboxes,))
    yield from ((row[0], row[1], row[2], row[3], row[4]) for row in rows)


def gone(connection: Connection, mailbox: int) -> tuple[int, int]:
    row = connection.exec_driver_sql(
        "SELECT gone_sequence, gone_bytes FROM mailboxes WHERE mailbox = %s", (mailbox,)
    ).one()
    return row[0], row[1]


def payload_numbers(connection: Connection, wanted: int) -> Iterator[int]:
    """From a sequence that all gateways share; in this transaction alone, so that numbers grow with time."""
    while True:
        rows = connection.exec_driver_sql(
            "SELECT nextval('payload_numbers') FROM generate_series(1, %s)", (max(wanted, 1),)
        )
        yield from rows.scalars().all()


def insert_ids(connection: Connection, rows: list[tuple[bytes, bytes, int]]) -> None:
    _insert(connection, _IDS, sorted(rows))


def insert_payloads(connection: Connection, rows: list[tuple[int, int, bytes]]) -> None:
    _insert(connection, _PAYLOADS, rows)


def insert_shares(connection: Connection, rows: list[tuple[int, int]]) -> None:
    _insert(connection, _SHARES, rows)


def insert_entries(connection: Connection, rows: list[tuple[int, int, bytes, int, int, int]]) -> None:
    _insert(connection, _ENTRIES, rows)


_IDS: Final = (
    "INSERT INTO sent_ids (id, digest, expires) SELECT * FROM unnest(%s::bytea[], %s::bytea[], %s::bigint[])"
)
_PAYLOADS: Final = (
    "INSERT INTO payloads (payload, at, data) SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bytea[])"
)
_SHARES: Final = "INSERT INTO shares (payload, mailboxes_left) SELECT * FROM unnest(%s::bigint[], %s::int[])"
_ENTRIES: Final = (
    "INSERT INTO entries (mailbox, sequence, envelope, payload, total_bytes, at) SELECT * FROM "
    "unnest(%s::bigint[], %s::bigint[], %s::bytea[], %s::bigint[], %s::bigint[], %s::bigint[])"
)


def _insert(connection: Connection, statement: str, rows: list[Any]) -> None:
    """Rows as columns."""
    if rows:
        connection.exec_driver_sql(statement, tuple(list(column) for column in zip(*rows, strict=True)))


def page(
    connection: Connection, mailbox: int, after: int, *, newer_than: int, items: int, size: int
) -> tuple[list[tuple[int, bytes, bytes, int]], bool]:
    rows = connection.exec_driver_sql(_PAGE, (mailbox, after, newer_than, items, size)).all()
    found = [(row[0], row[1], row[2], row[3]) for row in rows]
    return found, not rows or len(found) == rows[0][4] < items
