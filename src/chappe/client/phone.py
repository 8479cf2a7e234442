"""`Phone`: the SDK. What a person does with a line, as calls; what happens, as events.

    phone = await Phone.open(home)
    async with phone:
        conversation = await phone.conversation_with("ada@relay.example")
        await phone.send_text(conversation.id, "hello")
        async for event in phone.events(): ...

What is sent is durable in the outbox when a call returns, and leaves when the relay can be reached. Every
error is a ChappeError with a stable code. Ids are bytes, times Unix seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Final

from chappe.client import activation, linking, locking, ordering, recovering, waiting
from chappe.client import intents as i
from chappe.client.engine import Engine
from chappe.client.events import Event, OrderObeyed
from chappe.client.files import Progress
from chappe.client.groups import ACTIVE, LEAVING, MAX_NAME, Description
from chappe.client.identity import Me
from chappe.client.locking import Tell, quiet
from chappe.client.log_face import LogFace
from chappe.client.messages import MAX_READ_RECEIPT_LINES, Incoming
from chappe.client.model import (
    Contact,
    Conversation,
    DeviceInfo,
    LineTerm,
    OrderProgress,
    Organisation,
    ShownMessage,
)
from chappe.client.orders import Judged
from chappe.client.reports import MadeReport, make_report
from chappe.client.transport import HttpApi
from chappe.vault import erasing, keeping, session
from chappe.vault.erasing import Plan
from chappe.vault.files import Policy
from chappe.vault.profile import Profile
from chappe.wire import content as c
from chappe.wire import frames, links
from chappe.wire.certificate import check_address
from chappe.wire.enrolments import Read
from chappe.wire.errors import ChappeError, error
from chappe.wire.links import RelayPlace
from chappe.wire.log_entries import device_hash
from chappe.wire.reports import seal_report, sign_report

CHANGE_SECONDS: Final = 30.0
NEW_DEVICE_SECONDS: Final = 60.0
RECEIPT_SECONDS: Final = 1.0
MIN_KEY: Final = 4


class Phone:
    """One device of a line. Use it from one event loop; `async with` connects it."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._opened: Engine | None = Engine(Me.kept(profile.store), profile)
        self._opened.obeying.on_order = self._ordered  # type: ignore[method-assign]
        self._started = False
        self._obeying: asyncio.Task[None] | None = None
        self._erasing = False
        self._erased: ChappeError | None = None
        self.ended: ChappeError | None = None
        """Why an order ended this phone, once one did: vault.locked, device.erased."""
        self._end = asyncio.Event()

    @property
    def _engine(self) -> Engine:
        """Raises vault.locked; device.erased after an order to erase."""
        if self._erased is not None:
            raise self._erased
        if self._opened is None:
            raise error("vault.locked")
        return self._opened

    # --- coming to be, opening, closing

    @classmethod
    async def activate(
        cls, home: Path, place: RelayPlace, code: str, address: str, fleet_key: bytes = b""
    ) -> Phone:
        """A new line with this device. `fleet_key`: as an activation link names it; the relay must not name
        another. Raises code.*, address.*, storage.exists, network.*."""
        return cls(await activation.activate(home, place, code, address, fleet_key))

    @classmethod
    async def link(cls, home: Path, place: RelayPlace, show: Callable[[str], None]) -> Phone:
        """A new device of a line. `show` gets the link that another device must read within ten minutes.
        Raises link.*, storage.exists, network.*."""
        return cls(await activation.link(home, place, show))

    @classmethod
    async def recover(cls, home: Path) -> Phone:
        """A line that lost every phone, on this one, once officers have let it in (`client.recovering`).
        Raises order.*, devices.too_many, storage.missing, network.*."""
        return cls(await recovering.finish(home))

    @classmethod
    async def open(cls, home: Path, key: bytes | bytearray | None = None) -> Phone:
        """`key`: the vault key, for a profile with a PIN that was unlocked before.

        Raises storage.missing, storage.locked, storage.wrong_key, storage.failed; vault.locked;
        device.erased."""
        await activation.settle_erased(home)
        return cls(activation.reopen(home, key))

    @classmethod
    async def unlock(cls, home: Path, pin: str, tell: Tell = quiet) -> Phone:
        """With the PIN, and the relay's share or, within the policy's hours, the copy kept here.

        Raises vault.no_pin, vault.wrong_pin, vault.wait, vault.destroyed, vault.bad_share, vault.clock,
        unlock.*, network.*, storage.*; device.erased, also where an order to erase waited for this device."""
        unlocked = await locking.unlock(home, pin, tell)
        try:
            return cls(activation.reopen(home, unlocked.key))
        finally:
            unlocked.wipe()

    async def __aenter__(self) -> Phone:
        self._engine.start()
        self._started = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Disconnect and let go of the profile. What waits goes out next time."""
        # An order to erase may take the place of one to lock meanwhile.
        while (task := self._obeying) is not None and task is not asyncio.current_task():
            await asyncio.gather(task, return_exceptions=True)
            if task is self._obeying:
                break
        if self._opened is None:
            return
        if self._started:
            await self._engine.stop()
            self._started = False
        self._profile.close()

    # --- the PIN

    async def set_pin(self, pin: str, policy: Policy | None = None, tell: Tell = quiet) -> None:
        """Set the first PIN, or another: from then on the profile opens with it and the relay's share.

        Raises vault.weak_pin, network.*, unlock.*, storage.*. If the relay's answer is lost, a first PIN
        is not set; another may be, and the next unlock tells."""
        await locking.set_pin(self._engine, pin, policy, tell)

    @property
    def has_pin(self) -> bool:
        return self._profile.has_pin

    @property
    def policy(self) -> Policy:
        """Raises vault.no_pin."""
        return locking.policy_of(self._profile.home)

    def set_policy(self, policy: Policy) -> None:
        """Hours without the relay hold from the next unlock with it; fewer than before, at once.

        Raises vault.no_pin; usage.invalid where the organisation allows less."""
        keeping.set_policy(self._profile.home, policy)

    async def lock(self) -> None:
        """Close, and let go of every key: every other call then raises vault.locked.

        The vault key is overwritten; what Python copied on the way stays in freed memory until that is
        used again (docs/security.md). Raises vault.no_pin."""
        if self._opened is None:
            return
        if not self.has_pin:
            raise error("vault.no_pin")
        await self.close()
        self._opened = None
        gc.collect()

    # --- fleet orders

    def _ordered(self, judged: Judged) -> None:
        """What ends this phone. The keys of one that is erased go now, before anything else is done."""
        erases = judged.order.kind == "erase"
        busy = self._obeying is not None and not self._obeying.done()
        # What locks waits for its receipt to go out; erasing waits for nothing.
        if busy and (not erases or self._erasing):
            return
        erasing_plan: Plan | None = None
        if erases:
            erasing_plan = waiting.begin_erasing(self._engine.core, judged)
            self._erasing = True
            if self._obeying is not None:
                self._obeying.cancel()
        self._obeying = asyncio.create_task(self._obey(judged, erasing_plan))

    async def until_ended(self) -> None:
        """Until an order has locked or erased this phone (`ended`)."""
        await self._end.wait()

    async def _unless_ended(self, work: Coroutine[None, None, None]) -> None:
        """Wait for it, or for an order that ends this phone: then it comes no more. Raises `ended`."""
        working, ending = asyncio.ensure_future(work), asyncio.ensure_future(self._end.wait())
        try:
            await asyncio.wait({working, ending}, return_when=asyncio.FIRST_COMPLETED)
            if self.ended is not None:
                raise self.ended
            await working
        finally:
            working.cancel()
            ending.cancel()
            await asyncio.gather(working, ending, return_exceptions=True)

    async def _obey(self, judged: Judged, plan: Plan | None) -> None:
        engine = self._engine
        if plan is not None:
            await self._erase(engine, judged, plan)
        elif judged.order.kind == "lock":
            await self._lock_by_order(engine, judged)
        else:
            await engine.connection.give_up(error("signin.revoked"))

    async def _lock_by_order(self, engine: Engine, judged: Judged) -> None:
        """The receipt is in the store: what the relay does not take now goes out when this is open again."""
        session.destroy(self._profile.home)
        with contextlib.suppress(ChappeError, TimeoutError):
            async with asyncio.timeout(RECEIPT_SECONDS):
                await engine.removals.report()
        await self.lock()
        reason = "".join(one if one.isprintable() else "?" for one in judged.reason)
        self.ended = error("vault.locked", f"This profile was locked by order: {reason}.")
        self._end.set()

    async def _erase(self, engine: Engine, judged: Judged, plan: Plan) -> None:
        if self._started:
            await engine.stop()
            self._started = False
        self._erased = error("device.erased")
        try:
            self._erased = erasing.erased(self._profile.erase(plan, engine.obeying.sign))
        finally:
            # Whatever the disk said: the keys are gone, and the next start of any command goes on.
            self._opened, self.ended = None, self._erased
            self._end.set()
        engine.core.tell_at_last(OrderObeyed("erase", judged.reason, judged.order.id))
        del engine
        gc.collect()
        await activation.settle_erased(self._profile.home)

    @property
    def organisation(self) -> Organisation | None:
        """Whose line this is, by the activation; None where it is of none."""
        key = self._engine.core.me.certificate.fleet_key
        name = self._engine.core.store.get(activation.ORGANISATION) or b""
        return Organisation(name.decode(), key) if key else None

    async def erase_device(self, device: bytes, reason: str) -> bytes:
        """Order another device of this line erased, and put it out of its conversations; gives the order's
        id. Raises order.*, usage.invalid for this one, network.*."""
        return await ordering.give(self._engine, "erase", device, reason)

    async def revoke_device(self, device: bytes, reason: str) -> bytes:
        """Sign another device out for good; what it holds it keeps. Raises as `erase_device`."""
        return await ordering.give(self._engine, "revoke", device, reason)

    async def lock_device(self, device: bytes, reason: str) -> bytes:
        """Raises as `erase_device`."""
        return await ordering.give(self._engine, "lock", device, reason)

    async def order_status(self, order: bytes | None = None) -> list[OrderProgress]:
        """What became of one order of this line's owner, or of the newest. Raises order.*, network.*."""
        return await ordering.status(self._engine, order)

    async def coming_phones(self) -> list[Read]:
        """New phones that officers are letting into this line. Raises order.forged, network.*."""
        return await ordering.coming(self._engine)

    async def refuse_phone(self, order: bytes) -> None:
        """Raises order.unknown, network.*."""
        await ordering.refuse(self._engine, order)

    # --- who and where

    @property
    def address(self) -> str:
        return self._engine.core.me.address

    @property
    def line_id(self) -> bytes:
        return self._engine.core.me.line_id

    @property
    def device_id(self) -> bytes:
        return self._engine.core.me.device_id

    @property
    def place(self) -> RelayPlace:
        return self._engine.core.me.place

    @property
    def online(self) -> bool:
        return self._engine.connection.online

    async def wait_online(self, seconds: float) -> None:
        """Raises network.*, signin.* when time is up; at once what will not pass by itself."""
        await self._unless_ended(self._engine.wait_online(seconds))

    async def settled(self, seconds: float) -> None:
        """Until all that waited is read and all that is queued is accepted. Raises network.*, signin.*."""
        await self._unless_ended(self._engine.settled(seconds))

    def events(self) -> AsyncIterator[Event]:
        """What happens from now on."""
        queue: asyncio.Queue[Event] = asyncio.Queue()
        self._engine.core.watchers.add(queue)

        async def watch() -> AsyncIterator[Event]:
            try:
                while True:
                    yield await queue.get()
            finally:
                self._engine.core.watchers.discard(queue)

        return watch()

    @property
    def log(self) -> LogFace:
        """The relay's transparency log, as this device has read it."""
        return LogFace(self._engine)

    # --- the term

    @property
    def term(self) -> LineTerm | None:
        """As the relay told it last; None of a line that has no term."""
        return self._engine.terms.term

    async def renew(self, code: str) -> LineTerm:
        """Redeem a renewal code for this line: what waits goes out then. The same code again changes nothing.
        Raises code.*, term.*, network.*."""
        engine = self._engine
        http = HttpApi(engine.core.me.place, await engine.connection.context())
        try:
            renewed = await engine.terms.renew(http, code)
        finally:
            await http.close()
        engine.come_back()
        engine.wake()
        return renewed

    # --- people

    def contacts(self) -> list[Contact]:
        return self._engine.contacts.all()

    async def contact(self, address: str) -> Contact:
        """Raises address.malformed, address.unknown, network.*."""
        address = check_address(address)
        known = self._engine.contacts.find(address)
        if known is not None:
            return known
        await self._ask_who(address)
        return self._engine.contacts.known(address)

    async def _ask_who(self, address: str) -> frames.Line:
        if address.partition("@")[2] != self._engine.core.me.server:
            raise error("address.unknown")
        await self._engine.wait_online(CHANGE_SECONDS)
        line = await self._engine.connection.ask(lambda ref: frames.Lookup(ref, address), frames.Line)
        self._engine.contacts.take_answer(address, line)
        return line

    async def safety_number(self, who: str | Contact) -> str:
        """Sixty digits in groups of five, to compare with the other person's: of `Contact.identity`."""
        contact = await self.contact(who) if isinstance(who, str) else who
        return await asyncio.to_thread(self._engine.contacts.safety_number, contact)

    def mark_verified(self, address: str, identity: bytes | None) -> None:
        """`identity`: the `Contact.identity` that a person compared; a new one is accepted by that. None: not
        verified any more. Raises address.unknown; identity.changed where it is another one meanwhile."""
        self._engine.contacts.mark_verified(check_address(address), identity)
        self._engine.wake()

    def accept_identity(self, address: str, identity: bytes) -> None:
        """Take a line's new identity for its own; sending goes on. `identity`: the `Contact.identity` that a
        person saw. Raises address.unknown; identity.changed where it is another one meanwhile."""
        self._engine.contacts.accept_identity(check_address(address), identity)
        self._engine.wake()

    # --- conversations

    def conversations(self) -> list[Conversation]:
        """The latest first."""
        return self._engine.groups.all()

    def conversation(self, key: str) -> Conversation:
        """By address, by name, or by id in hex (its first four digits or more), if that names just one.
        Raises conversation.unknown."""
        wanted = key.strip()
        shown = self._engine.groups.all()
        by_address = [one for one in shown if one.kind == "direct" and one.name == wanted.lower()]
        by_name = [one for one in shown if one.kind == "group" and one.name == wanted]
        by_id = [one for one in shown if one.id.hex().startswith(wanted.lower()) and len(wanted) >= MIN_KEY]
        for found in (by_address, by_name, by_id):
            if len(found) == 1:
                return found[0]
        raise error("conversation.unknown")

    async def conversation_with(self, address: str) -> Conversation:
        """The direct conversation with a line, made if need be.

        Raises address.*, identity.changed, network.*."""
        address, engine = check_address(address), self._engine
        if address == self.address:
            raise error("conversation.member", "That is this line's own address.")
        known = engine.groups.direct_with(address)
        if known is None:
            engine.terms.check_sending()
            await self.contact(address)
            engine.contacts.check_unchanged([address])
            known = engine.groups.direct_with(address)
        if known is None:
            with engine.core.change():
                known = engine.groups.create(Description("direct", "", engine.rules.first_timer), address)
                engine.changes.want(known, i.AddLine(address))
                self._want_own_devices(known)
            engine.wake()
        return engine.groups.shown(known)

    async def create_group(self, name: str, addresses: list[str]) -> Conversation:
        """Raises address.*, identity.changed, packages.none_left, network.timeout (it then goes on later)."""
        _check_name(name)
        self._engine.terms.check_sending()
        others = sorted({check_address(address) for address in addresses} - {self.address})
        for address in others:
            await self.contact(address)
        self._engine.contacts.check_unchanged(others)
        engine = self._engine
        with engine.core.change():
            id_ = engine.groups.create(Description("group", name, engine.rules.first_timer), None)
            rows = [engine.changes.want(id_, i.AddLine(address)) for address in others]
            self._want_own_devices(id_)
        engine.wake()
        for row in rows:
            await engine.changes.outcome(row, CHANGE_SECONDS)
        return engine.groups.shown(id_)

    def _want_own_devices(self, id_: bytes) -> None:
        if self._engine.has_siblings:
            self._engine.changes.want(id_, i.AddLine(self.address))

    async def add(self, conversation: bytes, address: str) -> None:
        """Raises address.*, conversation.*, identity.changed, packages.none_left, network.*."""
        address = check_address(address)
        shown = self._changeable(conversation, group_only=True)
        if address in shown.members:
            raise error("conversation.member")
        await self.contact(address)
        self._engine.contacts.check_unchanged([address])
        await self._change(conversation, i.AddLine(address))

    async def remove(self, conversation: bytes, address: str) -> None:
        """Put a line out. Raises conversation.*, network.*."""
        address = check_address(address)
        shown = self._changeable(conversation, group_only=True)
        if address not in shown.members or address == self.address:
            raise error("conversation.member")
        await self._change(conversation, i.RemoveLine(address))

    async def leave(self, conversation: bytes) -> None:
        """This line writes and reads no more there; the next member online carries it out."""
        self._changeable(conversation)
        with self._engine.core.change():
            self._engine.groups.set_active(conversation, LEAVING)
            self._engine.changes.want(conversation, i.Leave())
        self._engine.wake()

    async def rename(self, conversation: bytes, name: str) -> None:
        _check_name(name)
        self._changeable(conversation, group_only=True)
        await self._change(conversation, i.Describe(name=name))

    async def set_timer(self, conversation: bytes, seconds: int) -> None:
        """Messages written from then on disappear so long after they were read; 0 for never. Raises
        usage.invalid, also where the organisation allows less."""
        self._engine.rules.check_timer(seconds)
        self._changeable(conversation)
        await self._change(conversation, i.Describe(timer=seconds))

    def _changeable(self, conversation: bytes, *, group_only: bool = False) -> Conversation:
        self._engine.terms.check_sending()
        shown = self._engine.groups.shown(conversation)
        if self._engine.groups.activity(conversation) != ACTIVE:
            raise error("conversation.left")
        if group_only and shown.kind == "direct":
            raise error("conversation.member", "A direct conversation has two lines; make a group instead.")
        return shown

    async def _change(self, conversation: bytes, intent: i.AnyIntent) -> None:
        with self._engine.core.change():
            row = self._engine.changes.want(conversation, intent)
        self._engine.wake()
        await self._engine.changes.outcome(row, CHANGE_SECONDS)

    # --- messages

    async def send_text(self, conversation: bytes, text: str, reply_to: bytes | None = None) -> bytes:
        """Gives the message's id. Raises conversation.*, identity.changed, content.malformed."""
        conversation = self._writable(conversation)
        timer = self._engine.messages.timer_of(conversation)
        return self._put(conversation, c.Text(text), in_reply_to=reply_to, timer=timer)

    async def send_file(self, conversation: bytes, path: Path, progress: Progress | None = None) -> bytes:
        """Encrypts, uploads, then queues the message. Raises file.unreadable, attachment.*, conversation.*,
        and network.* where the relay stays away: the file then goes out by itself later."""
        conversation = self._writable(conversation)
        return await self._engine.transfers.send(conversation, path, progress)

    async def typing(self, conversation: bytes) -> bool:
        """Tell the others that a person writes: at once or not at all, at most once in five seconds; whether
        that was said now. Nothing of it is kept. Raises conversation.*, identity.changed."""
        conversation = self._writable(conversation)
        return self._engine.ready and await self._engine.typing.say(conversation)

    async def react(self, conversation: bytes, message: bytes, emoji: str) -> None:
        """One reaction a person: the latest counts. Raises message.unknown, content.malformed."""
        where = self._place_of(conversation, message)
        self._put(where, c.Reaction(emoji), in_reply_to=message)

    async def unreact(self, conversation: bytes, message: bytes, emoji: str) -> None:
        """Raises message.unknown."""
        where = self._place_of(conversation, message)
        self._put(where, c.Deleted(), replaces=self._engine.messages.own_reaction(message, emoji))

    async def edit(self, conversation: bytes, message: bytes, text: str) -> None:
        """Only this line's own texts. Raises message.unknown."""
        where = self._place_of(conversation, message, own="text")
        self._put(where, c.Text(text), replaces=message)

    async def delete(self, conversation: bytes, message: bytes) -> None:
        """For everybody; only this line's own. Raises message.unknown."""
        where = self._place_of(conversation, message, own="any")
        self._put(where, c.Deleted(), replaces=message)

    async def mark_read(self, conversation: bytes) -> None:
        """All that is here; the others are told, in conversations that are not large, unless the organisation
        rules otherwise."""
        engine = self._engine
        with engine.core.change():
            for twin in engine.groups.twins(conversation):
                unread = engine.messages.unread(twin)
                engine.messages.set_read(twin, unread)
                small = len(engine.groups.addresses(twin)) <= MAX_READ_RECEIPT_LINES
                known = [id_ for id_ in unread if id_[:1] == b"\x01"]
                if known and small and engine.rules.receipts and engine.groups.activity(twin) == ACTIVE:
                    for start in range(0, len(known), c.MAX_STATUSES):
                        part = known[start : start + c.MAX_STATUSES]
                        receipt = c.Receipt(tuple((id_, c.Status.READ) for id_ in part))
                        engine.outbox.put(twin, engine.messages.new(twin, receipt)[1], None)
        engine.wake()

    def _writable(self, conversation: bytes) -> bytes:
        """Where a message to this conversation goes. Raises conversation.*, identity.changed, term.*."""
        self._engine.terms.check_sending()
        groups = self._engine.groups
        shown = groups.shown(conversation)
        if shown.kind == "direct":
            conversation = groups.direct_with(shown.name) or conversation
        if groups.activity(conversation) != ACTIVE:
            raise error("conversation.left")
        self._engine.contacts.check_unchanged(shown.members)
        self._engine.log.doubts.check_sending(conversation)
        self._engine.log.alarms.check_sending()
        return conversation

    def _place_of(self, conversation: bytes, message: bytes, own: str = "") -> bytes:
        """The conversation that holds a message. Raises message.unknown, term.*."""
        self._engine.terms.check_sending()
        shown = self._engine.messages.get(message)
        if shown.conversation not in self._engine.groups.twins(conversation):
            raise error("message.unknown")
        if own and not shown.mine:
            raise error("message.unknown", "That message is not yours.")
        if own == "text" and shown.kind != "text":
            raise error("message.unknown", "Only a text can be edited.")
        if self._engine.groups.activity(shown.conversation) != ACTIVE:
            raise error("conversation.left")
        self._engine.contacts.check_unchanged(self._engine.groups.shown(shown.conversation).members)
        # What was said may be taken back at any time.
        if own != "any":
            self._engine.log.alarms.check_sending()
        return shown.conversation

    def _put(
        self,
        conversation: bytes,
        body: c.Body,
        *,
        replaces: bytes | None = None,
        in_reply_to: bytes | None = None,
        timer: int = 0,
    ) -> bytes:
        engine = self._engine
        id_, data = engine.messages.new(
            conversation, body, replaces=replaces, in_reply_to=in_reply_to, timer=timer
        )
        shows = isinstance(body, c.Text) and replaces is None
        with engine.core.change():
            engine.messages.apply(
                Incoming(conversation, id_, self.address, engine.core.now(), c.decode(data), own=True)
            )
            engine.outbox.put(conversation, data, id_ if shows else None)
        engine.wake()
        return id_

    def messages(self, conversation: bytes, limit: int = 100) -> list[ShownMessage]:
        """The latest, oldest first."""
        return self._engine.messages.of(self._engine.groups.twins(conversation), limit)

    def message(self, prefix: str) -> ShownMessage:
        """By the first digits of its id in hex. Raises message.unknown."""
        return self._engine.messages.by_prefix(prefix)

    def unseen(self) -> list[tuple[int, ShownMessage]]:
        """Messages not handed out yet, with the numbers that `mark_seen` takes."""
        return self._engine.messages.unseen()

    def mark_seen(self, row: int) -> None:
        self._engine.messages.mark_seen(row)

    async def save_file(self, message: bytes, target: Path, progress: Progress | None = None) -> Path:
        """Fetch a message's file into a folder or to a path; nothing is overwritten, and the name appears
        once all of it is here and checked. Raises message.unknown, attachment.*, network.*, storage.*."""
        return await self._engine.transfers.fetch(message, target, progress)

    # --- reports

    def report(self, message: bytes, reason: str) -> MadeReport:
        """Prove to this line's organisation who sent a message: what its officers will see is in `checked`,
        for the person to look at; nothing leaves. Raises message.unknown, order.not_yours, usage.invalid."""
        engine = self._engine
        shown = engine.messages.get(message)
        return make_report(
            engine.core.me.certificate,
            shown.conversation,
            engine.proofs.of(message),
            reason,
            server=engine.core.me.server,
            now=engine.core.now(),
        )

    async def seal_report(self, made: MadeReport) -> bytes:
        """The file that only the officers open. Raises organisation.unknown, network.*."""
        engine = self._engine
        key = await engine.removals.officers_key()
        return seal_report(key, sign_report(made.report, engine.core.me.signing_key))

    # --- devices

    async def devices(self) -> list[DeviceInfo]:
        """This line's. Raises network.*."""
        line = await self._ask_who(self.address)
        devices = self._engine.contacts.take_answer(self.address, line)
        return [DeviceInfo(d.device_id, d.issued_at, d.device_id == self.device_id) for d, _ in devices]

    async def add_device(self, link_text: str) -> None:
        """Let a new device into this line and into all conversations. `link_text`: what it shows.

        Raises link.*, network.*; network.timeout if the new device does not come online.
        """
        link = links.parse(link_text)
        if not isinstance(link, links.DeviceLink):
            raise error("link.malformed", "That link makes a new line; take the one that a new device shows.")
        engine = self._engine
        line = await self._ask_who(self.address)
        before = {entry.device for entry in line.devices}
        api = HttpApi(self.place, await engine.connection.context())
        try:
            await linking.give(api, link, partial(self._handover, line.salt))
        finally:
            await api.close()
        await self._await_new_device(before)
        await engine.reconcile()
        await engine.settled(NEW_DEVICE_SECONDS)

    def _handover(self, salt: bytes, offer: linking.Offer) -> linking.Handover:
        me = self._engine.core.me
        known = [
            linking.KnownContact(one.address, one.line_id, one.identity_key, one.verified)
            for one in self.contacts()
        ]
        name = (self._engine.core.store.get(activation.ORGANISATION) or b"").decode()
        certificate = me.certify(offer.device_id, offer.signature_key, self._engine.core.now())
        endorsement = me.endorse(certificate, salt)
        self._engine.log.own.endorsed(offer.device_id)
        return linking.Handover(
            me.identity.private_bytes_raw(),
            me.line_id,
            me.address,
            known,
            name,
            certificate.to_bytes(),
            device_hash(me.device_id),
            endorsement,
        )

    async def _await_new_device(self, before: set[bytes]) -> None:
        """Until a device that was not there is, with key packages."""
        engine, address = self._engine, self.address
        deadline = asyncio.get_running_loop().time() + NEW_DEVICE_SECONDS
        while asyncio.get_running_loop().time() < deadline:
            new = [d.device_id for d in await self.devices() if d.device_id not in before]
            if new:
                line = await engine.connection.ask(
                    lambda ref: frames.Lookup(ref, address, key_packages=True, devices=new),  # noqa: B023
                    frames.Line,
                )
                if all(entry.key_package for entry in line.devices if entry.device in new):
                    return
            await asyncio.sleep(0.5)
        raise error("network.timeout", "The new device has not come online; it is let in when it does.")


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise error("usage.invalid", f"A name has 1 to {MAX_NAME} printable characters.")
