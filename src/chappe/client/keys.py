"""This device's key packages: enough of them at the relay, their private parts here."""

from __future__ import annotations

import hashlib
from typing import Final

from chappe.client.connection import Connection
from chappe.client.core import Core
from chappe.client.groups import CAPABILITIES, SUITE
from chappe.mls import KeyPackageBundle, MLSError, create_key_package
from chappe.wire import frames
from chappe.wire.errors import error

STOCK: Final = 50
REFILL_BELOW: Final = 25
LIFETIME: Final = 90 * 24 * 3600
LAST_RESORT_EVERY: Final = 30 * 24 * 3600
CLOCK_SKEW: Final = 24 * 3600
"""Key packages begin a day early: phones whose clocks are behind can still use them."""
LATE_WELCOME: Final = 31 * 24 * 3600
"""A Welcome may lie in the mailbox for 30 days after its key package has ended."""

_RENEWED: Final = "last_resort_at"
_SPENT: Final = "spent/"
_TIME: Final = 8


class Keys:
    def __init__(self, core: Core, connection: Connection) -> None:
        self._core = core
        self._store = core.store
        self._connection = connection

    async def refill(self, left: int, last_resort: bool) -> None:
        """Publish what is missing. `left`, `last_resort`: what the relay has. Raises network.*.

        Nothing where this phone's clock and the relay's differ by more than `CLOCK_SKEW`. One of them is
        wrong: others could not use what is made now, and those that they still have would be thrown away.
        """
        if abs(self._core.now() - self._connection.relay_time) > CLOCK_SKEW:
            return
        renewed = int(self._store.get(_RENEWED) or 0)
        due = not renewed <= self._core.now() < renewed + LAST_RESORT_EVERY
        wants_last = not last_resort or due
        count = STOCK - left if left < REFILL_BELOW else 0
        if not count and not wants_last:
            return
        with self._core.change():
            now = self._core.now()
            self._store.run("DELETE FROM key_packages WHERE expires < ?", now - LATE_WELCOME)
            self._forget_spent(now)
            one_time = [self._make(now, last_resort=False) for _ in range(count)]
            last = self._make(now, last_resort=True) if wants_last else None
        await self._connection.ask(lambda ref: frames.PublishKeyPackages(ref, one_time, last), frames.Done)
        if wants_last:
            with self._core.change():
                self._store.set(_RENEWED, str(now).encode())

    def _make(self, now: int, *, last_resort: bool) -> bytes:
        me = self._core.me
        bundle = create_key_package(
            SUITE,
            me.signer,
            me.credential,
            not_before=now - CLOCK_SKEW,
            not_after=now + LIFETIME,
            last_resort=last_resort,
            capabilities=CAPABILITIES,
        )
        self._store.run(
            "INSERT INTO key_packages (ref, bundle, last_resort, expires) VALUES (?, ?, ?, ?)",
            bundle.ref,
            bundle.to_bytes(),
            last_resort,
            now + LIFETIME,
        )
        return bundle.message

    def find(self, refs: list[bytes]) -> KeyPackageBundle | None:
        """The bundle that one of these references names."""
        for ref in refs:
            row = self._store.one("SELECT bundle FROM key_packages WHERE ref = ?", ref)
            if row is not None:
                try:
                    return KeyPackageBundle.from_bytes(row[0])
                except MLSError:
                    raise error("storage.failed") from None
        return None

    def spend(self, bundle: KeyPackageBundle, welcome: bytes) -> None:
        """Its private keys are gone, unless it is the last resort; which Welcome it served stays known."""
        gone = self._store.one(
            "SELECT expires FROM key_packages WHERE ref = ? AND last_resort = 0", bundle.ref
        )
        if gone is not None:
            self._store.run("DELETE FROM key_packages WHERE ref = ?", bundle.ref)
            served = gone[0].to_bytes(_TIME, "big") + hashlib.sha256(welcome).digest()
            self._store.set(_SPENT + bundle.ref.hex(), served)

    def reused(self, refs: list[bytes], welcome: bytes) -> bytes | None:
        """The one of these references that has served another Welcome than this."""
        for ref in refs:
            served = self._store.get(_SPENT + ref.hex())
            if served is not None and served[_TIME:] != hashlib.sha256(welcome).digest():
                return ref
        return None

    def _forget_spent(self, now: int) -> None:
        for key, served in self._store.all_of(_SPENT):
            if int.from_bytes(served[:_TIME], "big") < now - LATE_WELCOME:
                self._store.drop(key)
