"""What officers, owners and locked phones ask of the relay about orders, answered.

An order is carried out in the tables first; then who is here is told, and the share service asked to destroy.
The answer goes out when that is done, or cannot be done now.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeVar

from sqlalchemy import Connection

from chappe.relay import asker, enrolment_rows, fleet_reads
from chappe.relay.asker import AsDevice, Asker, AsOfficer, AsOwner
from chappe.relay.bus import Bus
from chappe.relay.bus.local import LocalBus
from chappe.relay.bus.wakes import Kind, Notice
from chappe.relay.destroyer import Destroyer
from chappe.relay.hub import Hub
from chappe.relay.limits import Allowances
from chappe.relay.ports import Clock, Found, Operation, Outcome
from chappe.relay.store import Store
from chappe.relay.usecases.amend_roster import AmendRoster
from chappe.relay.usecases.approve_order import ApproveOrder
from chappe.relay.usecases.enrol import ApproveEnrolment, EnrolPhone, WithdrawEnrolment
from chappe.relay.usecases.execute_order import Effects
from chappe.relay.usecases.give_order import GiveOrder
from chappe.relay.usecases.receipts import TakeReceipt
from chappe.relay.usecases.removals import FindPosted, PostRemovals, open_postings
from chappe.wire import fleet
from chappe.wire.errors import error

T = TypeVar("T")

OFFICERS_ORDERS: Final = (300.0, 1.0)
"""Of an organisation: at once, and coming back in a second."""
OWNERS_ORDERS: Final = (20.0, 1 / 60)


class FleetDesk:
    """Used in the event loop alone."""

    def __init__(
        self, store: Store, hub: Hub, destroyer: Destroyer, clock: Clock, server: str, bus: Bus | None = None
    ) -> None:
        self._bus = bus or LocalBus()
        self._told: set[tuple[bytes, bytes, bytes]] = set()
        self._store = store
        self._hub = hub
        self._destroyer = destroyer
        self._clock = clock
        self._server = server
        self._steady = asyncio.get_running_loop().time
        self._officers: Allowances[bytes] = Allowances(*OFFICERS_ORDERS)
        self._owners: Allowances[bytes] = Allowances(*OWNERS_ORDERS)

    async def identify(self, envelope: fleet.AnyEnvelope, ask: fleet.AnyAsk) -> Asker:
        """Who asks. Raises organisation.unknown, signin.unknown_device, order.forged, order.stale."""
        now = int(self._clock())
        return await self._store.read(
            lambda connection: asker.identify(connection, envelope, ask, self._server, now)
        )

    async def answer(self, who: Asker, ask: fleet.AnyAsk) -> fleet.Answer:
        """To a question that `who` may ask (`fleet.decode_ask`). Raises order.*, roster.invalid,
        receipt.invalid, line.closed, id.reused, limit.rate, storage.*."""
        if isinstance(who, AsDevice):
            return await self._to_device(who, ask)
        if isinstance(ask, fleet.Give):
            self._spend(who)
            given = GiveOrder(self._store.mailroom, who, ask, self._server)
            return await self._carry_out(given, isinstance(who, AsOfficer))
        if isinstance(ask, fleet.Status):
            wanted = ask.order
            return await self._read(lambda c: fleet_reads.order_status(c, who, wanted))
        if isinstance(who, AsOwner):
            raise error("http.malformed")
        return await self._to_officer(who, ask)

    def _spend(self, who: AsOfficer | AsOwner) -> None:
        """Orders are kept for good: nobody fills the disk with them. Raises limit.rate."""
        now = self._steady()
        if isinstance(who, AsOfficer):
            self._officers.of(who.organisation, now).spend(now)
        else:
            self._owners.of(who.line, now).spend(now)

    async def _to_officer(self, who: AsOfficer, ask: fleet.AnyAsk) -> fleet.Answer:
        if isinstance(ask, fleet.Approve):
            return await self._carry_out(ApproveOrder(self._store.mailroom, who, ask, self._server), True)
        if isinstance(ask, fleet.Amend):
            await self._store.run(AmendRoster(who, ask))
            return fleet.Ok()
        if isinstance(ask, fleet.Post):
            groups = await self._store.run(PostRemovals(who, ask))
            assert isinstance(groups, tuple)
            self._tell_watchers(groups)
            return fleet.Ok()
        if isinstance(ask, fleet.Rosters):
            return await self._read(lambda c: fleet_reads.roster_chain(c, who.organisation))
        if isinstance(ask, fleet.Lines):
            after = ask.after
            return await self._read(lambda c: fleet_reads.line_list(c, who.organisation, after))
        if isinstance(ask, fleet.Epochs):
            groups_asked = ask.groups
            return await self._read(lambda c: fleet_reads.epochs(c, groups_asked))
        if isinstance(ask, fleet.Salt):
            wanted = ask.line
            return await self._read(lambda c: enrolment_rows.salt_of(c, who.organisation, wanted))
        if isinstance(ask, fleet.Enrol | fleet.ApproveEnrolment):
            self._spend(who)
            order = await self._store.run(
                EnrolPhone(who, ask, self._server)
                if isinstance(ask, fleet.Enrol)
                else ApproveEnrolment(who, ask, self._server)
            )
            assert isinstance(order, bytes)
            return await self._read(lambda c: enrolment_rows.one(c, order))
        if isinstance(ask, fleet.Withdraw):
            await self._store.run(WithdrawEnrolment(who, ask.order))
            return fleet.Ok()
        if isinstance(ask, fleet.ShowEnrolments):
            return await self._read(lambda c: enrolment_rows.of_officers(c, who.organisation))
        if isinstance(ask, fleet.Audit):
            start = ask.start
            return await self._read(lambda c: fleet_reads.audit_page(c, who.organisation, start))
        raise error("http.malformed")

    async def _to_device(self, who: AsDevice, ask: fleet.AnyAsk) -> fleet.Answer:
        if isinstance(ask, fleet.Report):
            await self._store.run(TakeReceipt(who.device, ask.receipt))
            return fleet.Ok()
        if isinstance(ask, fleet.Rosters):
            return await self._read(lambda c: fleet_reads.rosters_of_device(c, who.device))
        if isinstance(ask, fleet.Withdraw):
            await self._store.run(WithdrawEnrolment(who, ask.order))
            return fleet.Ok()
        if isinstance(ask, fleet.ShowEnrolments):
            return await self._read(lambda c: enrolment_rows.of_device(c, who.device))
        if isinstance(ask, fleet.Waiting):
            return await self._read(lambda c: fleet_reads.for_device(c, who.device))
        raise error("http.malformed")

    # --- orders

    async def _carry_out(self, operation: Operation, officer: bool) -> fleet.Given:
        effects = await self._store.run(operation)
        assert isinstance(effects, Effects)
        self._carry_on(effects)
        if effects.doomed:
            await self._destroyer.run()
        return await self._read(lambda c: fleet_reads.given(c, effects.order, registers_too=officer))

    def _carry_on(self, effects: Effects) -> None:
        """The order is durable: whoever is here hears of it."""
        self._destroyer.add(effects.doomed)
        for _, mailbox in effects.signed_out:
            self._hub.sign_out(mailbox)
            self._bus.changed(mailbox)
        for mailbox in effects.told:
            self._hub.ordered(mailbox)
            self._bus.changed(mailbox)
        self._tell_watchers(effects.posted)

    def _tell_watchers(self, groups: Sequence[bytes]) -> None:
        for group in groups:
            self._bus.notify(Notice(Kind.POSTED, name=group))
        self.posted(groups)

    async def look_for_posted(self) -> None:
        """Removals that were posted at another gateway, and nobody said so. Raises storage.*."""
        found = set(await self._store.read(open_postings))
        fresh, self._told = found - self._told, found
        self.posted({group for group, _, _ in fresh})

    def posted(self, groups: Iterable[bytes]) -> None:
        """In the writer's turn: the epochs are then those of one moment."""
        watched = tuple(group for group in groups if self._hub.is_watched(group))
        if watched:
            self._store.submit(FindPosted(watched), self._tell_found)

    def _tell_found(self, outcome: Outcome) -> None:
        # What could not be read is told when the group is watched again.
        if isinstance(outcome, Found):
            self._hub.tell_watchers(outcome.posted)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._store.read(work)
