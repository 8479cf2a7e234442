"""An officer: who orders in the name of an organisation, from a file of their own.

    async with Officer.open(path, passphrase) as officer:
        chosen = choose_all(["ada@relay.example"], await officer.lines())
        given = await officer.order("erase", [one.target for one in chosen], "left in a taxi")
        [order] = await officer.orders(given.order)

What the relay answers is believed as far as signatures hold (`officer_lines`, `order_views`, `auditing`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, TypeVar

from chappe.client import appointing, auditing, enrolling, officer_removals, order_views
from chappe.client.officer_file import Head, KnownLine, OfficerFile, OfficerState, Place, Removal
from chappe.client.officer_keys import KeyPairs, fleet_keys, new_seed, officer_keys
from chappe.client.officer_lines import FleetLine, checked_line, remember
from chappe.client.officer_papers import Request
from chappe.client.order_views import OrderView
from chappe.client.reports import Checked, check_report
from chappe.client.transport import HttpApi
from chappe.wire import fleet
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import ChappeError, error
from chappe.wire.links import RelayPlace
from chappe.wire.orders import (
    DESTROYING,
    MAX_REASON,
    FleetPolicy,
    Kind,
    Order,
    Reason,
    SignedOrder,
    Target,
    approve,
    check_officers_order,
    check_owners_order,
    sign_as_officer,
)
from chappe.wire.registers import open_register
from chappe.wire.reports import open_report
from chappe.wire.rosters import Chain, Roster, check_chain, needed_signatures

A = TypeVar("A", bound=fleet.Answer)
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class GivenOrder:
    """`unsealed`: devices whose register the relay has not, or that does not open: their conversations are
    not known, and members find out by the order itself or not at all."""

    order: bytes
    awaiting: bool
    unreadable: bool
    unsealed: tuple[bytes, ...] = ()


class Officer:
    """Use it as a context manager; every call may raise network.*, and the relay's own refusals."""

    def __init__(self, file: OfficerFile, clock: Clock = time.time) -> None:
        self.file = file
        self._clock = clock
        self._http: HttpApi | None = None

    # --- beginning and end

    @classmethod
    def open(cls, path: Path, passphrase: str, clock: Clock = time.time) -> Officer:
        """Raises fleet.missing, fleet.wrong_passphrase, storage.*."""
        return cls(OfficerFile.open(path, passphrase), clock)

    @classmethod
    async def found(
        cls,
        path: Path,
        passphrase: str,
        place: RelayPlace,
        *,
        organisation: str,
        name: str,
        clock: Clock = time.time,
    ) -> Officer:
        """A new organisation with this one officer. The operator takes its first roster
        (`state.rosters[0]`). Raises fleet.exists, vault.weak_pin, network.*, storage.*."""
        if path.exists():
            raise error("fleet.exists")
        http = await HttpApi.to(place)
        try:
            server = (await http.info()).name
        finally:
            await http.close()
        seed, fleet_seed = new_seed(), new_seed()
        officer = secrets.token_bytes(16)
        roster = appointing.first_roster(
            organisation, officer, name, fleet_keys(fleet_seed), officer_keys(seed), int(clock())
        )
        where = Place(place.host, place.port, place.pin, server)
        state = OfficerState(
            1, "appointed", officer, name, seed, int(clock()), fleet_seed, where, rosters=[roster]
        )
        return cls(OfficerFile.create(path, passphrase, state), clock)

    @classmethod
    def ask_in(cls, path: Path, passphrase: str, name: str, clock: Clock = time.time) -> Officer:
        """Somebody who asks to be appointed: `request` is what they hand to an officer."""
        state = OfficerState(1, "asked", secrets.token_bytes(16), name, new_seed(), int(clock()))
        return cls(OfficerFile.create(path, passphrase, state), clock)

    async def __aenter__(self) -> Officer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    # --- who this is

    @property
    def state(self) -> OfficerState:
        return self.file.state

    @property
    def keys(self) -> KeyPairs:
        """The officer's own."""
        return officer_keys(self.state.seed)

    @property
    def fleet_pair(self) -> KeyPairs:
        """Raises organisation.unknown before the appointment."""
        if self.state.fleet_seed is None:
            raise error("organisation.unknown", "This officer is not appointed yet.")
        return fleet_keys(self.state.fleet_seed)

    @property
    def chain(self) -> Chain:
        """The newest that was seen. Raises organisation.unknown, roster.invalid."""
        return check_chain(self.state.rosters, fleet_key=self.fleet_pair.public)

    @property
    def all_rosters(self) -> list[Roster]:
        """Every version, oldest first."""
        return appointing.bodies(self.state.rosters)

    def now(self) -> int:
        """Unix seconds."""
        return int(self._clock())

    @property
    def request(self) -> Request:
        return appointing.request_of(self.state)

    @property
    def place(self) -> Place:
        if self.state.place is None:
            raise error("organisation.unknown", "This officer is not appointed yet.")
        return self.state.place

    # --- asking

    async def ask(self, ask: fleet.Ask, kind: type[A]) -> A:
        """One question to the relay, signed. Raises http.malformed for an answer of another kind."""
        if self._http is None:
            place = self.place
            self._http = await HttpApi.to(RelayPlace(place.host, place.port, place.pin))
        organisation = self.chain.roster.organisation
        envelope = fleet.by_officer(
            self.place.server, organisation, self.state.id, self.keys.signing, int(self._clock()), ask
        )
        return await self._http.fleet(envelope, kind)

    async def refresh(self) -> Chain:
        """The relay's roster chain, if it goes on from the one that was seen: kept. Raises roster.invalid for
        one that was rolled back or forked, or that this officer is no longer on.

        A relay that was brought back from a copy may lack the newest ones: it is given them again first.
        """
        answer = await self.ask(fleet.Rosters(), fleet.RosterChain)
        lacks = self.state.rosters[len(answer.rosters) :]
        if lacks and answer.rosters == self.state.rosters[: len(answer.rosters)]:
            for roster in lacks:
                await self.ask(fleet.Amend(roster), fleet.Ok)
            answer = await self.ask(fleet.Rosters(), fleet.RosterChain)
        return self.take_rosters(answer)

    def take_rosters(self, answer: fleet.RosterChain) -> Chain:
        known, chain = self.chain, check_chain(answer.rosters, fleet_key=self.fleet_pair.public)
        if chain.hashes[: len(known.hashes)] != known.hashes:
            raise error("roster.invalid", "The relay shows another roster than before; ask the others.")
        if len(chain.hashes) > len(known.hashes):
            self.file.keep(rosters=answer.rosters)
        if chain.roster.officer(self.state.id) is None:
            raise error("roster.invalid", "You are not on the newest roster: other officers removed you.")
        return chain

    async def lines(self) -> list[FleetLine]:
        """All lines, each checked against its certificates and what was known of it. Raises
        certificate.invalid, identity.changed."""
        found: list[FleetLine] = []
        after = b""
        while True:
            page = await self.ask(fleet.Lines(after), fleet.LineList)
            found += [checked_line(line, self.fleet_pair.public) for line in page.lines]
            if not page.more or not page.lines or page.lines[-1].line <= after:
                break
            after = page.lines[-1].line
        known = remember(await self._followed(found), found)
        if known != self.state.lines:
            self.file.keep(lines=known)
        return found

    async def _followed(self, found: list[FleetLine]) -> list[KnownLine]:
        """What is known of lines; the identity keys of those that two officers gave a new phone are new."""
        known = {line.line: line.identity_key for line in self.state.lines}
        if all(known.get(line.id, line.identity_key) == line.identity_key for line in found):
            return self.state.lines
        await self.refresh()
        return enrolling.followed(self.state.lines, found, await enrolling.new_keys(self))

    # --- reports

    async def check_report(self, data: bytes) -> Checked:
        """A report as a member made it. A certificate alone is the word of who made it: sender and reporter
        have to be lines of this organisation as they are known here, or as the relay shows them. Raises
        content.malformed, certificate.invalid, order.not_yours, network.*."""
        signed = open_report(self.fleet_pair.sealing.private, data)
        place = self.state.place
        checked = check_report(
            signed, fleet_key=self.fleet_pair.public, server="" if place is None else place.server
        )
        for one in (checked.sender, checked.reporter):
            if not self._knows(one):
                await self.lines()
            if not self._knows(one):
                raise error(
                    "certificate.invalid",
                    "The proof does not hold: it is of a key that is not the one of that line.",
                )
        return checked

    def _knows(self, certificate: DeviceCertificate) -> bool:
        wanted = KnownLine(certificate.line_id, certificate.address, certificate.identity_key)
        return wanted in self.state.lines

    # --- orders

    async def order(
        self, kind: Kind, targets: Sequence[Target], reason: str, policy: FleetPolicy | None = None
    ) -> GivenOrder:
        """Sign an order and give it. Raises usage.invalid without a reason, order.two_officers where there is
        nobody to be the second, order.*."""
        chain = await self.refresh()
        why = Reason(_checked_reason(reason), secrets.token_bytes(16))
        order = Order(
            1,
            secrets.token_bytes(16),
            kind,
            self.place.server,
            chain.roster.organisation,
            list(targets),
            int(self._clock()),
            why.digest(),
            policy,
        )
        if order.needs_two and needed_signatures(chain.roster) < 2:
            raise error("order.two_officers", "This takes two officers; appoint a second first.")
        signed = sign_as_officer(order, self.fleet_pair.signing, self.state.id, self.keys.signing)
        return await self._done(order, await self._give(signed, why))

    async def approve(self, order: bytes) -> GivenOrder:
        """Be the second officer of an order that waits, or sign one whose officer left. Raises order.unknown,
        order.forged."""
        chain = await self.refresh()
        status = await self._status_of(order)
        found, _ = self._check(status, chain)
        if found.id != order or not found.organisation:
            raise error("order.unknown")
        signature = approve(status.order, self.state.id, self.keys.signing)
        given = await self.ask(fleet.Approve(order, signature), fleet.Given)
        return await self._done(found, given)

    async def orders(self, order: bytes | None = None, *, catch_up: bool = True) -> list[OrderView]:
        """One order, or the newest; each checked. With `catch_up`, removals are signed anew for conversations
        that ran past what was signed. Raises order.forged."""
        await self.lines()
        chain = await self.refresh()
        answer = await self.ask(fleet.Status(order), fleet.Orders)
        known = {line.line: line for line in self.state.lines}
        views = []
        for status in answer.orders:
            shown = order_views.view(
                status, lambda one: self._check(one, chain), known, self.fleet_pair.public
            )
            if any(device.receipt == "false" for device in shown.devices):
                # Of a phone that was lost: its line may have a new key since.
                former = {(k.certificate.line_id, k.order.former_key) for k in await enrolling.new_keys(self)}
                shown = order_views.view(
                    status, lambda one: self._check(one, chain), known, self.fleet_pair.public, former
                )
            if order is not None and shown.id != order:
                raise error("order.unknown")
            views.append(shown)
            if catch_up and shown.kind in DESTROYING and not shown.awaiting and shown.by:
                await self._catch_up(status, shown)
        return views

    async def addresses_of(self, order: bytes) -> list[str]:
        """The lines that an order names, by address. Raises order.unknown, order.forged."""
        found, _ = self._check(await self._status_of(order), self.chain)
        known = {line.line: line.address for line in self.state.lines}
        return sorted(known.get(line, line.hex()) for line in found.lines)

    async def audit(self) -> auditing.Audited:
        """The whole log, replayed to its root, and compared with what was seen of it. Raises
        audit.rewritten."""
        audited = await auditing.fetch(self.ask, self.state.audit)
        head = Head(audited.size, audited.root)
        if head != self.state.audit:
            self.file.keep(audit=head)
        return audited

    # --- within

    async def _give(self, signed: SignedOrder, reason: Reason) -> fleet.Given:
        return await self.ask(fleet.Give(signed, reason), fleet.Given)

    async def _status_of(self, order: bytes) -> fleet.OrderStatus:
        answer = await self.ask(fleet.Status(order), fleet.Orders)
        if not answer.orders:
            raise error("order.unknown")
        return answer.orders[0]

    def _check(self, status: fleet.OrderStatus, chain: Chain) -> tuple[Order, tuple[str, ...]]:
        """The order, and the names of the officers who signed. Raises order.forged, order.malformed."""
        if status.order.owner_signature is not None:
            return self._check_owners(status), ()
        # Those who signed may have left since: any roster that had them speaks for them.
        rosters = appointing.bodies(self.state.rosters)
        found: ChappeError | None = None
        for roster in reversed(rosters):
            try:
                verified = check_officers_order(status.order, roster, self.place.server)
            except ChappeError as problem:
                found = problem
                continue
            names = {one.id: one.name for each in rosters for one in each.officers}
            return verified.order, tuple(names[officer] for officer in verified.officers)
        assert found is not None
        raise found

    def _check_owners(self, status: fleet.OrderStatus) -> Order:
        for line in self.state.lines:
            try:
                return check_owners_order(status.order, line.line, line.identity_key, self.place.server).order
            except ChappeError:
                continue
        raise error("order.forged")

    async def _done(self, order: Order, given: fleet.Given) -> GivenOrder:
        """After an order was given: what the relay says, and the removals that it makes possible."""
        if given.order != order.id:
            raise error("http.malformed")
        unsealed: list[bytes] = []
        if order.kind in DESTROYING and not given.awaiting:
            unsealed = await self._remove(order, given.places)
        return GivenOrder(given.order, given.awaiting, given.unreadable, tuple(unsealed))

    async def _remove(self, order: Order, places: list[fleet.Place]) -> list[bytes]:
        """Sign and post the removals of all devices; gives those whose register does not open."""
        unsealed: list[bytes] = []
        for place in places:
            if not order.covers(place.line, place.device):
                raise error("order.forged", "The relay names a device that the order does not.")
            try:
                if place.register is None:
                    raise error("roster.invalid")
                register = open_register(self.fleet_pair.sealing.private, place.device, place.register)
            except ChappeError:
                unsealed.append(place.device)
                continue
            await self._post(officer_removals.begin(order.id, place.device, register))
        return unsealed

    async def _post(self, removal: Removal, *, first: bool = True) -> None:
        """Where nothing is to be said, nothing is; the first time, that too."""
        epochs = await self._epochs([place.group for place in removal.places])
        signed = officer_removals.sign(removal, epochs, self.fleet_pair.signing, int(self._clock()))
        if not signed.postings and not first:
            return
        batches = signed.batches()
        for number, batch in enumerate(batches, 1):
            last = number == len(batches)
            await self.ask(fleet.Post(removal.order, removal.device, batch, last), fleet.Ok)
        others = [one for one in self.state.removals if not _same(one, removal)]
        self.file.keep(removals=[*others, signed.removal][-MAX_REMOVALS:])

    async def _epochs(self, groups: list[bytes]) -> dict[bytes, int]:
        found: dict[bytes, int] = {}
        for start in range(0, len(groups), fleet.MAX_POSTINGS):
            answer = await self.ask(fleet.Epochs(groups[start : start + fleet.MAX_POSTINGS]), fleet.EpochList)
            found |= {one.group: one.epoch for one in answer.epochs if one.epoch is not None}
        return found

    async def _catch_up(self, status: fleet.OrderStatus, shown: OrderView) -> None:
        """Removals that are not settled: those never posted are posted, those run past are signed anew."""
        kept = {one.device: one for one in self.state.removals if one.order == shown.id}
        still = [device.device for device in shown.devices if device.removed_at is None]
        for device in still:
            if device in kept:
                await self._post(kept[device], first=False)
        mine = [one for one in status.order.officers if one.officer == self.state.id]
        lost = [device for device in still if device not in kept]
        if lost and mine:
            # Stopped before the removals were posted; the relay answers the same signature again.
            given = await self.ask(fleet.Approve(shown.id, mine[0]), fleet.Given)
            order, _ = self._check(status, self.chain)
            await self._remove(order, [place for place in given.places if place.device in lost])


MAX_REMOVALS: Final = 2_000
"""Remembered in the file, the newest."""


def _same(one: Removal, other: Removal) -> bool:
    return (one.order, one.device) == (other.order, other.device)


def _checked_reason(text: str) -> str:
    text = text.strip()
    if not text or len(text) > MAX_REASON:
        raise error("usage.invalid", f"An order takes a reason, of at most {MAX_REASON} characters.")
    return text
