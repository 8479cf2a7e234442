"""Appointing and removing officers: the next roster, its signatures, and the newcomer's way in.

newcomer   chappe fleet officer request   a request
officer    chappe fleet officer add       signs the next roster; where there are more than one, a draft
another    chappe fleet officer sign      signs the draft; now it counts, and the answer is made
newcomer   chappe fleet officer accept    takes the fleet's seed out of the answer
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from chappe.client import officer_papers as papers
from chappe.client.officer_file import OfficerState
from chappe.client.officer_keys import KeyPairs, fleet_keys, officer_keys
from chappe.wire import fleet
from chappe.wire.errors import ChappeError, error
from chappe.wire.rosters import (
    Officer as OnRoster,
)
from chappe.wire.rosters import (
    OfficerSignature,
    Roster,
    SignedRoster,
    check_chain,
    check_officers,
    needed_signatures,
    roster_bytes,
    sign_roster,
    verify,
)

if TYPE_CHECKING:
    from chappe.client.officer import Officer


@dataclass(frozen=True, slots=True)
class Change:
    """What a next roster changes."""

    added: tuple[OnRoster, ...]
    removed: tuple[OnRoster, ...]


def first_roster(
    organisation: str, officer: bytes, name: str, fleet_pair: KeyPairs, own: KeyPairs, now: int
) -> SignedRoster:
    """Version 1, with one officer. Raises usage.invalid for names that are too long or empty."""
    roster = Roster(
        secrets.token_bytes(16),
        organisation,
        fleet_pair.public,
        fleet_pair.seal_key,
        1,
        bytes(32),
        [OnRoster(officer, name, own.public)],
        now,
    )
    signed = sign_roster(roster, fleet_pair.signing, {officer: own.signing})
    _checked([signed], fleet_pair.public)
    return signed


def _checked(rosters: list[SignedRoster], fleet_key: bytes) -> Roster:
    try:
        return check_chain(rosters, fleet_key=fleet_key).roster
    except ChappeError:
        raise error(
            "usage.invalid", "That roster does not hold: names have 1 to 64 characters, officers are 1 to 32."
        ) from None


def request_of(state: OfficerState) -> papers.Request:
    return papers.ask(state.id, state.name, officer_keys(state.seed))


def bodies(rosters: Sequence[SignedRoster]) -> list[Roster]:
    """Of a chain that was checked."""
    return [msgspec.msgpack.decode(signed.body, type=Roster) for signed in rosters]


async def appoint(officer: Officer, request: papers.Request) -> papers.Draft:
    """The next roster with the newcomer, signed by this officer. Raises roster.invalid, usage.invalid."""
    papers.check_request(request)
    roster = (await officer.refresh()).roster
    if roster.officer(request.id) is not None:
        raise error("usage.invalid", "That officer is appointed already.")
    return papers.Draft(1, _next(officer, [*roster.officers, request.officer]), request)


async def dismiss(officer: Officer, id_: bytes) -> papers.Draft:
    """The next roster without that officer. Raises usage.invalid."""
    roster = (await officer.refresh()).roster
    if roster.officer(id_) is None:
        raise error("usage.invalid", "There is no such officer; see `chappe fleet officer list`.")
    rest = [one for one in roster.officers if one.id != id_]
    if not rest:
        raise error("usage.invalid", "The last officer stays: nobody could order anything any more.")
    return papers.Draft(1, _next(officer, rest))


def _next(officer: Officer, officers: list[OnRoster]) -> SignedRoster:
    chain, state = officer.chain, officer.state
    roster = msgspec.structs.replace(
        chain.roster,
        version=chain.roster.version + 1,
        previous=chain.hashes[-1],
        officers=officers,
        issued_at=int(officer._clock()),
    )
    return sign_roster(roster, officer.fleet_pair.signing, {state.id: officer.keys.signing})


def change_of(officer: Officer, draft: papers.Draft) -> Change:
    """What a draft changes in the newest roster, its signatures checked.

    Raises roster.invalid: also for a draft that was made for an older roster, or whose request is not of whom
    it appoints.
    """
    before, after = officer.chain, _body(draft.roster)
    fixed = msgspec.structs.replace(
        before.roster,
        version=before.roster.version + 1,
        previous=before.hashes[-1],
        officers=after.officers,
        issued_at=after.issued_at,
    )
    if fixed != after:
        raise error("roster.invalid", "The draft is not the next version of the roster; make it anew.")
    signed = roster_bytes(draft.roster.body)
    verify(officer.fleet_pair.public, draft.roster.fleet_signature, signed, "roster.invalid")
    check_officers(before.roster, draft.roster.officers, signed, "roster.invalid")
    added = tuple(one for one in after.officers if one not in before.roster.officers)
    removed = tuple(one for one in before.roster.officers if one not in after.officers)
    if draft.request is not None:
        papers.check_request(draft.request)
    if [draft.request.officer] * bool(added) != list(added) if draft.request else bool(added):
        raise error("roster.invalid", "The draft appoints somebody else than its request.")
    return Change(added, removed)


def _body(signed: SignedRoster) -> Roster:
    try:
        return msgspec.msgpack.decode(signed.body, type=Roster)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("roster.invalid") from None


def with_my_signature(officer: Officer, draft: papers.Draft) -> papers.Draft:
    """The draft with this officer's signature as well."""
    change_of(officer, draft)
    mine = OfficerSignature(officer.state.id, officer.keys.signing.sign(roster_bytes(draft.roster.body)))
    others = [one for one in draft.roster.officers if one.officer != officer.state.id]
    roster = msgspec.structs.replace(draft.roster, officers=[*others, mine])
    return msgspec.structs.replace(draft, roster=roster)


def is_complete(officer: Officer, draft: papers.Draft) -> bool:
    """Whether as many signed as must."""
    return len(draft.roster.officers) >= needed_signatures(officer.chain.roster)


async def publish(officer: Officer, draft: papers.Draft) -> papers.Answer | None:
    """Make the draft the newest roster; gives the answer for the newcomer. Raises roster.invalid."""
    change_of(officer, draft)
    rosters = [*officer.state.rosters, draft.roster]
    check_chain(rosters, fleet_key=officer.fleet_pair.public)
    await officer.ask(fleet.Amend(draft.roster), fleet.Ok)
    officer.file.keep(rosters=rosters)
    return None if draft.request is None else answer_for(officer, draft.request)


def answer_for(officer: Officer, request: papers.Request) -> papers.Answer:
    """Raises usage.invalid for somebody who is not on the roster with this key."""
    if request.officer not in officer.chain.roster.officers or officer.state.fleet_seed is None:
        raise error("usage.invalid", "That officer is not on the roster.")
    sealed = papers.seal_fleet(request, officer.state.fleet_seed)
    return papers.Answer(1, request.id, officer.place, officer.state.rosters, sealed)


def accept(officer: Officer, answer: papers.Answer) -> Roster:
    """Take the appointment. Raises roster.invalid where the answer is for somebody else, or where the fleet
    key and the roster do not belong together."""
    state = officer.state
    if state.state != "asked":
        raise error("usage.invalid", "This officer is appointed already.")
    seed = papers.open_fleet(answer, officer.keys)
    pair = fleet_keys(seed)
    roster = check_chain(answer.rosters, fleet_key=pair.public).roster
    me = OnRoster(state.id, state.name, officer.keys.public)
    if roster.seal_key != pair.seal_key or me not in roster.officers:
        raise error("roster.invalid", "The answer is not for this officer's file.")
    officer.file.keep(state="appointed", fleet_seed=seed, place=answer.place, rosters=answer.rosters)
    return roster
