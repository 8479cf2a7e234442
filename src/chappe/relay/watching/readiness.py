"""Whether the relay takes work: load balancers and people ask, and strangers as often as they like.

So the answer is kept for a moment, and one look is enough for all who wait: the store is written to once in
`KEEP_SECONDS` at most, whoever asks.

Without its store a relay takes no message. Without the share service, or with an old head of the transparency
log, it does: all gateways share these two, and a load balancer that took every gateway away for them would
end the conversations of people whose phones are open. Such a relay is ready, and not whole: that is for an
alert.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import delete, insert

from chappe.relay.ports import Unit
from chappe.relay.tables import sent_ids
from chappe.wire.errors import ChappeError

if TYPE_CHECKING:
    from chappe.relay.relay import Relay

CHECKS: Final = ("store", "shares", "log")
KEEP_SECONDS: Final = 3.0
PATIENCE_SECONDS: Final = 5.0
"""How long the store, or the share service, may take to answer."""
OLDEST_HEAD_SECONDS: Final = 3 * 600.0
"""A head is signed anew every ten minutes, log entries or none; three are missing, then."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """`ready`: it takes messages. `whole`: nothing else is wrong either. `checks`: by name, "ok" or what is
    wrong, for who runs the relay and nobody else."""

    ready: bool
    whole: bool
    checks: dict[str, str]


@dataclass(frozen=True, slots=True)
class WriteNothing:
    """A write that leaves nothing: a row comes and goes. Raises what a real one would: a full disk, say."""

    weight: int = 100

    def run(self, unit: Unit) -> None:
        id_ = secrets.token_bytes(16)
        row = {"id": id_, "digest": bytes(16), "expires": unit.now}
        unit.connection.execute(insert(sent_ids).values(**row))
        unit.connection.execute(delete(sent_ids).where(sent_ids.c.id == id_))


class Doctor:
    """Looks at one relay. Used in its event loop."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._turn = asyncio.Lock()
        self._found: Readiness | None = None
        self._found_at = float("-inf")

    async def look(self) -> Readiness:
        """Draining is told at once, the rest as it was `KEEP_SECONDS` ago at most."""
        if self._relay.draining:
            return Readiness(False, False, {"draining": "the relay is going, and takes nobody new"})
        loop = asyncio.get_running_loop()
        async with self._turn:
            if self._found is None or loop.time() - self._found_at >= KEEP_SECONDS:
                self._found, self._found_at = await self._examine(), loop.time()
            return self._found

    async def _examine(self) -> Readiness:
        checks = {
            "store": await _in_time(self._store),
            "shares": await _in_time(self._shares),
            "log": self._log(),
        }
        return Readiness(checks["store"] == "ok", all(found == "ok" for found in checks.values()), checks)

    async def _store(self) -> None:
        await self._relay.store.run(WriteNothing())

    async def _shares(self) -> None:
        await self._relay.check_shares()

    def _log(self) -> str:
        size, age = self._relay.log_head()
        if size == 0:
            return "the transparency log has no head yet"
        if age > OLDEST_HEAD_SECONDS:
            return f"the transparency log's head is {int(age)} seconds old"
        return "ok"


async def _in_time(check: Callable[[], Awaitable[None]]) -> str:
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            await check()
    except TimeoutError:
        return f"no answer within {PATIENCE_SECONDS:.0f} seconds"
    except ChappeError as problem:
        return problem.code
    return "ok"
