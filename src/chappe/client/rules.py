"""What an organisation rules of messages here (docs/protocol.md section 12.2): how long they stay, and who
hears of reading."""

from __future__ import annotations

from collections.abc import Callable

from chappe.wire.errors import error
from chappe.wire.orders import MAX_TIMER, FleetPolicy


class Rules:
    """`bounds`: as they hold now."""

    def __init__(self, bounds: Callable[[], FleetPolicy | None]) -> None:
        self._bounds = bounds

    @property
    def most(self) -> int:
        """The longest that a message stays here after it was read, in seconds; 0: nothing is ruled."""
        bounds = self._bounds()
        return 0 if bounds is None else bounds.disappear_max

    @property
    def first_timer(self) -> int:
        """What a conversation made here begins with."""
        bounds = self._bounds()
        return 0 if bounds is None else bounds.first_timer

    @property
    def receipts(self) -> bool:
        """Whether reading is told to others, and noted of them. No person chooses here: only `off` rules."""
        bounds = self._bounds()
        return bounds is None or bounds.receipts != "off"

    def timer(self, agreed: int) -> int:
        """What this device obeys where members agreed on `agreed`."""
        bounds = self._bounds()
        return agreed if bounds is None else bounds.timer(agreed)

    def within(self, seconds: int | None) -> int | None:
        """What a message may say of its own time: seconds from reading on, or None. Sooner stays sooner."""
        if not self.most:
            return seconds
        return self.most if seconds is None else min(seconds, self.most)

    def check_timer(self, seconds: int) -> None:
        """Raises usage.invalid for a timer that nobody may set here."""
        if not 0 <= seconds <= MAX_TIMER:
            raise error("usage.invalid", "A timer is between 0 seconds and 366 days.")
        if self.timer(seconds) != seconds:
            raise error(
                "usage.invalid",
                f"This line's organisation lets a message stay {_words(self.most)} after it was read.",
            )


def _words(seconds: int) -> str:
    """In the largest unit that goes into it."""
    units = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))
    unit, length = next(one for one in units if seconds % one[1] == 0)
    count = seconds // length
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"
