"""One person is shown a transparency log of their own, in which the relay's impostor stands."""

from __future__ import annotations

import random
from collections.abc import Iterable

import msgspec

from bench.drill import attack
from bench.drill.attack import Onward
from bench.drill.middleman import Peer, Request, Response
from bench.drill.puppet import Puppet
from bench.drill.second_log import SecondLog
from bench.drill.stage import Stage
from chappe.wire import frames
from chappe.wire import log_entries as entry

VICTIM = "ada"


class Attack(attack.Attack):
    name = "fork the log"
    does = "Shows one person a transparency log with an impostor in it, and reads what they write to him."
    shows = ("log.forked.by",)
    page_names = frozenset({"ada"})
    grace = 2

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._comes_back = chance.random() < 0.3
        self._salt = chance.randbytes(32)
        self._puppet: Puppet | None = None
        self._log: SecondLog | None = None
        self._asked: dict[tuple[bytes, int], bool] = {}

    async def scene(self, stage: Stage) -> None:
        ada, ben, cyd = await stage.fresh(3)
        known = await stage.direct(ada, cyd)
        if known is None:
            return
        await stage.round([ada, cyd], known)
        log, puppet = SecondLog(stage.relay.data_dir), Puppet.named(ben.address, self.man.place("ben"))
        log.forge(self._impostor(puppet, log.last_at))
        self._puppet, self._log, self.read = puppet, log, puppet.texts
        false = await stage.direct(ada, ben)
        if false is not None:
            await stage.say(ada, false)
            await stage.rest()
        # She writes to somebody who is real: the two have read different logs.
        await stage.round([ada, cyd], known)
        if self._comes_back:
            # The relay would rather be honest again.
            self._log = None
            await stage.later(2 * 3600)
        await stage.later()

    def _impostor(self, puppet: Puppet, at: int) -> entry.LineCreated:
        certificate = puppet.me.certificate
        return entry.LineCreated(
            version=1,
            at=at,
            line=entry.line_commitment(self._salt, certificate.line_id, certificate.address),
            identity_key=certificate.identity_key,
            organisation=b"",
            device=entry.device_hash(certificate.device_id),
            certificate=entry.certificate_hash(certificate.to_bytes()),
            signature_key=certificate.signature_key,
        )

    def up(self, peer: Peer, frame: frames.FromDevice) -> Iterable[frames.FromDevice]:
        if self._puppet is None:
            return [frame]
        if isinstance(frame, frames.Lookup) and frame.address == self._puppet.me.address:
            self._asked[peer.device, frame.ref] = frame.key_packages
        return self._puppet.taken_out(peer, frame)

    def down(self, peer: Peer, frame: frames.FromRelay) -> Iterable[frames.FromRelay]:
        if not isinstance(frame, frames.Line) or self._puppet is None:
            return [frame]
        asked = self._asked.pop((peer.device, frame.ref), None)
        if asked is None or peer.device != self.stage.cast[0].phone.device_id:
            return [frame]
        answer = self._puppet.answer(frame.ref, with_package=asked)
        return [msgspec.structs.replace(answer, salt=self._salt)]

    async def http(self, request: Request, onward: Onward) -> Response:
        if request.who == VICTIM and self._log is not None:
            answer = self._log.answer(request)
            if answer is not None:
                self.strike()
                return answer
        return await onward(request)
