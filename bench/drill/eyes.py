"""What a person sees: every event of a phone, and the lines that `chappe chat` shows for it.

Whatever a phone says that is not part of plain talking is an alarm: a new kind of event is one until it is
named here. In honest runs there must be none.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import Final

from chappe.cli.chat import Chat
from chappe.cli.show import message_line
from chappe.client import Phone
from chappe.client import events as e
from chappe.wire.errors import ChappeError

_PLAIN: Final = (
    e.MessageChanged,
    e.MessageGone,
    e.MessageSent,
    e.ReceiptReceived,
    e.Typing,
    e.ConversationChanged,
    e.TermChanged,
    e.Online,
)

_NOTICES: Final = ("unreadable", "gap", "fork", "late")
"""What stands in a conversation in place of a message, or beside it, and was written by nobody."""


@dataclass(frozen=True, slots=True)
class Sight:
    """One thing that a person saw. `text`: what the terminal shows; empty where it shows nothing."""

    who: str
    what: str
    text: str


class Eyes:
    """Watches a phone as an open terminal does: shows, and marks as read."""

    def __init__(self, name: str, phone: Phone, alarms: list[Sight] | None = None) -> None:
        self._name, self._phone = name, phone
        self._terminal = Chat(phone)
        self._queue: asyncio.Queue[e.Event] = asyncio.Queue()
        self._busy = False
        phone._engine.core.watchers.add(self._queue)
        self.alarms: list[Sight] = [] if alarms is None else alarms
        self.lines: list[str] = []
        self._task = asyncio.create_task(self._watch())

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    @property
    def idle(self) -> bool:
        """All that was told is seen."""
        return self._queue.empty() and not self._busy

    async def _watch(self) -> None:
        while True:
            event = await self._queue.get()
            self._busy = True
            self.take(event)
            if isinstance(event, e.MessageReceived):
                with contextlib.suppress(ChappeError):
                    await self._phone.mark_read(event.message.conversation)
            self._busy = False

    def take(self, event: e.Event) -> None:
        lines = self._shown(event)
        self.lines += lines
        if _is_alarm(event):
            self.alarms.append(Sight(self._name, _kind(event), plain(" ".join(lines))))

    def refused(self, problem: ChappeError) -> None:
        """What the person wanted was refused, as the terminal says it."""
        self.alarms.append(Sight(self._name, problem.code, plain(f"! {problem}")))

    def _shown(self, event: e.Event) -> list[str]:
        if isinstance(event, e.MessageReceived):
            return [message_line(event.message)]
        if isinstance(event, e.Unreadable) and event.conversation is None:
            return []
        return self._terminal._told(event)


def _is_alarm(event: e.Event) -> bool:
    if isinstance(event, e.MessageReceived):
        return event.message.kind in _NOTICES
    if isinstance(event, e.Offline):
        return not event.code.startswith("network.") or event.code == "network.untrusted"
    return not isinstance(event, _PLAIN)


def _kind(event: e.Event) -> str:
    code = getattr(event, "code", "")
    name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(event).__name__).lower()
    return f"{name} {code}".strip()


def plain(text: str) -> str:
    """Without what differs from run to run: the tails of names, the time, ids."""
    text = re.sub(r"\b([a-z]+)-[0-9a-z]+@localhost\b", r"\1@localhost", text)
    text = re.sub(r"^\d\d:\d\d [0-9a-f]{8} ", "", text)
    return re.sub(r"\b[0-9a-f]{8,}\b", "…", text)
