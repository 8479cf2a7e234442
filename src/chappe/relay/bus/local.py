"""The bus of a relay that is one process: there is nobody to tell."""

from __future__ import annotations

from chappe.relay.bus import Heard
from chappe.relay.bus.wakes import Notice


class LocalBus:
    shared = False

    async def start(self, heard: Heard) -> None:
        pass

    async def close(self) -> None:
        pass

    def enter(self, mailbox: int) -> None:
        pass

    def leave(self, mailbox: int) -> None:
        pass

    def mail(self, mailbox: int, sequence: int) -> None:
        pass

    def changed(self, mailbox: int) -> None:
        pass

    def notify(self, notice: Notice) -> None:
        pass

    async def is_elsewhere(self, mailbox: int) -> bool:
        return False
