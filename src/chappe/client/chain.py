"""A stream of one device's messages as a receiver has seen it: what is missing, what comes twice, what does
not follow (docs/decisions/0012). A value: each message gives the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import msgspec

from chappe.wire.chain import Link
from chappe.wire.errors import error

MAX_HOLES: Final = 32
"""Of a stream. Where there are more the oldest is closed: what still comes of it is taken in silence."""
RECENT: Final = 64
"""So many hashes are kept, to tell a repeat from another message of that number: no more are under way."""

NEW: Final = "new"
AGAIN: Final = "again"
FORK: Final = "fork"


class Hole(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """Messages `first` to `last` have not come. `before`: the hash of the message before them, `after`: of
    the last of them; empty where that is not known. `since`: Unix seconds. `notice`: what was said of it,
    empty where nothing was. A `quiet` one is from before this device came in: nothing is said of it."""

    first: int
    last: int
    before: bytes
    after: bytes
    since: int
    quiet: bool
    notice: bytes = b""

    def without(self, link: Link, hash_: bytes) -> list[Hole]:
        """What is left of it once this message came."""
        lower = _replaced(self, last=link.counter - 1, after=link.before)
        upper = _replaced(self, first=link.counter + 1, before=hash_)
        return [hole for hole in (lower, upper) if hole.first <= hole.last]

    def fits(self, link: Link, hash_: bytes) -> bool:
        lower = link.counter != self.first or self.before in (b"", link.before)
        upper = link.counter != self.last or self.after in (b"", hash_)
        return lower and upper

    @property
    def count(self) -> int:
        return self.last - self.first + 1


def _replaced(hole: Hole, **changes: object) -> Hole:
    changed: Hole = msgspec.structs.replace(hole, **changes)
    return changed


class Stream(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """`high`: the highest number seen, `hash` and `epoch` of that one. `recent`: hashes by number. `forked`:
    a fork was seen."""

    high: int
    hash: bytes
    epoch: int
    holes: tuple[Hole, ...] = ()
    recent: dict[int, bytes] = {}
    forked: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """`verdict`: NEW; AGAIN, of one that came before; FORK. `filled`: notices of holes that it is of."""

    stream: Stream
    verdict: str
    filled: bytes = b""


def take(stream: Stream | None, link: Link, hash_: bytes, *, now: int, joined: int) -> Taken:
    """One message with its hash. `joined`: the epoch in which this device came in."""
    if stream is None:
        first = Hole(1, link.counter - 1, b"", link.before, now, True)
        holes: tuple[Hole, ...] = (first,) if first.count > 0 else ()
        return Taken(Stream(link.counter, hash_, link.epoch, holes, {link.counter: hash_}), NEW)
    if link.counter > stream.high:
        return _beyond(stream, link, hash_, now, joined)
    for at, hole in enumerate(stream.holes):
        if hole.first <= link.counter <= hole.last:
            holes = (*stream.holes[:at], *hole.without(link, hash_), *stream.holes[at + 1 :])
            after = _noted(replace_stream(stream, holes=holes[-MAX_HOLES:]), link.counter, hash_)
            return _judged(after, hole.fits(link, hash_), hole.notice)
    known = stream.recent.get(link.counter)
    if known is None:
        # Too long ago to tell: it opened, so it is new to MLS, and its id says whether it is here.
        return Taken(stream, NEW)
    return Taken(stream, AGAIN) if known == hash_ else _judged(stream, False)


def _beyond(stream: Stream, link: Link, hash_: bytes, now: int, joined: int) -> Taken:
    holes, fits = stream.holes, True
    if link.counter == stream.high + 1:
        fits = link.before == stream.hash
    else:
        quiet = stream.epoch < joined
        holes = (*holes, Hole(stream.high + 1, link.counter - 1, stream.hash, link.before, now, quiet))
    after = replace_stream(stream, high=link.counter, hash=hash_, epoch=link.epoch, holes=holes[-MAX_HOLES:])
    return _judged(_noted(after, link.counter, hash_), fits)


def _judged(stream: Stream, fits: bool, filled: bytes = b"") -> Taken:
    if fits:
        return Taken(stream, NEW, filled)
    return Taken(replace_stream(stream, forked=True), FORK, filled)


def _noted(stream: Stream, counter: int, hash_: bytes) -> Stream:
    kept = {at: known for at, known in stream.recent.items() if at > stream.high - RECENT}
    return replace_stream(stream, recent={**kept, counter: hash_})


def replace_stream(stream: Stream, **changes: object) -> Stream:
    changed: Stream = msgspec.structs.replace(stream, **changes)
    return changed


def missing(stream: Stream, notice: bytes) -> int:
    """How many are still missing of what a notice was said of."""
    return sum(hole.count for hole in stream.holes if hole.notice == notice)


def encode(stream: Stream) -> bytes:
    return msgspec.msgpack.encode(stream)


def decode(data: bytes) -> Stream:
    """From the store. Raises storage.failed for what is none."""
    try:
        return msgspec.msgpack.decode(data, type=Stream)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("storage.failed", "What the store knows of a conversation cannot be read.") from None
