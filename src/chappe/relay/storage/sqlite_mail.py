"""SQLite's statements of the hot path (`Statements`), each for many rows at once.

The driver lets go of the interpreter lock for every step of a statement, and a busy event loop gives it
back late: a batch therefore costs a handful of statements that return few rows, whatever its size.
The column names come from tables.py, and a test runs every statement.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from sqlalchemy import Connection

from chappe.relay.database import chunks, insert_rows, values

TEMPORARY: Final = (
    "CREATE TEMP TABLE IF NOT EXISTS acked (mailbox INTEGER PRIMARY KEY, upto INTEGER NOT NULL)",
    "CREATE TEMP TABLE IF NOT EXISTS leaving (payload INTEGER PRIMARY KEY, times INTEGER NOT NULL)",
)

_LEAVING: Final = (
    "INSERT INTO leaving SELECT e.payload, count(*) FROM acked a CROSS JOIN entries e "
    "ON e.mailbox = a.mailbox AND e.sequence <= a.upto GROUP BY e.payload"
)
# The number that is gone, and the bytes gone with it, both from the last entry that leaves. The number never
# goes back: in a mailbox that was brought back from a copy it is ahead of what waits.
_GONE: Final = (
    "UPDATE mailboxes SET gone_sequence = CASE WHEN last.sequence > mailboxes.gone_sequence "
    "THEN last.sequence ELSE mailboxes.gone_sequence END, gone_bytes = last.total_bytes FROM "
    "(SELECT e.mailbox, e.sequence, e.total_bytes FROM acked a CROSS JOIN entries e "
    "ON e.mailbox = a.mailbox AND e.sequence = (SELECT max(sequence) FROM entries "
    "WHERE mailbox = a.mailbox AND sequence <= a.upto)) AS last WHERE mailboxes.mailbox = last.mailbox "
    # Without it SQLite looks through all mailboxes; below, through all payloads that wait for several.
    "AND mailboxes.mailbox IN (SELECT mailbox FROM acked)"
)
_DELETE_ENTRIES: Final = (
    "DELETE FROM entries WHERE (mailbox, sequence) IN (SELECT e.mailbox, e.sequence FROM acked a "
    "CROSS JOIN entries e ON e.mailbox = a.mailbox AND e.sequence <= a.upto)"
)
_COUNT_DOWN: Final = (
    "UPDATE shares SET mailboxes_left = mailboxes_left - leaving.times FROM leaving "
    "WHERE leaving.payload = shares.payload AND shares.payload IN (SELECT payload FROM leaving)"
)
_DELETE_PAYLOADS: Final = (
    "DELETE FROM payloads WHERE payload IN (SELECT l.payload FROM leaving l WHERE NOT EXISTS "
    "(SELECT 1 FROM shares s WHERE s.payload = l.payload AND s.mailboxes_left > 0))"
)
_DELETE_SHARES: Final = (
    "DELETE FROM shares WHERE mailboxes_left <= 0 AND payload IN (SELECT payload FROM leaving)"
)

ACKNOWLEDGE: Final = (
    _LEAVING,
    _GONE,
    _DELETE_ENTRIES,
    _COUNT_DOWN,
    _DELETE_PAYLOADS,
    _DELETE_SHARES,
    "DELETE FROM leaving",
    "DELETE FROM acked",
)
"""In this order, once `acked` is filled."""

_PAGE: Final = (
    "SELECT e.sequence, e.envelope, p.data, e.at FROM entries e JOIN payloads p ON p.payload = e.payload "
    "WHERE e.mailbox = ? AND e.sequence > ? AND e.at > ? ORDER BY e.sequence LIMIT ?"
)


def lock(connection: Connection, mailboxes: set[int]) -> None:
    """Nobody else writes meanwhile."""


def acknowledge(connection: Connection, upto: list[tuple[int, int]]) -> None:
    """Delete entries up to a sequence in each of the mailboxes, and payloads that no mailbox holds."""
    for statement in TEMPORARY:
        connection.exec_driver_sql(statement)
    insert_rows(connection, "INSERT INTO acked", list(upto))
    for statement in ACKNOWLEDGE:
        connection.exec_driver_sql(statement)


def find_ids(connection: Connection, ids: list[bytes]) -> dict[bytes, tuple[bytes, int]]:
    """Of these ids, those used before: their (digest, expires)."""
    found = {}
    for piece in chunks([(id_,) for id_ in ids], 1):
        rows = connection.exec_driver_sql(
            f"WITH wanted(id) AS (VALUES {values(len(piece), 1)}) "
            "SELECT s.id, s.digest, s.expires FROM wanted w CROSS JOIN sent_ids s ON s.id = w.id",
            tuple(row[0] for row in piece),
        )
        for id_, digest, expires in rows:
            found[id_] = (digest, expires)
    return found


def find_tokens(
    connection: Connection, mailboxes: list[int]
) -> Iterator[tuple[int, bytes, bytes | None, int | None]]:
    """(mailbox, digest, the digest before, until when that holds) of those that have a delivery token."""
    for piece in chunks([(mailbox,) for mailbox in mailboxes], 1):
        marks = ",".join("?" * len(piece))
        rows = connection.exec_driver_sql(
            f"SELECT mailbox, digest, before, before_until FROM delivery_tokens WHERE mailbox IN ({marks})",
            tuple(row[0] for row in piece),
        )
        yield from ((row[0], row[1], row[2], row[3]) for row in rows)


def find_mailboxes(connection: Connection, devices: list[bytes]) -> Iterator[tuple[bytes, int]]:
    """(device, mailbox) of those that are here; 0 in place of the mailbox of one that is revoked, or was
    forgotten with its line."""
    for piece in chunks([(device,) for device in devices], 1):
        marks = ",".join("?" * len(piece))
        rows = connection.exec_driver_sql(
            "SELECT device, CASE WHEN revoked_at IS NULL THEN mailbox ELSE 0 END FROM devices "
            f"WHERE device IN ({marks}) "
            f"UNION ALL SELECT device, 0 FROM gone_devices WHERE device IN ({marks})",
            tuple(row[0] for row in piece) * 2,
        )
        yield from ((device, mailbox) for device, mailbox in rows)


def load_boxes(connection: Connection, mailboxes: list[int]) -> Iterator[tuple[int, int, int, int, int]]:
    """(mailbox, last sequence given, bytes ever put in, gone sequence, gone bytes)."""
    for piece in chunks([(mailbox,) for mailbox in mailboxes], 1):
        marks = ",".join("?" * len(piece))
        rows = connection.exec_driver_sql(
            "SELECT m.mailbox, max(m.gone_sequence, coalesce(e.sequence, 0)), "
            "max(m.gone_bytes, coalesce(e.total_bytes, 0)), m.gone_sequence, m.gone_bytes "
            "FROM mailboxes m LEFT JOIN entries e ON e.mailbox = m.mailbox AND e.sequence = "
            f"(SELECT max(sequence) FROM entries WHERE mailbox = m.mailbox) WHERE m.mailbox IN ({marks})",
            tuple(row[0] for row in piece),
        )
        yield from ((row[0], row[1], row[2], row[3], row[4]) for row in rows)


def gone(connection: Connection, mailbox: int) -> tuple[int, int]:
    """The last sequence that is gone from a mailbox, and the bytes gone with it."""
    row = connection.exec_driver_sql(
        "SELECT gone_sequence, gone_bytes FROM mailboxes WHERE mailbox = ?", (mailbox,)
    ).one()
    return row[0], row[1]


def payload_numbers(connection: Connection, wanted: int) -> Iterator[int]:
    """From the highest in use on."""
    del wanted
    highest: int | None = connection.exec_driver_sql("SELECT max(payload) FROM payloads").scalar()
    return itertools.count((highest or 0) + 1)


def insert_ids(connection: Connection, rows: list[tuple[bytes, bytes, int]]) -> None:
    insert_rows(connection, "INSERT INTO sent_ids (id, digest, expires)", list(rows))


def insert_payloads(connection: Connection, rows: list[tuple[int, int, bytes]]) -> None:
    insert_rows(connection, "INSERT INTO payloads (payload, at, data)", list(rows))


def insert_shares(connection: Connection, rows: list[tuple[int, int]]) -> None:
    insert_rows(connection, "INSERT INTO shares (payload, mailboxes_left)", list(rows))


def insert_entries(connection: Connection, rows: list[tuple[int, int, bytes, int, int, int]]) -> None:
    insert_rows(
        connection, "INSERT INTO entries (mailbox, sequence, envelope, payload, total_bytes, at)", list(rows)
    )


def page(
    connection: Connection, mailbox: int, after: int, *, newer_than: int, items: int, size: int
) -> tuple[list[tuple[int, bytes, bytes, int]], bool]:
    found: list[tuple[int, bytes, bytes, int]] = []
    held = 0
    # Closed even where it is not read to its end: an open cursor would keep the log from shrinking.
    with connection.exec_driver_sql(_PAGE, (mailbox, after, newer_than, items)) as rows:
        for row in rows:
            found.append((row[0], row[1], row[2], row[3]))
            held += len(row[2])
            if held >= size:
                return found, False
    return found, len(found) < items
