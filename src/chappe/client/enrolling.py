"""Officers let a new phone into a line that lost all of its own (docs/protocol.md section 12.7).

Two of them sign, each after the digits were compared by voice; the phone comes a day later. What shows
afterwards why a line's identity key is another one is such an order, with two officers' signatures.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from chappe.client import appointing
from chappe.client.officer_file import KnownLine
from chappe.client.officer_lines import FleetLine
from chappe.wire import enrolments as wire
from chappe.wire import fleet, recovery
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import ChappeError, Refused, error
from chappe.wire.links import RelayPlace
from chappe.wire.orders import Reason
from chappe.wire.rosters import needed_signatures

if TYPE_CHECKING:
    from chappe.client.officer import Officer


@dataclass(frozen=True, slots=True)
class Coming:
    """A new phone, as far as signatures show it; times in Unix seconds are the relay's word. `by`: names of
    the officers who signed. `digits`: those that its person reads out."""

    order: bytes
    certificate: DeviceCertificate
    digits: str
    by: tuple[str, ...]
    reason: str
    given_at: int
    announced_at: int | None
    added_at: int | None
    withdrawn_at: int | None

    @property
    def state(self) -> str:
        """awaits, announced, entered or withdrawn."""
        if self.withdrawn_at is not None:
            return "withdrawn"
        if self.added_at is not None:
            return "entered"
        return "awaits" if self.announced_at is None else "announced"


def link(officer: Officer, line: FleetLine) -> recovery.RecoveryLink:
    """What the person opens on the new phone."""
    place = RelayPlace(officer.place.host, officer.place.port, officer.place.pin)
    return recovery.RecoveryLink(place, line.id, officer.fleet_pair.public, line.address)


def line_of(officer: Officer, certificate: DeviceCertificate, lines: Sequence[FleetLine]) -> FleetLine:
    """The line that a request is for. Raises certificate.invalid."""
    found = next((line for line in lines if line.id == certificate.line_id), None)
    mine = certificate.fleet_key == officer.fleet_pair.public
    if found is None or not mine or found.address != certificate.address:
        raise error("certificate.invalid", "That request is not for a line of this organisation.")
    return found


async def begin(officer: Officer, certificate: DeviceCertificate, line: FleetLine, why: str) -> Coming:
    """As the first officer, once the digits were compared. Raises order.*, certificate.invalid, line.closed,
    devices.too_many, term.*."""
    chain = await officer.refresh()
    if needed_signatures(chain.roster) < 2:
        raise error("order.two_officers", "This takes two officers; appoint a second first.")
    salt = await officer.ask(fleet.Salt(line.id), fleet.LineSalt)
    reason = Reason(why.strip(), secrets.token_bytes(16))
    order = wire.Enrolment(
        1,
        secrets.token_bytes(16),
        officer.place.server,
        chain.roster.organisation,
        certificate.to_bytes(),
        salt.salt,
        line.identity_key,
        officer.now(),
        reason.digest(),
    )
    body = msgspec.msgpack.encode(order)
    mark = wire.sign(body, officer.state.id, officer.keys.signing)
    ask = fleet.Enrol(wire.SignedEnrolment(body, [mark]), reason)
    try:
        return _one(officer, await officer.ask(ask, fleet.Enrolments), order.id)
    except Refused as problem:
        if problem.code == "devices.too_many":
            raise error(
                problem.code, "Another phone is on its way to this line; take it back first."
            ) from None
        if problem.code == "order.hold":
            raise error(problem.code, "The line is under legal hold: no phone is let in.") from None
        raise


async def approve(officer: Officer, coming: Coming, status: fleet.EnrolmentStatus) -> Coming:
    """As the second officer, once the digits were compared. Raises as `begin`, order.unknown."""
    found = wire.read(status.enrolment.body)
    known = {line.line: line for line in officer.state.lines}.get(found.certificate.line_id)
    if known is None or (known.address, known.identity_key) != (
        found.certificate.address,
        found.order.former_key,
    ):
        raise error("order.forged", "That order is about a line that is another one as you know it.")
    mark = wire.sign(status.enrolment.body, officer.state.id, officer.keys.signing)
    ask = fleet.ApproveEnrolment(coming.order, mark)
    return _one(officer, await officer.ask(ask, fleet.Enrolments), coming.order)


async def withdraw(officer: Officer, order: bytes) -> None:
    """Any officer, alone, until the phone has come. Raises order.unknown."""
    await officer.ask(fleet.Withdraw(order), fleet.Ok)


async def listed(officer: Officer) -> list[tuple[Coming, fleet.EnrolmentStatus]]:
    """The newest first. Raises order.forged for one that no officer signed."""
    await officer.refresh()
    answer = await officer.ask(fleet.ShowEnrolments(), fleet.Enrolments)
    return [(_view(officer, one), one) for one in answer.enrolments]


async def new_keys(officer: Officer) -> list[wire.Read]:
    """Enrolments that two officers signed and whose phone came: each gives its line a new identity key."""
    answer = await officer.ask(fleet.ShowEnrolments(), fleet.Enrolments)
    found = []
    for one in answer.enrolments:
        read, by = _checked(officer, one)
        if len(by) >= 2 and one.added_at is not None:
            found.append(read)
    return found


def followed(
    known: Sequence[KnownLine], found: Sequence[FleetLine], keys: Sequence[wire.Read]
) -> list[KnownLine]:
    """What was known, with the keys that officers gave lines since: each from the one that was known on. For
    a key that nobody signed, the known one stays: whoever compares sees it."""
    now = {line.id: line.identity_key for line in found}
    steps = {(one.certificate.line_id, one.order.former_key): one.certificate.identity_key for one in keys}
    return [_follow(line, now.get(line.line, line.identity_key), steps) for line in known]


def _follow(line: KnownLine, wanted: bytes, steps: dict[tuple[bytes, bytes], bytes]) -> KnownLine:
    key, seen = line.identity_key, set[bytes]()
    while key != wanted and key not in seen and (line.line, key) in steps:
        seen.add(key)
        key = steps[line.line, key]
    return msgspec.structs.replace(line, identity_key=key) if key == wanted else line


def _one(officer: Officer, answer: fleet.Enrolments, order: bytes) -> Coming:
    """Raises http.malformed."""
    for one in answer.enrolments:
        view = _view(officer, one)
        if view.order == order:
            return view
    raise error("http.malformed")


def _view(officer: Officer, one: fleet.EnrolmentStatus) -> Coming:
    read, by = _checked(officer, one)
    if one.reason.digest() != read.order.reason_digest:
        raise error("order.forged", "The relay shows an order with another reason than was signed.")
    names = {each.id: each.name for roster in officer.all_rosters for each in roster.officers}
    return Coming(
        read.order.id,
        read.certificate,
        recovery.digits(read.order.certificate),
        tuple(names[officer_id] for officer_id in by),
        one.reason.text,
        one.given_at,
        one.announced_at,
        one.added_at,
        one.withdrawn_at,
    )


def _checked(officer: Officer, one: fleet.EnrolmentStatus) -> tuple[wire.Read, tuple[bytes, ...]]:
    """Those who signed may have left since: the roster that has most of them speaks. Raises order.forged."""
    best: tuple[wire.Read, tuple[bytes, ...]] | None = None
    for roster in reversed(appointing.bodies(officer.state.rosters)):
        try:
            found = wire.check(one.enrolment, roster, officer.place.server)
        except ChappeError:
            continue
        if best is None or len(found[1]) > len(best[1]):
            best = found
    if best is None or not best[1]:
        raise error("order.forged")
    return best
