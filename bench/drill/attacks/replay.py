"""An envelope comes again: at once, or much later, once or many times, at its own phone or at another."""

from __future__ import annotations

import random
from collections.abc import Iterable

from bench.drill import attack
from bench.drill.middleman import Peer
from bench.drill.stage import Stage
from chappe.wire import frames

LATER = 6
"""Envelopes that go by before one comes again much later."""


class Attack(attack.Attack):
    name = "replay"
    does = "Hands envelopes on again: at once, later, many times, or to another phone."
    shows = ("unreadable",)
    page_names = frozenset({"ben"})
    picks = True

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._how = chance.choice(["at once", "later", "many times", "elsewhere"])
        self._which = chance.randrange(4)
        self._old: bytes | None = None
        self._whose: Peer
        self._since = 0

    async def scene(self, stage: Stage) -> None:
        await stage.talk()
        if self._old is not None and not self.struck:
            # Too few came after it, or nobody else was there.
            self._whose.deliver(self._old)
            self.strike()
            await stage.rest()

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if not self.talking or not isinstance(frame, frames.Deliver):
            return [frame]
        again = frames.Deliver(0, frame.id[::-1], frame.payload, frame.at)
        if self._old is not None:
            self._since += 1
            if self._how == "later" and not self.struck and self._since >= LATER:
                self.strike()
                return [frame, frames.Deliver(0, bytes(16), self._old, frame.at)]
            return [frame]
        if not attack.carries_message(frame):
            return [frame]
        if self._which:
            self._which -= 1
            return [frame]
        self._old, self._whose = frame.payload, peer
        if self._how == "elsewhere":
            for other in self.man.peers.values():
                if other.online and other is not peer:
                    other.deliver(frame.payload)
                    self.strike()
        elif self._how != "later":
            self.strike()
            return [frame, *([again] * (1 if self._how == "at once" else 5))]
        return [frame]
