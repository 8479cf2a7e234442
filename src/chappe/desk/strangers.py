"""What strangers of one network may ask at once: sign-ins, applications, wrong tokens. In memory alone."""

from __future__ import annotations

import threading
import time

from chappe.wire.limits import Attempts


class Strangers:
    """`burst` at once, coming back so many a minute. Asked from several threads."""

    def __init__(self, burst: float, per_minute: float) -> None:
        self._attempts = Attempts(burst, per_minute)
        self._guard = threading.Lock()

    def spend(self, host: str) -> None:
        """Raises limit.rate where the network of `host` has nothing left."""
        now = time.monotonic()
        with self._guard:
            self._attempts.of(host, now).spend(now)

    def give_back(self, host: str) -> None:
        """What was asked turned out to be in good order."""
        with self._guard:
            self._attempts.of(host, time.monotonic()).give_back()
