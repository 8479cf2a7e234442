"""What a phone tells whoever watches it. Each is told after the store holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeAlias

from chappe.client.model import Conversation, ShownMessage


@dataclass(frozen=True, slots=True)
class MessageReceived:
    """A message of somebody else, or of another device of this line, is here."""

    message: ShownMessage


@dataclass(frozen=True, slots=True)
class MessageChanged:
    """A message was edited, deleted, reacted to, or its state moved on."""

    message: ShownMessage


@dataclass(frozen=True, slots=True)
class MessageGone:
    """A message has disappeared: its time was over."""

    conversation: bytes
    message: bytes


@dataclass(frozen=True, slots=True)
class MessageSent:
    """The relay holds the message for everybody it is for."""

    conversation: bytes
    message: bytes


@dataclass(frozen=True, slots=True)
class ReceiptReceived:
    """`status`: delivered or read."""

    conversation: bytes
    message: bytes
    address: str
    status: str


@dataclass(frozen=True, slots=True)
class Typing:
    """Somebody writes; told and kept nowhere. To be shown until `until` (Unix seconds), or until a message of
    that line comes."""

    conversation: bytes
    address: str
    until: int


@dataclass(frozen=True, slots=True)
class ConversationChanged:
    """`what`: joined, members, description, left; removed_by_order, when a fleet order put out a device of
    `address`: so says the member who carried it out."""

    conversation: Conversation
    what: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class IdentityChanged:
    """The line behind an address has another identity key; nothing is sent to it until it is accepted."""

    address: str


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A message could not be opened."""

    conversation: bytes | None
    code: str


@dataclass(frozen=True, slots=True)
class Gap:
    """`count` messages of a line are missing; fewer than before where some came after all, 0 where all did.
    `message`: the notice in the conversation."""

    name: ClassVar[str] = "gap"
    conversation: bytes
    address: str
    count: int
    message: bytes


@dataclass(frozen=True, slots=True)
class Replay:
    """A message came again and was dropped. `count`: of this conversation, so far."""

    name: ClassVar[str] = "replay"
    conversation: bytes
    count: int


@dataclass(frozen=True, slots=True)
class Fork:
    """`what`: number, where a device's messages do not follow on one another; history, where a message is of
    another history of the conversation: of nobody (empty address) where it did not open."""

    name: ClassVar[str] = "fork"
    conversation: bytes
    address: str
    what: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Something queued was refused for good and is no longer tried."""

    conversation: bytes | None
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class OrderObeyed:
    """A fleet order was carried out here: `kind` is lock, policy or revoke; erase, after which nothing is
    left of the profile."""

    kind: str
    reason: str
    order: bytes


@dataclass(frozen=True, slots=True)
class OrderRefused:
    """What came as a fleet order is none that this device obeys; nothing was changed. `code` says why."""

    code: str


@dataclass(frozen=True, slots=True)
class TermChanged:
    """The line's term is another now, or has come to its next stage: active, grace, suspended or closed."""

    stage: str
    ends: int


@dataclass(frozen=True, slots=True)
class LogAlarm:
    """The relay or its transparency log does not do what it should. `code`: log.forked, log.frozen,
    log.not_there, log.own_line, log.broken, relay.silent or relay.key_reused; the others as in
    `chappe.client.log_alarms.Alarm`, which is kept."""

    code: str
    conversation: bytes | None
    address: str
    device: str


@dataclass(frozen=True, slots=True)
class LogSettled:
    """The log has, after all, what was missing: sending goes on in the conversation."""

    conversation: bytes
    address: str


@dataclass(frozen=True, slots=True)
class Online:
    """Signed in."""


@dataclass(frozen=True, slots=True)
class Offline:
    """The connection ended; `code` says why."""

    code: str


Event: TypeAlias = (
    MessageReceived
    | MessageChanged
    | MessageGone
    | MessageSent
    | ReceiptReceived
    | Typing
    | ConversationChanged
    | IdentityChanged
    | Unreadable
    | Gap
    | Replay
    | Fork
    | Failed
    | OrderObeyed
    | OrderRefused
    | TermChanged
    | LogAlarm
    | LogSettled
    | Online
    | Offline
)
