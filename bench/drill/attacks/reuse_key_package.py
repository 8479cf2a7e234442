"""One key package, that should serve once, is handed to two who ask."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec

from bench.drill import attack
from bench.drill.middleman import Peer
from bench.drill.stage import Stage
from chappe.wire import frames


class Attack(attack.Attack):
    name = "reuse a key package"
    does = "Hands the key package that one person was given to the next who asks."
    shows = ("relay.key_reused",)
    page_names = frozenset({"ben"})

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._kept: dict[bytes, bytes] = {}
        self._same_asker = chance.random() < 0.3

    async def scene(self, stage: Stage) -> None:
        ada, ben, cyd = await stage.fresh(3)
        first = await stage.direct(ada, ben)
        asker = ada if self._same_asker else cyd
        second = await stage.group(asker, ben) if self._same_asker else await stage.direct(asker, ben)
        for person, conversation in ((ada, first), (asker, second)):
            if conversation is not None:
                await stage.say(person, conversation)
        await stage.rest()

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if not isinstance(frame, frames.Line):
            return [frame]
        return [msgspec.structs.replace(frame, devices=[self._again(entry) for entry in frame.devices])]

    def _again(self, entry: frames.DeviceEntry) -> frames.DeviceEntry:
        if entry.key_package is None:
            return entry
        kept = self._kept.setdefault(entry.device, entry.key_package)
        if kept == entry.key_package:
            return entry
        self.strike()
        return msgspec.structs.replace(entry, key_package=kept)
