"""Challenges that need no table of those handed out.

A challenge is its time, a random part and a MAC over both and the device, under a key that this process made.
Handing one out keeps nothing, so that a flood for one device, or for all, pushes nobody's out. What is
remembered is which were used, and only a device with a good signature can use one: at most `PER_MINUTE` each.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from chappe.wire.errors import error
from chappe.wire.unlock import CHALLENGE_SECONDS

PER_MINUTE: Final = 60
"""Signed guesses of one device that are looked at in a minute."""
_TIME_BYTES: Final = 8
_RANDOM_BYTES: Final = 8
_HEAD_BYTES: Final = _TIME_BYTES + _RANDOM_BYTES
_MAC_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class _Used:
    forget_at: float
    device: bytes
    challenge: bytes


class Challenges:
    """`clock` gives steady seconds. The key is new with each start, so that one handed out before a crash,
    and perhaps used, is worth nothing after it."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._key = secrets.token_bytes(32)
        # So that a challenge does not tell how long the machine has been up.
        self._shift = secrets.randbelow(2**40)
        self._used: set[bytes] = set()
        self._in_order: deque[_Used] = deque()
        self._by_device: Counter[bytes] = Counter()

    def new(self, device: bytes) -> bytes:
        """32 bytes, for this device, for a minute. The same whether the device is known or not."""
        milliseconds = int(self._clock() * 1000) + self._shift
        head = milliseconds.to_bytes(_TIME_BYTES, "big") + secrets.token_bytes(_RANDOM_BYTES)
        return head + self._mac(device, head)

    def check(self, device: bytes, challenge: bytes) -> None:
        """Raises unlock.bad_challenge for one that is not of this device, too old, or used."""
        head, mac = challenge[:_HEAD_BYTES], challenge[_HEAD_BYTES:]
        genuine = hmac.compare_digest(self._mac(device, head), mac)
        issued = (int.from_bytes(head[:_TIME_BYTES], "big") - self._shift) / 1000
        if not genuine or self._clock() - issued > CHALLENGE_SECONDS or challenge in self._used:
            raise error("unlock.bad_challenge")

    def use(self, device: bytes, challenge: bytes) -> None:
        """Once `check` has passed and the signature held. Raises limit.rate."""
        now = self._clock()
        self._forget(now)
        if self._by_device[device] >= PER_MINUTE:
            raise error("limit.rate")
        self._used.add(challenge)
        self._by_device[device] += 1
        # By then it is too old, whenever it was handed out.
        self._in_order.append(_Used(now + CHALLENGE_SECONDS + 1, device, challenge))

    def _forget(self, now: float) -> None:
        while self._in_order and self._in_order[0].forget_at < now:
            used = self._in_order.popleft()
            self._used.discard(used.challenge)
            self._by_device[used.device] -= 1
            if self._by_device[used.device] <= 0:
                del self._by_device[used.device]

    def _mac(self, device: bytes, head: bytes) -> bytes:
        return hmac.new(self._key, device + head, hashlib.sha256).digest()[:_MAC_BYTES]
