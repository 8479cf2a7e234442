"""The head of the transparency log stays as it was, goes back, or is not shown any more."""

from __future__ import annotations

import random
import time

from bench.drill import attack
from bench.drill.attack import Onward
from bench.drill.middleman import Request, Response
from bench.drill.second_log import PREFIX, SecondLog
from bench.drill.stage import Stage
from chappe.wire import api

HOUR = 3600


class Attack(attack.Attack):
    name = "stale checkpoint"
    does = "Goes on showing an old head of the transparency log, or a smaller one, or none."
    shows = ("log.frozen", "log.forked")
    page_names = frozenset({"ada"})

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self._how = chance.choice(["frozen", "smaller", "gone"])
        self._ahead = 0
        self._log: SecondLog | None = None
        self._kept = b""

    async def scene(self, stage: Stage) -> None:
        people = await stage.fresh(2)
        self._log = SecondLog(stage.relay.data_dir)
        direct = await stage.direct(*people)
        if direct is None:
            return
        await stage.round(people, direct)
        # A day goes by in which all is well: nobody may be told anything.
        await self._pass(stage, 25 * HOUR)
        if told := [alarm for one in people for alarm in stage.alarms(one)]:
            raise AssertionError(f"an alarm before the attack: {told}")
        assert self._log is not None
        entries = self._log.entries()
        cut = self.chance.randint(1, max(1, len(entries) // 2)) if self._how == "smaller" else 0
        self._kept = self._log.checkpoint(entries[: len(entries) - cut], time.time() + self._ahead + 60)
        await self._pass(stage, self.chance.randint(25, 72) * HOUR)
        await stage.round(people, direct)

    async def _pass(self, stage: Stage, seconds: int) -> None:
        """For the phones and for the relay, which signs its head anew all the while."""
        self._ahead += seconds
        await stage.later(seconds)
        for one in stage.cast:
            # Phones look every hour by themselves; here they have no hour.
            await stage.tries(one, one.look_at_log())
        await stage.rest()

    async def http(self, request: Request, onward: Onward) -> Response:
        if self._log is None or request.path != f"{PREFIX}checkpoint":
            return await onward(request)
        if not self._kept:
            fresh = self._log.answer(request, self._log.checkpoint(at=time.time() + self._ahead))
            assert fresh is not None
            return fresh
        self.strike()
        if self._how == "gone":
            failure = api.Failure("http.unknown_path", "so says the relay")
            return Response(404, [("content-type", "application/json")], api.encode(failure))
        kept = self._log.answer(request, self._kept)
        assert kept is not None
        return kept
