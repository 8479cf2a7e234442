"""Reads for sign-ins and pushes, in threads of their own, beside the writer."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import Connection, exc, func, select

from chappe.relay import term_rows
from chappe.relay.failures import is_lost, storage_failure
from chappe.relay.ports import DeviceRecord, Envelope
from chappe.relay.storage import Database, statements_of
from chappe.relay.tables import (
    attachments,
    devices,
    entries,
    last_resort_packages,
    lines,
    mailboxes,
)
from chappe.relay.usecases.key_packages import count_free

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

    def __init__(self, database: Database) -> None:
        self._engine = database.engine(writes=False)
        self._local = threading.local()
        self._opened: list[Connection] = []
        self._guard = threading.Lock()
        self.executor = ThreadPoolExecutor(database.readers, thread_name_prefix="chappe-reader")

    def close(self) -> None:
        self.executor.shutdown(wait=True)
        for connection in self._opened:
            connection.close()
        self._engine.dispose()

    def device(self, device: bytes, now: int) -> DeviceRecord | None:
        """What a sign-in needs to know at `now`; None if the device is not here."""
        spare = select(func.count()).select_from(last_resort_packages)
        newest = select(func.max(entries.c.sequence)).select_from(entries)
        oldest = select(func.min(entries.c.sequence)).select_from(entries)
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
                oldest.where(entries.c.mailbox == devices.c.mailbox).scalar_subquery().label("oldest"),
            )
            .join(mailboxes, mailboxes.c.mailbox == devices.c.mailbox)
            .join(lines, lines.c.line == devices.c.line)
            .where(devices.c.device == device)
        )

        def read(connection: Connection) -> tuple[Any, int] | None:
            row = connection.execute(statement).one_or_none()
            return None if row is None else (row, count_free(connection, row.mailbox))

        found = self.run(read)
        if found is None:
            return None
        row, free = found
        return DeviceRecord(
            device,
            row.line,
            row.mailbox,
            row.signature_key,
            row.revoked_at is not None,
            # What waits may stand before it, in a mailbox that was brought back from a copy
            # (backup.settling).
            row.gone_sequence if row.oldest is None else min(row.gone_sequence, row.oldest - 1),
            free,
            bool(row.spare),
            max(row.gone_sequence, row.newest or 0),
            term_rows.frame_of(row, now),
        )

    def page(self, mailbox: int, after: int, *, newer_than: int, items: int, size: int) -> Page:
        """Envelopes with a sequence above `after`, oldest first: at most `items`, and no more once `size`
        bytes are reached. What is not newer than `newer_than` has expired."""

        def read(connection: Connection) -> Page:
            rows, complete = statements_of(connection).page(
                connection, mailbox, after, newer_than=newer_than, items=items, size=size
            )
            return Page([Envelope(*row) for row in rows], complete)

        return self.run(read)

    def attachment(self, attachment: bytes) -> AttachmentRecord | None:
        """An attachment's row, or None."""
        statement = select(
            attachments.c.token_digest, attachments.c.size, attachments.c.received, attachments.c.expires
        ).where(attachments.c.attachment == attachment)
        row = self.run(lambda connection: connection.execute(statement).one_or_none())
        return None if row is None else AttachmentRecord(row[0], row[1], row[2], row[3])

    def run(self, work: Callable[[Connection], T]) -> T:
        """In one transaction: what it reads is of one moment. Once more on another connection, where the one
        that was kept had died unnoticed."""
        kept = getattr(self._local, "connection", None) is not None
        try:
            return self._run(work)
        except exc.DBAPIError as problem:
            failure = self._failed(problem)
            if not (kept and is_lost(problem)):
                raise failure from None
        try:
            return self._run(work)
        except exc.DBAPIError as problem:
            raise self._failed(problem) from None

    def _run(self, work: Callable[[Connection], T]) -> T:
        connection = self._connection()
        with connection.begin():
            return work(connection)

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
            with suppress(exc.DBAPIError):
                connection.close()
        return storage_failure(problem)
