"""An invitation that is none: forged in somebody's name, changed on the way, or shown again."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable

import msgspec

from bench.drill import attack
from bench.drill.middleman import Peer
from bench.drill.puppet import Puppet
from bench.drill.stage import Stage
from chappe.mls import MLSError, WireFormat, peek
from chappe.wire import frames


class Attack(attack.Attack):
    name = "false Welcome"
    does = "Invites somebody in another's name, or changes, replaces or repeats an invitation."
    shows = ("error:certificate.invalid", "verify.changed", "log.not_there")

    grace = 2

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._how = chance.choice(
            ["in a known name", "in a stranger's name", "in place of one", "changed", "again"]
        )
        self._kind = chance.choice(["direct", "group"])

    async def scene(self, stage: Stage) -> None:
        people = await stage.fresh(2)
        ada, ben = people
        conversation = await stage.direct(ada, ben)
        if conversation is None:
            return
        await stage.round(people, conversation)
        if self._how in ("in a known name", "in a stranger's name", "in place of one"):
            address = f"zoe-{stage.word()}@localhost" if "stranger" in self._how else ada.address
            puppet = Puppet.named(address, self.man.place("ben"))
            id_ = conversation if self._how == "in place of one" else secrets.token_bytes(16)
            package = self.man.packages[ben.phone.device_id][-1]
            name = "" if self._kind == "direct" else "table"
            envelopes = puppet.lets_in(package, self._kind, id_, name, "it is me")
            for envelope in envelopes:
                self.man.peer(ben.phone.device_id).deliver(envelope)
            self.strike()
        await stage.rest()
        await stage.round(people, conversation)

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if self.struck or not isinstance(frame, frames.Deliver) or not _is_welcome(frame.payload):
            return [frame]
        if self._how == "changed":
            self.strike()
            changed = bytearray(frame.payload)
            changed[self.chance.randrange(len(changed) // 2, len(changed))] ^= 1 << self.chance.randrange(8)
            return [msgspec.structs.replace(frame, payload=bytes(changed))]
        if self._how == "again":
            self.strike()
            return [frame, frames.Deliver(0, frame.id[::-1], frame.payload, frame.at)]
        return [frame]


def _is_welcome(payload: bytes) -> bool:
    try:
        return peek(payload).wire_format is WireFormat.WELCOME
    except MLSError:
        return False
