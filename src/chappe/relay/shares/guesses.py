"""Guesses that are judged together: what is known of each on its way from admission to answer.

A guess costs two durable changes, one that takes a try off and one that brings the tries back, and nothing
else of it takes as long. So many share both, in the order that the rules ask for: all tries are taken off,
durably; then all are compared; then those that were right get their tries back; then the answers are sealed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from chappe.relay.shares.sealed import seal_answer
from chappe.relay.shares.store import Row
from chappe.wire.errors import ChappeError
from chappe.wire.unlock import TRIES, WAITS, Answer, Guess
from chappe.wire.wiping import wipe

MOST_TOGETHER: Final = 64
"""Guesses in one durable change: beyond, what is shared costs less than the wait for it."""

Asked: TypeAlias = tuple[bytes, bytes]
"""The device that asks, and its sealed guess."""
Outcome: TypeAlias = bytes | ChappeError
"""A sealed answer, or why there is none."""


@dataclass(slots=True)
class Try:
    """One admitted guess. `row` is None where the share was destroyed; `wait` is what a wrong one brings."""

    place: int
    guess: Guess = field(repr=False)
    row: Row | None
    tries: int = 0
    wait: int = 0
    share: bytes | None = field(default=None, repr=False)
    answer: Answer | ChappeError | None = None

    def count(self, row: Row) -> None:
        """What stands in the row once this try is taken off."""
        self.tries = row.tries - 1
        self.wait = WAITS[TRIES - self.tries - 1] if self.tries else 0

    def sealed(self) -> Outcome:
        """For whoever asked."""
        assert self.answer is not None
        if isinstance(self.answer, ChappeError):
            return self.answer
        return seal_answer(self.guess.answer_key, self.answer)

    def wipe(self) -> None:
        wipe(self.guess.auth, self.guess.answer_key, self.share)
        self.share = None


def rounds(asked: Sequence[Asked]) -> Iterator[list[tuple[int, Asked]]]:
    """Those that may be judged together, with their places: no device twice, and each device's in their
    order. The second guess of one device has to see what came of the first."""
    left = list(enumerate(asked))
    while left:
        now: dict[bytes, tuple[int, Asked]] = {}
        later = []
        for one in left:
            device = one[1][0]
            if device in now or len(now) == MOST_TOGETHER:
                later.append(one)
            else:
                now[device] = one
        yield list(now.values())
        left = later


def longest_wait(row: Row) -> int:
    """Seconds that a device may have to wait with so many tries left."""
    return WAITS[TRIES - row.tries - 1] if row.tries < TRIES else 0
