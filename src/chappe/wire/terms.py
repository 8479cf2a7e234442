"""The life of a line's term: paid months of the calendar, and what a line may do after them.

    ACTIVE --the last day is over--> GRACE --14 days--> SUSPENDED --90 days after the end--> CLOSED
       ^                               |                    |                    30 days later: forgotten
       +-------- renewed --------------+--------------------+

Pure: a time comes in, a stage or another term goes out. Days are those of the calendar in UTC, which knows no
summer time; a line may be used until its last day is over there. Months are added to the day of the month on
which the term began: from 31 January a month leads to 28 or 29 February, and a month more to 31 March.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from chappe.wire.errors import error

REMINDER_DAYS: Final = (30, 7, 1)
"""A person is reminded when so many days are left, or fewer."""
GRACE_DAYS: Final = 14
"""After the end of a term: the line receives and exports, and sends nothing."""
CLOSED_AFTER_DAYS: Final = 90
"""After the end of a term: it can be renewed no more, and its devices are signed out for good."""
FORGOTTEN_AFTER_DAYS: Final = 120
"""After the end of a term: the relay deletes what it has of the line."""

DEFAULT_MONTHS: Final = 6
MAX_MONTHS: Final = 60
"""Of one code or one renewal."""
MAX_AHEAD_MONTHS: Final = 120
"""How far a term may reach: what is longer is a mistake."""

_DAY: Final = 24 * 3600


class Stage(StrEnum):
    """Where in its life a term is."""

    ACTIVE = "active"
    GRACE = "grace"
    SUSPENDED = "suspended"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Term:
    """`last_day`: the last one that is paid for. `anchor`: the day of the month (1 to 31) that months are
    added to. Instants are whole Unix seconds, each the first at which the next stage holds."""

    last_day: date
    anchor: int

    @classmethod
    def of(cls, ends: int, anchor: int) -> Term:
        """As a store keeps it. ValueError for an end that is no midnight, or an anchor that is not its
        day's."""
        last = utc_date(ends - 1)
        if ends % _DAY or not 1 <= anchor <= 31 or last != _on(last.year, last.month, anchor):
            raise ValueError("no term ends like that")
        return cls(last, anchor)

    @property
    def ends(self) -> int:
        """Midnight after the last day: grace begins."""
        return self._after(0)

    @property
    def suspends(self) -> int:
        return self._after(GRACE_DAYS)

    @property
    def closes(self) -> int:
        return self._after(CLOSED_AFTER_DAYS)

    @property
    def forgotten(self) -> int:
        """The relay may delete what it has of the line."""
        return self._after(FORGOTTEN_AFTER_DAYS)

    def stage(self, now: int, *, held: bool = False) -> Stage:
        """`held`: the line is under legal hold, and so is never closed because its term is over."""
        if now < self.ends:
            return Stage.ACTIVE
        if now < self.suspends:
            return Stage.GRACE
        return Stage.SUSPENDED if held or now < self.closes else Stage.CLOSED

    def next_change(self, now: int) -> int | None:
        """When the stage after this one begins; None when there is none."""
        return next((at for at in (self.ends, self.suspends, self.closes) if at > now), None)

    def days_left(self, now: int) -> int:
        """Whole days after today that are paid for: 0 on the last one, below 0 after it."""
        return (self.last_day - utc_date(now)).days

    def reminder(self, now: int) -> int | None:
        """Which reminder is due, of `REMINDER_DAYS`; None while there is time, and when the term is over."""
        left = self.days_left(now)
        due = [days for days in REMINDER_DAYS if left <= days]
        return min(due) if due and left >= 0 else None

    def renewed(self, months: int, now: int, *, held: bool = False) -> Term:
        """The term with `months` more, paid at `now`.

        Active or in grace, they follow on the last day: nothing is lost by paying early, and the days of
        grace are part of them. A suspended line could not be used: its term begins anew today. Raises
        term.closed; term.too_long for one that would reach further than `MAX_AHEAD_MONTHS`.
        """
        stage = self.stage(now, held=held)
        if stage is Stage.CLOSED:
            raise error("term.closed")
        if stage is Stage.SUSPENDED:
            return begin(months, now)
        return _bounded(Term(_add_months(self.last_day, check_months(months), self.anchor), self.anchor), now)

    def _after(self, days: int) -> int:
        midnight = datetime.combine(self.last_day, datetime.min.time(), UTC)
        return int((midnight + timedelta(days=days + 1)).timestamp())


def begin(months: int, now: int) -> Term:
    """A term of `months` that begins today: its last day has today's number, or is the month's last."""
    today = utc_date(now)
    return _bounded(Term(_add_months(today, check_months(months), today.day), today.day), now)


def check_months(months: int) -> int:
    """The same number. Raises term.too_long above `MAX_MONTHS`; ValueError below 1, which no boundary lets
    through."""
    if months < 1:
        raise ValueError("a term has a month at least")
    if months > MAX_MONTHS:
        raise error("term.too_long")
    return months


def utc_date(at: int) -> date:
    """The day of the calendar in UTC."""
    return datetime.fromtimestamp(at, UTC).date()


def _bounded(term: Term, now: int) -> Term:
    today = utc_date(now)
    if term.last_day > _add_months(today, MAX_AHEAD_MONTHS, today.day):
        raise error("term.too_long")
    return term


def _add_months(day: date, months: int, anchor: int) -> date:
    years, month = divmod(day.month - 1 + months, 12)
    return _on(day.year + years, month + 1, anchor)


def _on(year: int, month: int, anchor: int) -> date:
    """The day `anchor` of a month, or its last one where it is shorter."""
    return date(year, month, min(anchor, calendar.monthrange(year, month)[1]))
