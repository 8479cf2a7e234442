"""The life of a term: months of the calendar, stages to the second, reminders, renewals."""

from __future__ import annotations

import os
import time
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.wire import terms
from chappe.wire.errors import ChappeError
from chappe.wire.terms import Stage, Term, begin

DAY = 24 * 3600


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())


def code_of(call: object) -> str:
    assert callable(call)
    with pytest.raises(ChappeError) as caught:
        call()
    return caught.value.code


times = st.integers(at(2024, 1, 1), at(2090, 1, 1))
months = st.integers(1, terms.MAX_MONTHS)


@pytest.mark.parametrize(
    ("start", "count", "last"),
    [
        ((2026, 1, 15), 6, date(2026, 7, 15)),
        ((2026, 8, 31), 6, date(2027, 2, 28)),
        ((2027, 8, 31), 6, date(2028, 2, 29)),
        ((2026, 12, 1), 1, date(2027, 1, 1)),
        ((2026, 11, 30), 3, date(2027, 2, 28)),
        ((2024, 2, 29), 12, date(2025, 2, 28)),
        ((2024, 2, 29), 48, date(2028, 2, 29)),
        ((2026, 12, 31), 2, date(2027, 2, 28)),
        # 2100 is no leap year.
        ((2099, 12, 31), 2, date(2100, 2, 28)),
    ],
)
def test_months_are_those_of_the_calendar(start: tuple[int, int, int], count: int, last: date) -> None:
    assert begin(count, at(*start, hour=23, minute=59, second=59)).last_day == last
    assert begin(count, at(*start)).last_day == last


def test_a_month_at_a_time_does_not_lose_the_day() -> None:
    """From the 31st, through February, back to the 31st: a year in months is a year."""
    now = at(2027, 1, 31, 12)
    term = begin(1, now)
    days = [term.last_day]
    for _ in range(11):
        term = term.renewed(1, now)
        days.append(term.last_day)
    assert days[:4] == [date(2027, 2, 28), date(2027, 3, 31), date(2027, 4, 30), date(2027, 5, 31)]
    assert term == begin(12, now)


def test_stages_to_the_second() -> None:
    term = begin(6, at(2026, 1, 15, 9, 30))
    end = at(2026, 7, 16)
    assert (term.ends, term.suspends, term.closes, term.forgotten) == (
        end,
        end + 14 * DAY,
        end + 90 * DAY,
        end + 120 * DAY,
    )
    edges = [
        (end - 1, Stage.ACTIVE, term.ends),
        (end, Stage.GRACE, term.suspends),
        (term.suspends - 1, Stage.GRACE, term.suspends),
        (term.suspends, Stage.SUSPENDED, term.closes),
        (term.closes - 1, Stage.SUSPENDED, term.closes),
        (term.closes, Stage.CLOSED, None),
        (term.forgotten + 1, Stage.CLOSED, None),
    ]
    for now, stage, change in edges:
        assert (term.stage(now), term.next_change(now)) == (stage, change)


def test_reminders_at_thirty_seven_and_one() -> None:
    term = begin(6, at(2026, 1, 15))
    due = {day: term.reminder(at(2026, 7, 15, 23, 59, 59) - day * DAY) for day in range(-1, 33)}
    assert [due[day] for day in (32, 31, 30, 8, 7, 2, 1, 0, -1)] == [None, None, 30, 30, 7, 7, 1, 1, None]


def test_renewing_early_loses_nothing_and_in_grace_wins_nothing() -> None:
    term = begin(6, at(2026, 1, 31))
    assert term.last_day == date(2026, 7, 31)
    early = term.renewed(6, at(2026, 2, 1))
    in_grace = term.renewed(6, term.suspends - 1)
    assert early == in_grace == Term(date(2027, 1, 31), 31)


