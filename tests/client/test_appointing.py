"""Officers come and go: requests, drafts and answers, and every way in that is none. No relay here but one
that says what it is told to say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.client import appointing, officer_papers
from chappe.client.officer import Officer
from chappe.client.officer_file import OfficerFile, OfficerState, Place
from chappe.client.officer_keys import fleet_keys, officer_keys
from chappe.client.officer_papers import Answer, Draft, Request
from chappe.wire import fleet
from chappe.wire.errors import ChappeError
from chappe.wire.rosters import SignedRoster, check_chain

PLACE = Place("localhost", 1, None, "relay.example")
PAPERS: list[Any] = [Request, Draft, Answer]
FLEET_SEED = b"fleet".ljust(32, b".")


class Kept(OfficerFile):
    """A file that is kept in memory: what is sealed where is tested elsewhere."""

    def __init__(self, state: OfficerState) -> None:
        self.path = Path("nowhere")
        self.state = state

    def keep(self, **changes: object) -> None:
        self.state = msgspec.structs.replace(self.state, **changes)


class Board:
    """The rosters of an organisation, taken as a relay takes them."""

    def __init__(self, rosters: list[SignedRoster]) -> None:
        self.rosters = rosters
        self.fleet_key = fleet_keys(FLEET_SEED).public

    async def ask(self, ask: fleet.Ask, kind: type[Any]) -> Any:
        if isinstance(ask, fleet.Rosters):
            return fleet.RosterChain(self.rosters)
        assert isinstance(ask, fleet.Amend)
        check_chain([*self.rosters, ask.roster], fleet_key=self.fleet_key)
        self.rosters = [*self.rosters, ask.roster]
        return fleet.Ok()


def seed(name: str) -> bytes:
    return name.encode().ljust(32, b"-")


def id_of(name: str) -> bytes:
    return name.encode().ljust(16, b"-")


def put(board: Board, state: OfficerState) -> Officer:
    made = Officer(Kept(state), lambda: 1_790_000_000.0)
    made.ask = board.ask  # type: ignore[method-assign]
    return made


def founded() -> tuple[Board, Officer]:
    roster = appointing.first_roster(
        "La Gazette", id_of("ada"), "ada", fleet_keys(FLEET_SEED), officer_keys(seed("ada")), 1
    )
    board = Board([roster])
    state = OfficerState(
        1, "appointed", id_of("ada"), "ada", seed("ada"), 1, FLEET_SEED, PLACE, rosters=[roster]
    )
    return board, put(board, state)


def newcomer(board: Board, name: str) -> Officer:
    return put(board, OfficerState(1, "asked", id_of(name), name, seed(name), 1))


async def appointed(board: Board, name: str, *by: Officer) -> Officer:
    """By as many as it takes."""
    new = newcomer(board, name)
    draft = await appointing.appoint(by[0], new.request)
    for other in by[1:]:
        await other.refresh()
        draft = appointing.with_my_signature(other, draft)
    answer = await appointing.publish(by[-1], draft)
    assert answer is not None
    appointing.accept(new, answer)
    return new


def refused(code: str, work: Callable[[], object]) -> None:
    with pytest.raises(ChappeError) as caught:
        work()
    assert caught.value.code == code


async def test_a_second_and_a_third() -> None:
    board, ada = founded()
    ben = await appointed(board, "ben", ada)
    cyd = await appointed(board, "cyd", ada, ben)
    assert [one.name for one in (await ada.refresh()).roster.officers] == ["ada", "ben", "cyd"]
    for officer in (ben, cyd):
        assert officer.state.fleet_seed == FLEET_SEED
        assert officer.place == PLACE
        await officer.refresh()


async def test_where_there_are_two_one_is_not_enough() -> None:
    board, ada = founded()
    await appointed(board, "ben", ada)
    draft = await appointing.appoint(ada, newcomer(board, "eve").request)
    assert not appointing.is_complete(ada, draft)
    with pytest.raises(ChappeError, match=r"roster\.invalid"):
        await appointing.publish(ada, draft)
    again = appointing.with_my_signature(ada, draft)
    assert len(again.roster.officers) == 1
    assert len(board.rosters) == 2


async def test_removed() -> None:
    board, ada = founded()
    ben = await appointed(board, "ben", ada)
    cyd = await appointed(board, "cyd", ada, ben)
    draft = await appointing.dismiss(ada, id_of("cyd"))
    await ben.refresh()
    assert [one.name for one in appointing.change_of(ben, draft).removed] == ["cyd"]
    assert await appointing.publish(ben, appointing.with_my_signature(ben, draft)) is None
    with pytest.raises(ChappeError, match=r"roster\.invalid"):
        await cyd.refresh()


async def test_the_last_stays() -> None:
    _, ada = founded()
    with pytest.raises(ChappeError, match=r"usage\.invalid"):
        await appointing.dismiss(ada, id_of("ada"))
    with pytest.raises(ChappeError, match=r"usage\.invalid"):
        await appointing.dismiss(ada, id_of("nobody"))


async def test_a_roster_that_was_rolled_back_or_forked() -> None:
    board, ada = founded()
    ben = await appointed(board, "ben", ada)
    whole = board.rosters
    await ada.refresh()
    board.rosters = whole[:1]
    # As a relay that was brought back from a backup: whoever knows the newest gives it again.
    await ada.refresh()
    assert board.rosters == whole
    other_board, other = founded()
    await appointed(other_board, "eve", other)
    board.rosters = other_board.rosters
    for officer in (ada, ben):
        with pytest.raises(ChappeError, match=r"roster\.invalid"):
            await officer.refresh()
    board.rosters = whole
    await ben.refresh()


async def test_a_draft_for_an_older_roster() -> None:
    board, ada = founded()
    old = await appointing.appoint(ada, newcomer(board, "eve").request)
    ben = await appointed(board, "ben", ada)
    await ben.refresh()
    refused("roster.invalid", lambda: appointing.with_my_signature(ben, old))


async def test_what_a_draft_shows_is_what_is_signed() -> None:
    """A draft with the request of one and the key of another; one that brings a second along."""
    board, ada = founded()
    ben = await appointed(board, "ben", ada)
    await ben.refresh()
    good = newcomer(board, "cyd").request
    draft = await appointing.appoint(ada, good)
    evil = newcomer(board, "eve").request
    for changed in (
        Draft(1, draft.roster, evil),
        Draft(1, draft.roster, None),
        msgspec.structs.replace(draft, roster=board.rosters[-1]),
        msgspec.structs.replace(
            draft, roster=msgspec.structs.replace(draft.roster, fleet_signature=bytes(64))
        ),
    ):
        refused("roster.invalid", lambda c=changed: appointing.change_of(ben, c))  # type: ignore[misc]
    both = [*ada.chain.roster.officers, good.officer, evil.officer]
    refused("roster.invalid", lambda: appointing.change_of(ben, Draft(1, appointing._next(ada, both), good)))
    change = appointing.change_of(ben, draft)
    assert (change.added, change.removed) == ((good.officer,), ())


def test_a_request_is_signed_with_the_key_that_it_brings() -> None:
    board, _ = founded()
    request = newcomer(board, "ben").request
    officer_papers.check_request(request)
    other = newcomer(board, "eve").request
    for change in (
        {"name": "cyd"},
        {"id": id_of("cyd")},
        {"seal_key": other.seal_key},
        {"key": other.key},
        {"signature": other.signature},
    ):
        spoilt = msgspec.structs.replace(request, **cast("dict[str, Any]", change))
        refused("roster.invalid", lambda s=spoilt: officer_papers.check_request(s))  # type: ignore[misc]
        if "signature" not in change:
            assert officer_papers.digits_of(spoilt) != officer_papers.digits_of(request)
    assert len(officer_papers.digits_of(request).replace(" ", "")) == 30


async def test_an_answer_is_for_one() -> None:
    board, ada = founded()
    ben, eve = newcomer(board, "ben"), newcomer(board, "eve")
    answer = await appointing.publish(ada, await appointing.appoint(ada, ben.request))
    assert answer is not None
    refused("roster.invalid", lambda: appointing.accept(eve, answer))
    refused("usage.invalid", lambda: appointing.answer_for(ada, eve.request))
    # Another fleet's seed, sealed for Ben, under this roster.
    sealed = officer_papers.seal_fleet(ben.request, b"another".ljust(32, b"."))
    refused(
        "roster.invalid",
        lambda: appointing.accept(ben, msgspec.structs.replace(answer, sealed=sealed)),
    )
    # The roster from before: Ben is not on it.
    refused(
        "roster.invalid",
        lambda: appointing.accept(ben, msgspec.structs.replace(answer, rosters=answer.rosters[:1])),
    )
    assert ben.state.state == "asked"
    assert FLEET_SEED not in msgspec.msgpack.encode(answer)
    appointing.accept(ben, answer)
    refused("usage.invalid", lambda: appointing.accept(ben, answer))


async def test_an_answer_that_was_lost_is_made_again() -> None:
    board, ada = founded()
    ben = newcomer(board, "ben")
    await appointing.publish(ada, await appointing.appoint(ada, ben.request))
    with pytest.raises(ChappeError, match=r"usage\.invalid"):
        await appointing.appoint(ada, ben.request)
    appointing.accept(ben, appointing.answer_for(ada, ben.request))
    assert ben.state.fleet_seed == FLEET_SEED


@pytest.mark.parametrize(("organisation", "name"), [("", "ada"), ("x" * 65, "ada"), ("Gazette", "")])
def test_names_that_are_none(organisation: str, name: str) -> None:
    refused(
        "usage.invalid",
        lambda: appointing.first_roster(
            organisation, id_of("ada"), name, fleet_keys(FLEET_SEED), officer_keys(seed("ada")), 1
        ),
    )


@given(st.binary(max_size=200))
def test_papers_that_are_none(data: bytes) -> None:
    for kind in PAPERS:
        with pytest.raises(ChappeError, match=r"file\.unreadable"):
            officer_papers.decode(data, kind)


def test_papers_are_not_taken_for_each_other(tmp_path: Path) -> None:
    board, ada = founded()
    officer_papers.write(tmp_path / "paper", newcomer(board, "ben").request)
    assert officer_papers.read(tmp_path / "paper", Request).name == "ben"
    for kind in (Draft, Answer, SignedRoster):
        refused("file.unreadable", lambda k=kind: officer_papers.read(tmp_path / "paper", k))  # type: ignore[misc]
    refused("file.unreadable", lambda: officer_papers.read(tmp_path / "none", Request))
    assert ada.request.name == "ada"
