"""Lines at the desk: seen and renewed through the door to the relay, which says what there is.

The desk keeps nothing of a line but its subscriber's record. What an account may not see is
`desk.unknown`, the same as what is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Final, TypeVar

from starlette.concurrency import run_in_threadpool

from chappe.desk import subscribers
from chappe.desk.database import Database, Unit
from chappe.desk.models import today
from chappe.desk.subscribers import Subscriber
from chappe.desk.who import SYSTEM, Actor, Role
from chappe.wire.door import MAX_PAGE, Door, LineQuery, LineView, Renewal, TermView
from chappe.wire.errors import ChappeError, error
from chappe.wire.terms import REMINDER_DAYS

T = TypeVar("T")

LINKED_AT_ONCE: Final = 200
_OURS: Final = {
    "line.unknown": "desk.unknown",
    "organisation.unknown": "desk.unknown",
    "order.unknown": "desk.unknown",
    "term.changed": "desk.changed",
    "http.malformed": "desk.malformed",
}
"""What the door refuses with, as the desk says it."""


async def through(asked: Awaitable[T]) -> T:
    """What comes through the door, and its refusals in the desk's words."""
    try:
        return await asked
    except ChappeError as problem:
        code = _OURS.get(problem.code)
        if code is None:
            raise
        raise error(code) from None


def whose(who: Actor, wanted: bytes | None = None) -> bytes | None:
    """Of which organisation the account may see lines; None is of all. Raises desk.unknown where it asks for
    another one's."""
    if who.role is Role.OFFICER:
        if who.organisation is None or wanted not in (None, who.organisation):
            raise error("desk.unknown")
        return who.organisation
    if not who.sees_all:
        raise error("desk.unknown")
    return wanted


def reminder(term: TermView) -> int | None:
    """Which reminder is due: 30, 7 or 1 days; None while there is time, and after the end."""
    due = [days for days in REMINDER_DAYS if term.days_left <= days]
    return min(due) if due and term.days_left >= 0 else None


def end_of(last_day: date) -> int:
    """The instant at which a term of that last day ends. Raises desk.malformed for the last day of all."""
    if last_day == date.max:
        raise error("desk.malformed", "The calendar has no day after that one.")
    return int(datetime.combine(last_day + timedelta(days=1), datetime.min.time(), UTC).timestamp())


async def renew(
    database: Database, door: Door, who: Actor, asked: list[tuple[bytes, date]], months: int
) -> list[LineView]:
    """Months for lines, by the operator: (line, last day of the term as he saw it). All or none, and told to
    both logs. Raises desk.unknown, desk.changed, term.*."""
    views = [await through(door.line(line)) for line, _ in asked]
    renewals = [
        Renewal(view.line, view.organisation, months, end_of(last), "operator")
        for view, (_, last) in zip(views, asked, strict=True)
    ]
    # Before it is done: a desk that dies between the two has told its log who gave months away.
    await _announce(database, who, views, months)
    renewed = await through(door.renew(renewals))
    await _tell(database, who, renewed, months=months, by="operator")
    return renewed


async def renew_with_code(database: Database, door: Door, who: Actor, line: bytes, code: str) -> LineView:
    """A code for a line, by the operator or by an officer of its organisation. The same code again changes
    nothing. Raises desk.unknown, code.*, term.*."""
    before = await through(door.line(line, whose(who)))
    renewed = await through(door.renew_with_code(line, whose(who), code))
    if renewed.term != before.term:
        await _tell(database, who, [renewed], by="code")
    return renewed


async def refuse_transfer(door: Door, who: Actor, line: bytes) -> None:
    """A line stays with its organisation: its keys trust that one's officers, and no other can be put in
    their place. Raises desk.unknown; term.transfer, always."""
    await through(door.line(line, whose(who)))
    raise error("term.transfer", "A line stays with its organisation; make a new line for the other one.")


async def all_of(door: Door, query: Callable[[bytes | None], LineQuery]) -> list[LineView]:
    """Every line that a query finds, page after page. `query` is made with the last line before."""
    found: list[LineView] = []
    after: bytes | None = None
    while True:
        page = await through(door.lines(query(after)))
        found += page.lines
        if not page.more:
            return found
        after = page.lines[-1].line


async def tend(database: Database, door: Door) -> None:
    """Once an hour: records find their lines, and contracts end with them. Raises storage.*."""
    await _link(database, door)
    closed = await all_of(door, lambda after: LineQuery(stage="closed", after=after, limit=MAX_PAGE))
    now = today(database.now())
    ended = {
        view.line: now if view.erased or view.term is None else date.fromisoformat(view.term.last_day)
        for view in closed
    }
    if ended:
        await run_in_threadpool(database.change, SYSTEM, lambda unit: subscribers.end_of_lines(unit, ended))


async def _link(database: Database, door: Door) -> None:
    """All that wait, so many at a time: those whose codes nobody uses keep no other one waiting."""
    last: bytes | None = None
    while waiting := await run_in_threadpool(
        database.read, partial(subscribers.unlinked, limit=LINKED_AT_ONCE, after=last)
    ):
        last = waiting[-1].id
        there = set(await through(door.taken_addresses([one.fields["address"] for one in waiting])))
        for record in waiting:
            line = await _line_of(door, record) if record.fields["address"] in there else None
            if line is not None:
                await run_in_threadpool(_link_one, database, record.id, line)


async def _line_of(door: Door, record: Subscriber) -> bytes | None:
    """The open line of its address, in its organisation."""
    address = record.fields["address"]
    found = await all_of(
        door,
        lambda after: LineQuery(
            organisation=record.organisation,
            of_none=record.organisation is None,
            search=address,
            after=after,
            limit=MAX_PAGE,
        ),
    )
    return next((view.line for view in found if view.address == address and view.stage != "closed"), None)


def _link_one(database: Database, record: bytes, line: bytes) -> None:
    database.change(SYSTEM, lambda unit: subscribers.link(unit, record, line))


async def _announce(database: Database, who: Actor, views: list[LineView], months: int) -> None:
    def note(unit: Unit) -> None:
        for view in views:
            unit.log("line.renewing", view.line, organisation=view.organisation, months=months, by="operator")

    await run_in_threadpool(database.change, who, note)


async def _tell(
    database: Database, who: Actor, renewed: list[LineView], *, by: str, months: int | None = None
) -> None:
    def note(unit: Unit) -> None:
        for view in renewed:
            last = None if view.term is None else view.term.last_day
            unit.log(
                "line.renewed",
                view.line,
                organisation=view.organisation,
                by=by,
                last_day=last,
                months=months or (view.term.months if view.term else None),
            )

    await run_in_threadpool(database.change, who, note)