def test_a_suspended_line_begins_anew_on_the_day_it_is_renewed() -> None:
    term = begin(6, at(2026, 1, 31))
    now = term.suspends + 3 * DAY
    assert term.renewed(1, now) == begin(1, now)


def test_a_closed_line_is_not_renewed() -> None:
    term = begin(1, at(2026, 1, 31))
    assert code_of(lambda: term.renewed(6, term.closes)) == "term.closed"
    assert term.renewed(6, term.closes - 1).stage(term.closes) is Stage.ACTIVE


def test_a_line_under_legal_hold_is_not_closed() -> None:
    term = begin(1, at(2026, 1, 31))
    late = term.forgotten + 1000 * DAY
    assert [term.stage(term.closes, held=held) for held in (False, True)] == [Stage.CLOSED, Stage.SUSPENDED]
    assert term.stage(late, held=True) is Stage.SUSPENDED
    assert term.renewed(1, late, held=True) == begin(1, late)


def test_a_term_that_is_too_long_is_a_mistake() -> None:
    now = at(2026, 1, 31)
    assert code_of(lambda: begin(terms.MAX_MONTHS + 1, now)) == "term.too_long"
    full = begin(60, now).renewed(60, now)
    assert code_of(lambda: full.renewed(1, now)) == "term.too_long"
    with pytest.raises(ValueError, match="a month at least"):
        begin(0, now)


@given(times, months)
def test_what_is_kept_comes_back(now: int, count: int) -> None:
    term = begin(count, now)
    assert Term.of(term.ends, term.anchor) == term


@pytest.mark.parametrize(
    ("ends", "anchor"), [(1, 1), (at(2026, 7, 16), 16), (at(2026, 7, 16), 0), (at(2026, 8, 1), 32)]
)
def test_what_is_no_term_is_not_taken_for_one(ends: int, anchor: int) -> None:
    with pytest.raises(ValueError, match="no term"):
        Term.of(ends, anchor)


@given(times, st.integers(1, 60), st.integers(1, 60), st.integers(0, 200))
def test_a_renewal_only_ever_adds(now: int, first: int, more: int, day: int) -> None:
    """Whenever it is paid, the line is usable at once, and for later than before."""
    term = begin(first, now)
    later = max(now, term.ends + (day - 100) * DAY)
    if term.stage(later) is Stage.CLOSED:
        assert code_of(lambda: term.renewed(more, later)) == "term.closed"
        return
    renewed = term.renewed(more, later)
    assert renewed.stage(later) is Stage.ACTIVE
    assert renewed.last_day > term.last_day
    assert renewed.ends % DAY == 0


@given(times, st.integers(1, 24), st.integers(1, 24))
def test_months_one_after_the_other_are_months_together(now: int, first: int, more: int) -> None:
    assert begin(first, now).renewed(more, now) == begin(first + more, now)


@given(times)
def test_stages_only_go_on(now: int) -> None:
    term = begin(1, now)
    order = list(Stage)
    seen = [order.index(term.stage(term.ends + step * DAY)) for step in range(-40, 130)]
    assert seen == sorted(seen)


@pytest.mark.parametrize("zone", ["America/Los_Angeles", "Pacific/Auckland", "Europe/Paris"])
def test_no_clock_of_the_machine_has_a_say(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Days are counted in UTC, whatever the zone, across a change to summer time and back."""
    expected = [begin(6, at(2026, 3, 28, 23, 30) + hour * 3600) for hour in range(0, 72, 5)]
    monkeypatch.setitem(os.environ, "TZ", zone)
    time.tzset()
    try:
        assert [begin(6, at(2026, 3, 28, 23, 30) + hour * 3600) for hour in range(0, 72, 5)] == expected
        assert terms.utc_date(at(2026, 3, 29, 0)) == date(2026, 3, 29)
        assert terms.utc_date(at(2026, 3, 29, 0) - 1) == date(2026, 3, 29) - timedelta(days=1)
    finally:
        monkeypatch.undo()
        time.tzset()
