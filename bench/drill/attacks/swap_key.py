"""Asked who somebody is, the relay answers with an identity key of its own, and plays that person."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from unittest.mock import patch

from bench.drill import attack
from bench.drill.middleman import Peer
from bench.drill.puppet import Puppet
from bench.drill.stage import Stage
from chappe.client.contacts import Contacts
from chappe.client.log_doubts import Doubts
from chappe.wire import frames


class Attack(attack.Attack):
    name = "swap a key"
    does = "Answers a look-up with another identity key, and reads what is sent to it."
    shows = ("verify.changed", "log.not_there")
    page_names = frozenset({"ada"})

    grace = 2

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._first_contact = chance.random() < 0.5
        self._puppet: Puppet | None = None
        self._asked: dict[tuple[bytes, int], bool] = {}

    async def scene(self, stage: Stage) -> None:
        people = await stage.fresh(2)
        ada, ben = people
        direct = None if self._first_contact else await stage.direct(ada, ben)
        if direct is not None:
            await stage.round(people, direct)
        self._puppet = Puppet.named(ben.address, self.man.place("ben"))
        self.read = self._puppet.texts
        if self._first_contact:
            direct = await stage.direct(ada, ben)
        group = await stage.group(ada, ben)
        for conversation in (group, direct):
            if conversation is not None:
                await stage.say(ada, conversation)
        await stage.rest()

    def up(self, peer: Peer, frame: frames.FromDevice) -> Iterable[frames.FromDevice]:
        if self._puppet is None:
            return [frame]
        asks = isinstance(frame, frames.Lookup) and frame.address == self._puppet.me.address
        if asks and peer.device != self.stage.cast[1].phone.device_id:
            assert isinstance(frame, frames.Lookup)
            self._asked[peer.device, frame.ref] = frame.key_packages
        return self._puppet.taken_out(peer, frame)

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if isinstance(frame, frames.Line) and self._puppet is not None:
            asked = self._asked.pop((peer.device, frame.ref), None)
            if asked is not None:
                self.strike()
                return [self._puppet.answer(frame.ref, with_package=asked)]
        return [frame]

    @classmethod
    @asynccontextmanager
    async def disarmed(cls) -> AsyncIterator[None]:
        """Phones that take any key for anybody's, and do not look into the log."""

        def learn(self: Contacts, address: str, line: bytes, identity_key: bytes) -> bool:
            self._store.run("DELETE FROM contacts WHERE address = ?", address)
            self.add(address, line, identity_key, verified=False)
            return True

        with patch.object(Contacts, "_learn", learn), patch.object(Doubts, "why", lambda *_, **__: None):
            yield
