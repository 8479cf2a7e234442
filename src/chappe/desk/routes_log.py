"""The audit log: `/log`, with a filter, its head, its verification and its export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Annotated

from fastapi import FastAPI, Query
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field

from chappe.desk import log
from chappe.desk.desk import Desk
from chappe.desk.gate import Who
from chappe.desk.happenings import HAPPENINGS
from chappe.desk.log import Filter, Head, Logged
from chappe.desk.models import MAX_LIMIT, Body, Id, Page, maybe_id, moment, read_id
from chappe.desk.who import Actor, Kind, Role
from chappe.tlog.merkle import EMPTY_ROOT
from chappe.wire.api import from_base64, to_base64
from chappe.wire.errors import ChappeError, error

Root = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$")]
EXPORT_TYPE = "application/jsonl"


class EntryView(Body):
    """`number` counts from 0; `root` is the log's with this entry as the last, and `data` the bytes that are
    hashed (base64url MessagePack). `text`: what happened, in English and French."""

    number: int
    at: datetime
    what: str
    text: dict[str, str]
    by: Kind
    account: Id | None
    token: Id | None
    subject: Id | None
    reseller: Id | None
    organisation: Id | None
    details: dict[str, str | int | bool | None]
    root: Root
    data: str


class HeadView(Body):
    """Keep it: whoever has an older head can tell whether the log was made anew since."""

    size: int
    root: Root


class Kept(Body):
    """A head that was written down before; without one the log is only checked against itself."""

    size: Annotated[int, Field(ge=0, le=2**53)] | None = None
    root: Root | None = None


def add_log(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    @app.get("/log", operation_id="log.list")
    def list_(
        who: Who,
        after: Annotated[int | None, Query(ge=0, le=2**53, description="Older than this number.")] = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        what: Annotated[str | None, Query(max_length=64)] = None,
        account: Id | None = None,
        subject: Id | None = None,
        reseller: Id | None = None,
        organisation: Id | None = None,
    ) -> Page[EntryView]:
        """The newest first. A reseller and an officer see what is theirs."""
        wanted = _theirs(
            who,
            Filter(
                _seconds(since),
                _seconds(until),
                what,
                _given(account),
                _given(subject),
                _given(reseller),
                _given(organisation),
            ),
        )
        found = database.read(lambda connection: log.read(connection, wanted, before=after, limit=limit))
        more = str(found[-1].number) if len(found) == limit and found[-1].number else None
        return Page(items=[view(one) for one in found], next=more)

    @app.get("/log/head", operation_id="log.head")
    def head() -> HeadView:
        """Size and root, to be kept."""
        return _head(database.read(log.head))

    @app.post("/log/verify", operation_id="log.verify")
    def verify(body: Kept) -> HeadView:
        """Hash every entry anew, and compare with a head that was kept."""
        if (body.size is None) != (body.root is None):
            raise error("desk.malformed", "A kept head is a size and a root.")
        kept = None
        if body.size is not None and body.root is not None:
            kept = Head(body.size, _root(body.root))
        return _head(database.read(lambda connection: log.verify(connection, kept=kept)))

    @app.get("/log/export", operation_id="log.export", response_class=StreamingResponse)
    def export(who: Who) -> StreamingResponse:
        """All entries, the oldest first, one JSON object a line; the last line is the head."""
        database.change(who, lambda unit: unit.log("log.exported"))
        return StreamingResponse(
            _lines(desk),
            media_type=EXPORT_TYPE,
            headers={"Content-Disposition": 'attachment; filename="chappe-desk-log.jsonl"'},
        )


def view(one: Logged) -> EntryView:
    english, french = HAPPENINGS.get(one.entry.what, (one.entry.what, one.entry.what))
    return EntryView(
        number=one.number,
        at=moment(one.entry.at),
        what=one.entry.what,
        text={"en": english, "fr": french},
        by=one.entry.by,
        account=maybe_id(one.entry.account),
        token=maybe_id(one.entry.token),
        subject=maybe_id(one.entry.subject),
        reseller=maybe_id(one.entry.reseller),
        organisation=maybe_id(one.entry.organisation),
        details=one.entry.details,
        root=to_base64(one.root),
        data=to_base64(one.data),
    )


def _theirs(who: Actor, wanted: Filter) -> Filter:
    """What the actor may see of what is asked for. Raises desk.unknown for another's."""
    if who.role is Role.RESELLER:
        if who.reseller is None or wanted.reseller not in (None, who.reseller):
            raise error("desk.unknown")
        return replace(wanted, reseller=who.reseller)
    if who.role is Role.OFFICER:
        if who.organisation is None or wanted.organisation not in (None, who.organisation):
            raise error("desk.unknown")
        return replace(wanted, organisation=who.organisation)
    return wanted


def _lines(desk: Desk) -> Iterator[bytes]:
    """In pieces, each a read of its own: a slow reader keeps no transaction open."""
    head = Head(0, EMPTY_ROOT)
    while found := desk.database.read(partial(log.pieces, start=head.size)):
        for one in found:
            yield view(one).model_dump_json().encode() + b"\n"
        head = Head(found[-1].number + 1, found[-1].root)
    yield json.dumps({"head": {"size": head.size, "root": to_base64(head.root)}}).encode() + b"\n"


def _head(head: Head) -> HeadView:
    return HeadView(size=head.size, root=to_base64(head.root))


def _root(shown: str) -> bytes:
    try:
        return from_base64(shown, 32)
    except ChappeError:
        raise error("desk.malformed", "A root is 32 bytes as base64url.") from None


def _seconds(at: datetime | None) -> int | None:
    return None if at is None else max(0, int(at.timestamp()))


def _given(id_: str | None) -> bytes | None:
    return None if id_ is None else read_id(id_)
