"""Resellers: an application, an accreditation with its dates and contract, a suspension, an end.

    applied → (coming) → accredited → expired
                 ↓ ↑        ↓ ↑
               suspended  suspended          any of them → ended

Where one stands follows from what was decided and from the date: nothing has to run for an accreditation to
end.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, and_, exc, func, insert, or_, select, update

from chappe.desk import companies
from chappe.desk.database import Unit
from chappe.desk.ids import new_id
from chappe.desk.models import today
from chappe.desk.tables import resellers
from chappe.wire.errors import error

MAX_YEARS: Final = 5
"""Of one accreditation; then it is looked at again."""
MAX_APPLICATIONS: Final = 500
"""That strangers may have waiting. Then the oldest is turned down for a new one, if it has waited long
enough."""
APPLICATIONS_A_DAY: Final = 50
"""Of strangers, all together. What comes in `HEARD_SECONDS` is then less than may wait: whoever was told that
it is filed has it there for a week at least, and no flood keeps others out for longer than a day."""
HEARD_SECONDS: Final = 7 * 24 * 3600
FORGET_SECONDS: Final = 365 * 24 * 3600
"""How long after its end a reseller's contact is kept."""
WAIT_SECONDS: Final = 365 * 24 * 3600
"""How long an application waits for a decision, and one that was accredited for another accreditation."""
UNDECIDED: Final = "not decided on within a year"
CROWDED_OUT: Final = "not decided on before too many others came"
LAPSED: Final = "not accredited again within a year"
_DAY: Final = 24 * 3600
_YEAR: Final = timedelta(days=366)


class Standing(StrEnum):
    APPLIED = "applied"
    COMING = "coming"
    ACCREDITED = "accredited"
    SUSPENDED = "suspended"
    EXPIRED = "expired"
    ENDED = "ended"


@dataclass(frozen=True, slots=True)
class Particulars:
    """Who it is. `country`: ISO 3166-1 alpha-2; `registration`: at its register of companies; `vat_number`,
    `trade_name` and `website` may be empty. The contact is on no public page."""

    name: str
    country: str
    registration: str
    vat_number: str
    street: str
    postcode: str
    city: str
    contact_name: str
    contact_email: str
    contact_phone: str = ""
    trade_name: str = ""
    website: str = ""
    language: str = "fr"


FIELDS: Final = tuple(Particulars.__dataclass_fields__)


@dataclass(frozen=True, slots=True)
class Reseller:
    """`reason`: of the suspension, or the end. Dates are in UTC, the last day included."""

    id: bytes
    particulars: Particulars
    standing: Standing
    applied_at: int
    accredited_from: date | None
    accredited_until: date | None
    contract: str | None
    suspended_at: int | None
    ended_at: int | None
    reason: str
    version: int


def apply(unit: Unit, wanted: Particulars) -> Reseller:
    """File an application. Raises desk.malformed, desk.exists (the company is there, and not ended)."""
    fields = _checked({name: getattr(wanted, name) for name in FIELDS})
    id_ = new_id()
    try:
        unit.connection.execute(
            insert(resellers).values(reseller=id_, applied_at=unit.now, reason="", version=1, **fields)
        )
    except exc.IntegrityError:
        raise error("desk.exists", "A reseller with this registration is there already.") from None
    unit.log("reseller.applied", id_, reseller=id_)
    return find(unit.connection, id_, unit.now)


def apply_publicly(unit: Unit, wanted: Particulars) -> None:
    """As a stranger does it: he does not hear whether the company is there already. Raises desk.malformed,
    limit.rate where too many came today."""
    fields = _checked({name: getattr(wanted, name) for name in FIELDS})
    there = unit.connection.execute(
        select(resellers.c.reseller).where(
            resellers.c.country == fields["country"],
            resellers.c.registration == fields["registration"],
            resellers.c.ended_at.is_(None),
        )
    ).scalar()
    # Refused alike whether the company is there or not; but one that is makes nobody else go.
    oldest = _check_room(unit)
    if there is None:
        if oldest is not None:
            end(unit, *oldest, CROWDED_OUT)
        apply(unit, wanted)


