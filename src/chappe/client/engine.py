"""A phone at work: the parts, put together; the tasks that carry out what waits."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, Final

from chappe.client import intents as i
from chappe.client.chains import Chains
from chappe.client.changes import Changes
from chappe.client.connection import Connection
from chappe.client.contacts import Contacts
from chappe.client.core import Core
from chappe.client.courier import Courier
from chappe.client.echo import Echo
from chappe.client.events import Offline, Online
from chappe.client.groups import Groups
from chappe.client.identity import Me
from chappe.client.inbox import Inbox
from chappe.client.keys import Keys
from chappe.client.log_watch import POLL_SECONDS, LogWatch
from chappe.client.messages import Messages
from chappe.client.obeying import Obeying
from chappe.client.outbox import Outbox
from chappe.client.proofs import Proofs
from chappe.client.removals import Removals
from chappe.client.rules import Rules
from chappe.client.terms import Terms
from chappe.client.tokens import Tokens
from chappe.client.transfers import Transfers
from chappe.client.transport import HttpApi
from chappe.client.typing import Typing
from chappe.client.waiting import waiting_for
from chappe.vault.profile import Profile
from chappe.wire import fleet, frames
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.content import LogHead
from chappe.wire.errors import ChappeError, Refused, StorageFailure, error

CATCH_UP_SECONDS: Final = 10.0
"""So long without an envelope, and the backlog counts as read even if its end did not come."""
SWEEP_SECONDS: Final = 30.0
EXPIRED_KEYS_SECONDS: Final = 3600
"""How often conversations are looked through for keys of past epochs whose time is over."""
POLL: Final = 0.02
ASK_WHY: Final = ("signin.revoked", "signin.unknown_device", "term.suspended", "term.closed")
SENDING: Final = ("changes", "echo", "outbox")
"""What waits while the line's term is over."""
_CURSOR: Final = "cursor"
_SIBLINGS: Final = "siblings"


