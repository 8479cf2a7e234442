"""Heads of the transparency log that came inside messages: two people who talk find out if they are shown
different logs. In memory only: the next message says it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from chappe.client.log_alarms import Alarms, Evidence
from chappe.client.log_ledger import Ledger
from chappe.tlog.errors import TlogError
from chappe.tlog.tile_reader import TileReader, from_mapping
from chappe.tlog.tiles import Tile

MAX_WAITING: Final = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """`address` has seen this head. `at`: when it came here, Unix seconds."""

    size: int
    root: bytes
    conversation: bytes
    address: str
    at: int


class Gossip:
    def __init__(self, alarms: Alarms) -> None:
        self._alarms = alarms
        self._waiting: dict[tuple[int, bytes], Seen] = {}

    @property
    def waiting(self) -> bool:
        return bool(self._waiting)

    def beyond(self, size: int) -> bool:
        """Whether a head that waits is of more entries than that."""
        return any(seen.size > size for seen in self._waiting.values())

    def heard(self, seen: Seen) -> bool:
        """True if it is new."""
        key = seen.size, seen.root
        if key in self._waiting or len(self._waiting) >= MAX_WAITING:
            return False
        self._waiting[key] = seen
        return True

    def take(self) -> list[Seen]:
        """All that wait; each is to be judged."""
        return list(self._waiting.values())

    def holds(self, ledger: Ledger, seen: Seen, tiles: Mapping[Tile, bytes]) -> bool | None:
        """Whether the believed tree had this head. None where the tiles are not that tree's."""
        try:
            reader = TileReader(ledger.size, ledger.root, from_mapping(tiles))
            return reader.frontier(seen.size).root() == seen.root
        except TlogError:
            return None

    def judged(self, ledger: Ledger, seen: Seen, known: bool | None, now: int, grace: int) -> None:
        """`known`: of this log, not of it, or (None) newer than what the relay shows here. Then it has
        `grace` seconds to show it."""
        if known is None and 0 <= now - seen.at < grace:
            return
        self._waiting.pop((seen.size, seen.root), None)
        if known:
            return
        other = "is of another history than" if known is False else "is not in the log that the relay shows:"
        said = f"a head of {seen.size} entries, {seen.root.hex()}, that a member has seen {other} ours"
        note = b"" if ledger.held is None else ledger.held.note
        self._alarms.raise_(
            "log.forked",
            Evidence(note, b"", said),
            about=b"head" + seen.address.encode(),
            conversation=seen.conversation,
            address=seen.address,
        )
