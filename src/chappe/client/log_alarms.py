"""What is amiss with the relay and its log, kept with its evidence until a person has seen to it.

Nothing here is ever overwritten: an alarm that was settled stays in the list, with the notes that prove it.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import msgspec

from chappe.client.core import Core
from chappe.client.events import LogAlarm
from chappe.vault.store import Row
from chappe.wire.errors import error

Code: TypeAlias = Literal[
    "log.forked",
    "log.frozen",
    "log.not_there",
    "log.own_line",
    "log.broken",
    "relay.silent",
    "relay.key_reused",
]
MAX_ALARMS: Final = 100
"""Of one code, that are kept: the oldest stay, they are the first evidence."""
AGAIN_SECONDS: Final = 24 * 3600
_GOES_ON: Final = frozenset({"log.frozen", "log.forked", "log.own_line", "relay.silent"})
"""What each look at the log finds again."""
FORKED: Final = "SELECT 1 FROM log_alarms WHERE code = 'log.forked' AND settled = 0"
"""A row while nothing that a person writes is sent: there are two logs, and nobody has decided (SQL)."""


class Evidence(msgspec.Struct, frozen=True, forbid_unknown_fields=True, array_like=True):
    """`ours`, `theirs`: signed notes, ours the newest that was believed; empty where there is none. `said`:
    what was found, in English and without secrets, for whoever looks into it."""

    ours: bytes = b""
    theirs: bytes = b""
    said: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """`at`: Unix seconds of this device. `address`: the line that it is about, or empty; `device`: its id, or
    its hash in the log, in hex, or empty. `settled`: found after all, or a person has decided."""

    row: int
    code: Code
    at: int
    conversation: bytes | None
    address: str
    device: str
    settled: bool
    evidence: Evidence


class Alarms:
    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store

    def raise_(
        self,
        code: Code,
        evidence: Evidence,
        *,
        about: bytes,
        conversation: bytes | None = None,
        address: str = "",
        device: str = "",
    ) -> None:
        """Keep it and tell it; one `about` the same thing is told once, and again if it was settled."""
        key = hashlib.sha256(code.encode() + b"\0" + about).digest()
        with self._core.change():
            (count,) = self._store.one(  # type: ignore[misc]
                "SELECT count(*) FROM log_alarms WHERE code = ?", code
            )
            if self._is_told(code, key) or count >= MAX_ALARMS:
                return
            self._store.run(
                "INSERT INTO log_alarms (about, code, at, conversation, address, device, settled, evidence) "
                "VALUES (?, ?, ?, ?, ?, ?, 0, ?)",
                key,
                code,
                self._core.now(),
                conversation,
                address,
                device,
                msgspec.msgpack.encode(evidence),
            )
            self._core.tell(LogAlarm(code, conversation, address, device))

    def _is_told(self, code: Code, key: bytes) -> bool:
        """What a person has put away and what goes on is told again after a day."""
        since = self._core.now() - AGAIN_SECONDS if code in _GOES_ON else 2**53
        row = self._store.one(
            "SELECT 1 FROM log_alarms WHERE about = ? AND (settled = 0 OR at > ?)", key, since
        )
        return row is not None

    def check_sending(self) -> None:
        """Raises log.not_there while the relay is known to show two logs, and no person has decided."""
        if self._store.one(FORKED) is not None:
            raise error(
                "log.not_there",
                "The relay shows different logs: any key may be an impostor's. Nothing is sent until you "
                "have looked into it: chappe log status, then chappe log settle.",
            )

    def settle(self, code: Code, *, about: bytes) -> None:
        key = hashlib.sha256(code.encode() + b"\0" + about).digest()
        self._store.run("UPDATE log_alarms SET settled = 1 WHERE about = ? AND settled = 0", key)

    def settle_row(self, row: int) -> None:
        self._store.run("UPDATE log_alarms SET settled = 1 WHERE row = ?", row)

    def all(self) -> list[Alarm]:
        """The newest first."""
        rows = self._store.all(
            "SELECT row, code, at, conversation, address, device, settled, evidence FROM log_alarms "
            "ORDER BY row DESC"
        )
        return [_alarm(row) for row in rows]

    def open(self) -> list[Alarm]:
        """Those that nobody has seen to."""
        return [alarm for alarm in self.all() if not alarm.settled]


def _alarm(row: Row) -> Alarm:
    number, code, at, conversation, address, device, settled, evidence = row
    read = msgspec.msgpack.decode(evidence, type=Evidence)
    return Alarm(number, code, at, conversation, address, device, bool(settled), read)
