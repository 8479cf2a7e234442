"""Lines: `/lines`, their devices and renewals, the import and export as CSV; `/organisations`,
`/overview`."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final, Literal

from fastapi import FastAPI, Query, Request, Response
from pydantic import Field, StringConstraints
from starlette.concurrency import run_in_threadpool

from chappe.desk import importing, lines, sheets
from chappe.desk.desk import Desk
from chappe.desk.gate import OnceKey, Who
from chappe.desk.models import MAX_LIMIT, Body, Id, Page, maybe_id, moment, read_id, show_id, today
from chappe.wire import door
from chappe.wire.api import to_base64
from chappe.wire.door import LineQuery
from chappe.wire.terms import DEFAULT_MONTHS, MAX_MONTHS

MAX_AT_ONCE: Final = 200
"""Lines of one renewal."""
_COLUMNS: Final = (
    "address",
    "organisation",
    "stage",
    "last_day",
    "days_left",
    "created_at",
    "devices",
    "line",
)

Stage = Literal["none", "active", "grace", "suspended", "closed"]
Months = Annotated[int, Field(ge=1, le=MAX_MONTHS)]


class Term(Body):
    """`last_day`: the last one that is paid, UTC. `reminder`: which one is due, of 30, 7 and 1 days."""

    last_day: date
    months: int
    days_left: int
    reminder: int | None
    ends: datetime
    suspends: datetime
    closes: datetime
    forgotten: datetime


class LineView(Body):
    """No key, no contact, no message: the relay tells nobody."""

    id: Id
    organisation: Id | None
    address: str
    created_at: datetime
    stage: Stage
    term: Term | None
    held: bool
    erased: bool
    devices: int


class LinePage(Page[LineView]):
    """`total`: of all pages."""

    total: int


class DeviceView(Body):
    id: Id
    created_at: datetime
    signed_out_at: datetime | None


class RenewedLine(Body):
    """`last_day` as it was read: where it is another by now, nothing is renewed."""

    line: Id
    last_day: date


class Renewal(Body):
    lines: Annotated[list[RenewedLine], Field(min_length=1, max_length=MAX_AT_ONCE)]
    months: Months = DEFAULT_MONTHS


class Renewed(Body):
    lines: list[LineView]


class Code(Body):
    code: Annotated[str, StringConstraints(min_length=1, max_length=64)]


class Transfer(Body):
    organisation: Id


class RowProblem(Body):
    """`row` as a spreadsheet counts: the header is row 1."""

    row: int
    column: str
    message: str


class NewLine(Body):
    row: int
    address: str
    code: str


class Imported(Body):
    """`encoding` latin-1: look at the accents before it is made. `lines`: codes, shown this once, and
    empty in a dry run. `fleet_key`: of the organisation, for activation links."""

    dry_run: bool
    encoding: Literal["utf-8", "latin-1"]
    separator: str
    columns: list[str]
    rows: int
    problems: list[RowProblem]
    more_problems: bool
    lines: list[NewLine]
    fleet_key: str


class OrganisationView(Body):
    id: Id
    name: str
    created_at: datetime
    lines: int
    officers: int


class Stages(Body):
    none: int
    active: int
    grace: int
    suspended: int
    closed: int
    within_30_days: int
    within_7_days: int


class Erasures(Body):
    """Devices of erase orders, by the furthest stage; orders that wait for a second officer."""

    awaiting: int
    ordered: int
    unreadable: int
    removed: int
    erased: int


class LoadView(Body):
    sockets: int
    waiting_bytes: int
    devices: int
    mail: int
    attachment_bytes: int


class Unlocks(Body):
    """Devices with a share; whose last PIN was wrong; whose share ten wrong ones destroyed."""

    devices: int
    failing: int
    worn_out: int


class Overview(Body):
    """`load` and `unlocks` are for who sees all of the relay. `clock_days`: how far the machine's clock went
    forward at once, where that is not believed (see `/clock`); else 0."""

    at: datetime
    lines: Stages
    erasures: Erasures
    load: LoadView | None
    unlocks: Unlocks | None
    clock_days: int


def add_lines(app: FastAPI, desk: Desk) -> None:
    # First what stands where an id could stand.
    _add_sheets(app, desk)
    _add_views(app, desk)
    _add_renewals(app, desk)

    @app.get("/overview", operation_id="overview.show")
    async def overview(who: Who, organisation: Id | None = None) -> Overview:
        """How lines, erasures and the relay stand now. An officer sees the organisation's."""
        wanted = lines.whose(who, None if organisation is None else read_id(organisation))
        found = await lines.through(desk.relay_door().overview(wanted))
        jump = desk.clock_guard.jump()
        return Overview(
            at=moment(found.at),
            lines=Stages.model_validate(_plain(found.lines)),
            erasures=Erasures.model_validate(_plain(found.erasures)),
            load=None if found.load is None else LoadView.model_validate(_plain(found.load)),
            unlocks=None if found.unlocks is None else Unlocks.model_validate(_plain(found.unlocks)),
            clock_days=0 if jump is None else jump.days,
        )

    @app.get("/organisations", operation_id="organisations.list")
    async def organisations(who: Who) -> list[OrganisationView]:
        """The organisations of this relay, by name; an officer sees the own one."""
        only = lines.whose(who)
        return [
            OrganisationView(
                id=show_id(one.organisation),
                name=one.name,
                created_at=moment(one.created_at),
                lines=one.lines,
                officers=one.officers,
            )
            for one in await lines.through(desk.relay_door().organisations())
            if only in (None, one.organisation)
        ]


