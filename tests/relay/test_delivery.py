"""In whatever order things happen, each sequence of a mailbox is pushed once, and in order."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from chappe.relay.delivery import (
    LARGEST_FROM_MEMORY,
    PAGE_ITEMS,
    WINDOW_BYTES,
    WINDOW_ITEMS,
    Delivery,
)
from chappe.wire.errors import ChappeError

SIZES = st.sampled_from(
    [1, 1_000, LARGEST_FROM_MEMORY, LARGEST_FROM_MEMORY + 1, WINDOW_BYTES, 2 * WINDOW_BYTES]
)


@dataclass
class Reading:
    """A page that was asked for: first it sees the mailbox as it then is, later its answer arrives."""

    after: int
    room: int
    sizes: list[tuple[int, int]] = field(default_factory=list)
    complete: bool = False
    seen: bool = False


class Mailbox(RuleBasedStateMachine):
    """The shell around `Delivery`, as session and store are, with every delay that they may have."""

    def __init__(self) -> None:
        super().__init__()
        self.delivery = Delivery(0)
        self.stored: dict[int, int] = {}
        self.last = 0
        self.notices: list[tuple[int, int]] = []
        self.reading: Reading | None = None
        self.pushed: list[int] = []
        self.held: dict[int, int] = {}
        self.expired: set[int] = set()
        self._ask()

    def _ask(self) -> None:
        if self.delivery.wants_page():
            assert self.reading is None
            self.reading = Reading(self.delivery.pushed, self.delivery.room)

    def _push(self, sequence: int, size: int) -> None:
        self.pushed.append(sequence)
        self.held[sequence] = size

    @rule(size=SIZES, count=st.integers(1, 200))
    def store(self, size: int, count: int) -> None:
        """Durable; the session hears of it later."""
        for _ in range(count):
            self.last += 1
            self.stored[self.last] = size
            self.notices.append((self.last, size))

    @precondition(lambda self: self.notices)
    @rule(count=st.integers(1, 300))
    def hear(self, count: int) -> None:
        for sequence, size in self.notices[:count]:
            if self.delivery.offer(sequence, size):
                self._push(sequence, size)
            else:
                self._ask()
        del self.notices[:count]

    @precondition(lambda self: self.notices)
    @rule(count=st.integers(1, 300), told=st.booleans())
    def never_hear(self, count: int, told: bool) -> None:
        """Another process stored it, and word of it was lost. Sooner or later somebody looks."""
        del self.notices[:count]
        if told:
            self.look()

    def look(self) -> None:
        self.delivery.look()
        self._ask()

    @precondition(lambda self: self.reading is not None and not self.reading.seen)
    @rule()
    def page_is_read(self) -> None:
        reading = self.reading
        assert reading is not None
        total = 0
        later = [sequence for sequence in sorted(self.stored) if sequence > reading.after]
        for sequence in later[:PAGE_ITEMS]:
            reading.sizes.append((sequence, self.stored[sequence]))
            total += self.stored[sequence]
            if total >= reading.room:
                break
        reading.complete = total < reading.room and len(reading.sizes) < PAGE_ITEMS
        reading.seen = True

    @precondition(lambda self: self.reading is not None)
    @rule()
    def page_arrives(self) -> None:
        if self.reading is not None and not self.reading.seen:
            self.page_is_read()
        reading, self.reading = self.reading, None
        assert reading is not None
        count = self.delivery.page(reading.sizes, complete=reading.complete)
        for sequence, size in reading.sizes[:count]:
            self._push(sequence, size)
        self._ask()

    @precondition(lambda self: self.reading is not None)
    @rule()
    def page_fails(self) -> None:
        self.reading = None
        self.delivery.page_failed()
        # The shell asks again after a while; nothing else may ask in between but an event.
        self._ask()

    @precondition(lambda self: self.pushed)
    @rule(share=st.floats(0, 1))
    def acknowledge(self, share: float) -> None:
        upto = self.pushed[int(share * (len(self.pushed) - 1))]
        self.delivery.acknowledge(upto)
        for sequence in [s for s in self.stored if s <= upto]:
            del self.stored[sequence]
        self.held = {s: size for s, size in self.held.items() if s > upto}
        self._ask()

    @precondition(lambda self: self.stored)
    @rule(share=st.floats(0, 1))
    def expire(self, share: float) -> None:
        """The oldest that are left are swept, pushed or not."""
        oldest = sorted(self.stored)
        for sequence in oldest[: int(share * len(oldest))]:
            del self.stored[sequence]
            self.expired.add(sequence)

    @rule(beyond=st.integers(1, 2**50))
    def acknowledge_too_much(self, beyond: int) -> None:
        with pytest.raises(ChappeError, match=r"mailbox\.not_yours"):
            self.delivery.acknowledge(self.delivery.pushed + beyond)

    @invariant()
    def in_order_and_once(self) -> None:
        assert self.pushed == sorted(set(self.pushed))

    @invariant()
    def within_the_window(self) -> None:
        assert len(self.held) <= WINDOW_ITEMS
        # One more is let in while there is any room, however large it is.
        sizes = list(self.held.values())
        assert not sizes or sum(sizes) - max(sizes) <= WINDOW_BYTES

    def teardown(self) -> None:
        """With a device that reads and acknowledges, everything comes."""
        self.look()
        for _ in range(10_000):
            if self.notices:
                self.hear(len(self.notices))
            elif self.reading is not None:
                self.page_arrives()
            elif self.held:
                self.acknowledge(1.0)
            else:
                break
        else:
            raise AssertionError("it never comes to rest")
        missed = set(range(1, self.last + 1)) - set(self.pushed) - self.expired
        assert not missed, f"never pushed: {sorted(missed)[:10]}"


TestMailbox = Mailbox.TestCase
TestMailbox.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
