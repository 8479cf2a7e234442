"""Reads for sign-ins and pushes, in threads of their own, beside the writer (WAL lets them)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar

from sqlalchemy import Connection, Engine, exc, func, select

from chappe.relay import term_rows
from chappe.relay.database import storage_failure
from chappe.relay.ports import DeviceRecord, Envelope
from chappe.relay.tables import (
    attachments,
    devices,
    entries,
    last_resort_packages,
    lines,
    mailboxes,
    payloads,
)
from chappe.relay.usecases.key_packages import count_free

THREADS: Final = 2

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class AttachmentRecord:
    """An attachment as the tables have it; sizes in bytes."""

    token_digest: bytes
    size: int
    received: int
    expires: int


@dataclass(frozen=True, slots=True)
class Page:
    """Envelopes of a mailbox in order. `complete`: there were no more after them."""

    envelopes: list[Envelope]
    complete: bool


class Reader:
    """Each method blocks; run it in `executor`. Raises StorageFailure."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._guard = threading.Lock()
        self.executor = ThreadPoolExecutor(THREADS, thread_name_prefix="chappe-reader")

    def close(self) -> None:
        self.executor.shutdown(wait=True)
        for connection in self._opened:
            connection.close()

    def device(self, device: bytes, now: int) -> DeviceRecord | None:
        """What a sign-in needs to know at `now`; None if the device is not here."""
        spare = select(func.count()).select_from(last_resort_packages)
        newest = select(func.max(entries.c.sequence)).select_from(entries)
        statement = (
            select(
                devices.c.line,
                devices.c.mailbox,
                devices.c.signature_key,
                devices.c.revoked_at,
                lines.c.held_at,
                lines.c.closed_at,
                lines.c.lapsed_at,
                lines.c.term_ends,
                lines.c.term_day,
                mailboxes.c.gone_sequence,
                spare.where(last_resort_packages.c.mailbox == devices.c.mailbox)
                .scalar_subquery()
                .label("spare"),
                newest.where(entries.c.mailbox == devices.c.mailbox).scalar_subquery().label("newest"),
            )
            .join(mailboxes, mailboxes.c.mailbox == devices.c.mailbox)
            .join(lines, lines.c.line == devices.c.line)
            .where(devices.c.device == device)
        )
        try:
            with self._connection().begin():
                row = self._connection().execute(statement).one_or_none()
                if row is None:
                    return None
                free = count_free(self._connection(), row.mailbox)
        except exc.DBAPIError as problem:
            raise self._failed(problem) from None
        return DeviceRecord(
            device,
            row.line,
            row.mailbox,
            row.signature_key,
            row.revoked_at is not None,
            row.gone_sequence,
            free,
            bool(row.spare),
            max(row.gone_sequence, row.newest or 0),
            term_rows.frame_of(row, now),
        )

    def page(self, mailbox: int, after: int, *, newer_than: int, items: int, size: int) -> Page:
        """Envelopes with a sequence above `after`, oldest first: at most `items`, and no more once `size`
        bytes are reached. What is not newer than `newer_than` has expired."""
        statement = (
            select(entries.c.sequence, entries.c.envelope, payloads.c.data, entries.c.at)
            .join(payloads, payloads.c.payload == entries.c.payload)
            .where(entries.c.mailbox == mailbox, entries.c.sequence > after, entries.c.at > newer_than)
            .order_by(entries.c.sequence)
            .limit(items)
        )
        found: list[Envelope] = []
        held, complete = 0, True
        try:
            connection = self._connection()
            # Closed even where it is not read to its end: an open cursor would keep the log from shrinking.
            with connection.begin(), connection.execute(statement) as rows:
                for row in rows:
                    found.append(Envelope(row[0], row[1], row[2], row[3]))
                    held += len(row[2])
                    if held >= size:
                        complete = False
                        break
        except exc.DBAPIError as problem:
            raise self._failed(problem) from None
        return Page(found, complete and len(found) < items)

    def attachment(self, attachment: bytes) -> AttachmentRecord | None:
        """An attachment's row, or None."""
        statement = select(
            attachments.c.token_digest, attachments.c.size, attachments.c.received, attachments.c.expires
        ).where(attachments.c.attachment == attachment)
        try:
            with self._connection().begin():
                row = self._connection().execute(statement).one_or_none()
        except exc.DBAPIError as problem:
            raise self._failed(problem) from None
        return None if row is None else AttachmentRecord(row[0], row[1], row[2], row[3])

    def run(self, work: Callable[[Connection], T]) -> T:
        """Anything else, in one transaction: what it reads is of one moment."""
        try:
            connection = self._connection()
            with connection.begin():
                return work(connection)
        except exc.DBAPIError as problem:
            raise self._failed(problem) from None

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine.connect()
            with self._guard:
                self._opened.append(connection)
        return connection

    def _failed(self, problem: exc.DBAPIError) -> Exception:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None:
            self._local.connection = None
            with self._guard:
                self._opened.remove(connection)
            connection.close()
        return storage_failure(problem)
