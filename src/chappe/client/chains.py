"""The chain of messages, kept: this device's own links, and what it has seen of everybody else's
(docs/decisions/0012). Every call belongs in the change that keeps the message itself."""

from __future__ import annotations

import secrets
from enum import Enum
from typing import Final

import msgspec

from chappe.client import chain
from chappe.client.chain import Hole, Stream
from chappe.client.core import Core
from chappe.client.events import Fork, Gap, Replay
from chappe.client.messages import Messages
from chappe.mls import Group
from chappe.wire import chain as wire
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.chain import Item, Kind, Link

GRACE: Final = 15
"""Seconds after which what is missing is told: a device that was told to wait may say one message late."""
MAX_STREAMS: Final = 4
"""Of a device, in a conversation: it begins one when it comes in."""

NUMBER: Final = "number"
"""A fork of one device's messages: two with one number, or one that does not follow on the one before."""
HISTORY: Final = "history"
"""Of the conversation: a message of another history than the one that this device knows."""

_RESET: Final = (
    "UPDATE conversations SET stream = ?, counter = 0, head = ?, joined = ?, strange_epoch = -1 WHERE id = ?"
)


class Heed(Enum):
    """What is to be done with what a message holds. `LATE`: messages came already that were written after."""

    NOT = "not"
    NOW = "now"
    LATE = "late"


