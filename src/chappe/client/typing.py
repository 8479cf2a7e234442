"""That somebody is typing (docs/protocol.md section 9). It is kept nowhere: it goes out at once or not at
all, and what comes in is an event and nothing else."""

from __future__ import annotations

from typing import Final

from chappe.client.core import Core
from chappe.client.groups import Groups
from chappe.client.messages import MAX_READ_RECEIPT_LINES, Messages
from chappe.client.outbox import Outbox
from chappe.wire import content as c
from chappe.wire.errors import Unreachable

EVERY: Final = 5
"""Seconds between two in a conversation."""


class Typing:
    def __init__(self, core: Core, groups: Groups, messages: Messages, outbox: Outbox) -> None:
        self._core = core
        self._groups = groups
        self._messages = messages
        self._outbox = outbox
        self._said: dict[bytes, int] = {}

    async def say(self, conversation: bytes) -> bool:
        """Whether it went out; what the network does not take now is dropped. Raises StorageFailure."""
        if len(self._groups.addresses(conversation)) > MAX_READ_RECEIPT_LINES:
            return False
        now, before = self._core.now(), self._said.get(conversation)
        # A clock that was set back must not silence it for good.
        if before is not None and 0 <= now - before < EVERY:
            return False
        self._said[conversation] = now
        _, data = self._messages.new(conversation, c.Typing())
        try:
            return await self._outbox.say_now(conversation, data)
        except Unreachable:
            return False
