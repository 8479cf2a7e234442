"""The relay as one thing: store, mailboxes, attachments, meetings, and who is here. Sockets' `Desk`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, Final, TypeAlias

import structlog
from sqlalchemy import Connection

from chappe.relay.bus.wakes import Kind, Notice
from chappe.relay.config import Settings
from chappe.relay.destroyer import Destroyer
from chappe.relay.doorway import Doorway
from chappe.relay.files import Attachments
from chappe.relay.fleet_desk import FleetDesk
from chappe.relay.fleet_rows import devices_of_lines, find_lines, waiting_orders
from chappe.relay.gateway import elect, open_bus
from chappe.relay.holders import Holders, has_holder
from chappe.relay.hub import Hub
from chappe.relay.knocker import Knocker
from chappe.relay.limits import Allowance, Allowances, Attempts
from chappe.relay.log_cosigners import cosigners
from chappe.relay.log_sequencer import Sequencer
from chappe.relay.lookout import Lookout
from chappe.relay.mailroom import AckOperation, Mailroom, SendOperation
from chappe.relay.ports import (
    Answer,
    Clock,
    DeviceRecord,
    Operation,
    Outcome,
    Refusing,
    ShareService,
    system_clock,
)
from chappe.relay.push import SERVICES, Pusher, PushKey, Subscription, check
from chappe.relay.quotas import HOLD_SECONDS, QuotaLimits, Quotas, Ration
from chappe.relay.reader import Page
from chappe.relay.rendezvous import Meetings, Rendezvous, SharedRendezvous
from chappe.relay.seats import Seats
from chappe.relay.session import Ask, ReadPage
from chappe.relay.socket import Socket
from chappe.relay.storage import Database, open_database
from chappe.relay.store import Store
from chappe.relay.term_rows import frame_of
from chappe.relay.term_watch import TermWatch
from chappe.relay.tokens import TokenLimits
from chappe.relay.usecases.attachments import ReserveAttachment
from chappe.relay.usecases.device_keys import LeaveRegister, vouched_key
from chappe.relay.usecases.key_packages import PublishKeyPackages
from chappe.relay.usecases.lapse import CloseLapsed, ForgetLines, Lapsed, lines_to_forget
from chappe.relay.usecases.look_up import LookUp
from chappe.relay.usecases.move_group import MoveGroup
from chappe.relay.usecases.receipts import TakeReceipt
from chappe.relay.usecases.removals import FindPosted, SettleRemoval
from chappe.relay.usecases.renew_line import RenewByCode, RenewByDesk, RenewByDevice, RenewedLine
from chappe.relay.usecases.subscriptions import Subscribe
from chappe.relay.usecases.sweep import Sweep, Swept
from chappe.relay.usecases.tokens import LeaveToken
from chappe.relay.watching.tally import Tally
from chappe.relay.watching.traces import open_traces
from chappe.relay.web import released
from chappe.wire import delivery, frames
from chappe.wire.api import to_base64
from chappe.wire.clock_guard import MAX_JUMP, ClockGuard
from chappe.wire.door import UnlockCounts
from chappe.wire.errors import ChappeError, error
from chappe.wire.orders import read_order

log = structlog.get_logger()

MAX_WAITING_BYTES: Final = 256 * 1024 * 1024
"""Requests of all devices that wait for the store; beyond, they are refused with limit.rate."""
TICK_SECONDS: Final = 5.0
TERMS_SECONDS: Final = 1.0
"""Between two readings of all terms, however often other gateways say that one has changed."""
DESTROY_SECONDS: Final = 3.0
"""How often the share service is asked to destroy what it has not destroyed yet."""
MAX_PAGES_AT_ONCE: Final = 64
"""Pages of at most a mebibyte each that are in memory at once, however many devices come back together."""

ENROLMENTS_BURST: Final = 10
ENROLMENTS_PER_SECOND: Final = 1 / 60
"""Enrolments of a device: each waits for the disk, and every locked phone waits behind it."""

SUBSCRIPTIONS_BURST: Final = 10
SUBSCRIPTIONS_PER_SECOND: Final = 1 / 60
"""Changes of a device's push subscription: a browser makes one a few times a year."""

