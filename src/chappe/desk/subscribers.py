"""The subscriber's record, as the law asks it of who operates a network, and no longer than it asks.

Of an operator in France: article L34-1, II bis, of the Code des postes et des communications
électroniques, and
article R10-13 (decree 2021-1361 of 20 October 2021): who the subscriber is, until five years after the
end of the
contract; what else was given at the subscription, and of the payment, until one year after it. Nothing
technical of a connection is here: the relay keeps none. The log tells of a record by its id
alone, never of its line or organisation: the log is not shortened, and a record loses both after a year.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, delete, insert, select, update

from chappe.desk import companies
from chappe.desk.database import Unit
from chappe.desk.ids import new_id
from chappe.desk.models import today
from chappe.desk.subscriber_tables import ACCOUNT, IDENTITY, subscribers
from chappe.wire.certificate import check_address
from chappe.wire.errors import ChappeError, error

IDENTITY_YEARS: Final = 5
ACCOUNT_YEARS: Final = 1
"""After the contract's end."""
SWEPT_AT_ONCE: Final = 500
UNUSED_SECONDS: Final = 400 * 24 * 3600
"""How long a record waits for its line: a code that is sold or imported holds for a year at the most."""
PAYMENTS: Final = ("card", "transfer", "direct_debit", "cheque", "cash", "invoice", "none", "")
FIELDS: Final = ("kind", *IDENTITY, *ACCOUNT)
_OLDEST: Final = date(1900, 1, 1)
_AHEAD: Final = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """`fields`: of FIELDS; those of ACCOUNT are empty once they were reduced. `identity_until`,
    `account_until`: the first day on which they are gone; None while the contract goes on."""

    id: bytes
    fields: Mapping[str, str]
    line: bytes | None
    organisation: bytes | None
    created_at: int
    began_on: date
    ended_on: date | None
    reduced_at: int | None
    version: int

    @property
    def account_until(self) -> date | None:
        return None if self.ended_on is None else years_after(self.ended_on, ACCOUNT_YEARS)

    @property
    def identity_until(self) -> date | None:
        return None if self.ended_on is None else years_after(self.ended_on, IDENTITY_YEARS)


def years_after(day: date, years: int) -> date:
    """The same day so many years later; 1 March for a 29 February that is not: never a day too early."""
    try:
        return day.replace(year=day.year + years)
    except ValueError:
        return date(day.year + years, 3, 1)


def problems(fields: Mapping[str, str], now: date) -> dict[str, str]:
    """What does not fit, by field, in words. Lengths and characters are the caller's to check."""
    found: dict[str, str] = {}
    company = fields["kind"] == "company"
    if fields["kind"] not in ("person", "company"):
        found["kind"] = "It is person or company."
    if company and not fields["company"]:
        found["company"] = "A company has a name."
    if not company and (fields["company"] or fields["registration"]):
        found["company"] = "A person has no company here; make it a company's record."
    for name in ("surname", "given_name", "country"):
        if not fields[name]:
            found[name] = "This is asked by law; it cannot be empty."
    if not fields["email"] and not fields["phone"]:
        found["email"] = "Give an e-mail address or a telephone number."
    if not _is_birth(fields["born_on"], now):
        found["born_on"] = "A date of birth is YYYY-MM-DD, and in the past."
    if fields["payment"] not in PAYMENTS:
        found["payment"] = f"It is one of {', '.join(PAYMENTS[:-1])}."
    for name, check in (("registration", _check_registration), ("address", _check_line_address)):
        try:
            check(fields)
        except ChappeError as problem:
            found.setdefault(name, problem.message)
    return found


def file(
    unit: Unit,
    fields: Mapping[str, str],
    *,
    organisation: bytes | None = None,
    line: bytes | None = None,
    began_on: date | None = None,
) -> Subscriber:
    """A new record; `fields` may leave out what is empty. Raises desk.malformed."""
    now = today(unit.now)
    whole = checked(fields, now)
    if began_on is not None and not _OLDEST <= began_on <= now + _AHEAD:
        raise error("desk.malformed", "began_on: A contract begins within a year, and not before 1900.")
    id_ = new_id()
    unit.connection.execute(
        insert(subscribers).values(
            subscriber=id_,
            line=line,
            organisation=organisation,
            created_at=unit.now,
            began_on=(began_on or now).isoformat(),
            version=1,
            **whole,
        )
    )
    unit.log("subscriber.filed", id_)
    return find(unit.connection, id_)