def _add_views(app: FastAPI, desk: Desk) -> None:
    @app.get("/lines", operation_id="lines.list")
    async def list_(
        who: Who,
        after: Id | None = None,
        limit: Annotated[int, Query(ge=1, le=MAX_LIMIT)] = 50,
        organisation: Id | None = None,
        stage: Stage | None = None,
        search: Annotated[str, Query(max_length=320)] = "",
        ends_before: date | None = None,
        order: Literal["address", "ends"] = "address",
    ) -> LinePage:
        """Lines, by address or by the end of their terms. An officer sees the organisation's."""
        query = LineQuery(
            organisation=lines.whose(who, None if organisation is None else read_id(organisation)),
            search=search,
            stage=stage,
            ends_before=None if ends_before is None else lines.end_of(ends_before),
            order=order,
            after=None if after is None else read_id(after),
            limit=limit,
        )
        page = await lines.through(desk.relay_door().lines(query))
        following = show_id(page.lines[-1].line) if page.more else None
        return LinePage(items=[view(one) for one in page.lines], next=following, total=page.total)

    @app.get("/lines/{line}", operation_id="lines.show")
    async def show(line: Id, who: Who) -> LineView:
        """One line."""
        return view(await lines.through(desk.relay_door().line(read_id(line), lines.whose(who))))

    @app.get("/lines/{line}/devices", operation_id="lines.devices")
    async def devices(line: Id, who: Who) -> list[DeviceView]:
        """All devices that the line ever had."""
        found = await lines.through(desk.relay_door().devices(read_id(line), lines.whose(who)))
        return [
            DeviceView(
                id=show_id(one.device),
                created_at=moment(one.created_at),
                signed_out_at=None if one.signed_out_at is None else moment(one.signed_out_at),
            )
            for one in found
        ]


def _add_renewals(app: FastAPI, desk: Desk) -> None:
    @app.post("/lines/renew", operation_id="lines.renew")
    async def renew(body: Renewal, who: Who) -> Renewed:
        """Renew lines by months, all or none: what is paid otherwise is the ledger's."""
        asked = [(read_id(one.line), one.last_day) for one in body.lines]
        renewed = await lines.renew(desk.database, desk.relay_door(), who, asked, body.months)
        return Renewed(lines=[view(one) for one in renewed])

    @app.post("/lines/{line}/renew", operation_id="lines.renew_by_code")
    async def renew_by_code(line: Id, body: Code, who: Who) -> LineView:
        """Redeem a renewal code for a line, as its phone does."""
        door_ = desk.relay_door()
        return view(await lines.renew_with_code(desk.database, door_, who, read_id(line), body.code))

    @app.post("/lines/{line}/transfer", operation_id="lines.transfer", status_code=204)
    async def transfer(line: Id, body: Transfer, who: Who) -> None:
        """Refused, always: a line stays with its organisation (`term.transfer`)."""
        del body
        await lines.refuse_transfer(desk.relay_door(), who, read_id(line))


