"""Allowances that are spent and come back with time. In memory only: no address is ever written down."""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from typing import Final, Generic, TypeVar

from chappe.wire.errors import error

_REMEMBERED: Final = 50_000

K = TypeVar("K")


class Allowance:
    """`burst` at once, coming back `per_second`. The caller says what time it is (any steady seconds)."""

    __slots__ = ("_at", "_burst", "_left", "_per_second")

    def __init__(self, burst: float, per_second: float, now: float) -> None:
        self._burst = self._left = burst
        self._per_second = per_second
        self._at = now

    def spend(self, now: float, amount: float = 1.0) -> None:
        """Take `amount`. Raises limit.rate, and takes nothing, if there is not so much left."""
        self._left = min(self._burst, self._left + max(0.0, now - self._at) * self._per_second)
        self._at = now
        if self._left < amount:
            raise error("limit.rate")
        self._left -= amount

    def give_back(self, amount: float = 1.0) -> None:
        """What was spent turned out to be in good order."""
        self._left = min(self._burst, self._left + amount)


class Allowances(Generic[K]):
    """An allowance for each who asks; the least recent are forgotten."""

    def __init__(self, burst: float, per_second: float) -> None:
        self._burst = burst
        self._per_second = per_second
        self._by_key: OrderedDict[K, Allowance] = OrderedDict()

    def of(self, key: K, now: float) -> Allowance:
        allowance = self._by_key.get(key)
        if allowance is None:
            if len(self._by_key) >= _REMEMBERED:
                self._by_key.popitem(last=False)
            allowance = self._by_key[key] = Allowance(self._burst, self._per_second, now)
        self._by_key.move_to_end(key)
        return allowance


class Attempts:
    """An allowance for each network that makes unauthenticated requests."""

    def __init__(self, burst: float, per_minute: float) -> None:
        self._by_network: Allowances[str] = Allowances(burst, per_minute / 60)

    def of(self, host: str, now: float) -> Allowance:
        """The allowance of the network that `host` is in."""
        return self._by_network.of(network_of(host), now)


def network_of(host: str) -> str:
    """An IPv4 address, or the /64 of an IPv6 address, which one subscriber has whole."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if address.version == 4:
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))
