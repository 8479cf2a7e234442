"""Which number an invoice has, and why it may have none today.

Numbers of a year go from 1 without holes, and days go forward with them. Three things break that, and each is
noted once, with a reason, by who knows better than the machine: numbers that were lost with a database,
invoices that bear a day to come because the clock was ahead, and since when the numbers are also in a file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, TypeAlias

from sqlalchemy import ColumnElement, Connection, func, insert, select

from chappe.desk.database import Unit
from chappe.desk.ledger_tables import invoices as table
from chappe.desk.ledger_tables import number_notes as notes
from chappe.desk.number_file import FILE
from chappe.wire.errors import ChappeError, error
from chappe.wire.terms import utc_date

Kind: TypeAlias = Literal["kept", "lost", "misdated"]
_HOW: Final = "See `chappe desk sale numbers`, and docs/operating.md (The folder, Backup)."


@dataclass(frozen=True, slots=True)
class Note:
    """`first`, `last`: numbers of `year`; all 0 for `kept`."""

    at: int
    kind: Kind
    year: int
    first: int
    last: int
    reason: str


def following(unit: Unit) -> tuple[int, int]:
    """Year and number of the next paper. Raises desk.not_now where there can be none: the clock is not
    believed, or behind the last paper, or the numbers are others than those in the file."""
    jump = unit.beside.clock.jump()
    if jump is not None:
        raise error(
            "desk.not_now",
            f"The clock went forward by {jump.days} days at once: put it right, or confirm it with "
            "`chappe desk clock --confirm`; then order again.",
        )
    check_file(unit.connection, unit.beside.numbers.read())
    today = utc_date(unit.now)
    newest = _newest_day(unit.connection)
    if newest > today.isoformat():
        raise error(
            "desk.not_now",
            f"This machine's clock is behind the date of the last invoice, {newest}: set it first. If the "
            "clock is right now, and was ahead then, say so: `chappe desk sale misdated`.",
        )
    year = today.year
    number = highest(unit.connection).get(year, 0) + 1
    _keep(unit, {year: number})
    return year, number


def highest(connection: Connection) -> dict[int, int]:
    """The highest number of each year: issued, or lost."""
    found: dict[int, int] = {}
    for year, last in (
        *connection.execute(select(table.c.year, func.max(table.c.sequence)).group_by(table.c.year)),
        *connection.execute(
            select(notes.c.year, func.max(notes.c.last)).where(notes.c.kind == "lost").group_by(notes.c.year)
        ),
    ):
        found[year] = max(last, found.get(year, 0))
    return found


def check_file(connection: Connection, kept: dict[int, int] | None) -> None:
    """Raises desk.not_now where the database knows less than the file, or the file is gone."""
    if kept is None:
        if _is_kept(connection):
            raise error("desk.not_now", f"The file {FILE} is missing. {_HOW}")
        return
    known = highest(connection)
    for year, last in kept.items():
        if last > known.get(year, 0):
            raise error(
                "desk.not_now",
                f"Numbers up to {shown(year, last)} were given, and this database knows {known.get(year, 0)} "
                f"of that year: it is an older copy. Nothing is invoiced, so that no number is given twice. "
                f"{_HOW}",
            )


def note_lost(unit: Unit, year: int, last: int, reason: str) -> None:
    """The numbers of that year after the newest here, up to `last`, are on papers that the database has lost;
    the next one follows on `last`. Also where none was lost and the file is gone. Raises desk.malformed."""
    known = highest(unit.connection).get(year, 0)
    if last < known or year > utc_date(unit.now).year:
        raise error("desk.malformed", f"The newest number here is {shown(year, known)}; yours is before it.")
    if last > known:
        _note(unit, Note(unit.now, "lost", year, known + 1, last, reason))
    unit.log("numbers.lost", year=year, first=known + 1, last=last, reason=reason)
    _keep(unit, highest(unit.connection))


def note_misdated(unit: Unit, reason: str) -> None:
    """What bears a day to come was issued while the clock was ahead; days count from today again. Raises
    desk.not_now where there is none, or the clock is not believed now."""
    if unit.beside.clock.jump() is not None:
        raise error("desk.not_now", "The clock is not believed now; put it right, or confirm it first.")
    today = utc_date(unit.now).isoformat()
    ranges = unit.connection.execute(
        select(table.c.year, func.min(table.c.sequence), func.max(table.c.sequence))
        .where(table.c.issued > today, ~_excused())
        .group_by(table.c.year)
    ).all()
    if not ranges:
        raise error("desk.not_now", "No invoice bears a day to come.")
    for year, first, last in ranges:
        _note(unit, Note(unit.now, "misdated", year, first, last, reason))
        unit.log("numbers.misdated", year=year, first=first, last=last, reason=reason)


def noted(connection: Connection) -> list[Note]:
    """In the order in which they were made."""
    rows = connection.execute(select(notes).order_by(notes.c.note))
    return [Note(row.at, row.kind, row.year, row.first, row.last, row.reason) for row in rows]


def check_whole(connection: Connection) -> int:
    """That no number is missing but those noted as lost; how many papers there are. Raises storage.failed."""
    papers: dict[int, tuple[int, int]] = {
        year: (count, lowest)
        for year, count, lowest in connection.execute(
            select(table.c.year, func.count(), func.min(table.c.sequence)).group_by(table.c.year)
        )
    }
    gone: dict[int, int] = {}
    for note in noted(connection):
        if note.kind == "lost":
            gone[note.year] = gone.get(note.year, 0) + note.last - note.first + 1
    for year, last in highest(connection).items():
        count, lowest = papers.get(year, (0, 1))
        if count + gone.get(year, 0) != last or lowest < 1:
            raise error(
                "storage.failed", "An invoice number is missing: somebody wrote in the database by hand."
            )
    return sum(count for count, _ in papers.values())


def agree(unit: Unit) -> ChappeError | None:
    """At a start: what a process that was killed did not get into the file is put there. Gives why nothing
    can be invoiced, if so. Raises storage.*."""
    try:
        check_file(unit.connection, unit.beside.numbers.read())
    except ChappeError as problem:
        return problem
    if _is_kept(unit.connection):
        unit.beside.numbers.raise_to(highest(unit.connection))
    return None


def shown(year: int, number: int) -> str:
    return f"{year}-{number:06d}"


def _keep(unit: Unit, numbers: dict[int, int]) -> None:
    """Once this is committed, before anybody is shown the number."""
    if not _is_kept(unit.connection):
        _note(unit, Note(unit.now, "kept", 0, 0, 0, ""))
    known = highest(unit.connection)
    unit.after.append(lambda: unit.beside.numbers.raise_to(known | numbers))


def _is_kept(connection: Connection) -> bool:
    return connection.execute(select(notes.c.note).where(notes.c.kind == "kept").limit(1)).first() is not None


def _newest_day(connection: Connection) -> str:
    """ISO 8601; of papers whose day is not known to be wrong."""
    found: str | None = connection.execute(select(func.max(table.c.issued)).where(~_excused())).scalar()
    return found or date.min.isoformat()


def _excused() -> ColumnElement[bool]:
    return (
        select(notes.c.note)
        .where(
            notes.c.kind == "misdated",
            notes.c.year == table.c.year,
            notes.c.first <= table.c.sequence,
            notes.c.last >= table.c.sequence,
        )
        .exists()
    )


def _note(unit: Unit, note: Note) -> None:
    number = (unit.connection.execute(select(func.max(notes.c.note))).scalar() or 0) + 1
    unit.connection.execute(
        insert(notes).values(
            note=number,
            at=note.at,
            kind=note.kind,
            year=note.year,
            first=note.first,
            last=note.last,
            reason=note.reason,
        )
    )
