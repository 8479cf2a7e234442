"""Which device is here now: its arrivals go to its newest socket, and to that alone. And what it watches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Protocol

from chappe.relay.ports import Arrival
from chappe.wire import frames
from chappe.wire.errors import error

MAX_WATCHED: Final = 1_000_000
"""Groups that are watched by all sockets together; some 200 bytes each."""


class Listener(Protocol):
    """A socket whose device is signed in."""

    def arrived(self, arrival: Arrival, sequence: int) -> None: ...

    def look(self) -> None: ...

    def noted(self, sequence: int) -> None: ...

    def superseded(self) -> None: ...

    def posted(self, posted: Sequence[frames.Posted]) -> None: ...

    def ordered(self) -> None: ...

    def signed_out(self) -> None: ...


class Hub:
    """Used in the event loop alone. Nothing of it is stored."""

    def __init__(self, absent: Callable[[int, int], None] | None = None) -> None:
        """`absent` hears of mailboxes that something came for while nobody was here, and its number."""
        self._absent = absent
        self._here: dict[int, Listener] = {}
        # Since this process began: a sign-in that was under way meanwhile does not know it yet.
        self._signed_out: set[int] = set()
        self._watchers: dict[bytes, set[int]] = {}
        self._watched: dict[int, frozenset[bytes]] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._here)

    def is_here(self, mailbox: int) -> bool:
        return mailbox in self._here

    def enter(self, mailbox: int, listener: Listener) -> None:
        """From now on `listener` hears of this mailbox; one that did before is told to go."""
        self._forget_watch(mailbox)
        before = self._here.get(mailbox)
        self._here[mailbox] = listener
        if before is not None and before is not listener:
            before.superseded()
        if mailbox in self._signed_out:
            # The order came while it signed in, after its record was read.
            self.sign_out(mailbox)

    def leave(self, mailbox: int, listener: Listener) -> bool:
        """`listener` is gone. False, and nothing happens, if another took its place."""
        if self._here.get(mailbox) is not listener:
            return False
        del self._here[mailbox]
        self._forget_watch(mailbox)
        return True

    def arrived(self, arrivals: list[Arrival]) -> None:
        """Tell those who are here. Payloads come in the order in which they were stored."""
        for arrival in arrivals:
            for mailbox, sequence in arrival.places:
                listener = self._here.get(mailbox)
                if listener is not None:
                    listener.arrived(arrival, sequence)
                elif self._absent is not None:
                    self._absent(mailbox, sequence)

    def look(self) -> None:
        """Something may be in anybody's mailbox that nobody told of: all who are here look."""
        for listener in tuple(self._here.values()):
            listener.look()

    def noted(self, mailbox: int, sequence: int) -> None:
        """Another gateway is said to have stored something, up to this number."""
        listener = self._here.get(mailbox)
        if listener is not None:
            listener.noted(sequence)

    def supersede(self, mailbox: int) -> None:
        """Its device has a newer socket at another gateway."""
        listener = self._here.get(mailbox)
        if listener is not None:
            listener.superseded()

    # --- orders

    def ordered(self, mailbox: int) -> None:
        """An order for this device is there."""
        listener = self._here.get(mailbox)
        if listener is not None:
            listener.ordered()

    def sign_out(self, mailbox: int) -> None:
        """The device was signed out for good: its socket hears of nothing else any more."""
        self._signed_out.add(mailbox)
        self._forget_watch(mailbox)
        listener = self._here.get(mailbox)
        if listener is not None:
            listener.signed_out()

    # --- watching

    def watch(self, mailbox: int, groups: Iterable[bytes]) -> None:
        """In place of what it watched before; nothing where it is not here. Raises limit.rate."""
        self._forget_watch(mailbox)
        wanted = frozenset(groups)
        if mailbox not in self._here or mailbox in self._signed_out or not wanted:
            return
        if self._count + len(wanted) > MAX_WATCHED:
            raise error("limit.rate")
        self._watched[mailbox] = wanted
        self._count += len(wanted)
        for group in wanted:
            self._watchers.setdefault(group, set()).add(mailbox)

    def is_watched(self, group: bytes) -> bool:
        return group in self._watchers

    def tell_watchers(self, posted: Iterable[frames.Posted]) -> None:
        """Each to those who watch its group."""
        for frame in posted:
            for mailbox in self._watchers.get(frame.group, ()):
                self._here[mailbox].posted([frame])

    def _forget_watch(self, mailbox: int) -> None:
        groups = self._watched.pop(mailbox, frozenset())
        self._count -= len(groups)
        for group in groups:
            watchers = self._watchers[group]
            watchers.discard(mailbox)
            if not watchers:
                del self._watchers[group]