def change(unit: Unit, id_: bytes, version: int, fields: Mapping[str, str]) -> Subscriber:
    """Raises desk.unknown, desk.changed, desk.malformed, desk.not_now (over for more than a year)."""
    before = find(unit.connection, id_)
    if before.reduced_at is not None:
        raise error(
            "desk.not_now", "This record was reduced to what the law still keeps; it changes no more."
        )
    whole = checked({**before.fields, **fields}, today(unit.now))
    _update(unit, id_, version, whole)
    unit.log("subscriber.changed", id_, fields=" ".join(sorted(fields)))
    return find(unit.connection, id_)


def end(unit: Unit, id_: bytes, version: int, on: date) -> Subscriber:
    """The contract ends, and what is kept has its dates from then on. Raises desk.unknown, desk.changed,
    desk.not_now (it has ended), desk.malformed (a day in the future, or before it began)."""
    before = find(unit.connection, id_)
    if before.ended_on is not None:
        raise error("desk.not_now", "The contract has ended already.")
    if not before.began_on <= on <= today(unit.now):
        raise error("desk.malformed", "The end is between the day it began and today.")
    _update(unit, id_, version, {"ended_on": on.isoformat()})
    unit.log("subscriber.ended", id_, on=on.isoformat())
    return find(unit.connection, id_)


def read(unit: Unit, id_: bytes) -> Subscriber:
    """One whole record; the log tells that it was read. Raises desk.unknown."""
    found = find(unit.connection, id_)
    unit.log("subscriber.read", id_)
    return found


def find(connection: Connection, id_: bytes) -> Subscriber:
    """Raises desk.unknown."""
    row = connection.execute(select(subscribers).where(subscribers.c.subscriber == id_)).one_or_none()
    if row is None:
        raise error("desk.unknown", "No subscriber has this id.")
    return _subscriber(row)


def listed(
    connection: Connection,
    *,
    after: bytes | None = None,
    limit: int,
    organisation: bytes | None = None,
    line: bytes | None = None,
    address: str = "",
) -> list[Subscriber]:
    """By id, which says nothing. `address`: that one exactly."""
    statement = select(subscribers).order_by(subscribers.c.subscriber).limit(limit)
    if after is not None:
        statement = statement.where(subscribers.c.subscriber > after)
    if organisation is not None:
        statement = statement.where(subscribers.c.organisation == organisation)
    if line is not None:
        statement = statement.where(subscribers.c.line == line)
    if address:
        statement = statement.where(subscribers.c.address == address)
    return [_subscriber(row) for row in connection.execute(statement)]


# --- what time and the relay bring about


def unlinked(connection: Connection, limit: int, after: bytes | None = None) -> list[Subscriber]:
    """Records with an address whose line the relay has not named yet, by id."""
    statement = (
        select(subscribers)
        .where(subscribers.c.line.is_(None), subscribers.c.ended_on.is_(None), subscribers.c.address != "")
        .order_by(subscribers.c.subscriber)
        .limit(limit)
    )
    if after is not None:
        statement = statement.where(subscribers.c.subscriber > after)
    return [_subscriber(row) for row in connection.execute(statement)]


def link(unit: Unit, id_: bytes, line: bytes) -> None:
    """The line of that address is there now."""
    unit.connection.execute(
        update(subscribers)
        .where(subscribers.c.subscriber == id_, subscribers.c.line.is_(None))
        .values(line=line)
    )
    unit.log("subscriber.linked", id_)


def end_of_lines(unit: Unit, ended: Mapping[bytes, date]) -> int:
    """Lines that are closed, and since when: their contracts end. Gives how many did."""
    rows = unit.connection.execute(
        select(subscribers).where(subscribers.c.line.in_(ended), subscribers.c.ended_on.is_(None))
    ).all()
    for row in rows:
        on = max(ended[row.line], date.fromisoformat(row.began_on))
        unit.connection.execute(
            update(subscribers)
            .where(subscribers.c.subscriber == row.subscriber)
            .values(ended_on=on.isoformat(), version=row.version + 1)
        )
        unit.log("subscriber.ended", row.subscriber, on=on.isoformat())
    return len(rows)


