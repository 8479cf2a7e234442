"""Hours without the relay: a copy of the share, sealed under the PIN and `r`, for so long.

The end is counted by the wall clock, and, while the machine has not been started anew, by the time it has
run: turning the clock back does not help, unless the machine is started anew after, and then only back to
the latest time that anything looked. More a desktop cannot do: whoever copies the folder has the copy too.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from chappe.vault.files import Entry, OfflineCopy, damaged
from chappe.vault.keys import offline_key_of, unwrap, wrap
from chappe.wire.errors import error
from chappe.wire.wiping import wipe

TRIES: Final = 5
"""Wrong PINs without the relay; after the last the copy is destroyed."""
SLACK: Final = 120
"""Seconds that a clock may go back without being called turned back: clocks are set right now and then."""
STEP: Final = 60
"""The latest time is written when it has moved by so much."""
_CONTEXT: Final = b"chappe offline v1"
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Clock:
    """Now: by the wall, and since which start of the machine (empty where that cannot be told)."""

    wall: int
    boot: str
    up: int

    @classmethod
    def now(cls) -> Clock:
        return cls(int(time.time()), _boot_id(), int(running_seconds()))


def _boot_id() -> str:
    try:
        return _BOOT_ID.read_text("ascii").strip()[:64]
    except (OSError, UnicodeDecodeError):
        return ""


def running_seconds() -> float:
    """Since the machine was started, sleep counted where the system tells."""
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boot_time is None else time.clock_gettime(boot_time)


def seal(a: bytearray, entry: Entry, share: bytes | bytearray, hours: int, clock: Clock) -> OfflineCopy:
    """A copy for so many hours from now."""
    until = clock.wall + hours * 3600
    key = offline_key_of(a, entry.r)
    sealed = wrap(key, share, _context(entry, until))
    wipe(key)
    return OfflineCopy(
        1, entry.name, sealed, clock.wall, until, clock.wall, clock.boot, clock.up, tries=TRIES
    )


def look(copy: OfflineCopy, clock: Clock) -> OfflineCopy | None:
    """The copy with the latest time seen; None where its time is over or its tries are spent: destroy it.

    Raises vault.clock where the clock was turned back.
    """
    ran = clock.up - copy.up if clock.boot and clock.boot == copy.boot else 0
    now = max(clock.wall, copy.since + ran)
    if now > copy.until or copy.seen > copy.until or not copy.tries:
        return None
    if clock.wall < copy.seen - SLACK:
        raise error("vault.clock")
    return msgspec.structs.replace(copy, seen=max(copy.seen, now))


def tried(copy: OfflineCopy) -> OfflineCopy:
    """With one try less. To be durable before the PIN is looked at."""
    return msgspec.structs.replace(copy, tries=copy.tries - 1)


def open_copy(copy: OfflineCopy, a: bytearray, entry: Entry) -> bytearray | None:
    """The share, or None for a wrong PIN. Raises storage.failed for another entry's copy."""
    if copy.entry != entry.name:
        raise damaged("offline")
    key = offline_key_of(a, entry.r)
    share = unwrap(key, copy.sealed, _context(entry, copy.until))
    wipe(key)
    return share


def _context(entry: Entry, until: int) -> bytes:
    return _CONTEXT + entry.name + until.to_bytes(8, "big")
