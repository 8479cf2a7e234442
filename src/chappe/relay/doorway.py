"""Who may say something to the relay without a sign-in, how often, and how much of it at once.

By network, in memory only: no address is written down, and the least recent are forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from chappe.relay.limits import Allowance, Attempts, network_of
from chappe.wire.errors import error

MIB: Final = 1024 * 1024
MAX_COMING: Final = 128 * MIB
"""Bodies that are on their way or being stored, of all networks together, in bytes."""
MAX_OF_A_NETWORK: Final = 16 * MIB


class Doorway:
    """Used in the event loop alone."""

    def __init__(self, burst: float, per_minute: float) -> None:
        """What may fail from one network: `burst` at once, coming back `per_minute`."""
        self._failures = Attempts(burst, per_minute)
        self._coming: Counter[str] = Counter()
        self._all = 0

    @contextmanager
    def reserve(self, host: str, size: int, now: float) -> Iterator[Allowance]:
        """Room for a body of `size` bytes, until it is answered; gives what failures are taken from. Raises
        limit.rate where the network failed too often lately, or too much is on its way."""
        network = network_of(host)
        allowance = self._failures.of(host, now)
        allowance.spend(now)
        allowance.give_back()
        if self._all + size > MAX_COMING or self._coming[network] + size > MAX_OF_A_NETWORK:
            raise error("limit.rate")
        self._all += size
        self._coming[network] += size
        try:
            yield allowance
        finally:
            self._all -= size
            self._coming[network] -= size
            if self._coming[network] <= 0:
                del self._coming[network]
