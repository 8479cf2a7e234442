"""What a line that signed in may ask for: so much at once, and so much coming back with each second.

In the event loop alone, in memory alone. By line, not by device or socket: neither signing in anew nor one
more device brings anything. What is refused has cost nothing, and the socket that it came from is not read
for a moment: a flood waits in its own connection, and not in front of others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chappe.relay.limits import Allowance, Allowances
from chappe.relay.session import Ask
from chappe.wire import frames
from chappe.wire.errors import ChappeError

MIB: Final = 1024 * 1024
HOLD_SECONDS: Final = 0.25
"""How long a socket is not read after each request that was refused for its rate."""
RECIPIENTS_OF_ONE: Final = 64
"""A message to so many costs twice what one to a single device does: each is a row."""
SENDING: Final = (frames.Send, frames.Commit)
FREE: Final = (frames.Lookup, frames.Subscribe, frames.Enrol)
"""Have allowances of their own."""


@dataclass(frozen=True, slots=True)
class QuotaLimits:
    """Messages and commits of a line, bytes of them, and requests of every other kind."""

    sends: float = 2_000
    sends_per_second: float = 20
    size: float = 256 * MIB
    size_per_second: float = MIB
    others: float = 1_000
    others_per_second: float = 5
    groups: float = 500
    groups_per_second: float = 100 / 86_400
    """Conversations that are begun: the relay keeps a row of each, for good."""


class Quotas:
    def __init__(self, limits: QuotaLimits) -> None:
        self._sends: Allowances[bytes] = Allowances(limits.sends, limits.sends_per_second)
        self._sizes: Allowances[bytes] = Allowances(limits.size, limits.size_per_second)
        self._others: Allowances[bytes] = Allowances(limits.others, limits.others_per_second)
        self._groups: Allowances[bytes] = Allowances(limits.groups, limits.groups_per_second)

    def spend(self, line: bytes, ask: Ask, now: float) -> None:
        """Raises limit.rate, and takes nothing, where there is not so much left."""
        frame = ask.frame
        if isinstance(frame, FREE):
            return
        if not isinstance(frame, SENDING):
            self._others.of(line, now).spend(now)
            return
        recipients = len(frame.to)
        if isinstance(frame, frames.Commit):
            recipients += sum(len(welcome.to) for welcome in frame.welcomes)
        amount = 1 + recipients // RECIPIENTS_OF_ONE
        begins = isinstance(frame, frames.Commit) and frame.epoch == 0
        sends, sizes = self._sends.of(line, now), self._sizes.of(line, now)
        sends.spend(now, amount)
        try:
            sizes.spend(now, ask.weight)
        except ChappeError:
            sends.give_back(amount)
            raise
        if begins:
            try:
                self._groups.of(line, now).spend(now)
            except ChappeError:
                sends.give_back(amount)
                sizes.give_back(ask.weight)
                raise


class Ration:
    """How many one-time key packages of a device a line may take in a day; then it gets the last-resort one,
    which does not end. Only in the writer's thread."""

    def __init__(self, per_day: float) -> None:
        self._taken: Allowances[tuple[bytes, int]] = Allowances(per_day, per_day / 86_400)

    def of(self, line: bytes, mailbox: int, now: int) -> Allowance:
        return self._taken.of((line, mailbox), now)