def _check_room(unit: Unit) -> tuple[bytes, int] | None:
    """For one more application of a stranger: the one that has to go for it (and its version), or None.
    Raises limit.rate."""
    waiting = _condition(Standing.APPLIED, today(unit.now))
    count = select(func.count()).select_from(resellers).where(waiting)
    lately = count.where(resellers.c.applied_at > unit.now - _DAY)
    if unit.connection.execute(lately).scalar_one() >= APPLICATIONS_A_DAY:
        raise error("limit.rate", "Too many applications came today; try again tomorrow, or write to us.")
    if unit.connection.execute(count).scalar_one() < MAX_APPLICATIONS:
        return None
    oldest = unit.connection.execute(
        select(resellers.c.reseller, resellers.c.version)
        .where(waiting, resellers.c.applied_at <= unit.now - HEARD_SECONDS)
        .order_by(resellers.c.applied_at, resellers.c.reseller)
        .limit(1)
    ).one_or_none()
    if oldest is None:
        raise error("limit.rate", "Too many applications wait to be read; try again in some days.")
    return oldest.reseller, oldest.version


def change(unit: Unit, id_: bytes, version: int, fields: dict[str, str]) -> Reseller:
    """`fields`: of Particulars. Raises desk.unknown, desk.changed, desk.malformed, desk.exists,
    desk.not_now."""
    before = _living(unit, id_)
    merged = _checked({name: getattr(before.particulars, name) for name in FIELDS} | fields)
    try:
        _update(unit, id_, version, merged)
    except exc.IntegrityError:
        raise error("desk.exists", "A reseller with this registration is there already.") from None
    unit.log("reseller.changed", id_, reseller=id_, fields=" ".join(sorted(fields)))
    return find(unit.connection, id_, unit.now)


def accredit(unit: Unit, id_: bytes, version: int, first: date, last: date, contract: str) -> Reseller:
    """From `first` to `last`, both included; again for another period. Raises desk.unknown, desk.changed,
    desk.malformed (dates), desk.not_now (suspended, or ended)."""
    before = _living(unit, id_)
    if before.suspended_at is not None:
        raise error("desk.not_now", "The reseller is suspended; lift that first.")
    now = today(unit.now)
    if last < first:
        raise error("desk.malformed", "The accreditation ends before it begins.")
    if last < now:
        raise error("desk.malformed", "The accreditation would be over already.")
    if last - first > MAX_YEARS * _YEAR or not now - _YEAR <= first <= now + _YEAR:
        raise error(
            "desk.malformed",
            f"An accreditation begins within a year and lasts {MAX_YEARS} years at the most.",
        )
    _update(
        unit,
        id_,
        version,
        {
            "accredited_from": first.isoformat(),
            "accredited_until": last.isoformat(),
            "contract": contract,
            "reason": "",
        },
    )
    unit.log(
        "reseller.accredited",
        id_,
        reseller=id_,
        first=first.isoformat(),
        last=last.isoformat(),
        contract=contract,
    )
    return find(unit.connection, id_, unit.now)


def suspend(unit: Unit, id_: bytes, version: int, reason: str) -> Reseller:
    """Its codes activate no more until it is resumed. Raises desk.unknown, desk.changed, desk.not_now."""
    before = _living(unit, id_)
    if before.standing not in (Standing.ACCREDITED, Standing.COMING):
        raise error(
            "desk.not_now", f"Only who is accredited can be suspended; this one is {before.standing}."
        )
    _update(unit, id_, version, {"suspended_at": unit.now, "reason": reason})
    unit.log("reseller.suspended", id_, reseller=id_, reason=reason)
    return find(unit.connection, id_, unit.now)


