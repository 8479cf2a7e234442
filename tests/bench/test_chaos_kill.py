"""`chappe chaos kill` in the size that counts, and journals that find what they are to find."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from bench.chaos import kill
from bench.chaos.base import Options
from bench.chaos.journals import Journals, Sent


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_hundred_kills_lose_nothing(tmp_path: Path) -> None:
    report = kill.run(Options(seed=8, large=False, folder=tmp_path))
    assert report.passed, report.as_text()
    assert report.trials == 200
    assert report.accepted + int(report.figures["refused_for_good"]) == 50_000
    assert int(report.figures["killed_with_messages_under_way"]) > 100
    assert int(report.figures["killed_while_starting"]) > 5
    assert (report.lost, report.doubled) == (0, 0)


ADA, BEN = b"ada", b"ben"


def journals() -> Journals:
    """Ada said four things to Ben: two accepted, one refused, one unanswered. All is well so far."""
    found = Journals()
    for number in range(4):
        found.note_sent(Sent(bytes([number]), ADA, number, (BEN,), b"text %d" % number))
    found.note_accepted(b"\0")
    found.note_accepted(b"\1")
    found.sent[b"\2"].refused = "mailbox.unknown_recipient"
    found.note_delivery(BEN, 1, b"\0", b"text 0")
    found.note_delivery(BEN, 2, b"\1", b"text 1")
    return found


def test_what_is_well_is_called_well() -> None:
    found = journals()
    found.note_delivery(BEN, 2, b"\1", b"text 1")  # once more, before it was acknowledged
    found.note_delivery(BEN, 5, b"\3", b"text 3")  # stored, and the answer was lost
    assert found.verdict().clean
    assert found.again == 1


def test_what_is_lost_is_found() -> None:
    found = journals()
    found.note_accepted(b"\3")
    assert found.verdict().lost == 1


@pytest.mark.parametrize(
    ("wrong", "count"),
    [
        (lambda j: j.note_delivery(BEN, 3, b"\0", b"text 0"), lambda v: v.doubled),
        (lambda j: j.note_delivery(BEN, 3, b"\2", b"text 2"), lambda v: v.refused_yet_there),
        (lambda j: j.note_delivery(BEN, 3, b"\3", b"text 4"), lambda v: len(v.faults)),
        (lambda j: j.note_delivery(BEN, 3, b"\7", b"text 7"), lambda v: len(v.faults)),
        (lambda j: j.note_delivery(ADA, 1, b"\1", b"text 1"), lambda v: len(v.faults)),
        (lambda j: j.note_delivery(BEN, 2, b"\3", b"text 3"), lambda v: len(v.faults)),
        (lambda j: j.note_accepted(b"\2"), lambda v: len(v.faults)),
    ],
    ids=["doubled", "refused", "changed", "nobody's", "not for her", "a sequence twice", "both answers"],
)
def test_what_is_wrong_is_found(wrong: Callable[[Journals], None], count: Callable[[object], int]) -> None:
    found = journals()
    wrong(found)
    verdict = found.verdict()
    assert not verdict.clean
    assert count(verdict) == 1


def test_another_order_is_found() -> None:
    found = journals()
    found.note_sent(Sent(b"\x08", ADA, -1, (BEN,), b"earlier"))
    found.note_delivery(BEN, 3, b"\x08", b"earlier")
    assert found.verdict().out_of_order == 1
