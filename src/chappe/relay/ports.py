"""What the relay's parts need of each other: clock, operations, and what they give back.

The store behind these is SQLite or PostgreSQL (chappe.relay.storage).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from sqlalchemy import Connection

from chappe.wire import frames
from chappe.wire.door import UnlockCounts
from chappe.wire.errors import ChappeError

Clock: TypeAlias = Callable[[], float]
"""Unix time in seconds; handed in, so that a test can move it."""

system_clock: Clock = time.time


@dataclass(frozen=True, slots=True)
class Envelope:
    """One item of a mailbox. `total` is the bytes ever put in, with this one."""

    sequence: int
    id: bytes
    payload: bytes
    at: int


@dataclass(frozen=True, slots=True)
class Arrival:
    """A payload that became durable, and the place that it took in each mailbox."""

    id: bytes
    payload: bytes
    at: int
    places: tuple[tuple[int, int], ...]
    """(mailbox, sequence), one per recipient."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A `Send` or `Commit` is durable (now or since an earlier attempt), kept until `expires`."""

    expires: int


@dataclass(frozen=True, slots=True)
class Stale:
    """Nothing of a sealed message was taken: the tokens of these recipients do not hold."""

    devices: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """Removals that are posted for the groups of a `Watch`."""

    posted: tuple[frames.Posted, ...]


@dataclass(frozen=True, slots=True)
class Reported:
    """The receipt of this order is here."""

    order: bytes


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """What a sign-in needs of a device."""

    device: bytes
    line: bytes
    mailbox: int
    signature_key: bytes
    revoked: bool
    gone_sequence: int
    key_packages: int
    last_resort: bool
    newest: int
    term: frames.Term | None = None
    """The line's, as of when the record was read; None where it has none."""


class Unit:
    """The transaction that an operation runs in: its connection, its time, and what it set off."""

    __slots__ = ("arrivals", "connection", "logged", "now")

    def __init__(self, connection: Connection, now: int) -> None:
        self.connection = connection
        self.now = now
        self.arrivals: list[Arrival] = []
        self.logged = False
        """Whether the transparency log has grown."""


class Operation(Protocol):
    """One change, all or nothing. Raises ChappeError to refuse: nothing of it stays."""

    def run(self, unit: Unit) -> object: ...

    @property
    def weight(self) -> int:
        """About how many bytes it holds while it waits."""


@dataclass(frozen=True, slots=True)
class Refusing:
    """A refusal decided before the store, waiting its turn so that answers keep the order of requests."""

    refusal: ChappeError

    @property
    def weight(self) -> int:
        return 100

    def run(self, unit: Unit) -> object:
        raise self.refusal


class ShareService(Protocol):
    """The share service, in this process or on another machine (chappe.relay.shares)."""

    async def public_key(self) -> bytes:
        """Its X-Wing public key. Raises unlock.unavailable."""

    async def enrol(self, device: bytes, sealed: bytes) -> None:
        """Take the share of a device that has shown who it is. Raises unlock.malformed, signin.revoked,
        storage.*, limit.rate, unlock.unavailable."""

    async def challenge(self, device: bytes) -> bytes:
        """32 bytes for one guess. Raises limit.rate, unlock.unavailable."""

    async def unlock(self, device: bytes, sealed: bytes) -> bytes:
        """The sealed answer to a sealed guess. Raises unlock.*, storage.*, limit.rate."""

    async def destroy(self, devices: Sequence[bytes]) -> None:
        """Once it returns, no share of these devices is released, nor enrolled again. Raises storage.*,
        unlock.unavailable: then it is to be asked again."""

    async def counts(self) -> UnlockCounts:
        """Of all its shares. Raises unlock.unavailable, limit.rate."""

    async def ping(self) -> None:
        """It answers. Raises unlock.unavailable, limit.rate."""

    async def close(self) -> None: ...


Outcome: TypeAlias = object | ChappeError
Answer: TypeAlias = Callable[[Outcome], None]