GOING_AT_ONCE: Final = 200
GOING_PAUSE: Final = 0.05
"""A relay that goes tells 4,000 sockets a second: where they go does not have all of them at once."""

DAY: Final = 24 * 3600

SENDING: Final = (frames.Send, frames.Commit, frames.NewAttachment)
"""What a line in grace may not do."""

Shape: TypeAlias = Callable[[Outcome], Outcome]


class Relay:
    """Made, used and closed in one event loop. The database must be migrated before."""

    def __init__(
        self,
        settings: Settings,
        shares: ShareService,
        clock: Clock = system_clock,
        *,
        database: Database | None = None,
    ) -> None:
        """`shares` is closed with the relay. `database`: the one that the settings name, if not given."""
        self.settings = settings
        self.server_name = settings.server_name
        self.ping_seconds = settings.ping_seconds
        self.sign_in_seconds = settings.sign_in_seconds
        self.clock_guard = ClockGuard(settings.data_dir, clock)
        clock = self.clock_guard.now
        self._clock = clock
        self._started_at = clock()
        self.draining = False
        """It is going: whoever asks is told that it takes nobody new."""
        self._loop = asyncio.get_running_loop()
        push_key = PushKey(settings.data_dir)
        keep = frames.MAILBOX_SECONDS
        mailroom = Mailroom(
            max_items=settings.mailbox_items,
            max_bytes=settings.mailbox_bytes,
            keep_seconds=keep,
            limits=TokenLimits(messages=settings.token_burst, messages_per_second=settings.token_per_second),
        )
        database = database or open_database(settings)
        self._bus = open_bus(settings)
        self._leader = elect(database, self._bus)
        self.hub = Hub(self._absent)
        self.tally = Tally()
        self.tally.traces = open_traces(settings.traces, settings.traces_share)
        self.seats = Seats(
            of_a_network=None if settings.behind_proxy else settings.max_strangers_per_network,
            in_all=settings.max_strangers,
            turned_away=self.tally.turn_away,
        )
        self.store = Store(
            database, mailroom, clock, self.hub.arrived, self._logged, self._doubted, self.tally
        )
        self.log = Sequencer(
            settings.data_dir,
            settings.server_name,
            self.store,
            clock,
            page=released(settings.web_dir),
            cosigners=cosigners(settings.witness, settings.quorum),
            leader=self._leader if self._bus.shared else None,
            published=self._tell_log,
        )
        self.push_key = push_key.public
        contact = settings.push_contact or f"postmaster@{settings.server_name}"
        pusher = Pusher(push_key, contact, self._loop.time)
        elsewhere = self._is_elsewhere if self._bus.shared else None
        self._knocker = Knocker(self.store, pusher, self.hub.is_here, self._loop.time, elsewhere)
        self._subscriptions: Allowances[int] = Allowances(SUBSCRIPTIONS_BURST, SUBSCRIPTIONS_PER_SECOND)
        self.attachments = Attachments(
            settings.data_dir / "attachments",
            self.store,
            clock,
            max_size=settings.max_attachment,
            quota=settings.attachment_quota,
            keep_seconds=keep,
            reserve=settings.disk_reserve,
            bus=self._bus,
        )
        self.rendezvous: Meetings = (
            SharedRendezvous(self.store, clock, settings.max_links)
            if self._bus.shared
            else Rendezvous(clock, settings.max_links)
        )
        self._attempts = Attempts(settings.attempts_burst, settings.attempts_per_minute)
        self._doorway = Doorway(settings.deliver_burst, settings.deliver_per_minute)
        self._quotas = Quotas(
            QuotaLimits(
                sends=settings.sends_burst,
                sends_per_second=settings.sends_per_second,
                groups=settings.groups_burst,
                groups_per_second=settings.groups_per_day / 86_400,
            )
        )
        self._ration = Ration(settings.packages_per_day)
        self._lookups: Allowances[int] = Allowances(settings.lookups_burst, settings.lookups_per_second)
        self._enrolments: Allowances[int] = Allowances(ENROLMENTS_BURST, ENROLMENTS_PER_SECOND)
        self._shares = shares
        self.destroyer = Destroyer(self.store, shares, shared=database.shared)
        self.fleet = FleetDesk(self.store, self.hub, self.destroyer, clock, settings.server_name, self._bus)
        self.terms = TermWatch(self._read_terms)
        self._terms_changed = asyncio.Event()
        self._lookout = self._open_lookout(database) if self._bus.shared else None
        self._enrolling: set[asyncio.Task[None]] = set()
        self._sockets: set[Socket] = set()
        self._all_gone = asyncio.Event()
        self._going = False
        self._undeleted: dict[int, int] = {}
        """What was acknowledged and could not be deleted: up to which sequence, by mailbox."""
        self._pages = asyncio.Semaphore(MAX_PAGES_AT_ONCE)
        self._chores: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin the chores: sweeping, ticking the sockets, destroying shares. Raises storage.*."""
        await self._leader.start()
        await self.log.start()
        await self.destroyer.start()
        await self._knocker.start()
        if self._leader.is_leading:
            await self.attachments.delete_strays()
        if self._lookout is not None:
            await self._lookout.start()
            await self._bus.start(self._lookout)
            self._chores.append(self._loop.create_task(self._every(TERMS_SECONDS, self._mind_terms)))
        self._chores += [
            self._loop.create_task(self._every(DESTROY_SECONDS, self._destroy)),
            self._loop.create_task(self._every(self.settings.sweep_seconds, self.sweep_if_due)),
            self._loop.create_task(self._every(self._tick_seconds(), self._tick)),
            self._loop.create_task(self._every(self._tick_seconds(), self._tick_terms)),
            self._loop.create_task(self.tally.measure_lag()),
        ]

    async def close(self) -> None:
        """End the chores, finish what is queued, let go of the files."""
        for chore in self._chores:
            chore.cancel()
        await asyncio.gather(*self._chores, *self._enrolling, return_exceptions=True)
        await self._knocker.close()
        if self._lookout is not None:
            await self._lookout.close()
        await self._bus.close()
        await self.log.close()
        await self._leader.close()
        await self.store.close()
        await self._shares.close()
        if self.tally.traces is not None:
            await asyncio.to_thread(self.tally.traces.close)

    def _logged(self) -> None:
        self.log.wake()
        self._tell_log()

    def _tell_move(self, mailbox: int) -> None:
        if self._knocker.wants(mailbox):
            self._bus.notify(Notice(Kind.MOVED, mailbox=mailbox))

    def _tell_log(self) -> None:
        self._bus.notify(Notice(Kind.LOG))

    def _doubted(self) -> None:
        """Something may have been stored that nobody was told of."""
        self.hub.look()
        self._bus.notify(Notice(Kind.MISSED))

    # --- other gateways

    def _open_lookout(self, database: Database) -> Lookout:
        holders = Holders(lambda: database.engine(writes=True))
        return Lookout(
            self.store,
            self.hub,
            self._bus,
            holders,
            seconds=self.settings.look_seconds,
            told=self._told,
            rarely=(self._knocker.read_anew, self.terms.read_anew, self.fleet.look_for_posted),
        )

    def _told(self, notice: Notice) -> None:
        """Another gateway says so, or somebody who pretends to be one: nothing comes of it but a look."""
        if notice.kind is Kind.TERMS:
            self._terms_changed.set()
        elif notice.kind is Kind.SUBSCRIPTION:
            self._knocker.changed_elsewhere(notice.mailbox)
        elif notice.kind is Kind.LOG:
            self.log.wake()
        elif notice.kind is Kind.MOVED:
            self._knocker.moved_elsewhere(notice.mailbox)
        elif notice.kind is Kind.POSTED:
            self.fleet.posted((notice.name,))
        elif notice.kind is Kind.UPLOAD:
            self.attachments.elsewhere(notice.name)

    async def _is_elsewhere(self, mailbox: int) -> bool:
        """Of a bus that says so of everybody, the store knows better."""
        if not await self._bus.is_elsewhere(mailbox):
            return False
        return await self.store.read(partial(has_holder, mailbox=mailbox))

    async def _mind_terms(self) -> None:
        """Lines may have been renewed at another gateway. Raises storage.*: then the next round reads."""
        await self._terms_changed.wait()
        await self.terms.read_anew()
        self._terms_changed.clear()

    async def _destroy(self) -> None:
        """The leader, what any gateway left over, too."""
        await (self.destroyer.run_all() if self._leader.is_leading else self.destroyer.run())

    # --- going

    async def drain(self, within: float) -> None:
        """Have every socket answered and told to come back, some at a time, within so many seconds."""
        until = self._loop.time() + within
        self.draining = self._going = True
        here = tuple(self._sockets)
        for start in range(0, len(here), GOING_AT_ONCE):
            for socket in here[start : start + GOING_AT_ONCE]:
                socket.drain()
            if self._loop.time() < until:
                await asyncio.sleep(GOING_PAUSE)
        if self._sockets:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._all_gone.wait()

    # --- Desk: who is here

    def admit(self, socket: Socket) -> bool:
        self._sockets.add(socket)
        if self._going:
            # Its handshake was under way: it comes too late to be told with the others.
            self._loop.call_soon(socket.drain)
        return len(self._sockets) <= self.settings.max_connections

    def dismiss(self, socket: Socket) -> None:
        self._sockets.discard(socket)
        if self.draining and not self._sockets:
            self._all_gone.set()

    async def announce(self, record: DeviceRecord) -> None:
        if self._lookout is not None:
            await self._lookout.announce(record.mailbox)

    def enter(self, record: DeviceRecord, socket: Socket) -> None:
        self.tally.signed_in += 1
        self.hub.enter(record.mailbox, socket)
        self._knocker.came(record.mailbox)
        self.terms.enter(record, socket)
        if self._lookout is not None:
            self._lookout.enter(record.mailbox)
            self._tell_move(record.mailbox)

    def leave(self, record: DeviceRecord, socket: Socket) -> None:
        self.terms.leave(record, socket)
        if self.hub.leave(record.mailbox, socket):
            self._knocker.went(record.mailbox)
        if self._lookout is not None and not self.hub.is_here(record.mailbox):
            self._lookout.leave(record.mailbox)
            self._tell_move(record.mailbox)

    def stalled(self, record: DeviceRecord) -> None:
        self._knocker.stalled(record.mailbox)

    def _absent(self, mailbox: int, sequence: int) -> None:
        self._bus.mail(mailbox, sequence)
        self._knocker.absent(mailbox)

    def lookups(self, record: DeviceRecord) -> Allowance:
        """Of the device, not of its socket: signing in anew brings nothing back."""
        return self._lookups.of(record.mailbox, self._loop.time())

    def unix_time(self) -> int:
        return int(self._clock())

    def attempts(self, host: str) -> Allowance:
        """The allowance of the network that an unauthenticated request comes from."""
        return self._attempts.of(host, self._loop.time())

    # --- Desk: what devices ask

    async def device(self, device: bytes) -> DeviceRecord | None:
        return await self.store.device(device)

    async def page(self, record: DeviceRecord, wanted: ReadPage) -> Page:
        expired = self.clock_guard.past() - frames.MAILBOX_SECONDS
        async with self._pages:
            return await self.store.page(
                record.mailbox, wanted.after, newer_than=expired, items=wanted.items, size=wanted.size
            )

    async def orders(self, record: DeviceRecord) -> list[frames.OrderFrame]:
        """The fleet orders that wait for a device."""
        found = await self.store.read(lambda connection: waiting_orders(connection, record.device))
        if self._lookout is not None:
            self._lookout.read_orders(record.mailbox, [read_order(frame.order).id for frame in found])
        return found

    def refused(self, code: str) -> None:
        self.tally.refuse(code)

    def acknowledge(self, record: DeviceRecord, sequence: int, count: int) -> None:
        self.tally.acknowledged += count
        self._knocker.took(record.mailbox)
        self._delete(record.mailbox, sequence)

    def _delete(self, mailbox: int, sequence: int) -> None:
        """An acknowledgement has no answer: what the store does not take is asked of it again at the next
        tick, since the device may stay for days without saying it again."""

        def answer(outcome: Outcome) -> None:
            if isinstance(outcome, ChappeError):
                self._undeleted[mailbox] = max(sequence, self._undeleted.get(mailbox, 0))

        self.store.submit(AckOperation(mailbox, sequence), answer)

    def carry_out(self, record: DeviceRecord, ask: Ask, answer: Answer) -> float:
        """Queue what a frame asks. Refusals found here are answered in turn, too, through the store. Gives
        for how many seconds its socket is not to be read."""
        if self.tally.traces is not None:
            answer = self.tally.traces.asked(type(ask.frame).__name__, answer)
        if isinstance(ask.frame, frames.Enrol):
            task = self._loop.create_task(self._enrol(record, ask.frame, answer))
            self._enrolling.add(task)
            task.add_done_callback(self._enrolling.discard)
            return 0.0
        hold = 0.0
        try:
            if self.store.waiting_bytes > MAX_WAITING_BYTES:
                raise error("limit.rate")
            self._quotas.spend(record.line, ask, self._loop.time())
            operation, shape = self._operation(record, ask)
        except ChappeError as refusal:
            hold = HOLD_SECONDS if refusal.code == "limit.rate" else 0.0
            operation, shape = Refusing(refusal), None
        self.store.submit(operation, answer if shape is None else partial(_shaped, shape, answer))
        return hold

    def _operation(self, record: DeviceRecord, ask: Ask) -> tuple[Operation, Shape | None]:
        frame = ask.frame
        if isinstance(frame, SENDING):
            self.terms.check_sending(record.line)
        if isinstance(frame, frames.Send):
            return SendOperation(frame.id, frame.to, frame.payload), None
        if isinstance(frame, frames.Commit):
            return MoveGroup(self.store.mailroom, frame), None
        if isinstance(frame, frames.PublishKeyPackages):
            return PublishKeyPackages(record.mailbox, tuple(frame.one_time), frame.last_resort), None
        if isinstance(frame, frames.Lookup):
            return LookUp(frame, record.line, self._ration), None
        if isinstance(frame, frames.Report):
            return TakeReceipt(record.device, frame.receipt), None
        if isinstance(frame, frames.Register):
            return LeaveRegister(record.device, frame.sealed), None
        if isinstance(frame, frames.Watch):
            return FindPosted(tuple(frame.groups)), partial(self._watch, record, frame)
        if isinstance(frame, frames.Settled):
            return SettleRemoval(frame), None
        if isinstance(frame, frames.Subscribe):
            subscribed = frame.push is not None
            return self._subscribe(record, frame), partial(self._subscribed, record, subscribed)
        if isinstance(frame, frames.LeaveToken):
            return LeaveToken(self.store.mailroom, record.mailbox, frame.digest, frame.overlap), None
        assert isinstance(frame, frames.NewAttachment)
        reserve = self.attachments.reserve(record.line, frame.size)
        return reserve, partial(_ticket, frame.ref, reserve)

    def _subscribe(self, record: DeviceRecord, frame: frames.Subscribe) -> Subscribe:
        self._subscriptions.of(record.mailbox, self._loop.time()).spend(self._loop.time())
        return Subscribe(record.mailbox, None if frame.push is None else self._checked(frame.push))

    def _checked(self, push: frames.PushAddress) -> Subscription:
        more = () if self.settings.push_service is None else (self.settings.push_service,)
        return check(push.endpoint, to_base64(push.p256dh), to_base64(push.auth), SERVICES + more)

    def _subscribed(self, record: DeviceRecord, subscribed: bool, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, ChappeError):
            self._knocker.changed(record.mailbox, subscribed=subscribed)
            self._bus.notify(Notice(Kind.SUBSCRIPTION, mailbox=record.mailbox))
        return outcome

    def _watch(self, record: DeviceRecord, frame: frames.Watch, outcome: Outcome) -> Outcome:
        """What is posted from here on is told; what was there is in the outcome."""
        if not isinstance(outcome, ChappeError):
            try:
                self.hub.watch(record.mailbox, frame.groups)
            except ChappeError as refusal:
                return refusal
        return outcome

    async def _enrol(self, record: DeviceRecord, frame: frames.Enrol, answer: Answer) -> None:
        """Answers as soon as the share service has: nothing else of the device waits for it."""
        try:
            self._enrolments.of(record.mailbox, self._loop.time()).spend(self._loop.time())
            vouched = vouched_key(record.device, record.signature_key, frame)
            gone = await self.destroyer.check(record.device)
            await self._shares.enrol(record.device, frame.sealed)
            if vouched is not None:
                await self.store.run(vouched)
            await self.destroyer.check_again(record.device, gone)
        except ChappeError as refusal:
            answer(refusal)
        except Exception:  # a task's outermost shell: the device is told that it failed
            log.exception("an enrolment failed in a way it should not")
            answer(error("internal.bug"))
        else:
            answer(None)

    # --- messages of nobody

    async def deliver(self, messages: Sequence[delivery.Sealed]) -> list[Outcome]:
        """What became of each: `Stored`, `Stale` or a ChappeError. They are stored in their order."""
        outcomes: list[Outcome]
        if self.store.waiting_bytes > MAX_WAITING_BYTES:
            outcomes = [error("limit.rate")] * len(messages)
        else:
            outcomes = await asyncio.gather(*(self.store.outcome(_sealed(message)) for message in messages))
        for outcome in outcomes:
            if isinstance(outcome, ChappeError):
                self.tally.refuse(outcome.code)
        return outcomes

    def reserve(self, host: str, size: int) -> AbstractContextManager[Allowance]:
        """Room for a body of nobody's while it comes. See `Doorway.reserve`."""
        return self._doorway.reserve(host, size, self._loop.time())

    # --- unlocking

    async def share_key(self) -> bytes:
        """The share service's public key; empty while it does not answer."""
        try:
            return await self._shares.public_key()
        except ChappeError:
            return b""

    async def challenge(self, device: bytes) -> bytes:
        """For one guess of a locked phone. See `ShareService`. Raises signin.revoked as well, while its share
        is being destroyed."""
        await self.destroyer.check(device)
        return await self._shares.challenge(device)

    async def unlock(self, device: bytes, sealed: bytes) -> bytes:
        """The answer to a locked phone's guess. See `ShareService`. Raises signin.revoked as well, while its
        share is being destroyed."""
        try:
            gone = await self.destroyer.check(device)
            answer = await self._shares.unlock(device, sealed)
            # An order that came meanwhile holds back what was on its way.
            await self.destroyer.check_again(device, gone)
        except ChappeError as problem:
            self.tally.unlocked(problem)
            raise
        self.tally.unlocked(None)
        return answer

    async def unlock_counts(self) -> UnlockCounts | None:
        """None where the share service does not answer."""
        try:
            return await self._shares.counts()
        except ChappeError:
            return None

    async def check_shares(self) -> None:
        """Raises unlock.unavailable, limit.rate where the share service does not answer."""
        await self._shares.ping()

    def log_head(self) -> tuple[int, float]:
        """Entries of the transparency log's head, and its age in seconds: since the start, where none was
        signed."""
        size, at = self.log.head
        return size, max(0.0, self._clock() - (at or self._started_at))

    @property
    def leads(self) -> bool:
        """Whether what only one gateway does is done here: always, where there is but one."""
        return self._leader.is_leading

    def days_ahead(self) -> int:
        """By how many days the clock went forward, where that is not believed; else 0."""
        jump = self.clock_guard.jump()
        return 0 if jump is None else jump.days

    def load(self) -> tuple[int, int]:
        """Sockets that are here, and bytes of requests that wait for the store."""
        return len(self._sockets), self.store.waiting_bytes

    # --- terms

    async def renew(self, operation: RenewByDevice | RenewByCode | RenewByDesk) -> tuple[RenewedLine, ...]:
        """Renew; devices of the lines that are here are told. Raises what the operation does."""
        outcome = await self.store.run(operation)
        renewed = outcome if isinstance(outcome, tuple) else (outcome,)
        for one in renewed:
            assert isinstance(one, RenewedLine)
            self.terms.changed(one.line, one.term)
        self._bus.notify(Notice(Kind.TERMS))
        return renewed

    async def _read_terms(self, wanted: Sequence[bytes]) -> dict[bytes, frames.Term]:
        now = self.unix_time()

        def read(connection: Connection) -> dict[bytes, frames.Term]:
            told = {line: frame_of(row, now) for line, row in find_lines(connection, wanted).items()}
            return {line: term for line, term in told.items() if term is not None}

        return await self.store.read(read)

    async def _tick_terms(self) -> None:
        await self.terms.tick(self.unix_time())

    # --- chores

    async def sweep_if_due(self) -> None:
        """Sweep, unless the clock has jumped: then nothing is dropped, closed or forgotten until it is
        believed. Of several gateways the leader does. Raises storage.*."""
        if not self._leader.is_leading:
            return
        jump = await asyncio.to_thread(self.clock_guard.pass_by)
        if (behind := self.clock_guard.behind()) > MAX_JUMP:
            log.warning(
                "the clock went back; the latest time that was known is gone by until it is confirmed: "
                "chappe desk clock --confirm",
                days=behind // DAY,
            )
        if jump is None:
            await self.sweep()
        else:
            log.warning(
                "the clock went forward; nothing is dropped, closed or forgotten until it is confirmed: "
                "chappe desk clock --confirm",
                days=jump.days,
            )

    async def sweep(self) -> None:
        """Drop all that has expired, in small transactions between those of the devices."""
        swept = Swept((), more=True, after=0)
        while swept.more:
            found = await self.store.run(Sweep(frames.MAILBOX_SECONDS, swept.after))
            assert isinstance(found, Swept)
            swept = found
            await self.attachments.delete(swept.attachments)
        await self._close_lapsed()
        await self._forget_lapsed()
        self.tally.swept(self.unix_time())

    async def _close_lapsed(self) -> None:
        more = True
        while more:
            lapsed = await self.store.run(CloseLapsed(self.store.mailroom))
            assert isinstance(lapsed, Lapsed)
            for mailbox in lapsed.mailboxes:
                self.hub.sign_out(mailbox)
                self._bus.changed(mailbox)
            more = lapsed.more

    async def _forget_lapsed(self) -> None:
        """Shares first: a line that is forgotten can be erased by nobody any more. Where the share
        service does not answer, the next sweep goes on."""
        while True:
            now = self.unix_time()
            found = await self.store.read(partial(lines_to_forget, now=now))
            if not found:
                return
            ids = tuple(row.line for row in found)
            gone = await self.store.read(partial(devices_of_lines, wanted=ids))
            if gone:
                await self._shares.destroy([row.device for row in gone])
            await self.store.run(ForgetLines(ids, self.store.mailroom))

    async def _tick(self) -> None:
        now = self._loop.time()
        for socket in tuple(self._sockets):
            socket.tick(now)
        undeleted, self._undeleted = self._undeleted, {}
        for mailbox, sequence in undeleted.items():
            self._delete(mailbox, sequence)

    def _tick_seconds(self) -> float:
        return min(TICK_SECONDS, self.settings.sign_in_seconds / 2, self.settings.ping_seconds / 2)

    async def _every(self, seconds: float, chore: Callable[[], Any]) -> None:
        while True:
            try:
                await chore()
            except (ChappeError, OSError) as problem:
                # The next round tries again.
                self.tally.failed_chores += 1
                log.warning("a chore failed", kind=type(problem).__name__)
            await asyncio.sleep(seconds)


def _sealed(message: delivery.Sealed) -> SendOperation:
    devices = [device for device, _ in message.to]
    return SendOperation(message.id, devices, message.payload, [token for _, token in message.to])


def _shaped(shape: Shape, answer: Answer, outcome: Outcome) -> None:
    answer(shape(outcome))


def _ticket(ref: int, reserve: ReserveAttachment, outcome: Outcome) -> Outcome:
    if not isinstance(outcome, int):
        return outcome
    return frames.Ticket(ref, reserve.attachment, reserve.token, outcome)
