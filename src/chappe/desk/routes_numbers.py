"""Numbers of invoices: `/numbers`, and what the operator knows of them better than the machine."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from fastapi import FastAPI
from pydantic import StringConstraints
from sqlalchemy import Connection

from chappe.desk import numbers
from chappe.desk.database import Unit
from chappe.desk.desk import Desk
from chappe.desk.gate import Who
from chappe.desk.models import Body, Reason, moment
from chappe.wire.errors import ChappeError

Last = Annotated[str, StringConstraints(pattern=r"^2[0-9]{3}-[0-9]{6,9}$")]


class NoteView(Body):
    at: datetime
    kind: Literal["lost", "misdated"]
    first: str
    last: str
    reason: str


class NumbersView(Body):
    """`newest`: the last number of each year, here and in the file beside the database. `problem`: why
    nothing can be invoiced; null where it can."""

    newest: list[str]
    in_file: list[str] | None
    problem: str | None
    notes: list[NoteView]


class Lost(Body):
    """`last`: the newest number that is on any paper; 2026-000000 where there is none."""

    last: Last
    reason: Reason


class Misdated(Body):
    reason: Reason


def add_numbers(app: FastAPI, desk: Desk) -> None:
    database = desk.database

    def view() -> NumbersView:
        def read(connection: Connection) -> NumbersView:
            kept, problem = None, None
            try:
                kept = database.beside.numbers.read()
                numbers.check_file(connection, kept)
            except ChappeError as found:
                problem = found.message
            return NumbersView(
                newest=_shown(numbers.highest(connection)),
                in_file=None if kept is None else _shown(kept),
                problem=problem,
                notes=[
                    NoteView(
                        at=moment(one.at),
                        kind=one.kind,
                        first=numbers.shown(one.year, one.first),
                        last=numbers.shown(one.year, one.last),
                        reason=one.reason,
                    )
                    for one in numbers.noted(connection)
                    if one.kind != "kept"
                ],
            )

        return database.read(read)

    @app.get("/numbers", operation_id="numbers.show")
    def show() -> NumbersView:
        """The newest numbers, and whether database and file agree on them."""
        return view()

    @app.post("/numbers/lost", operation_id="numbers.lost")
    def lost(body: Lost, who: Who) -> NumbersView:
        """The database is an older copy, or the file is gone: the numbers up to `last` were given. The next
        paper has the one after it."""
        year, _, last = body.last.partition("-")
        database.change(who, lambda unit: numbers.note_lost(unit, int(year), int(last), body.reason))
        return view()

    @app.post("/numbers/misdated", operation_id="numbers.misdated")
    def misdated(body: Misdated, who: Who) -> NumbersView:
        """What bears a day to come was issued while the clock was ahead."""

        def work(unit: Unit) -> None:
            numbers.note_misdated(unit, body.reason)

        database.change(who, work)
        return view()


def _shown(highest: dict[int, int]) -> list[str]:
    return [numbers.shown(year, last) for year, last in sorted(highest.items())]
