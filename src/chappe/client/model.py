"""What a phone shows: values without secrets, made from the store's rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from chappe.wire.rosters import fingerprint
from chappe.wire.terms import REMINDER_DAYS, utc_date


@dataclass(frozen=True, slots=True)
class Contact:
    """A line that this one knows. `new_…`: another identity, which waits for a person to accept it."""

    address: str
    line_id: bytes
    identity_key: bytes
    verified: bool
    new_line_id: bytes | None = None
    new_identity_key: bytes | None = None

    @property
    def changed(self) -> bool:
        """Its identity is not the one known; nothing is sent to it."""
        return self.new_identity_key is not None

    @property
    def identity(self) -> bytes:
        """What a person judges, compares and accepts: line id and identity key, 48 bytes; the new ones where
        they changed."""
        if self.new_line_id is not None and self.new_identity_key is not None:
            return self.new_line_id + self.new_identity_key
        return self.line_id + self.identity_key


@dataclass(frozen=True, slots=True)
class LineTerm:
    """The line's term. `stage`: active, grace, suspended or closed. Instants (Unix seconds) are the first at
    which the next stage holds; from `forgotten` on the relay may destroy what opens this line's vaults."""

    stage: str
    ends: int
    suspends: int
    closes: int
    forgotten: int

    @property
    def last_day(self) -> date:
        """The last one that is paid, UTC."""
        return utc_date(self.ends - 1)

    def reminder(self, now: int) -> int | None:
        """Which reminder is due (30, 7 or 1 days); None while there is time, and after the end."""
        left = (self.last_day - utc_date(now)).days
        due = [days for days in REMINDER_DAYS if left <= days]
        return min(due) if due and left >= 0 and self.stage == "active" else None

    def days_left(self, now: int) -> int:
        """Whole days after today; 0 on the last one."""
        return (self.last_day - utc_date(now)).days


@dataclass(frozen=True, slots=True)
class Conversation:
    """`kind`: direct or group. `members`: addresses, this line's too. `timer`: what members agreed on, in
    seconds, 0 for off; `timer_here`: what this device obeys, where its organisation allows less."""

    id: bytes
    kind: str
    name: str
    timer: int
    timer_here: int
    members: tuple[str, ...]
    active: bool
    unread: int
    last_at: int


@dataclass(frozen=True, slots=True)
class SharedFile:
    """`size` in bytes of the file itself. The rest is what its sender says of it: `kind` file, photo, voice
    or empty, `width` and `height` in pixels, `seconds` of a voice note; 0 where there are none."""

    name: str
    size: int
    content_type: str
    kind: str = ""
    width: int = 0
    height: int = 0
    seconds: int = 0


@dataclass(frozen=True, slots=True)
class ShownMessage:
    """`kind`: text, file, deleted, unreadable, unknown; gap (`text`: how many of the sender's messages are
    missing) and fork (number or history), which this device noticed itself. `state`:
    queued, sent, delivered, read, failed for
    own messages; received for others'. `at`, `expires_at`: Unix seconds."""

    id: bytes
    conversation: bytes
    sender: str
    mine: bool
    at: int
    kind: str
    text: str
    edited: bool
    reply_to: bytes | None
    reactions: tuple[tuple[str, str], ...]
    file: SharedFile | None
    state: str
    expires_at: int | None


@dataclass(frozen=True, slots=True)
class Organisation:
    """Whose line this is: its name, as the relay says it, and its fleet key."""

    name: str
    fleet_key: bytes

    @property
    def fingerprint(self) -> str:
        """The fleet key's SHA-256, 32 digits of it in groups of four: to compare with what an officer has."""
        return fingerprint(self.fleet_key)


@dataclass(frozen=True, slots=True)
class OrderProgress:
    """What became of an order at one device. Times in Unix seconds; None: not yet. `unreadable_at`: since
    then no share of it is released; `removed` of `conversations` it is out of. `done_at`: of its receipt,
    which was checked here. `has_pin`: without one there never was a share to destroy."""

    order: bytes
    kind: str
    reason: str
    device: bytes
    address: str
    ordered_at: int
    unreadable_at: int | None
    conversations: int | None
    removed: int
    removed_at: int | None
    done_at: int | None
    has_pin: bool = True


@dataclass(frozen=True, slots=True)
class DeviceInfo:
    """A device of this line; `this` marks the one that asks."""

    device_id: bytes
    issued_at: int
    this: bool