class Engine:
    """The owner of the connection. All of it runs in one event loop."""

    def __init__(self, me: Me, profile: Profile) -> None:
        self.core = core = Core(me, profile)
        self._wake = {
            name: asyncio.Event()
            for name in ("acks", "changes", "confirm", "echo", "fleet", "log", "outbox", "sweep")
        }
        self.connection = Connection(me, self)
        self.obeying = Obeying(core)
        self.rules = Rules(lambda: self.obeying.known.bounds)
        self.groups = Groups(core, self.rules)
        self.contacts = Contacts(core)
        self.keys = Keys(core, self.connection)
        self.messages = Messages(core, self.groups, self.rules)
        self.messages.on_expiry = self._sweep_anew  # type: ignore[method-assign]
        self.chains = Chains(core, self.messages)
        self.proofs = Proofs(core)
        self.groups.on_begun = self.chains.begin  # type: ignore[method-assign]
        self.tokens = Tokens(core, self.groups, self.messages, self.connection)
        self.courier = Courier(me.place, self.connection)
        self.outbox = Outbox(
            core, self.groups, self.messages, self.chains, self.connection, self.tokens, self.courier
        )
        self.typing = Typing(core, self.groups, self.messages, self.outbox)
        self.log = LogWatch(core, self.groups, self.connection)
        self.echo = Echo(core, self.groups, self.tokens, self.courier, self.log.alarms)
        self.outbox.on_sent = self.echo.said  # type: ignore[method-assign]
        self.groups.on_entered = self._entered  # type: ignore[method-assign]
        self.contacts.on_salt = self._salt  # type: ignore[method-assign]
        self.messages.log_head = self.log.head  # type: ignore[method-assign]
        self.messages.on_log_head = self._heard  # type: ignore[method-assign]
        self.changes = Changes(core, self.groups, self.contacts, self.outbox, self.connection, self.log)
        self.changes.on_epoch = self._epoch_began  # type: ignore[method-assign]
        self.contacts.on_impostor = self.changes.put_out  # type: ignore[method-assign]
        self.inbox = Inbox(
            core,
            self.groups,
            self.contacts,
            self.keys,
            self.messages,
            self.chains,
            self.proofs,
            self.changes,
            self.outbox,
            self.tokens,
            self.log.alarms,
        )
        self.inbox.on_heard = self.echo.heard  # type: ignore[method-assign]
        self.transfers = Transfers(core, self.messages, self.outbox, self.connection, self.wake)
        self.terms = Terms(core)
        self.removals = Removals(core, self.groups, self.changes, self.connection, self.obeying)
        self.changes.on_gone = self._is_gone  # type: ignore[method-assign]
        self._cursor = int(core.store.get(_CURSOR) or 0)
        self._acknowledge = 0
        self._newest = 0
        self._caught_up = False
        self._last_delivery = 0.0
        self._look_for_expired_at = 0
        self._asked: set[str] = set()
        """Lines that the relay was asked about since it was reached, whatever it said."""
        self._tasks: list[asyncio.Task[None]] = []
        self._greeting: asyncio.Task[None] | None = None
        self._asking: asyncio.Task[None] | None = None

    # --- life

    def start(self) -> None:
        with contextlib.suppress(StorageFailure):
            self.obeying.lay_down()
        for work in (
            self.connection.run(),
            self._say_acks(),
            self._work("changes", self._pump_changes),
            self._work("confirm", self._pump_confirm),
            self._work("echo", self.echo.pump),
            self._work("fleet", self.removals.pump),
            self._work("log", self._pump_log),
            self._work("outbox", self._pump_outbox),
            self._housekeeping(),
        ):
            self._spawn(work)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A task that ends by itself with an error is a bug: say so instead of standing still."""
        if not task.cancelled() and task.exception() is not None:
            self.connection.fatal = error("internal.bug")
            self.core.tell(Offline("internal.bug"))
            asyncio.get_running_loop().call_exception_handler(
                {"message": "a task of the phone failed", "exception": task.exception()}
            )

    async def stop(self) -> None:
        await self.transfers.stop()
        await self.connection.close()
        await self.courier.close()
        tasks = [*self._tasks, *(task for task in (self._greeting, self._asking) if task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.log.close()

    def come_back(self) -> None:
        """After a renewal: a connection that ended because the term was over begins again."""
        fatal = self.connection.fatal
        if fatal is not None and fatal.code == "term.suspended":
            self.connection.fatal = None
            self._asking = None
            self._spawn(self.connection.run())

    def wake(self) -> None:
        """Something was queued."""
        for name in ("changes", "confirm", "fleet", "log", "outbox"):
            self._wake[name].set()

    # --- what the connection tells

    def opened(self, welcome: frames.Welcome) -> None:
        if welcome.newest < self._cursor:
            # The relay counts anew. What comes twice is known by its keys and ids.
            self._cursor = 0
        self._newest, self._caught_up = welcome.newest, False
        self._last_delivery = asyncio.get_running_loop().time()
        self._asked.clear()
        self.outbox.reconnected()
        self.tokens.reconnected()
        self.removals.reconnected()
        self.log.reconnected()
        self.core.tell(Online())
        if self._greeting is not None:
            self._greeting.cancel()
        self._greeting = asyncio.create_task(self._greet(welcome))
        self._check_caught_up()

    def delivered(self, envelopes: list[frames.Deliver]) -> None:
        with self.core.change():
            cursor = self._cursor
            for envelope in envelopes:
                if envelope.sequence > cursor:
                    if not self.echo.took(envelope.id):
                        self.inbox.take(envelope.payload, envelope.at)
                    cursor = envelope.sequence
            self.inbox.confirm()
            self.core.store.set(_CURSOR, str(cursor).encode())
        self._cursor = cursor
        self._acknowledge = envelopes[-1].sequence
        self._last_delivery = asyncio.get_running_loop().time()
        self._wake["acks"].set()
        self._check_caught_up()
        self.wake()

    def answered(self, answers: list[tuple[int, frames.FromRelay | ChappeError]]) -> None:
        self.outbox.answered(answers)
        self.wake()

    def lost(self, reason: ChappeError) -> None:
        self._caught_up = False
        self.core.tell(Offline(reason.code))
        if reason.code in ASK_WHY and self._asking is None:
            self._asking = asyncio.create_task(self._ask_why())

    def ordered(self, frame: frames.OrderFrame) -> None:
        self.obeying.take(frame)
        self.wake()

    def termed(self, term: frames.Term) -> None:
        self.terms.take(term)
        self.wake()

    def posted(self, frame: frames.Posted) -> None:
        self.removals.posted(frame)
        self.wake()

    async def _ask_why(self) -> None:
        """Refused for good: if that is by an order, the order says more. The refusal alone erases nothing."""
        me = self.core.me
        with contextlib.suppress(ChappeError):
            api = HttpApi(me.place, await self.connection.context())
            try:
                for frame in await waiting_for(
                    api, me.server, me.device_id, "device", me.signing_key, self.core.now()
                ):
                    self.obeying.take(frame)
                for id_, receipt in self.obeying.to_tell():
                    await api.fleet(fleet.unsigned_report(me.device_id, receipt), fleet.Ok)
                    self.obeying.told(id_)
            finally:
                await api.close()

    def _is_gone(self, conversation: bytes, intent: i.RemoveDevice) -> None:
        self.removals.settle(conversation, intent.order, intent.device)
        self._wake["fleet"].set()

    def _sweep_anew(self) -> None:
        self._wake["sweep"].set()

    def _epoch_began(self, conversation: bytes) -> None:
        with self.core.change():
            self.inbox.open_held(conversation)
            self.inbox.confirm()
        self.wake()

    def _check_caught_up(self) -> None:
        quiet = asyncio.get_running_loop().time() - self._last_delivery
        if not self._caught_up and (self._cursor >= self._newest or quiet > CATCH_UP_SECONDS):
            self._caught_up = True
            self.wake()

    @property
    def ready(self) -> bool:
        """Online, and what waited is read."""
        return self.connection.online and self._caught_up

    @property
    def has_siblings(self) -> bool:
        """Whether the line had other devices when that was last asked."""
        return int(self.core.store.get(_SIBLINGS) or 0) > 0

    # --- tasks

    async def _greet(self, welcome: frames.Welcome) -> None:
        """After each sign-in: key packages, own devices, files that were under way."""
        with contextlib.suppress(ChappeError):
            await self.keys.refill(welcome.key_packages, welcome.last_resort)
            while not self._caught_up:
                await asyncio.sleep(POLL)
                self._check_caught_up()
            await self.reconcile()
            self.transfers.resume()

    async def reconcile(self) -> None:
        """Let this line's devices into every conversation that they miss. Raises network.*."""
        me = self.core.me
        line = await self.connection.ask(lambda ref: frames.Lookup(ref, me.address), frames.Line)
        known = [c.device_id for c, _ in self.contacts.take_answer(me.address, line)]
        devices = [device for device in known if self.changes.ordered_out(device) is None]
        with self.core.change():
            self.core.store.set(_SIBLINGS, str(len(devices) - 1).encode())
            for device in devices:
                if device != me.device_id:
                    present = self.groups.of_device(device)
                    for conversation in self.groups.active():
                        if conversation not in present:
                            self.changes.want(conversation, i.AddLine(me.address))
        self.wake()

    async def _say_acks(self) -> None:
        while True:
            await self._wake["acks"].wait()
            self._wake["acks"].clear()
            with contextlib.suppress(ChappeError):
                await self.connection.say(frames.Ack(self._acknowledge))

    def _to_confirm(self) -> list[str]:
        return [address for address in self.contacts.unconfirmed() if address not in self._asked]

    async def _pump_confirm(self) -> None:
        """Ask the relay who the lines are that only a group has named. Raises network.*, limit.rate."""
        for address in self._to_confirm():
            try:
                await self._ask_who(address)
            except ChappeError as problem:
                if problem.code.startswith(("network.", "limit.")):
                    raise
            self._asked.add(address)
            self.wake()

    async def _ask_who(self, address: str) -> None:
        try:
            line = await self.connection.ask(lambda ref: frames.Lookup(ref, address), frames.Line)
        except Refused as problem:
            if problem.code != "address.unknown":
                raise
            self.contacts.deny(address)
            return
        self.contacts.take_answer(address, line)

    def _entered(self, id_: bytes, certificate: DeviceCertificate, welcomed: bool) -> None:
        if self.log.entered(id_, certificate, welcomed=welcomed):
            self._wake["log"].set()

    def _heard(self, conversation: bytes, address: str, head: LogHead) -> None:
        if self.log.heard(conversation, address, head):
            self._wake["log"].set()

    def _salt(self, address: str, line: bytes, salt: bytes) -> None:
        if salt:
            self.log.doubts.learn_salt(address, line, salt)
            if address == self.core.me.address:
                self.log.look_at_own_line()

    async def _pump_log(self) -> None:
        """Ask the transparency log what waits for its word. Raises network.*."""
        waits = await self.log.pump()
        self._wake["outbox"].set()
        if waits:
            await asyncio.sleep(POLL_SECONDS)
            self._wake["log"].set()

    async def _pump_changes(self) -> None:
        if await self.changes.pump():
            self.wake()
            await asyncio.sleep(POLL)
        else:
            self._wake["outbox"].set()

    async def _pump_outbox(self) -> None:
        await self.tokens.pump(self.outbox.put)
        await self.outbox.pump()

    async def _work(self, name: str, pump: Any) -> None:
        while True:
            await self._wake[name].wait()
            self._wake[name].clear()
            if not self.connection.online or not self._caught_up:
                continue
            if name in SENDING and not self.terms.may_send:
                continue
            try:
                await pump()
            except ChappeError as problem:
                if not problem.code.startswith("network."):
                    await asyncio.sleep(1)
                    self._wake[name].set()

    async def _housekeeping(self) -> None:
        while True:
            next_one = None
            # A disk that is full now may not be later: this task goes on.
            with contextlib.suppress(StorageFailure):
                next_one = self.messages.sweep()
                if self.ready:
                    self.chains.sweep()
                    due = self.chains.next_due()
                    next_one = min((one for one in (next_one, due) if one is not None), default=None)
                self.changes.want_fresh_leaves()
                self._drop_expired()
            self.wake()
            self._wake["echo"].set()
            pause = SWEEP_SECONDS
            if next_one is not None:
                pause = min(pause, max(0.2, next_one - self.core.now()))
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake["sweep"].wait(), pause)
            self._wake["sweep"].clear()

    def _drop_expired(self) -> None:
        """Once in a while: it looks at every conversation."""
        now = self.core.now()
        if now >= self._look_for_expired_at:
            self._look_for_expired_at = now + EXPIRED_KEYS_SECONDS
            with self.core.change():
                self.groups.drop_expired()
                self.proofs.drop_expired()

    # --- waiting

    async def wait_online(self, seconds: float) -> None:
        """Raises what keeps the phone offline: once time is up, and at once where that is for good."""
        await self._until(lambda: self.connection.online, seconds)

    async def settled(self, seconds: float) -> None:
        """Until the backlog is read and nothing waits. Raises network.*, and for good signin.*."""
        await self._until(self._is_settled, seconds)

    def _is_settled(self) -> bool:
        if not self.removals.idle:
            self._wake["fleet"].set()
        if not self.tokens.idle:
            self._wake["outbox"].set()
        return (
            self.connection.online
            and self._caught_up
            and self._greeting is not None
            and self._greeting.done()
            and not self._to_confirm()
            and not self.log.busy
            and (not self.terms.may_send or (self.tokens.idle and self.outbox.empty and self.changes.idle))
            and self.transfers.idle
            and self.removals.idle
        )

    async def _until(self, holds: Any, seconds: float) -> None:
        deadline = asyncio.get_running_loop().time() + seconds
        while not holds():
            if self.connection.fatal is not None:
                raise self.connection.fatal
            if asyncio.get_running_loop().time() > deadline:
                if not self.connection.online and self.connection.last_error is not None:
                    raise self.connection.last_error
                raise error("network.timeout")
            await asyncio.sleep(POLL)