class Chains:
    def __init__(self, core: Core, messages: Messages) -> None:
        self._core = core
        self._store = core.store
        self._messages = messages

    def begin(self, id_: bytes, epoch: int) -> None:
        """This device comes into a conversation: it begins a stream of its own, and each of the others' with
        what it sees first of it."""
        self._store.run(_RESET, secrets.token_bytes(wire.STREAM_BYTES), wire.START, epoch, id_)
        for table in ("chains", "voids"):
            self._store.run(f"DELETE FROM {table} WHERE conversation = ?", id_)

    # --- sending

    def link(self, conversation: bytes, epoch: int, content: bytes) -> bytes:
        """The next link of this device, for a content, encoded."""
        stream, counter, head = self._store.one(  # type: ignore[misc]
            "SELECT stream, counter, head FROM conversations WHERE id = ?", conversation
        )
        link = Link(stream, counter + 1, epoch, head)
        hash_ = link.hash(conversation, self._core.me.device_id, wire.digest_of(content))
        self._store.run(
            "UPDATE conversations SET counter = ?, head = ? WHERE id = ?", link.counter, hash_, conversation
        )
        return link.encode()

    def lost(self, conversation: bytes, link: bytes, body: bytes) -> None:
        """The relay refused a message for good: the others are to know that nothing is missing."""
        item = wire.decode(link + body)
        self._store.run(
            "INSERT INTO voids (conversation, link, digest) VALUES (?, ?, ?)",
            conversation,
            wire.voided(link),
            item.digest,
        )

    def take_voids(self, conversation: bytes) -> list[tuple[bytes, bytes]]:
        """Links and digests that the others have to be told; they are the caller's to send."""
        rows = self._store.all(
            "SELECT link, digest FROM voids WHERE conversation = ? ORDER BY row", conversation
        )
        if rows:
            self._store.run("DELETE FROM voids WHERE conversation = ?", conversation)
        return [(link, digest) for link, digest in rows]

    # --- receiving

    def take(self, conversation: bytes, sender: DeviceCertificate, item: Item) -> Heed:
        """Not to be heeded is what came before, and what holds nothing."""
        if item.link is None:
            return Heed.NOW
        key = (conversation, sender.device_id, item.link.stream)
        before = self._stream(*key)
        hash_ = item.link.hash(conversation, sender.device_id, item.digest)
        (joined,) = self._store.one(  # type: ignore[misc]
            "SELECT joined FROM conversations WHERE id = ?", conversation
        )
        taken = chain.take(before, item.link, hash_, now=self._core.now(), joined=joined)
        if taken.stream is not before:
            self._keep(*key, taken.stream, sender.address)
        if taken.filled:
            self._filled(conversation, sender.address, taken.stream, taken.filled)
        if taken.verdict == chain.AGAIN:
            self.replayed(conversation)
            return Heed.NOT
        if taken.verdict == chain.FORK:
            self._forked(conversation, sender.address, NUMBER, told=before is not None and before.forked)
        if item.kind is Kind.VOID:
            return Heed.NOT
        return Heed.LATE if before is not None and item.link.counter < before.high else Heed.NOW

    def late(self, conversation: bytes, address: str) -> None:
        """The message just shown was written before others that stand above it: whoever held it back, or the
        others up, chose the order."""
        self._messages.insert_notice(conversation, address, "late", "")

    def replayed(self, conversation: bytes) -> None:
        """What came before came again: nothing is done but to count it."""
        self._store.run("UPDATE conversations SET replays = replays + 1 WHERE id = ?", conversation)
        row = self._store.one("SELECT replays FROM conversations WHERE id = ?", conversation)
        self._core.tell(Replay(conversation, 0 if row is None else row[0]))

    def check_history(self, group: Group, epoch: int, claimed: bytes, address: str) -> None:
        """Of a message that opened, from `address`, or that did not: then its word is nobody's."""
        known = group.transcript_hash(epoch)
        if known is None or claimed == wire.history(group.group_id, epoch, known):
            return
        if not address and not wire.is_history(claimed):
            return
        moved = self._store.changed(
            "UPDATE conversations SET strange_epoch = ? WHERE id = ? AND strange_epoch < ?",
            epoch,
            group.group_id,
            epoch,
        )
        self._forked(group.group_id, address, HISTORY, told=not moved)

    def _forked(self, conversation: bytes, address: str, what: str, *, told: bool) -> None:
        if not told:
            self._messages.insert_notice(conversation, address, "fork", what)
        self._core.tell(Fork(conversation, address, what))

    def _stream(self, conversation: bytes, device: bytes, stream: bytes) -> Stream | None:
        row = self._store.one(
            "SELECT state FROM chains WHERE conversation = ? AND device = ? AND stream = ?",
            conversation,
            device,
            stream,
        )
        return None if row is None else chain.decode(row[0])

    def _keep(self, conversation: bytes, device: bytes, stream: bytes, state: Stream, address: str) -> None:
        due = [hole.since + GRACE for hole in state.holes if not hole.quiet and not hole.notice]
        if due:
            self._messages.on_expiry()
        new = self._store.changed(
            "UPDATE chains SET state = ?, due = ? WHERE conversation = ? AND device = ? AND stream = ?",
            chain.encode(state),
            min(due, default=None),
            conversation,
            device,
            stream,
        )
        if new:
            return
        self._store.run(
            "INSERT INTO chains (conversation, device, stream, address, state, due) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            conversation,
            device,
            stream,
            address,
            chain.encode(state),
            min(due, default=None),
        )
        self._store.run(
            "DELETE FROM chains WHERE row IN (SELECT row FROM chains WHERE conversation = ? AND device = ? "
            "ORDER BY row DESC LIMIT -1 OFFSET ?)",
            conversation,
            device,
            MAX_STREAMS,
        )

    # --- what is missing

    def next_due(self) -> float | None:
        """When something missing is to be told, in Unix seconds."""
        row = self._store.one("SELECT min(due) FROM chains WHERE due NOT NULL")
        return None if row is None else row[0]

    def sweep(self) -> None:
        """Tell of what is still missing. Only once nothing waits in the mailbox: it may be in there."""
        now = self._core.now()
        rows = self._store.all(
            "SELECT conversation, device, stream, address, state FROM chains WHERE due <= ?", now
        )
        if not rows:
            return
        with self._core.change():
            for conversation, device, stream, address, state in rows:
                before = chain.decode(state)
                holes = tuple(self._told(conversation, address, hole, now) for hole in before.holes)
                after = msgspec.structs.replace(before, holes=holes)
                self._keep(conversation, device, stream, after, address)

    def _told(self, conversation: bytes, address: str, hole: Hole, now: int) -> Hole:
        if hole.quiet or hole.notice or hole.since + GRACE > now:
            return hole
        notice = self._messages.insert_notice(conversation, address, "gap", str(hole.count))
        self._core.tell(Gap(conversation, address, hole.count, notice))
        return msgspec.structs.replace(hole, notice=notice)

    def _filled(self, conversation: bytes, address: str, stream: Stream, notice: bytes) -> None:
        """Some of what was told to be missing came after all."""
        left = chain.missing(stream, notice)
        self._messages.change_notice(notice, str(left) if left else None)
        self._core.tell(Gap(conversation, address, left, notice))
