"""An organisation with officers, on the real relay that the phones are on."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Sequence
from typing import Any, TypeVar

from chappe.client import Phone
from chappe.client.groups import SUITE
from chappe.mls import Remove, SignatureKey, propose_from_outside
from chappe.relay import organisations
from chappe.relay.new_codes import new_codes
from chappe.wire import api, fleet, frames
from chappe.wire.orders import REMOVAL_CONTEXT, FleetPolicy, Order, Reason, SignedOrder, Target
from chappe.wire.registers import open_register
from tests.client.world import World, until
from tests.relay.fleet_world import Organisation, Person

A = TypeVar("A", bound=fleet.Answer)
REASON = Reason("left in a taxi", b"salt" * 4)
EPOCHS_AHEAD = 8


class Office:
    """`of`: keys and rosters of the organisation; the first officer asks."""

    def __init__(self, world: World, name: str = "La Gazette") -> None:
        self.world, self.relay = world, world.relay
        self.of = Organisation(f"{name} {secrets.token_hex(4)}", [Person("one"), Person("two")])
        organisations.add(self.relay.settings, self.of.file)

    # --- lines

    def code(self) -> str:
        return new_codes(self.relay.settings, 1, self.of.name).codes[0]

    async def phone(self, name: str) -> Phone:
        home, address = self.world.home(name), self.world.address(name)
        key = self.of.fleet_key
        phone = await Phone.activate(home, self.world.place, self.code(), address, key)
        await self.world._enter(name, phone)
        await self.world.ready(phone)
        return phone

    async def phones(self, *names: str) -> list[Phone]:
        return [await self.phone(name) for name in names]

    # --- orders

    def order(self, kind: str, *targets: Target, **changes: Any) -> Order:
        fields: dict[str, Any] = {
            "version": 1,
            "id": secrets.token_bytes(16),
            "kind": kind,
            "server": "localhost",
            "organisation": self.of.id,
            "targets": list(targets),
            "issued_at": int(time.time()),
            "reason_digest": REASON.digest(),
            "policy": FleetPolicy(1, 60, 8) if kind == "policy" else None,
        }
        return Order(**(fields | changes))

    def frame(self, signed: SignedOrder, reason: Reason = REASON) -> frames.OrderFrame:
        """As the relay hands an order out."""
        return frames.OrderFrame(signed, self.of.chain, reason)

    def sign(self, order: Order) -> SignedOrder:
        return self.of.sign(order, self.of.officers[0])

    async def ask(self, ask: fleet.Ask, kind: type[A]) -> A:
        officer = self.of.officers[0]
        envelope = fleet.by_officer("localhost", self.of.id, officer.id, officer.key, int(time.time()), ask)
        return await self.post(envelope, kind)

    async def post(self, envelope: fleet.Envelope, kind: type[A]) -> A:
        async with self.relay.http() as http:
            answer = await http.post("/v1/fleet", content=fleet.encode(envelope))
        assert answer.status_code == 200, answer.text
        found = fleet.decode_answer(answer.content)
        assert isinstance(found, kind)
        return found

    async def give(self, kind: str, *targets: Target, **changes: Any) -> fleet.Given:
        signed = self.sign(self.order(kind, *targets, **changes))
        return await self.ask(fleet.Give(signed, REASON), fleet.Given)

    async def stages(self, order: bytes) -> fleet.DeviceStages:
        (one,) = (await self.ask(fleet.Status(order), fleet.Orders)).orders
        (stages,) = one.devices
        return stages

    async def done(self, order: bytes) -> fleet.DeviceStages:
        """Once the relay has the receipt."""
        for _ in range(200):
            stages = await self.stages(order)
            if stages.done_at is not None:
                return stages
            await asyncio.sleep(0.05)
        raise AssertionError("no receipt came")

    # --- removals

    async def remove(self, given: fleet.Given, *, ahead: int = EPOCHS_AHEAD) -> int:
        """Post proposals for the conversations in the register; gives how many these were."""
        (place,) = given.places
        assert place.register is not None
        memberships = open_register(self.of.seal.private, place.device, place.register)
        groups = [one.group for one in memberships]
        epochs = (await self.ask(fleet.Epochs(groups), fleet.EpochList)).epochs
        known = {one.group: one.epoch or 0 for one in epochs}
        postings = [
            fleet.Posting(
                one.group,
                [
                    fleet.Proposal(epoch, self.proposal(one.group, epoch, one.leaf, given.order, one.sender))
                    for epoch in range(known[one.group], known[one.group] + ahead)
                ],
            )
            for one in memberships
        ]
        await self.ask(fleet.Post(given.order, place.device, postings), fleet.Ok)
        return len(postings)

    def proposal(self, group: bytes, epoch: int, leaf: int, order: bytes, sender: int = 0) -> bytes:
        key = SignatureKey.from_private(self.of.fleet.private_bytes_raw())
        return propose_from_outside(
            SUITE,
            group,
            epoch,
            key,
            sender,
            Remove(leaf),
            now=int(time.time()),
            authenticated_data=REMOVAL_CONTEXT + order,
        )


def target(phone: Phone) -> Target:
    return Target(phone.line_id, phone.device_id)


async def registered(*phones: Phone) -> None:
    """Until the officers could read in which conversations these are."""
    for phone in phones:
        engine = phone._engine
        await until(lambda e=engine: e.removals._registered == e.groups.moves, "the register")  # type: ignore[misc]


def fleet_keys(*offices: Office) -> Sequence[bytes]:
    return [office.of.fleet_key for office in offices]


def as_text(key: bytes) -> str:
    return api.to_base64(key)
