"""A relay that is its own share service answers the right PIN with a lie."""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable

import msgspec

from bench.drill import attack
from bench.drill.attack import Onward
from bench.drill.middleman import Peer, Request, Response
from bench.drill.stage import Stage
from chappe.wire import api, frames
from chappe.wire.unlock import Answer, Enrolment, ServiceKey, seal_answer

JSON = [("content-type", "application/json")]


class Attack(attack.Attack):
    name = "wrong share"
    does = "Answers the right PIN with a wrong share, or says that there is none any more."
    shows = ("error:vault.bad_share", "error:unlock.malformed")
    page_names = frozenset({"ada"})

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._how = chance.choice(
            ["another share", "one bit", "wrong pin", "gone", "gone, unsealed", "revoked", "noise"]
        )
        self._lies = chance.randint(1, 3)
        self._service = ServiceKey.generate()
        self._enrolled: Enrolment | None = None

    async def scene(self, stage: Stage) -> None:
        people = await stage.fresh(2)
        ada, _ = people
        direct = await stage.direct(*people)
        if direct is None:
            return
        await stage.round(people, direct)
        pin = ada.pin or "".join(self.chance.choices("0123456789", k=9))
        if not ada.pin:
            await ada.phone.set_pin(pin)
        await ada.phone.lock()
        # Whoever types the right PIN and is told otherwise tries again.
        for _ in range(self._lies + 1):
            if ada.away:
                await stage.tries(ada, ada.unlock(pin))
        await stage.rest()
        await stage.round(people, direct)

    # --- the share service, in the attacker's hands

    def up(self, peer: Peer, frame: frames.FromDevice) -> Iterable[frames.FromDevice]:
        if not isinstance(frame, frames.Enrol):
            return [frame]
        self._enrolled = self._service.open_enrolment(frame.sealed)
        peer.say(frames.Done(frame.ref))
        return []

    async def http(self, request: Request, onward: Onward) -> Response:
        if request.path == "/v1/info":
            answer = await onward(request)
            info = msgspec.json.decode(answer.body)
            return answer.with_body(
                msgspec.json.encode(info | {"share_key": api.to_base64(self._service.public)})
            )
        if request.path == "/v1/unlock" and self._enrolled is not None:
            return self._guessed(api.decode(request.body, api.Unlock), self._enrolled)
        return await onward(request)

    def _guessed(self, guess: api.Unlock, enrolled: Enrolment) -> Response:
        asked = self._service.open_guess(api.from_base64(guess.sealed))
        told = Answer("open", enrolled.share, 10)
        if asked.auth != enrolled.auth:
            told = Answer("wrong", None, 9)
        elif self._lies:
            self._lies -= 1
            self.strike()
            if self._how in ("gone, unsealed", "revoked"):
                return _refusal("vault.destroyed" if "gone" in self._how else "signin.revoked")
            told = self._lie(enrolled.share)
        sealed = seal_answer(asked.answer_key, told)
        if self._how == "noise" and told.status == "gone":
            sealed = secrets.token_bytes(len(sealed))
        return Response(200, JSON, api.encode(api.Unlocked(api.to_base64(sealed))))

    def _lie(self, share: bytes) -> Answer:
        if self._how == "another share":
            return Answer("open", secrets.token_bytes(32), 10)
        if self._how == "one bit":
            place = self.chance.randrange(32)
            flipped = bytes([share[place] ^ (1 << self.chance.randrange(8))])
            return Answer("open", share[:place] + flipped + share[place + 1 :], 10)
        if self._how == "wrong pin":
            return Answer("wrong", None, 9)
        return Answer("gone")


def _refusal(code: str) -> Response:
    return Response(409, JSON, api.encode(api.Failure(code, "so says the relay")))
