"""The relay orders a phone erased, and nobody who may do so has signed."""

from __future__ import annotations

import random
import secrets
import time

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.drill import attack
from bench.drill.attack import Onward
from bench.drill.middleman import Request, Response
from bench.drill.stage import Person, Stage
from chappe.wire import fleet, frames, orders, rosters
from chappe.wire.orders import Order, Reason, SignedOrder, Target
from chappe.wire.unlock import ServiceKey


class Attack(attack.Attack):
    name = "unsigned erase"
    does = "Orders a phone erased, without a signature, with a wrong one, or by its own word alone."
    shows = ("chat.order.refused", "error:order.forged", "error:signin.revoked")
    page_names = frozenset({"ada"})

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._how = chance.choice(["unsigned", "noise", "own key", "own officers", "revoked"])
        self._victim: Person | None = None

    async def scene(self, stage: Stage) -> None:
        people = await stage.fresh(2)
        direct = await stage.direct(*people)
        if direct is None:
            return
        await stage.round(people, direct)
        pages = [one for one in people if one.name in stage.on_page]
        self._victim = self.chance.choice(pages or people)
        peer = self.man.peer(self._victim.phone.device_id)
        if self._how == "revoked":
            # The relay's own word; asked why, it shows an order.
            peer.say(frames.Refusal(None, "signin.revoked", "so says the relay"))
        else:
            peer.say(self._order(self._victim))
        self.strike()
        await stage.rest()
        await stage.round(people, direct)

    def _order(self, victim: Person) -> frames.OrderFrame:
        reason = Reason("lost", secrets.token_bytes(16))
        own = Ed25519PrivateKey.generate()
        organisation = secrets.token_bytes(16) if self._how == "own officers" else b""
        order = Order(
            1,
            secrets.token_bytes(16),
            "erase",
            "localhost",
            organisation,
            [Target(victim.line_id, victim.phone.device_id)],
            int(time.time()),
            reason.digest(),
        )
        chain: list[rosters.SignedRoster] = []
        if self._how == "own officers":
            officer = secrets.token_bytes(16)
            signed = orders.sign_as_officer(order, own, officer, own)
            chain = [_roster(organisation, own, officer)]
        elif self._how == "unsigned":
            signed = SignedOrder(msgspec.msgpack.encode(order))
        elif self._how == "noise":
            signed = SignedOrder(msgspec.msgpack.encode(order), owner_signature=secrets.token_bytes(64))
        else:
            signed = orders.sign_as_owner(order, own)
        return frames.OrderFrame(signed, chain, reason)

    async def http(self, request: Request, onward: Onward) -> Response:
        answer = await onward(request)
        if self._how != "revoked" or self._victim is None or request.path != "/v1/fleet":
            return answer
        waiting = fleet.ForDevice([self._order(self._victim)])
        headers = [("content-type", "application/msgpack")]
        return Response(200, headers, fleet.encode(waiting))


def _roster(organisation: bytes, key: Ed25519PrivateKey, officer: bytes) -> rosters.SignedRoster:
    """An organisation of the attacker's own."""
    public = key.public_key().public_bytes_raw()
    made = rosters.Roster(
        organisation,
        "nobody's",
        public,
        ServiceKey.generate().public,
        1,
        bytes(32),
        [rosters.Officer(officer, "nobody", public)],
        int(time.time()),
    )
    return rosters.sign_roster(made, key, {officer: key})
