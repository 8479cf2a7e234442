"""One envelope of one phone never comes, and all others do."""

from __future__ import annotations

import random
from collections.abc import Iterable

from bench.drill import attack
from bench.drill.middleman import Peer
from chappe.wire import frames


class Attack(attack.Attack):
    name = "drop one"
    does = "Never hands one envelope on; everything after it comes."
    shows = ("gap.one",)
    page_names = frozenset({"ben"})
    picks = True

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._which = chance.randrange(4)
        self._dropped: tuple[bytes, int] | None = None

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if not self.talking or not attack.carries_message(frame):
            return [frame]
        if self._dropped is None and self._which == 0:
            self._dropped = (peer.device, frame.sequence)
            self.strike()
        self._which -= 1
        return [] if (peer.device, frame.sequence) == self._dropped else [frame]
