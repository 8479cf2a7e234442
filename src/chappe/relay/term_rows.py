"""A line's term as its row keeps it. For reads and for operations alike."""

from __future__ import annotations

import hashlib
from typing import Any, Final, TypeAlias

from chappe.wire import frames
from chappe.wire.door import LineStage, stage_of
from chappe.wire.errors import error
from chappe.wire.terms import Term

LineRow: TypeAlias = Any
"""A row with the columns of `lines` that say how it stands with its term."""

_GIVEN: Final = b"chappe given address v1"


def given_digest(address: str) -> bytes:
    """What stays of an address whose line is forgotten."""
    return hashlib.sha256(_GIVEN + address.encode()).digest()


def term_of(row: LineRow) -> Term | None:
    """None: the line has none, and goes on. Raises storage.failed for a row that no Chappe wrote."""
    if row.term_ends is None:
        return None
    try:
        return Term.of(row.term_ends, row.term_day)
    except (ValueError, TypeError, OverflowError):
        raise error("storage.failed", "A line's term in the database is none; restore a copy.") from None


def columns(term: Term, months: int) -> dict[str, int]:
    """What is stored of a term of which `months` were paid last."""
    return {"term_ends": term.ends, "term_day": term.anchor, "term_months": months}


def line_stage(row: LineRow, now: int) -> LineStage:
    """Also of a line that is closed already, by its term or by an order."""
    if row.closed_at is not None:
        return "closed"
    term = term_of(row)
    return "none" if term is None else stage_of(term.stage(now, held=row.held_at is not None))


def frame_of(row: LineRow, now: int) -> frames.Term | None:
    """What its devices are told; None where it has no term, or an order closed it."""
    term = term_of(row)
    if term is None or (row.closed_at is not None and row.lapsed_at is None):
        return None
    stage = line_stage(row, now)
    assert stage != "none"
    return frames.Term(stage, term.ends, term.suspends, term.closes, term.forgotten)


def check_devices(row: LineRow, now: int) -> None:
    """A line takes a device while it may sign in. Raises line.closed, term.suspended, term.closed."""
    if row.lapsed_at is not None:
        raise error("term.closed")
    if row.closed_at is not None:
        raise error("line.closed")
    stage = line_stage(row, now)
    if stage == "suspended":
        raise error("term.suspended")
    if stage == "closed":
        raise error("term.closed")
