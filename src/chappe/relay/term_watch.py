"""Terms of the lines that are here: what they may do now, and who is told when a term changes.

A stage that was told holds until the next one is: at the boundary the store is asked first, for somebody
may have
renewed the line beside this process. What is remembered lags a few seconds behind, and never wrongly refuses.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

from chappe.relay.ports import DeviceRecord
from chappe.wire import frames
from chappe.wire.errors import error


class Listener(Protocol):
    """A socket whose device has shown who it is."""

    def term(self, term: frames.Term) -> None: ...


Read: TypeAlias = Callable[[Sequence[bytes]], Awaitable[dict[bytes, frames.Term]]]
"""Terms of lines as they are now; of those alone that have one."""


@dataclass(slots=True)
class _Here:
    term: frames.Term
    listeners: set[Listener] = field(default_factory=set)


class TermWatch:
    """Used in the event loop alone. Nothing of it is stored."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._here: dict[bytes, _Here] = {}

    def enter(self, record: DeviceRecord, listener: Listener) -> None:
        """`record` may be older than what is known: a term never ends earlier than it did."""
        if record.term is None:
            return
        here = self._here.setdefault(record.line, _Here(record.term))
        here.listeners.add(listener)
        if record.term.ends > here.term.ends:
            self.changed(record.line, record.term)
        elif record.term.ends < here.term.ends:
            listener.term(here.term)

    def leave(self, record: DeviceRecord, listener: Listener) -> None:
        here = self._here.get(record.line)
        if here is None:
            return
        here.listeners.discard(listener)
        if not here.listeners:
            del self._here[record.line]

    def check_sending(self, line: bytes) -> None:
        """Raises term.grace."""
        here = self._here.get(line)
        if here is not None and here.term.stage != "active":
            raise error("term.grace")

    def changed(self, line: bytes, term: frames.Term) -> None:
        """It was renewed, or has come to its next stage: all devices of the line that are here are told."""
        here = self._here.get(line)
        if here is None or here.term == term:
            return
        here.term = term
        for listener in tuple(here.listeners):
            listener.term(term)

    async def read_anew(self) -> None:
        """Others may have renewed lines that are here. Raises storage.*."""
        here = tuple(self._here)
        if here:
            for line, term in (await self._read(here)).items():
                self.changed(line, term)

    async def tick(self, now: int) -> None:
        """Every few seconds. Raises storage.*: then the next round asks."""
        due = [line for line, here in self._here.items() if _is_due(here.term, now)]
        if due:
            for line, term in (await self._read(due)).items():
                self.changed(line, term)


def _is_due(term: frames.Term, now: int) -> bool:
    """Its stage may be another by now."""
    return term.stage != "active" or now >= term.ends
