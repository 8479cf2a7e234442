"""Which of several gateways does what one alone may do: sign the log's head, sweep, destroy shares.

It holds a session lock of PostgreSQL. With its connection the lock is gone, and another gateway has it within
seconds. A leader that was stopped meanwhile and goes on believes itself one for a moment: what must not
happen twice is therefore done in the very session that holds the lock, which is checked in that transaction.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")


class Leader(Protocol):
    @property
    def is_leading(self) -> bool: ...

    async def start(self) -> None: ...

    async def run(self, work: Callable[[Connection], T]) -> T:
        """In a transaction of the session that holds the lock. Raises storage.failed where it is not held
        any more, storage.*, and what `work` raises."""

    async def close(self) -> None: ...


class OnlyOne:
    """Of a relay that is one process."""

    is_leading = True

    async def start(self) -> None:
        pass

    async def run(self, work: Callable[[Connection], T]) -> T:
        raise NotImplementedError("one process needs no lock")

    async def close(self) -> None:
        pass