def resume(unit: Unit, id_: bytes, version: int) -> Reseller:
    """Lift the suspension. Raises desk.unknown, desk.changed, desk.not_now."""
    before = _living(unit, id_)
    if before.suspended_at is None:
        raise error("desk.not_now", "The reseller is not suspended.")
    _update(unit, id_, version, {"suspended_at": None, "reason": ""})
    unit.log("reseller.resumed", id_, reseller=id_)
    return find(unit.connection, id_, unit.now)


def end(unit: Unit, id_: bytes, version: int, reason: str) -> Reseller:
    """Turn an application down, or end an accreditation, for good: it begins anew with an application. Raises
    desk.unknown, desk.changed, desk.not_now."""
    _living(unit, id_)
    _update(unit, id_, version, {"ended_at": unit.now, "reason": reason})
    unit.log("reseller.ended", id_, reseller=id_, reason=reason)
    return find(unit.connection, id_, unit.now)


def turn_down_forgotten(unit: Unit) -> int:
    """Applications that nobody decided on for a year: strangers' names are not kept for good because nobody
    looked; how many."""
    waiting = _condition(Standing.APPLIED, today(unit.now)) & (
        resellers.c.applied_at <= unit.now - WAIT_SECONDS
    )
    rows = unit.connection.execute(select(resellers.c.reseller, resellers.c.version).where(waiting)).all()
    for row in rows:
        end(unit, row.reseller, row.version, UNDECIDED)
    return len(rows)


def end_lapsed(unit: Unit) -> int:
    """Accreditations that were over for a year, and nobody began anew: their contacts are not kept for good
    because nobody ended them; how many."""
    day = today(unit.now - WAIT_SECONDS).isoformat()
    rows = unit.connection.execute(
        select(resellers.c.reseller, resellers.c.version).where(
            resellers.c.ended_at.is_(None), resellers.c.accredited_until < day
        )
    ).all()
    for row in rows:
        end(unit, row.reseller, row.version, LAPSED)
    return len(rows)


def forget_contacts(unit: Unit) -> int:
    """Take the person off resellers that were ended, or turned down, a year ago; how many."""
    old = (resellers.c.ended_at <= unit.now - FORGET_SECONDS) & (resellers.c.contact_email != "")
    ids = unit.connection.execute(select(resellers.c.reseller).where(old)).scalars().all()
    for id_ in ids:
        nobody = {"contact_name": "", "contact_email": "", "contact_phone": ""}
        unit.connection.execute(update(resellers).where(resellers.c.reseller == id_).values(nobody))
        unit.log("reseller.changed", id_, reseller=id_, fields="contact forgotten")
    return len(ids)


def find(connection: Connection, id_: bytes, now: int) -> Reseller:
    """Raises desk.unknown."""
    row = connection.execute(select(resellers).where(resellers.c.reseller == id_)).one_or_none()
    if row is None:
        raise error("desk.unknown", "No reseller has this id.")
    return _reseller(row, today(now))


def require_accredited(connection: Connection, id_: bytes, now: int) -> Reseller:
    """Who may sell today. Raises desk.unknown, desk.not_now."""
    found = find(connection, id_, now)
    if found.standing is not Standing.ACCREDITED:
        raise error("desk.not_now", f"Only an accredited reseller sells; this one is {found.standing}.")
    return found


def listed(
    connection: Connection,
    now: int,
    *,
    after: bytes | None = None,
    limit: int,
    standing: Standing | None = None,
    search: str = "",
    only: bytes | None = None,
) -> list[Reseller]:
    """By name. `search`: a part of the name, trade name or registration. `only`: that one and no other."""
    statement = select(resellers).order_by(resellers.c.name, resellers.c.reseller).limit(limit)
    if after is not None:
        last = find(connection, after, now)
        statement = statement.where(
            or_(
                resellers.c.name > last.particulars.name,
                and_(resellers.c.name == last.particulars.name, resellers.c.reseller > after),
            )
        )
    if only is not None:
        statement = statement.where(resellers.c.reseller == only)
    if standing is not None:
        statement = statement.where(_condition(standing, today(now)))
    if search:
        searched = (resellers.c.name, resellers.c.trade_name, resellers.c.registration)
        statement = statement.where(or_(*(column.icontains(search, autoescape=True) for column in searched)))
    return [_reseller(row, today(now)) for row in connection.execute(statement)]


