"""Shares that an erase order is to destroy: asked of the share service until it is done.

    order durable -> `add` -> nothing of these devices is unlocked or enrolled any more
                  -> share service: destroyed -> noted, durably -> forgotten here

What is still to be destroyed stands in the database, and is read at the start: a relay that dies between goes
on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial

import structlog

from chappe.relay.fleet_reads import doom_of, still_readable
from chappe.relay.ports import ShareService
from chappe.relay.store import Store
from chappe.relay.usecases.receipts import MarkUnreadable
from chappe.wire.errors import ChappeError, error

log = structlog.get_logger()


class Destroyer:
    """Used in the event loop alone."""

    def __init__(self, store: Store, shares: ShareService, *, shared: bool = False) -> None:
        """`shared`: orders may be given at other gateways, too."""
        self._shared = shared
        self._store = store
        self._shares = shares
        self._doomed: set[bytes] = set()
        self._turn = asyncio.Lock()
        self._rounds = 0

    async def start(self) -> None:
        """Before anything is answered: remember what is still to be destroyed. Raises storage.*."""
        self.add(await self._store.read(still_readable))

    def add(self, devices: Iterable[bytes]) -> None:
        """From now on nothing of these is passed to the share service, nor back from it."""
        self._doomed.update(devices)

    async def check(self, device: bytes) -> bool:
        """Before the share service is asked. Raises signin.revoked for a device whose share is being
        destroyed; storage.* where it cannot be known, for an order given elsewhere is in the store alone.
        Gives whether it was destroyed before: then the share service says so itself."""
        if device in self._doomed:
            raise error("signin.revoked")
        if not self._shared:
            return False
        being, was = await self._store.read(partial(doom_of, device=device))
        if being:
            raise error("signin.revoked")
        return was

    async def check_again(self, device: bytes, gone: bool) -> None:
        """Before its answer is handed out: an order that came meanwhile holds it back, even where it was
        carried out elsewhere by now. `gone`: what `check` gave. Raises as `check`."""
        if device in self._doomed:
            raise error("signin.revoked")
        if self._shared and not gone and any(await self._store.read(partial(doom_of, device=device))):
            raise error("signin.revoked")

    async def run_all(self) -> None:
        """With those whose orders were given elsewhere: at a gateway that has ended since, say."""
        if self._shared:
            self._doomed = set(await self._store.read(still_readable))
        await self.run()

    async def run(self) -> None:
        """Destroy what is to be destroyed, in one go for all. Where the service does not answer, or the store
        takes no note, it stays and is tried again."""
        # A round that begins from now on takes in all that is there now: whoever waits needs just one.
        after = self._rounds
        async with self._turn:
            if self._rounds > after or not self._doomed:
                return
            self._rounds += 1
            doomed = tuple(sorted(self._doomed))
            try:
                await self._shares.destroy(doomed)
                await self._store.run(MarkUnreadable(doomed))
            except ChappeError as problem:
                log.warning("shares are still to be destroyed", count=len(doomed), code=problem.code)
                return
            except Exception:  # whatever it is, it must not keep the next round from trying again
                log.exception("destroying shares failed in a way it should not")
                return
            self._doomed.difference_update(doomed)
