"""Two members change a group at the same moment, and the relay accepts both: each half is shown one change.

Afterwards it either hands everything on, or keeps the halves apart: each hears nothing more of the other.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable

from bench.drill import attack
from bench.drill.attack import Onward
from bench.drill.middleman import Peer, Request, Response, sealed_in
from bench.drill.stage import Stage
from chappe.wire import frames


class Attack(attack.Attack):
    name = "fork a group"
    does = "Accepts two changes of one epoch, and shows each half of the group another."
    shows = ("fork.history", "unreadable")

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._apart = chance.random() < 0.5
        self._third_follows_second = chance.random() < 0.5
        self._armed = False
        self._first: frames.Commit | None = None
        self._second_half: set[bytes] = set()
        self._second_names: set[str] = set()
        self._from_first: set[bytes] = set()
        self._from_second: set[bytes] = set()

    async def scene(self, stage: Stage) -> None:
        people, group = await stage.meet(twos=False)
        if group is None:
            return
        first, second, third = people
        await stage.round(people, group)
        half = [second, third] if self._third_follows_second else [second]
        self._second_half = {one.phone.device_id for one in half}
        self._second_names = {one.name for one in half}
        self._armed = True
        for person in (first, second):
            await stage.tries(person, person.phone.rename(group, stage.word()))
        await stage.rest()
        await stage.round(people, group)

    def up(self, peer: Peer, frame: frames.FromDevice) -> Iterable[frames.FromDevice]:
        second = peer.device in self._second_half
        if self._first is not None and isinstance(frame, frames.Send):
            (self._from_second if second else self._from_first).add(frame.id)
        if not self._armed or not isinstance(frame, frames.Commit):
            return [frame]
        if self._first is None:
            self._first = frame
            return [frame]
        if not second or (frame.group, frame.epoch) != (self._first.group, self._first.epoch):
            return [frame]
        peer.say(frames.Accepted(frame.ref, frame.id, int(time.time()) + 86400))
        for device in self._second_half - {peer.device}:
            self.man.peer(device).deliver(frame.payload)
        self.strike()
        return []

    async def http(self, request: Request, onward: Onward) -> Response:
        """What goes without a sign-in is known by the way that it comes."""
        if self._first is not None:
            second = request.who in self._second_names
            for one in sealed_in(request):
                (self._from_second if second else self._from_first).add(one.id)
        return await onward(request)

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if self._first is None or not isinstance(frame, frames.Deliver):
            return [frame]
        second = peer.device in self._second_half
        if second and frame.id == self._first.id:
            return []
        other_half = self._from_first if second else self._from_second
        return [] if self._apart and frame.id in other_half else [frame]
