"""Room for connections of people nobody knows yet: so many of one network, so many in all.

A connection has a seat from the moment it is accepted, before TLS, until it is gone. A device that signs in
gives its seat back, for it is no stranger any more (`max_connections` bounds those). So a stranger, or a
thousand of one network, never takes the place of a device that is here; and a building whose phones share one
address has no more to fear than that they come back one after another.

In memory only: no address is written down, and one without connections is forgotten.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from chappe.relay.limits import network_of

NETWORK: Final = "network"
ALL: Final = "all"
HANDSHAKE: Final = "handshake"


class Seats:
    """Used in the event loop alone."""

    def __init__(
        self,
        *,
        of_a_network: int | None,
        in_all: int,
        turned_away: Callable[[str], None] = lambda limit: None,
    ) -> None:
        """`of_a_network`: None behind a proxy, whose address all share. `turned_away` hears which limit."""
        self._of_a_network = of_a_network
        self._in_all = in_all
        self._turned_away = turned_away
        self._strangers: Counter[str] = Counter()
        self._all = 0

    @property
    def taken(self) -> int:
        return self._all

    def take(self, host: str, *, said: bool = False) -> Seat | None:
        """None where there is no room. `said`: a load balancer says that it is `host`."""
        network = network_of(host)
        if self._all >= self._in_all:
            self._turned_away(ALL)
            return None
        if self._of_a_network is not None and self._strangers[network] >= self._of_a_network:
            self._turned_away(NETWORK)
            return None
        self._all += 1
        self._strangers[network] += 1
        return Seat(self, network, host if said else None)

    def too_slow(self) -> None:
        """A handshake did not end in time."""
        self._turned_away(HANDSHAKE)

    def give_back(self, network: str) -> None:
        self._all -= 1
        self._strangers[network] -= 1
        if self._strangers[network] <= 0:
            del self._strangers[network]


class Seat:
    """Of one connection."""

    __slots__ = ("_network", "_seats", "host")

    def __init__(self, seats: Seats, network: str, host: str | None = None) -> None:
        """`host`: who it is, where the connection itself shows a load balancer."""
        self.host = host
        self._seats: Seats | None = seats
        self._network = network

    def leave(self) -> None:
        """It is gone, or no stranger's any more. The second time does nothing."""
        seats, self._seats = self._seats, None
        if seats is not None:
            seats.give_back(self._network)
