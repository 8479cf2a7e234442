"""Which device is here now: its arrivals go to its newest socket, and to that alone."""

from __future__ import annotations

from typing import Protocol

from chappe.relay.ports import Arrival


class Listener(Protocol):
    """A socket whose device is signed in."""

    def arrived(self, arrival: Arrival, sequence: int) -> None: ...

    def superseded(self) -> None: ...


class Hub:
    """Used in the event loop alone."""

    def __init__(self) -> None:
        self._here: dict[int, Listener] = {}

    def __len__(self) -> int:
        return len(self._here)

    def enter(self, mailbox: int, listener: Listener) -> None:
        """From now on `listener` hears of this mailbox; one that did before is told to go."""
        before = self._here.get(mailbox)
        self._here[mailbox] = listener
        if before is not None and before is not listener:
            before.superseded()

    def leave(self, mailbox: int, listener: Listener) -> None:
        """`listener` is gone; nothing happens if another took its place."""
        if self._here.get(mailbox) is listener:
            del self._here[mailbox]

    def arrived(self, arrivals: list[Arrival]) -> None:
        """Tell those who are here. Payloads come in the order in which they were stored."""
        for arrival in arrivals:
            for mailbox, sequence in arrival.places:
                listener = self._here.get(mailbox)
                if listener is not None:
                    listener.arrived(arrival, sequence)
