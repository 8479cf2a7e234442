"""Wake-ups between the gateways of one relay (docs/decisions/0016-gateways.md).

A bus says where to look, and nothing else: all that it tells is looked up in the store before anything
comes of it. It may lose, double, delay or invent what it likes: gateways look every few seconds as well.
"""

from __future__ import annotations

from typing import Protocol

from chappe.relay.bus.wakes import Notice


class Heard(Protocol):
    """Whom a bus tells what others said. Called in the event loop; may not wait, nor raise."""

    def mail(self, mailbox: int, sequence: int) -> None:
        """Something is said to be in a mailbox of here, up to this number."""

    def changed(self, mailbox: int) -> None:
        """An order for its device, or another socket of it, is said to be there."""

    def answers_for(self, mailbox: int) -> bool:
        """Whether its device has a socket here."""

    def notice(self, notice: Notice) -> None:
        """Said to all gateways."""

    def missed(self) -> None:
        """Things were said that nobody heard: look at everything."""


class Bus(Protocol):
    """Used in the event loop alone. Nothing of it raises, whatever the bus does."""

    shared: bool
    """Whether there may be other gateways."""

    async def start(self, heard: Heard) -> None: ...

    async def close(self) -> None: ...

    def enter(self, mailbox: int) -> None:
        """Hear of this mailbox from now on: its device has a socket here."""

    def leave(self, mailbox: int) -> None: ...

    def mail(self, mailbox: int, sequence: int) -> None:
        """Tell the gateway that holds its device."""

    def changed(self, mailbox: int) -> None: ...

    def notify(self, notice: Notice) -> None:
        """Tell all other gateways."""

    async def is_elsewhere(self, mailbox: int) -> bool:
        """Whether another gateway says that it holds its device; False where nobody answers."""