def _add_sheets(app: FastAPI, desk: Desk) -> None:
    @app.post(
        "/lines/import",
        operation_id="lines.import",
        openapi_extra={"requestBody": {"content": {"text/csv": {"schema": {"type": "string"}}}}},
    )
    async def import_(
        request: Request,
        who: Who,
        once: OnceKey,
        organisation: Id | None = None,
        months: Annotated[int, Query(ge=1, le=MAX_MONTHS)] = DEFAULT_MONTHS,
        dry_run: bool = True,
    ) -> Imported:
        """Codes and subscribers' records from a CSV (the body, at most 2 MiB). A dry run, unless it is said
        otherwise, tells every mistake and makes nothing."""
        data = await request.body()
        now, server = today(desk.database.now()), desk.settings.server_name
        looked = await importing.look(desk.relay_door(), data, server, months, now)
        made = importing.Made([])
        if not dry_run:
            whose_lines = None if organisation is None else read_id(organisation)
            made = await importing.make(desk.database, desk.relay_door(), who, looked, whose_lines, once)
        return Imported(
            dry_run=dry_run,
            encoding="latin-1" if looked.sheet.encoding == "latin-1" else "utf-8",
            separator=looked.sheet.separator,
            columns=list(looked.sheet.columns),
            rows=len(looked.sheet.rows),
            problems=[RowProblem(row=p.row, column=p.column, message=p.message) for p in looked.problems],
            more_problems=looked.cut,
            lines=[NewLine(row=row, address=address, code=code) for row, address, code in made.codes],
            fleet_key=to_base64(made.fleet_key),
        )

    @app.get("/lines/export", operation_id="lines.export", response_class=Response)
    async def export(who: Who, organisation: Id | None = None) -> Response:
        """All lines as CSV in UTF-8; no cell of it is a formula for a spreadsheet."""
        only = lines.whose(who, None if organisation is None else read_id(organisation))
        found = await lines.all_of(
            desk.relay_door(),
            lambda after: LineQuery(organisation=only, after=after, limit=door.MAX_PAGE),
        )
        await run_in_threadpool(
            desk.database.change,
            who,
            lambda unit: unit.log("lines.exported", organisation=only, lines=len(found)),
        )
        return Response(
            sheets.write(_COLUMNS, [_cells(one) for one in found]),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": 'attachment; filename="lines.csv"'},
        )


def view(one: door.LineView) -> LineView:
    return LineView(
        id=show_id(one.line),
        organisation=maybe_id(one.organisation),
        address=one.address,
        created_at=moment(one.created_at),
        stage=one.stage,
        term=None if one.term is None else _term(one.term),
        held=one.held,
        erased=one.erased,
        devices=one.devices,
    )


def _term(term: door.TermView) -> Term:
    return Term(
        last_day=date.fromisoformat(term.last_day),
        months=term.months,
        days_left=term.days_left,
        reminder=lines.reminder(term),
        ends=moment(term.ends),
        suspends=moment(term.suspends),
        closes=moment(term.closes),
        forgotten=moment(term.forgotten),
    )


def _cells(one: door.LineView) -> list[str]:
    term = one.term
    return [
        one.address,
        maybe_id(one.organisation) or "",
        one.stage,
        "" if term is None else term.last_day,
        "" if term is None else str(term.days_left),
        moment(one.created_at).date().isoformat(),
        str(one.devices),
        show_id(one.line),
    ]


def _plain(struct: door.Struct) -> dict[str, object]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
