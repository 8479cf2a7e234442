"""By which way a phone says things: over its socket, or without a sign-in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from chappe.client import Phone
from chappe.wire import delivery, frames

Answers = list[delivery.Taken | delivery.Turned]


class Ways:
    """By which way a phone says things: types of frames, and how many messages went without a sign-in."""

    def __init__(self, phone: Phone) -> None:
        self.said: Counter[str] = Counter()
        self.sealed: list[delivery.Sealed] = []
        self._connection, self._courier = phone._engine.connection, phone._engine.courier
        self._say, self._deliver = self._connection.say_bytes, self._courier.deliver
        self._connection.say_bytes = self.say_bytes  # type: ignore[method-assign]
        self._courier.deliver = self.deliver  # type: ignore[method-assign]

    def end(self) -> None:
        """Watch no more."""
        self._connection.say_bytes = self._say  # type: ignore[method-assign]
        self._courier.deliver = self._deliver  # type: ignore[method-assign]

    async def say_bytes(self, data: bytes) -> None:
        self.said[str(frames.decode_from_device(data).__struct_config__.tag)] += 1
        await self._say(data)

    async def deliver(self, messages: Sequence[delivery.Sealed]) -> Answers:
        self.sealed += messages
        return await self._deliver(messages)
