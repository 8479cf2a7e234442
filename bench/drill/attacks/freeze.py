"""From some moment on nothing comes to one phone, which is told that all is well."""

from __future__ import annotations

import random
from collections.abc import Iterable

from bench.drill import attack
from bench.drill.middleman import Peer
from bench.drill.stage import Stage
from chappe.client.echo import ANSWER_SECONDS, QUIET_SECONDS
from chappe.wire import frames


class Attack(attack.Attack):
    name = "freeze"
    does = "Hands nothing on to one phone any more, and answers it as if all were well."
    shows = ("relay.silent",)
    page_names = frozenset({"ben"})
    picks = True

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._after = chance.randrange(3)
        self._victim: Peer | None = None

    async def scene(self, stage: Stage) -> None:
        await stage.talk()
        # An hour without a word: phones look whether their mailboxes still give anything.
        for seconds in (QUIET_SECONDS, ANSWER_SECONDS, ANSWER_SECONDS):
            await stage.silence(seconds + 1)

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if self._victim is None and self.talking and attack.carries_message(frame):
            self._after -= 1
            if self._after < 0:
                self._victim = peer
                self.strike()
        return [] if peer is self._victim and isinstance(frame, frames.Deliver) else [frame]
