"""How far a mailbox has been pushed to one device, and what may be pushed next. Sans-I/O.

A device that is caught up is pushed straight from memory. One that is behind (just signed in, slow, or with
its window full) is read from the store page by page, and what arrives meanwhile is only noted: a client
that reads nothing costs the relay one window and no more.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Final

from chappe.wire.errors import error

WINDOW_ITEMS: Final = 512
WINDOW_BYTES: Final = 1024 * 1024
"""Pushed and not yet acknowledged, at most; one envelope is always allowed, however large."""
LARGEST_FROM_MEMORY: Final = 64 * 1024
"""Larger ones always go by pages: a commit to a thousand sockets at once must not be in memory a thousand
times, and pages are read a few at a time."""
PAGE_ITEMS: Final = 128


class Delivery:
    """`pushed`: the last sequence given to the device; `noted`: the last that is known to be there."""

    __slots__ = (
        "_acknowledged",
        "_again",
        "_behind",
        "_held",
        "_noted_when_asked",
        "_reading",
        "_unacked",
        "noted",
        "pushed",
    )

    def __init__(self, gone_sequence: int) -> None:
        self.pushed = gone_sequence
        self.noted = gone_sequence
        self._acknowledged = gone_sequence
        # None while nothing is owed: an empty deque is 600 bytes, and most of the time most owe nothing.
        self._unacked: deque[tuple[int, int]] | None = None
        self._held = 0
        self._behind = True
        self._again = False
        self._reading = False
        self._noted_when_asked = gone_sequence

    @property
    def room(self) -> int:
        """Bytes of the window that are free; 0 or less if no more may be pushed now."""
        if self._unacked is not None and len(self._unacked) >= WINDOW_ITEMS:
            return 0
        return WINDOW_BYTES - self._held

    @property
    def owed(self) -> int | None:
        """The last sequence that was acknowledged, while more was pushed; None if nothing is owed."""
        return self._acknowledged if self._unacked else None

    def offer(self, sequence: int, size: int) -> bool:
        """An envelope became durable. True if it is to be pushed now, which this takes as done.

        One before it may never have been offered, where another relay process stored it: then it comes by a
        page with this one, for a device that acknowledges this one says that it has all before.
        """
        if sequence <= self.pushed:
            return False
        self.noted = max(self.noted, sequence)
        if self._behind or sequence != self.pushed + 1 or size > LARGEST_FROM_MEMORY or self.room <= 0:
            self._behind = True
            return False
        self._push(sequence, size)
        return True

    def look(self) -> None:
        """Something may be there that was never offered: a page after this moment tells."""
        self._behind = self._again = True

    def wants_page(self) -> bool:
        """True if a page after `pushed` is to be read now, which this takes as begun."""
        if not self._behind or self._reading or self.room <= 0:
            return False
        self._reading = True
        self._again = False
        self._noted_when_asked = self.noted
        return True

    def page(self, sizes: Iterable[tuple[int, int]], *, complete: bool) -> int:
        """A page was read: (sequence, size) of its envelopes. Gives how many of them to push.

        `complete`: the page reached the end of the mailbox as it was when the reading began. The device is
        then caught up, unless more was noted meanwhile: that the page may not have seen, so read again.
        """
        self._reading = False
        pushed = 0
        for sequence, size in sizes:
            if self.room <= 0:
                return pushed
            self._push(sequence, size)
            pushed += 1
        if complete:
            # Noted before the reading and not in it: expired, and will not come any more.
            self.pushed = max(self.pushed, self._noted_when_asked)
            self._behind = self.noted > self.pushed or self._again
        return pushed

    def page_failed(self) -> None:
        """The page could not be read: stay behind."""
        self._reading = False

    def acknowledge(self, sequence: int) -> int:
        """The device has everything up to `sequence`: gives how many envelopes are new in that. 0 if it said
        so before: then the store, which has no other bound on acknowledgements, is not to be asked. Raises
        mailbox.not_yours if it was not pushed that."""
        if sequence > self.pushed:
            raise error("mailbox.not_yours")
        if sequence <= self._acknowledged:
            return 0
        self._acknowledged = sequence
        unacked, count = self._unacked, 0
        while unacked and unacked[0][0] <= sequence:
            self._held -= unacked.popleft()[1]
            count += 1
        if not unacked:
            self._unacked = None
        return count

    def _push(self, sequence: int, size: int) -> None:
        self.pushed = sequence
        if self._unacked is None:
            self._unacked = deque()
        self._unacked.append((sequence, size))
        self._held += size
