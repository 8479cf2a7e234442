"""Envelopes of one phone change places."""

from __future__ import annotations

import random
from collections.abc import Iterable

from bench.drill import attack
from bench.drill.middleman import Peer
from chappe.wire import frames


class Attack(attack.Attack):
    name = "reorder"
    does = "Holds some envelopes of one phone back, and hands them on in another order."
    shows = ("late",)
    page_names = frozenset({"ben"})
    picks = True

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._size = chance.randint(2, 4)
        self._held: list[frames.Deliver] = []
        self._victim: Peer | None = None

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if (
            self.struck
            or not self.talking
            or not isinstance(frame, frames.Deliver)
            or self._victim not in (None, peer)
        ):
            return [frame]
        if self._victim is None and not attack.carries_message(frame):
            return [frame]
        self._victim = peer
        self._held.append(frame)
        if len(self._held) < self._size:
            return []
        self.strike()
        moved = self._held[:]
        while moved == self._held:
            self.chance.shuffle(moved)
        return moved
