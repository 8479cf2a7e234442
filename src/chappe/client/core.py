"""What all parts of a phone share: who it is, its store, the time, and those who watch it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from chappe.client.events import Event
from chappe.client.identity import Me
from chappe.vault.profile import Profile
from chappe.vault.store import Store


class Core:
    """`now()` gives whole Unix seconds. Events told inside a change leave once the change is durable."""

    def __init__(self, me: Me, profile: Profile, clock: Callable[[], float] = time.time) -> None:
        self.me = me
        self.profile = profile
        self.watchers: set[asyncio.Queue[Event]] = set()
        self._clock = clock
        self._untold: list[Event] = []

    @property
    def store(self) -> Store:
        return self.profile.store

    def now(self) -> int:
        return int(self._clock())

    @contextmanager
    def change(self) -> Iterator[None]:
        """One transaction, or part of the one under way."""
        if self.store.in_transaction:
            yield
            return
        try:
            with self.store.transaction():
                yield
        except BaseException:
            self._untold.clear()
            raise
        self._publish()

    def tell(self, event: Event) -> None:
        self._untold.append(event)
        if not self.store.in_transaction:
            self._publish()

    def tell_at_last(self, event: Event) -> None:
        """When the store is gone."""
        self._untold.append(event)
        self._publish()

    def _publish(self) -> None:
        events, self._untold = self._untold, []
        for queue in self.watchers:
            for event in events:
                queue.put_nowait(event)