def end_unused(unit: Unit) -> int:
    """Records whose line never came: by then no code that was sold for it can be used. The contract ends, and
    what is kept has its dates. Gives how many there were."""
    old = (subscribers.c.created_at <= unit.now - UNUSED_SECONDS) & (
        subscribers.c.began_on <= today(unit.now)
    )
    rows = unit.connection.execute(
        select(subscribers.c.subscriber, subscribers.c.version).where(
            old,
            subscribers.c.line.is_(None),
            subscribers.c.ended_on.is_(None),
            subscribers.c.address != "",
        )
    ).all()
    for row in rows:
        end(unit, row.subscriber, row.version, today(unit.now))
    return len(rows)


def sweep(unit: Unit) -> int:
    """Carry the dates out: reduce what is a year over, forget what is five years over. Gives how many records
    there were, `SWEPT_AT_ONCE` of each at most: then there may be more."""
    now = today(unit.now)
    return _forget(unit, now) + _reduce(unit, now)


def _forget(unit: Unit, now: date) -> int:
    gone = [
        row.subscriber
        for row in _ended_before(unit, now, IDENTITY_YEARS)
        if _over(row.ended_on, IDENTITY_YEARS, now)
    ]
    for id_ in gone:
        unit.connection.execute(delete(subscribers).where(subscribers.c.subscriber == id_))
        unit.log("subscriber.forgotten", id_)
    return len(gone)


def _reduce(unit: Unit, now: date) -> int:
    rows = [
        row
        for row in _ended_before(unit, now, ACCOUNT_YEARS)
        if row.reduced_at is None and _over(row.ended_on, ACCOUNT_YEARS, now)
    ]
    for row in rows:
        unit.connection.execute(
            update(subscribers)
            .where(subscribers.c.subscriber == row.subscriber)
            .values(
                line=None,
                organisation=None,
                reduced_at=unit.now,
                version=row.version + 1,
                **dict.fromkeys(ACCOUNT, ""),
            )
        )
        unit.log("subscriber.reduced", row.subscriber)
    return len(rows)


def _ended_before(unit: Unit, now: date, years: int) -> list[Row[Any]]:
    """Those that may be due: the very day is looked at by the caller, once a calendar is asked."""
    earliest = date(now.year - years, now.month, 1).isoformat()
    latest = f"{earliest[:8]}31"
    statement = select(subscribers).where(subscribers.c.ended_on <= latest)
    if years == ACCOUNT_YEARS:
        statement = statement.where(subscribers.c.reduced_at.is_(None))
    return list(unit.connection.execute(statement.order_by(subscribers.c.ended_on).limit(SWEPT_AT_ONCE)))


def _over(ended_on: str, years: int, now: date) -> bool:
    return now >= years_after(date.fromisoformat(ended_on), years)


def checked(fields: Mapping[str, str], now: date) -> dict[str, str]:
    """All of FIELDS, in their one spelling. Raises desk.malformed with the first problem."""
    whole = complete(fields)
    if found := problems(whole, now):
        name, words = next(iter(found.items()))
        raise error("desk.malformed", f"{name}: {words}")
    return whole


def complete(fields: Mapping[str, str]) -> dict[str, str]:
    """All of FIELDS, with nothing where nothing was given."""
    given = {name: fields.get(name, "").strip() for name in FIELDS}
    return given | {
        "kind": given["kind"] or "person",
        "email": given["email"].lower(),
        "address": given["address"].lower(),
        "country": given["country"].upper(),
    }


def _update(unit: Unit, id_: bytes, version: int, values: Mapping[str, Any]) -> None:
    changed = unit.connection.execute(
        update(subscribers)
        .where(subscribers.c.subscriber == id_, subscribers.c.version == version)
        .values(version=version + 1, **values)
    )
    if changed.rowcount != 1:
        raise error("desk.changed")


def _is_birth(text: str, now: date) -> bool:
    """Empty where it is not known: who acts for a company may not have been asked."""
    if not text:
        return True
    try:
        return _OLDEST <= date.fromisoformat(text) < now and len(text) == 10
    except ValueError:
        return False


def _check_registration(fields: Mapping[str, str]) -> None:
    if fields["registration"]:
        companies.registration(fields["country"], fields["registration"])


def _check_line_address(fields: Mapping[str, str]) -> None:
    if fields["address"]:
        check_address(fields["address"])


def _subscriber(row: Row[Any]) -> Subscriber:
    return Subscriber(
        row.subscriber,
        {name: row._mapping[name] for name in FIELDS},
        row.line,
        row.organisation,
        row.created_at,
        date.fromisoformat(row.began_on),
        None if row.ended_on is None else date.fromisoformat(row.ended_on),
        row.reduced_at,
        row.version,
    )
