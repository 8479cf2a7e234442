"""Asked for somebody's devices, the relay adds one of its own."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import replace

import msgspec

from bench.drill import attack
from bench.drill.middleman import Peer
from bench.drill.puppet import Puppet
from bench.drill.stage import Stage
from chappe.wire import frames
from chappe.wire.certificate import DeviceCertificate


class Attack(attack.Attack):
    name = "ghost device"
    does = "Adds a device of its own to a line's, in answer to a look-up."
    shows = ("error:certificate.invalid",)
    page_names = frozenset({"ada"})

    grace = 2

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._how = chance.choice(["own key", "forged signature", "other line", "beside the own devices"])
        self._known = chance.random() < 0.5
        self._puppet: Puppet | None = None
        self._asked: dict[tuple[bytes, int], bool] = {}

    async def scene(self, stage: Stage) -> None:
        people = await stage.fresh(2)
        ada, ben = people
        direct = await stage.direct(ada, ben) if self._known else None
        if direct is not None:
            await stage.round(people, direct)
        target = ada if self._how == "beside the own devices" else ben
        address = f"zoe-{stage.word()}@localhost" if self._how == "other line" else target.address
        self._puppet = Puppet.named(address, self.man.place("ben"))
        self.read, self._target = self._puppet.texts, target.address
        if target is ada:
            await stage.tries(ada, ada.look_at_own_devices())
        group = await stage.group(ada, ben)
        for conversation in (group, direct):
            if conversation is not None:
                await stage.say(ada, conversation)
        await stage.rest()

    def up(self, peer: Peer, frame: frames.FromDevice) -> Iterable[frames.FromDevice]:
        if self._puppet is None:
            return [frame]
        if isinstance(frame, frames.Lookup) and frame.address == self._target:
            self._asked[peer.device, frame.ref] = frame.key_packages
        return self._puppet.taken_out(peer, frame)

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if not isinstance(frame, frames.Line) or self._puppet is None:
            return [frame]
        asked = self._asked.pop((peer.device, frame.ref), None)
        if asked is None:
            return [frame]
        entry = self._puppet.entry(with_package=asked)
        if self._how == "forged signature":
            honest = DeviceCertificate.from_bytes(frame.devices[0].certificate)
            forged = replace(
                honest,
                device_id=self._puppet.device,
                signature_key=self._puppet.me.certificate.signature_key,
            )
            entry = msgspec.structs.replace(entry, certificate=forged.to_bytes())
        self.strike()
        devices = [*frame.devices, entry]
        self.chance.shuffle(devices)
        return [msgspec.structs.replace(frame, devices=devices)]
