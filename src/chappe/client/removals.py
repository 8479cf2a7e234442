"""Removals by fleet order from the conversations that this device is in (docs/protocol.md section 12.4).

The relay tells of them; the order itself is verified before anything is done, for the relay's word removes
nobody, and neither does the fleet key alone. The removal is then an intent as any other: it survives a kill,
and a lost race is looked at again.
"""

from __future__ import annotations

import hashlib
from typing import Final

import msgspec

from chappe.client import intents as i
from chappe.client.changes import Changes
from chappe.client.connection import Connection
from chappe.client.contacts import certificate_of
from chappe.client.core import Core
from chappe.client.events import OrderRefused
from chappe.client.groups import LEFT, Groups, opener
from chappe.client.obeying import Obeying
from chappe.client.orders import check_holds, check_rosters, judge_removal, with_rosters
from chappe.client.senders import keys_of
from chappe.client.transport import HttpApi
from chappe.wire import fleet, frames
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import BadInput, ChappeError, CryptoFailure, StorageFailure, error
from chappe.wire.orders import Order, read_order
from chappe.wire.registers import Membership, seal_register

_REGISTER: Final = "register"
_SEAL_KEY: Final = "seal_key"
MAX_SETTLES: Final = 1000


def _also(order: Order, leaf: DeviceCertificate, certificates: list[DeviceCertificate]) -> set[bytes]:
    """Other devices that the order puts out: a commit that settles it for the group removes all of them."""
    ours = [one for one in certificates if one.device_id != leaf.device_id]
    if order.organisation:
        ours = [one for one in ours if one.fleet_key == leaf.fleet_key]
    else:
        ours = [one for one in ours if one.identity_key == leaf.identity_key]
    return {one.device_id for one in ours if order.covers(one.line_id, one.device_id)}


