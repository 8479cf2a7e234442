"""Who is told of a term, and what a line may send: a stage holds until the store was asked for the next."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from chappe.relay.ports import DeviceRecord
from chappe.relay.term_watch import TermWatch
from chappe.wire import frames
from chappe.wire.errors import ChappeError
from chappe.wire.terms import Term, begin

LINE = b"l" * 16
TERM = begin(1, 0)


def frame(term: Term, now: int) -> frames.Term:
    return frames.Term(term.stage(now).value, term.ends, term.suspends, term.closes, term.forgotten)


def record(term: frames.Term | None, line: bytes = LINE) -> DeviceRecord:
    return DeviceRecord(b"d" * 16, line, 1, bytes(32), False, 0, 0, False, 0, term)


class Ear:
    def __init__(self) -> None:
        self.heard: list[frames.Term] = []

    def term(self, term: frames.Term) -> None:
        self.heard.append(term)


class Store:
    """Terms as the tables have them, and how often they were asked for."""

    def __init__(self) -> None:
        self.terms = {LINE: TERM}
        self.asked = 0
        self.now = 0

    async def read(self, lines: Sequence[bytes]) -> dict[bytes, frames.Term]:
        self.asked += 1
        return {line: frame(self.terms[line], self.now) for line in lines if line in self.terms}


def may_send(watch: TermWatch) -> bool:
    try:
        watch.check_sending(LINE)
    except ChappeError as refusal:
        if refusal.code != "term.grace":
            raise
        return False
    return True


async def test_a_line_without_a_term_is_never_asked_about() -> None:
    store, ear = Store(), Ear()
    watch = TermWatch(store.read)
    watch.enter(record(None), ear)
    await watch.tick(10**12)
    assert (store.asked, may_send(watch), ear.heard) == (0, True, [])


async def test_the_store_is_asked_when_a_stage_is_over_and_not_before() -> None:
    store, ear = Store(), Ear()
    watch = TermWatch(store.read)
    watch.enter(record(frame(TERM, 0)), ear)
    await watch.tick(TERM.ends - 1)
    assert (store.asked, may_send(watch)) == (0, True)
    store.now = TERM.ends
    await watch.tick(TERM.ends)
    assert (store.asked, may_send(watch)) == (1, False)
    assert [term.stage for term in ear.heard] == ["grace"]
    store.now = TERM.suspends
    await watch.tick(TERM.suspends)
    assert [term.stage for term in ear.heard] == ["grace", "suspended"]


async def test_who_renewed_beside_this_process_is_never_refused() -> None:
    store, ear = Store(), Ear()
    watch = TermWatch(store.read)
    watch.enter(record(frame(TERM, 0)), ear)
    store.terms[LINE] = TERM.renewed(6, 0)
    store.now = TERM.ends
    assert may_send(watch)
    await watch.tick(TERM.ends)
    assert may_send(watch)
    assert ear.heard == [frame(store.terms[LINE], TERM.ends)]


async def test_a_line_in_grace_is_asked_about_until_it_is_renewed() -> None:
    store, ear = Store(), Ear()
    store.now = TERM.ends
    watch = TermWatch(store.read)
    watch.enter(record(frame(TERM, TERM.ends)), ear)
    assert not may_send(watch)
    await watch.tick(TERM.ends)
    assert ear.heard == []
    store.terms[LINE] = TERM.renewed(6, TERM.ends)
    await watch.tick(TERM.ends)
    assert may_send(watch)
    asked = store.asked
    await watch.tick(TERM.ends)
    assert store.asked == asked


def test_all_devices_of_the_line_are_told_and_no_other() -> None:
    watch, ears = TermWatch(Store().read), [Ear(), Ear(), Ear()]
    for ear in ears[:2]:
        watch.enter(record(frame(TERM, 0)), ear)
    watch.enter(record(frame(TERM, 0), b"o" * 16), ears[2])
    renewed = frame(TERM.renewed(6, 0), 0)
    watch.changed(LINE, renewed)
    watch.changed(LINE, renewed)
    assert [len(ear.heard) for ear in ears] == [1, 1, 0]
    watch.leave(record(None), ears[0])
    watch.changed(LINE, frame(TERM, 0))
    assert [len(ear.heard) for ear in ears] == [1, 2, 0]


def test_a_sign_in_that_began_before_a_renewal_brings_nothing_old_back() -> None:
    watch, early, late = TermWatch(Store().read), Ear(), Ear()
    old, new = frame(TERM, 0), frame(TERM.renewed(6, 0), 0)
    watch.enter(record(new), early)
    watch.enter(record(old), late)
    assert (early.heard, late.heard) == ([], [new])
    later = frame(TERM.renewed(12, 0), 0)
    watch.enter(record(later), Ear())
    assert early.heard == [later]


def test_nothing_is_remembered_of_who_left() -> None:
    watch, ear = TermWatch(Store().read), Ear()
    watch.enter(record(frame(TERM, TERM.ends)), ear)
    watch.leave(record(None), ear)
    watch.leave(record(None), ear)
    assert may_send(watch)


async def test_a_line_that_is_gone_from_the_store_stays_as_it_was() -> None:
    store, ear = Store(), Ear()
    watch = TermWatch(store.read)
    watch.enter(record(frame(TERM, TERM.ends)), ear)
    store.terms.clear()
    await watch.tick(TERM.ends)
    assert not may_send(watch)
    with pytest.raises(ChappeError, match=r"\[term\.grace\]"):
        watch.check_sending(LINE)