def names(connection: Connection) -> dict[bytes, str]:
    """As they are registered, by id; also of those that ended."""
    rows = connection.execute(select(resellers.c.reseller, resellers.c.name))
    return {row.reseller: row.name for row in rows}


def standings(connection: Connection, now: int) -> list[tuple[bytes, Standing, str | None]]:
    """Of all: id, where it stands, and what the relay was told last of its codes."""
    rows = connection.execute(select(resellers))
    return [(row.reseller, _standing(row, today(now)), row.told) for row in rows]


def _living(unit: Unit, id_: bytes) -> Reseller:
    found = find(unit.connection, id_, unit.now)
    if found.ended_at is not None:
        raise error("desk.not_now", "This is over; a reseller begins anew with an application.")
    return found


def _update(unit: Unit, id_: bytes, version: int, values: dict[str, Any]) -> None:
    changed = unit.connection.execute(
        update(resellers)
        .where(resellers.c.reseller == id_, resellers.c.version == version)
        .values(version=version + 1, **values)
    )
    if changed.rowcount != 1:
        raise error("desk.changed")


def _checked(fields: dict[str, str]) -> dict[str, str]:
    """With the numbers in their short form. Raises desk.malformed."""
    country = fields["country"]
    number = companies.registration(country, fields["registration"])
    website = fields["website"]
    if website and not website.startswith("https://"):
        raise error("desk.malformed", "A website begins with https://.")
    return fields | {
        "registration": number,
        "vat_number": companies.vat_number(country, fields["vat_number"], number),
        "contact_email": fields["contact_email"].lower(),
    }


def _standing(row: Row[Any], now: date) -> Standing:
    if row.ended_at is not None:
        return Standing.ENDED
    if row.accredited_from is None:
        return Standing.APPLIED
    if row.suspended_at is not None:
        return Standing.SUSPENDED
    if now < date.fromisoformat(row.accredited_from):
        return Standing.COMING
    return Standing.EXPIRED if now > date.fromisoformat(row.accredited_until) else Standing.ACCREDITED


def _condition(standing: Standing, now: date) -> ColumnElement[bool]:
    """The same in SQL: ISO dates compare as texts."""
    day, columns = now.isoformat(), resellers.c
    ended, accredited = columns.ended_at.is_not(None), columns.accredited_from.is_not(None)
    running = and_(~ended, accredited, columns.suspended_at.is_(None))
    return {
        Standing.ENDED: ended,
        Standing.APPLIED: and_(~ended, ~accredited),
        Standing.SUSPENDED: and_(~ended, accredited, columns.suspended_at.is_not(None)),
        Standing.COMING: and_(running, columns.accredited_from > day),
        Standing.EXPIRED: and_(running, columns.accredited_until < day),
        Standing.ACCREDITED: and_(running, columns.accredited_from <= day, columns.accredited_until >= day),
    }[standing]


def _reseller(row: Row[Any], now: date) -> Reseller:
    return Reseller(
        row.reseller,
        Particulars(**{name: row._mapping[name] for name in FIELDS}),
        _standing(row, now),
        row.applied_at,
        None if row.accredited_from is None else date.fromisoformat(row.accredited_from),
        None if row.accredited_until is None else date.fromisoformat(row.accredited_until),
        row.contract,
        row.suspended_at,
        row.ended_at,
        row.reason,
        row.version,
    )