class Removals:
    def __init__(
        self, core: Core, groups: Groups, changes: Changes, connection: Connection, obeying: Obeying
    ) -> None:
        self._core = core
        self._store = core.store
        self._groups = groups
        self._changes = changes
        self._connection = connection
        self._obeying = obeying
        self._settles: dict[tuple[bytes, bytes, bytes], None] = {}
        self._watched = -1
        self._registered = -1
        self._refreshed = False
        self._gave_up = False

    def reconnected(self) -> None:
        """Nothing that was said on the socket before holds on this one."""
        self._watched = self._registered = -1
        self._refreshed = self._gave_up = False
        self._settles.clear()

    @property
    def idle(self) -> bool:
        """The relay knows what it has to, or does not take it."""
        told = self._watched == self._groups.moves and not self._settles and not self._obeying.to_tell()
        named = self._registered == self._groups.moves or not self._obeying.known.fleet_key
        return self._gave_up or (told and named)

    # --- what the relay tells

    def posted(self, frame: frames.Posted) -> None:
        """Raises nothing: what is no order changes nothing."""
        try:
            with self._core.change():
                self._take(frame)
        except ChappeError as problem:
            self._core.tell(OrderRefused(problem.code))

    def _take(self, frame: frames.Posted) -> None:
        known = self._groups.has(frame.group) and self._groups.activity(frame.group) != LEFT
        if not known or frame.device == self._core.me.device_id:
            return
        certificates = [certificate_of(m.credential) for m in self._groups.group(frame.group).members]
        leaf = next((one for one in certificates if one.device_id == frame.device), None)
        if leaf is None:
            self.settle(frame.group, read_order(frame.order).id, frame.device)
            return
        order = judge_removal(frame, leaf, self._core.me.server)
        if frame.order.owner_signature is None:
            self._check_newest(leaf.fleet_key, frame)
        self._changes.want_out(frame.group, i.RemoveDevice(frame.device, order.id, frame.proposal))
        for other in _also(order, leaf, certificates) - {self._core.me.device_id}:
            self._changes.want_out(frame.group, i.RemoveDevice(other, order.id))

    def _check_newest(self, fleet_key: bytes, frame: frames.Posted) -> None:
        """The newest roster of each organisation is remembered: nobody goes back. Raises roster.invalid."""
        key = f"roster:{hashlib.sha256(fleet_key).hexdigest()}"
        chain = check_rosters(frame.rosters, fleet_key)
        kept = self._store.get(key)
        if kept is not None:
            version, hash_ = msgspec.msgpack.decode(kept, type=tuple[int, bytes])
            check_holds(chain, version, hash_)
        self._store.set(key, msgspec.msgpack.encode((len(chain.hashes), chain.hashes[-1])))

    def settle(self, conversation: bytes, order: bytes, device: bytes) -> None:
        """To be told: the device is not in the conversation. If that is lost, the relay asks again."""
        if len(self._settles) < MAX_SETTLES:
            self._settles[conversation, order, device] = None

    # --- what is told to the relay

    async def pump(self) -> None:
        """Receipts, what to watch, the register, what is settled. Raises what may pass: network.*, limit.*"""
        try:
            await self.report()
            await self._watch()
            await self._settle()
            await self._register()
        except (BadInput, CryptoFailure, StorageFailure):
            # A relay that takes none of it does not hold up the rest; the next connection tries anew.
            self._gave_up = True
        if self._obeying.known.fleet_key and not self._refreshed:
            self._refreshed = True
            await self._officers_key()

    async def report(self) -> None:
        """Receipts that the relay has not answered. Raises network.*, limit.*."""
        for id_, receipt in self._obeying.to_tell():
            try:
                await self._connection.ask(
                    lambda ref, r=receipt: frames.Report(ref, r),  # type: ignore[misc]
                    frames.Done,
                )
            except ChappeError as problem:
                if problem.code not in ("order.unknown", "receipt.invalid"):
                    raise
            self._obeying.told(id_)

    async def _watch(self) -> None:
        places = self._groups.moves
        if places != self._watched:
            watched = self._groups.watched()[: frames.MAX_WATCHED]
            await self._connection.ask(lambda ref: frames.Watch(ref, watched), frames.Done)
            self._watched = places

    async def _settle(self) -> None:
        for conversation, order, device in list(self._settles):
            if self._groups.activity(conversation) != LEFT:
                group = self._groups.group(conversation)
                proof = group.epoch, opener(group), order, device
                try:
                    await self._connection.ask(
                        lambda ref, c=conversation, p=proof: frames.Settled(ref, c, *p),  # type: ignore[misc]
                        frames.Done,
                    )
                except ChappeError as problem:
                    # In a later epoch somebody else says so, or the relay asks again.
                    if not problem.code.startswith(("commit.", "order.")):
                        raise
            self._settles.pop((conversation, order, device), None)

    async def _register(self) -> None:
        """Only when it changed; sealed to the officers of the newest roster."""
        places, fleet_key = self._groups.moves, self._obeying.known.fleet_key
        if places == self._registered or not fleet_key:
            return
        found = self._memberships(fleet_key)
        # It never changes.
        seal_key = self._store.get(_SEAL_KEY) or await self._officers_key()
        if seal_key is not None:
            device = self._core.me.device_id
            mark = hashlib.sha256(seal_key + msgspec.msgpack.encode(found)).digest()
            if self._store.get(_REGISTER) != mark:
                sealed = seal_register(seal_key, device, found)
                await self._connection.ask(lambda ref: frames.Register(ref, sealed), frames.Done)
                with self._core.change():
                    self._store.set(_REGISTER, mark)
        self._registered = places

    def _memberships(self, fleet_key: bytes) -> list[Membership]:
        found: list[Membership] = []
        for conversation in self._groups.watched():
            group = self._groups.group(conversation)
            keys = keys_of(group)
            if fleet_key in keys:
                found.append(Membership(conversation, group.own_leaf, keys.index(fleet_key)))
        return found

    async def officers_key(self) -> bytes:
        """What is for the officers is sealed to this. Raises organisation.unknown where the relay has no
        roster of them, network.*."""
        key = self._store.get(_SEAL_KEY) or await self._officers_key()
        if key is None:
            raise error("organisation.unknown", "The relay names no officers of your organisation.")
        return key

    async def _officers_key(self) -> bytes | None:
        """`seal_key` of the newest roster, which is remembered; None while there is none, or none that holds.
        Raises network.*."""
        self._refreshed = True
        me = self._core.me
        ask = fleet.by_device(
            me.server, me.device_id, "device", me.signing_key, self._core.now(), fleet.Rosters()
        )
        api = HttpApi(me.place, await self._connection.context())
        try:
            answer = await api.fleet(ask, fleet.RosterChain)
            if not answer.rosters:
                return None
            known, chain = with_rosters(self._obeying.known, answer.rosters)
        except (BadInput, CryptoFailure) as problem:
            # A chain that does not hold gets no register; the next connection asks anew.
            self._core.tell(OrderRefused(problem.code))
            return None
        finally:
            await api.close()
        with self._core.change():
            self._store.set(_SEAL_KEY, chain.roster.seal_key)
            self._obeying.keep(known)
        self._obeying.lay_down()
        return chain.roster.seal_key
