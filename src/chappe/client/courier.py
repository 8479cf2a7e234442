"""Messages to the relay without a sign-in (docs/protocol.md section 6.8).

Over a connection of its own, on which nothing else of this device is ever said, and which ends when it has
not been used for a while: two of them have nothing in common but the address that they come from.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import httpx

from chappe.client.connection import Connection
from chappe.client.transport import CONNECT_SECONDS, READ_SECONDS, refusal, unreachable
from chappe.wire import delivery
from chappe.wire.errors import error
from chappe.wire.links import RelayPlace

IDLE_SECONDS: Final = 10.0


class Courier:
    def __init__(self, place: RelayPlace, connection: Connection) -> None:
        self._place = place
        self._connection = connection
        self._client: httpx.AsyncClient | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    async def deliver(self, messages: Sequence[delivery.Sealed]) -> list[delivery.Taken | delivery.Turned]:
        """What became of each. Raises what the relay refused the request with, or network.*."""
        client = await self._open()
        body = delivery.encode(delivery.Deliver(list(messages)))
        try:
            answer = await client.post(
                "/v1/deliver", content=body, headers={"content-type": delivery.MEDIA_TYPE}
            )
        except httpx.HTTPError as problem:
            raise unreachable(self._place, problem) from None
        finally:
            self._end_later()
        if answer.is_error:
            raise refusal(answer)
        answers = delivery.decode_answer(answer.content).answers
        if [one.id for one in answers] != [message.id for message in messages]:
            raise error("http.malformed")
        return answers

    async def close(self) -> None:
        self._stop_timer()
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _open(self) -> httpx.AsyncClient:
        self._stop_timer()
        if self._client is None:
            context = await self._connection.context()
            self._client = httpx.AsyncClient(
                base_url=f"https://{self._place.authority}",
                verify=context,
                trust_env=False,
                timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
            )
        return self._client

    def _end_later(self) -> None:
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self) -> None:
        task = asyncio.create_task(self.close())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
