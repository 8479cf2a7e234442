"""The log's rules: an honest log is replayed, and each way of bending it is refused at its entry."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest

from chappe.client.log_state import Broken, LogState
from chappe.wire import log_entries as e
from tests.client import log_book as b
from tests.client.log_book import AT, DAY


def replayed(entries: list[e.LogEntry]) -> LogState:
    state = LogState()
    for index, entry in enumerate(entries):
        state.apply(index, entry)
    return state


def test_an_honest_log_is_replayed() -> None:
    state = replayed(b.honest().entries)
    assert (state.size, state.origin) == (14, "localhost/chappe")
    ben = b.fields_of("ben", "ben-2")
    found = state.device_of(ben["certificate"])
    assert found is not None
    assert (found.line, found.by) == (ben["line"], b.fields_of("ben", "ben-1")["device"])
    assert [bool(one.revoked_at) for one in state.devices_of(ben["line"]).values()] == [True, False]
    assert list(state.releases.values()) == ["1.2.3"]
    roster = state.organisations[b.organisation("paper")]
    assert (roster.version, set(roster.officers.values())) == (2, {b.public("olga"), b.public("otto")})


def test_a_kept_state_goes_on_where_it_was() -> None:
    book = b.honest()
    for cut in range(len(book.entries)):
        state = LogState.from_bytes(replayed(book.entries[:cut]).to_bytes())
        for data in book.data[cut:]:
            state.apply_bytes(state.size, data)
        assert state.to_bytes() == replayed(book.entries).to_bytes()
    for bad in (b"", b"\x90", state.to_bytes()[:-1], state.to_bytes() + b"\0"):
        with pytest.raises(ValueError, match="kept state"):
            LogState.from_bytes(bad)


def test_what_was_checked_before_is_replayed_without_its_signatures() -> None:
    book = b.honest()
    forged = b.Book(list(book.entries)).write(b.added("ben", "ben-3", "ben-2", AT + 2 * DAY, signer="eve"))
    state = LogState()
    state.replay_trusted(forged.data)
    assert state.size == len(forged.entries)
    with pytest.raises(Broken, match="signature"):
        state.apply(state.size, b.added("ben", "ben-4", "ben-2", AT + 2 * DAY, signer="eve"))


CASES: dict[str, tuple[Callable[[], list[e.LogEntry]], str]] = {
    "forged endorsement": (
        lambda: [b.opened(), b.created("ben", "ben-1"), b.added("ben", "ben-2", "ben-1", signer="eve")],
        "does not hold",
    ),
    "let in by nobody": (
        lambda: [
            b.opened(),
            b.created("ben", "ben-1"),
            e.DeviceAdded(1, AT, **b.fields_of("ben", "ghost"), by=None, order=None),
        ],
        "nobody",
    ),
    "let in by another line": (
        lambda: [
            b.opened(),
            b.created("ada", "ada-1"),
            b.created("ben", "ben-1"),
            b.added("ben", "ben-2", "ada-1"),
        ],
        "another line",
    ),
    "let in by a revoked device": (
        lambda: [
            b.opened(),
            b.created("ben", "ben-1"),
            b.revoked("ben-1"),
            b.added("ben", "ben-2", "ben-1"),
        ],
        "revoked",
    ),
    "let in by itself": (
        lambda: [b.opened(), b.created("ben", "ben-1"), b.added("ben", "ben-2", "ben-2")],
        "not there",
    ),
    "on a line that is not there": (lambda: [b.opened(), b.added("ben", "ben-2", "ben-1")], "line"),
    "the same line twice": (
        lambda: [b.opened(), b.created("ben", "ben-1"), b.created("ben", "ben-2")],
        "line was there",
    ),
    "the same device twice": (
        lambda: [b.opened(), b.created("ben", "ben-1"), b.created("ada", "ben-1")],
        "device",
    ),
    "revoked twice": (
        lambda: [b.opened(), b.created("ben", "ben-1"), b.revoked("ben-1"), b.revoked("ben-1")],
        "revoked before",
    ),
    "revoked and not there": (lambda: [b.opened(), b.revoked("ben-1")], "not there"),
    "back in time": (lambda: [b.opened(AT + 1), b.created("ben", "ben-1")], "older"),
    "opened twice": (lambda: [b.opened(), b.opened()], "opened before"),
    "added a second too early": (
        lambda: [*b.honest().entries[:-1], b.added_by_order("ada", "ada-2", "spare", AT + 20 + DAY - 1)],
        "less than a day",
    ),
    "added and not announced": (
        lambda: [*b.honest().entries[:-1], b.added_by_order("ada", "ada-3", "spare", AT + 3 * DAY)],
        "did not announce",
    ),
    "added by another order": (
        lambda: [*b.honest().entries[:-1], b.added_by_order("ada", "ada-2", "other", AT + 3 * DAY)],
        "did not announce",
    ),
    "announced twice": (
        lambda: [*b.honest().entries[:7], b.announced("ada", "ada-2", "again", ("olga", "oscar"), AT + 21)],
        "announced before",
    ),
    "added after it was withdrawn": (
        lambda: [
            *b.honest().entries[:-1],
            b.withdrawn("ada-2", "spare", AT + 60),
            b.added_by_order("ada", "ada-2", "spare", AT + 2 * DAY),
        ],
        "was there before",
    ),
    "announced again after it was withdrawn": (
        lambda: [
            *b.honest().entries[:-1],
            b.withdrawn("ada-2", "spare", AT + 60),
            b.announced("ada", "ada-2", "spare", ("olga", "otto"), AT + 61),
        ],
        "was there before",
    ),
    "withdrawn by the order of another one": (
        lambda: [*b.honest().entries[:-1], b.withdrawn("ada-2", "other", AT + 60)],
        "another one",
    ),
    "a new identity key beside a device with the old one": (
        lambda: [
            *b.honest().entries[:-1],
            b.announced("ada", "ada-3", "new", ("olga", "otto"), AT + 60, identity="new"),
            b.added_by_order("ada", "ada-3", "new", AT + 60 + DAY),
        ],
        "the old one",
    ),
    "the lost device adds one after a new identity key": (
        lambda: [*b.recovered(), b.added("ada", "ada-4", "ada-1", AT + 3 * DAY)],
        "revoked before",
    ),
    "announced for a line of nobody": (
        lambda: [*b.honest().entries[:-1], b.announced("ben", "ben-3", "x", ("olga", "otto"), AT + DAY)],
        "no officer",
    ),
    "announced by a former officer": (
        lambda: [*b.honest().entries[:-1], b.announced("ada", "ada-3", "x", ("olga", "oscar"), AT + DAY)],
        "no officer",
    ),
    "announced by one officer twice": (
        lambda: [*b.honest().entries[:-1], b.announced("ada", "ada-3", "x", ("olga", "olga"), AT + DAY)],
        "too few",
    ),
    "an officer whom one officer made": (
        lambda: [*b.honest().entries[:3], b.officer("eve", "paper", 2, ("olga",))],
        "too few",
    ),
    "an officer who made himself": (
        lambda: [*b.honest().entries[:3], b.officer("eve", "paper", 2, ("eve", "olga"))],
        "no officer",
    ),
    "an officer made by one of the same roster": (
        lambda: [
            *b.honest().entries[:3],
            b.officer("otto", "paper", 2, ("olga", "oscar")),
            b.officer("eve", "paper", 2, ("olga", "otto")),
        ],
        "no officer",
    ),
    "an old roster": (
        lambda: [*b.honest().entries[:-1], b.officer("eve", "paper", 1, ("olga", "otto"), AT + DAY)],
        "older",
    ),
    "two rosters of one number": (
        lambda: [
            *b.honest().entries[:3],
            b.officer("otto", "paper", 2, ("olga", "oscar")),
            msgspec.structs.replace(b.officer("eve", "paper", 2, ("olga", "oscar")), digest=bytes(32)),
        ],
        "one number",
    ),
    "a first roster that a stranger signed": (
        lambda: [
            b.opened(),
            b.officer("olga", "paper", 1, ("eve",)),
            b.created("ada", "ada-1", "paper"),
            b.announced("ada", "ada-2", "x", ("olga", "eve")),
        ],
        "no officer",
    ),
    "a second roster on one that nobody signed": (
        lambda: [
            b.opened(),
            b.officer("olga", "paper", 1, ("eve",)),
            b.officer("otto", "paper", 2, ("olga",)),
        ],
        "none of its officers",
    ),
    "an officer twice": (
        lambda: [*b.honest().entries[:3], b.officer("oscar", "paper", 2, ("olga", "oscar"))],
        "already",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_log_may_not_hold_is_refused_where_it_stands(name: str) -> None:
    make, why = CASES[name]
    entries = make()
    state = replayed(entries[:-1])
    before = state.to_bytes()
    with pytest.raises(Broken, match=why) as caught:
        state.apply(len(entries) - 1, entries[-1])
    assert caught.value.index == len(entries) - 1
    assert state.to_bytes() == before, "a refusal changes nothing"


def test_entries_moved_doubled_or_cut_are_refused() -> None:
    book = b.honest()
    for at in range(1, len(book.entries)):
        swapped = [*book.entries[: at - 1], book.entries[at], book.entries[at - 1], *book.entries[at + 1 :]]
        doubled = [*book.entries[: at + 1], *book.entries[at:]]
        if isinstance(book.entries[at], e.LineCreated | e.DeviceAdded | e.DeviceRevoked | e.OfficerAdded):
            with pytest.raises(Broken):
                replayed(doubled)
        if book.entries[at].at != book.entries[at - 1].at:
            with pytest.raises(Broken):
                replayed(swapped)
        data = book.data[at]
        for bad in (data[:-1], data + b"\0", b"", bytes(1025)):
            with pytest.raises(Broken, match="cannot be read"):
                replayed(book.entries[:at]).apply_bytes(at, bad)
    with pytest.raises(Broken, match="entry 0 is the next"):
        LogState().apply(1, book.entries[1])


def test_the_officer_who_signed_the_first_roster_may_come_last() -> None:
    entries: list[e.LogEntry] = [
        b.opened(),
        b.officer("olga", "paper", 1, ("oscar",)),
        b.officer("oscar", "paper", 1, ("oscar",)),
        b.officer("otto", "paper", 2, ("olga", "oscar")),
    ]
    assert len(replayed(entries).organisations[b.organisation("paper")].officers) == 3
    forged = msgspec.structs.replace(entries[2], key=b.public("eve"))
    with pytest.raises(Broken, match="does not hold"):
        replayed([*entries[:2], forged])


def test_before_the_log_was_opened_stands_what_was_there() -> None:
    ghost = e.DeviceAdded(1, AT, **b.fields_of("ben", "ben-2"), by=None, order=None)
    state = replayed([b.created("ben", "ben-1"), ghost, b.opened()])
    assert len(state.devices) == 2


def test_a_line_that_lost_every_device_has_the_identity_key_that_officers_announced() -> None:
    before, after = replayed(b.honest().entries), replayed(b.recovered())
    (line,) = (key for key, one in after.lines.items() if one.organisation)
    assert before.lines[line].identity_key == b.public("identity ada")
    assert after.lines[line].identity_key == b.public("identity new")
    assert [one.revoked_at > 0 for one in after.devices_of(line).values()] == [True, True, False]
    assert not after.announced
    linked = b.added("ada", "ada-4", "ada-3", AT + 3 * DAY)
    after.apply(after.size, linked)
