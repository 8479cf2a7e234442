"""The transparency log as a person meets it: what was read, what it says of the own line, what is amiss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chappe.client.log_alarms import Alarm
from chappe.client.log_ledger import Ledger
from chappe.wire.errors import error

if TYPE_CHECKING:
    from chappe.client.engine import Engine


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signed the newest head: the log's keys and its witnesses. `at`: Unix seconds, 0 where it does not
    say."""

    name: str
    is_witness: bool
    at: int


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """A device of this line, as the log shows it. `device`: its hash there, in hex; `by`: that of the device
    that let it in, or empty. `known`: this line let it in."""

    device: str
    this: bool
    added_at: int
    revoked_at: int
    by: str
    known: bool


@dataclass(frozen=True, slots=True)
class LogStanding:
    """`watched` False: the relay had no log when this device first met it, and the rest is empty."""

    watched: bool
    origin: str = ""
    entries: int = 0
    root: bytes = b""
    signed_at: int = 0
    signers: tuple[Signer, ...] = ()
    devices: tuple[OwnDevice, ...] = ()
    alarms: tuple[Alarm, ...] = ()


class LogFace:
    """`phone.log`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._log = engine.log

    async def refresh(self) -> None:
        """Read what is new now. Raises network.*."""
        await self._log.refresh()

    def standing(self) -> LogStanding:
        ledger, alarms = self._log.ledger, tuple(self._log.alarms.all())
        if ledger is None:
            return LogStanding(False, alarms=alarms)
        return LogStanding(
            True,
            ledger.view.origin,
            ledger.size,
            ledger.root,
            0 if ledger.held is None else ledger.held.signed_at,
            _signers(ledger),
            self._devices(ledger),
            alarms,
        )

    @property
    def alarms(self) -> list[Alarm]:
        """Those that nobody has seen to yet."""
        return self._log.alarms.open()

    def in_doubt(self, conversation: bytes) -> list[str]:
        """Lines there with a device that the log does not show: nothing is sent before a person decides."""
        found = {
            address
            for twin in self._engine.groups.twins(conversation)
            for address in self._log.doubts.in_doubt(twin)
        }
        return sorted(found)

    def accept(self, conversation: bytes) -> None:
        """Write to the devices there, though the log does not show them: their owner has explained it."""
        for twin in self._engine.groups.twins(conversation):
            self._log.doubts.accept(twin)
        self._engine.wake()

    def settle(self, alarm: int) -> None:
        """A person has seen to it. The evidence stays. Raises usage.invalid for an unknown number."""
        if all(one.row != alarm for one in self._log.alarms.all()):
            raise error("usage.invalid", "There is no alarm with that number; see `chappe log status`.")
        with self._engine.core.change():
            self._log.alarms.settle_row(alarm)
        self._engine.wake()

    async def start_over(self) -> None:
        """Give up the log that was pinned and trust the one that the relay shows now, as a new phone would.
        That it showed two is decided by that; the evidence stays. Raises network.*."""
        await self._log.start_over()
        with self._engine.core.change():
            for alarm in self.alarms:
                if alarm.code == "log.forked":
                    self._log.alarms.settle_row(alarm.row)
        self._engine.wake()

    def _devices(self, ledger: Ledger) -> tuple[OwnDevice, ...]:
        own, known = self._log.own, self._log.own.known()
        return tuple(
            OwnDevice(key.hex(), key == own.device, one.at, one.revoked_at, one.by.hex(), key in known)
            for key, one in own.devices(ledger).items()
        )


def _signers(ledger: Ledger) -> tuple[Signer, ...]:
    if ledger.held is None:
        return ()
    logs = ledger.view.policy.logs
    return tuple(
        Signer(key.name, key not in logs, at or 0) for key, at in sorted(ledger.held.times.items(), key=str)
    )
