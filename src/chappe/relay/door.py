"""The relay's side of the door (chappe.wire.door): one for a desk in this process, one for a command
beside it.

`RelayDoor` goes through the relay's writer, and tells the phones that are here. `DirectoryDoor` works on the
data directory, whether or not a relay runs on it: that relay notices within seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import msgspec
from sqlalchemy import Connection

from chappe.relay import door_fleet, door_lines
from chappe.relay.config import Settings
from chappe.relay.database import prepare_folder
from chappe.relay.ports import Clock, Operation, Unit, system_clock
from chappe.relay.relay import Relay
from chappe.relay.storage import change, look, open_database
from chappe.relay.usecases.make_codes import (
    Filed,
    MakeCodes,
    SetSeller,
    VoidCodes,
    allowed_sellers,
    batch_state,
)
from chappe.relay.usecases.renew_line import RenewByCode, RenewByDesk, RenewedLine
from chappe.wire import codes
from chappe.wire.door import (
    MAX_PAGE,
    MAX_RENEWED,
    AuditView,
    BatchState,
    CodeBatch,
    DeviceView,
    LinePage,
    LineQuery,
    LineView,
    Load,
    MadeCodes,
    OrderView,
    OrganisationView,
    Overview,
    Renewal,
    Struct,
)
from chappe.wire.errors import error

T = TypeVar("T")
S = TypeVar("S", bound=Struct)


class _Door:
    """What both have in common: everything but how a change and a read get to the database."""

    async def make_codes(self, batch: CodeBatch) -> MadeCodes:
        fit(batch)
        fresh = [codes.new() for _ in range(batch.count)]
        filed = await self._change(MakeCodes(batch, tuple(codes.digest(code) for code in fresh)))
        assert isinstance(filed, Filed)
        return MadeCodes(batch.batch, fresh, filed.fleet_key, filed.expires_at)

    async def void_codes(self, batch: bytes) -> int:
        voided = await self._change(VoidCodes(batch))
        assert isinstance(voided, int)
        return voided

    async def batch(self, batch: bytes) -> BatchState:
        now = self._now()
        return await self._read(lambda connection: batch_state(connection, batch, now))

    async def allow_seller(self, seller: bytes) -> None:
        await self._change(SetSeller(_id(seller), True))

    async def withhold_seller(self, seller: bytes) -> None:
        await self._change(SetSeller(_id(seller), False))

    async def allowed_sellers(self) -> list[bytes]:
        return await self._read(allowed_sellers)

    async def lines(self, query: LineQuery) -> LinePage:
        fit(query)
        now = self._now()
        return await self._read(lambda connection: door_lines.page(connection, query, now))

    async def line(self, line: bytes, organisation: bytes | None = None) -> LineView:
        now = self._now()
        return await self._read(lambda connection: door_lines.line(connection, line, organisation, now))

    async def devices(self, line: bytes, organisation: bytes | None = None) -> list[DeviceView]:
        return await self._read(lambda connection: door_lines.devices_of(connection, line, organisation))

    async def taken_addresses(self, addresses: list[str]) -> list[str]:
        _bounded(len(addresses), MAX_RENEWED)
        return await self._read(lambda connection: door_lines.taken(connection, addresses))

    async def renew(self, renewals: list[Renewal]) -> list[LineView]:
        _bounded(len(renewals), MAX_RENEWED)
        renewed = await self._renew(RenewByDesk(tuple(fit(renewal) for renewal in renewals)))
        return await self._views(renewed)

    async def renew_with_code(self, line: bytes, organisation: bytes | None, code: str) -> LineView:
        # First: who may not see the line learns nothing of the code either.
        await self.line(line, organisation)
        digest = codes.digest(codes.parse(code))
        by = "operator" if organisation is None else "officer"
        return (await self._views(await self._renew(RenewByCode(line, digest, by))))[0]

    async def organisations(self) -> list[OrganisationView]:
        return await self._read(door_fleet.known)

    async def audit(self, organisation: bytes, start: int, limit: int) -> AuditView:
        if start < 0:
            raise error("http.malformed")
        _bounded(limit, MAX_PAGE)
        return await self._read(
            lambda connection: door_fleet.audit_view(connection, organisation, start, limit)
        )

    async def orders(self, organisation: bytes, order: bytes | None = None) -> list[OrderView]:
        return await self._read(lambda connection: door_fleet.order_views(connection, organisation, order))

    async def overview(self, organisation: bytes | None = None) -> Overview:
        now = self._now()

        def read(connection: Connection) -> Overview:
            stages = door_lines.counts(connection, organisation, now)
            return Overview(now, stages, door_fleet.erasures(connection, organisation), None, None)

        return await self._read(read)

    async def _views(self, renewed: tuple[RenewedLine, ...]) -> list[LineView]:
        now = self._now()

        def read(connection: Connection) -> list[LineView]:
            return [door_lines.line(connection, one.line, None, now) for one in renewed]

        return await self._read(read)

    def _now(self) -> int:
        raise NotImplementedError

    async def _change(self, operation: Operation) -> object:
        raise NotImplementedError

    async def _renew(self, operation: RenewByCode | RenewByDesk) -> tuple[RenewedLine, ...]:
        raise NotImplementedError

    async def _read(self, work: Callable[[Connection], T]) -> T:
        raise NotImplementedError


class RelayDoor(_Door):
    """A running relay's, used in its event loop."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay

    async def overview(self, organisation: bytes | None = None) -> Overview:
        counted = await super().overview(organisation)
        if organisation is not None:
            return counted
        sockets, waiting = self._relay.load()
        load = Load(sockets, waiting, *await self._read(door_fleet.stored))
        unlocks = await self._relay.unlock_counts()
        return msgspec.structs.replace(counted, load=load, unlocks=unlocks)

    def _now(self) -> int:
        return self._relay.unix_time()

    async def _change(self, operation: Operation) -> object:
        return await self._relay.store.run(operation)

    async def _renew(self, operation: RenewByCode | RenewByDesk) -> tuple[RenewedLine, ...]:
        return await self._relay.renew(operation)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        return await self._relay.store.read(work)


class DirectoryDoor(_Door):
    """A data directory's, for a command: each call opens the database, and blocks."""

    def __init__(self, settings: Settings, clock: Clock = system_clock) -> None:
        """Makes the directory and its database where they are not there. Raises storage.*."""
        prepare_folder(settings.data_dir)
        self._database: Final = open_database(settings)
        self._database.upgrade()
        self._clock = clock

    def _now(self) -> int:
        return int(self._clock())

    async def _change(self, operation: Operation) -> object:
        with change(self._database) as connection:
            return operation.run(Unit(connection, self._now()))

    async def _renew(self, operation: RenewByCode | RenewByDesk) -> tuple[RenewedLine, ...]:
        outcome = await self._change(operation)
        renewed = outcome if isinstance(outcome, tuple) else (outcome,)
        return tuple(one for one in renewed if isinstance(one, RenewedLine))

    async def _read(self, work: Callable[[Connection], T]) -> T:
        with look(self._database) as connection:
            return work(connection)


def fit(given: S) -> S:
    """The same, with its bounds checked: msgspec checks what it decodes, not what a caller made. Raises
    http.malformed."""
    try:
        return msgspec.msgpack.decode(msgspec.msgpack.encode(given), type=type(given))
    except msgspec.MsgspecError:
        raise error("http.malformed") from None


def _id(given: bytes) -> bytes:
    if len(given) != 16:
        raise error("http.malformed")
    return given


def _bounded(count: int, most: int) -> None:
    if not 1 <= count <= most:
        raise error("http.malformed")
