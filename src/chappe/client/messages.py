"""Messages as the store has them: what a content does to them, and how they are shown."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from typing import Final

import msgspec

from chappe.client.core import Core
from chappe.client.events import MessageChanged, MessageGone, MessageReceived, ReceiptReceived, Typing
from chappe.client.groups import Groups
from chappe.client.model import SharedFile, ShownMessage
from chappe.client.rules import Rules
from chappe.vault.store import Row
from chappe.wire import content as c
from chappe.wire.errors import ChappeError, error

MAX_READ_RECEIPT_LINES: Final = 32
MIN_PREFIX: Final = 4
TYPING_SHOWN: Final = 6
"""Seconds."""
TYPING_LATE: Final = 30
"""Seconds since the relay took it in, by this device's clock: clocks may differ by some of that."""
_NOT_SENDABLE: Final = (
    f"This cannot be sent: a text is UTF-8 and has at most {c.MAX_TEXT} bytes, a reaction 1 to {c.MAX_EMOJI}."
)

_SHOWN: Final = (
    "SELECT id, conversation, address, mine, at, kind, text, edited, reply_to, file, state, expires_at, row "
    "FROM messages"
)
_BEGUN: Final = "min(coalesce(expires_at, ? + expires_in), coalesce(? + expires_in, expires_at))"
"""When a message disappears whose time begins now (twice); what comes first of that and its own time."""


@dataclass(frozen=True, slots=True)
class Incoming:
    """A content with where it comes from. `own`: from this very device."""

    conversation: bytes
    id: bytes
    address: str
    at: int
    message: c.Message
    own: bool = False


class StoredFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What it takes to fetch and open a file; in the store only."""

    url: str
    key: bytes
    nonce: bytes
    hash: bytes
    size: int
    content_type: str
    name: str
    description: str
    media: tuple[str, int, int, int] | None = None
    """Kind, width, height, seconds, as the sender says."""

    def __repr__(self) -> str:
        return f"<StoredFile of {self.size} bytes>"


class Messages:
    def __init__(self, core: Core, groups: Groups, rules: Rules) -> None:
        self._core = core
        self._rules = rules
        self._store = core.store
        self._groups = groups
        self.to_confirm: dict[bytes, list[bytes]] = {}
        """By conversation, messages that just came and whose arrival its sender wants to know."""

    # --- what a content does

    def new(
        self,
        conversation: bytes,
        body: c.Body,
        *,
        replaces: bytes | None = None,
        in_reply_to: bytes | None = None,
        timer: int = 0,
    ) -> tuple[bytes, bytes]:
        """A content of this line: its id and its bytes. Raises content.malformed."""
        expires = c.Expiry(True, timer) if timer else None
        if isinstance(body, c.Typing | c.Delivery):
            expires = c.TYPING_EXPIRY
        salt, log = secrets.token_bytes(c.SALT_BYTES), self.log_head()
        message = c.Message(salt, body, replaces, in_reply_to, expires, log=log)
        try:
            data = c.encode(message)
        except (ChappeError, UnicodeEncodeError):
            raise error("content.malformed", _NOT_SENDABLE) from None
        return self.id_of(conversation, self._core.me.address, data), data

    def timer_of(self, conversation: bytes) -> int:
        """What this device's messages there carry: what members agreed on, or what the organisation rules."""
        row = self._store.one("SELECT timer FROM conversations WHERE id = ?", conversation)
        return self._rules.timer(0 if row is None else int(row[0]))

    def log_head(self) -> c.LogHead | None:
        """Set by the owner: what this device has read of the transparency log."""
        return None

    def on_log_head(self, conversation: bytes, address: str, head: c.LogHead) -> None:
        """Set by the owner: what the sender of a message has read of it."""

    def id_of(self, conversation: bytes, address: str, data: bytes) -> bytes:
        room = c.room_uri(self._core.me.server, conversation)
        return c.message_id(c.sender_uri(address), room, data)

    def apply(self, incoming: Incoming) -> None:
        """Let a content do what it does. What it has no right to do, it does not do."""
        body, replaces = incoming.message.body, incoming.message.replaces
        if incoming.message.log is not None and not incoming.own:
            self.on_log_head(incoming.conversation, incoming.address, incoming.message.log)
        if isinstance(body, c.Typing):
            self._take_typing(incoming)
        elif isinstance(body, c.Receipt):
            self._take_receipt(incoming, body)
        elif isinstance(body, c.Reaction):
            self._react(incoming, body)
        elif isinstance(body, c.Deleted):
            self._take_back(incoming)
        elif replaces is not None:
            self._edit(incoming, replaces)
        else:
            self._insert(incoming)

    def _take_typing(self, incoming: Incoming) -> None:
        now = self._core.now()
        if incoming.address != self._core.me.address and now - incoming.at <= TYPING_LATE:
            self._core.tell(Typing(incoming.conversation, incoming.address, now + TYPING_SHOWN))

    def _insert(self, incoming: Incoming) -> None:
        message, address = incoming.message, incoming.address
        mine = address == self._core.me.address
        kind, text, file = _parts(message.body)
        expires_in, expires_at = _expiry(message.expires)
        if expires_at is not None and expires_at <= self._core.now():
            return
        expires_in = self._rules.within(expires_in)
        if mine and not incoming.own and expires_in is not None:
            begun = incoming.at + expires_in
            expires_at = begun if expires_at is None else min(begun, expires_at)
        state = "queued" if incoming.own else "sent" if mine else "received"
        added = self._store.changed(
            "INSERT OR IGNORE INTO messages (id, conversation, address, mine, at, kind, text, reply_to, "
            "file, state, expires_in, expires_at, read, seen) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            incoming.id,
            incoming.conversation,
            address,
            mine,
            incoming.at,
            kind,
            text,
            message.in_reply_to,
            file,
            state,
            expires_in,
            expires_at,
            mine,
            mine,
        )
        if not added:
            return
        if expires_at is not None:
            self.on_expiry()
        if not mine and self._is_direct(incoming.conversation):
            self.to_confirm.setdefault(incoming.conversation, []).append(incoming.id)
        if not incoming.own:
            self._core.tell(MessageReceived(self.get(incoming.id)))

    def insert_unreadable(self, conversation: bytes, address: str, at: int) -> None:
        """A place where a message should be."""
        id_ = b"\x00" + secrets.token_bytes(c.ID_BYTES - 1)
        self._store.run(
            "INSERT INTO messages (id, conversation, address, mine, at, kind, text, state, read, seen) "
            "VALUES (?, ?, ?, 0, ?, 'unreadable', '', 'received', 0, 0)",
            id_,
            conversation,
            address,
            at,
        )
        self._core.tell(MessageReceived(self.get(id_)))

    def insert_notice(self, conversation: bytes, address: str, kind: str, text: str) -> bytes:
        """What this device noticed itself, of a line's messages: gap (how many), fork. Gives its id here."""
        id_ = b"\x00" + secrets.token_bytes(c.ID_BYTES - 1)
        self._store.run(
            "INSERT INTO messages (id, conversation, address, mine, at, kind, text, state, read, seen) "
            "VALUES (?, ?, ?, 0, ?, ?, ?, 'received', 1, 0)",
            id_,
            conversation,
            address,
            self._core.now(),
            kind,
            text,
        )
        self._core.tell(MessageReceived(self.get(id_)))
        return id_

    def change_notice(self, id_: bytes, text: str | None) -> None:
        """What it says now; None takes it away. One that is gone stays so."""
        row = self._store.one("SELECT conversation FROM messages WHERE id = ?", id_)
        if row is None:
            return
        if text is None:
            self._store.run("DELETE FROM messages WHERE id = ?", id_)
            self._core.tell(MessageGone(row[0], id_))
            return
        self._store.run("UPDATE messages SET text = ? WHERE id = ?", text, id_)
        self._changed(id_)

    def _edit(self, incoming: Incoming, target: bytes) -> None:
        kind, text, file = _parts(incoming.message.body)
        done = self._store.changed(
            "UPDATE messages SET text = ?, edited = 1 WHERE id = ? AND address = ? AND kind = ? "
            "AND conversation = ? AND ? IS NULL",
            text,
            target,
            incoming.address,
            kind,
            incoming.conversation,
            file,
        )
        if done:
            self._core.tell(MessageChanged(self.get(target)))

    def _take_back(self, incoming: Incoming) -> None:
        target = incoming.message.replaces
        reaction = self._store.one(
            "SELECT target FROM reactions WHERE id = ? AND address = ?", target, incoming.address
        )
        if reaction is not None:
            self._store.run("DELETE FROM reactions WHERE id = ?", target)
            self._changed(reaction[0])
            return
        done = self._store.changed(
            "UPDATE messages SET kind = 'deleted', text = '', file = NULL, edited = 0, reply_to = NULL "
            "WHERE id = ? AND address = ? AND conversation = ?",
            target,
            incoming.address,
            incoming.conversation,
        )
        if done and target is not None:
            self._store.run("DELETE FROM reactions WHERE target = ?", target)
            self._store.run("DELETE FROM proofs WHERE message = ?", target)
            self._changed(target)

    def _react(self, incoming: Incoming, body: c.Reaction) -> None:
        """One reaction a person: the latest counts."""
        target = incoming.message.in_reply_to
        row = self._store.one(
            "SELECT kind FROM messages WHERE id = ? AND conversation = ?", target, incoming.conversation
        )
        if row is None or row[0] == "deleted" or target is None:
            return
        self._store.run("DELETE FROM reactions WHERE target = ? AND address = ?", target, incoming.address)
        self._store.run(
            "INSERT OR IGNORE INTO reactions (id, target, address, emoji) VALUES (?, ?, ?, ?)",
            incoming.id,
            target,
            incoming.address,
            body.emoji,
        )
        self._changed(target)

    def _take_receipt(self, incoming: Incoming, receipt: c.Receipt) -> None:
        if incoming.address == self._core.me.address:
            read = [id_ for id_, status in receipt.statuses if status is c.Status.READ]
            self.set_read(incoming.conversation, read)
            return
        # Who does not say it does not see it: read is no more than delivered, which groups do not say.
        sees_reading, direct = self._rules.receipts, self._is_direct(incoming.conversation)
        for id_, status in receipt.statuses:
            if status is c.Status.READ and not sees_reading:
                if not direct:
                    continue
                status = c.Status.DELIVERED
            row = self._store.one(
                "SELECT state FROM messages WHERE id = ? AND conversation = ? AND mine = 1",
                id_,
                incoming.conversation,
            )
            if row is not None:
                self._note_receipt(incoming, id_, status)

    def _note_receipt(self, incoming: Incoming, id_: bytes, status: c.Status) -> None:
        word = "read" if status is c.Status.READ else "delivered"
        known = self._store.one(
            "SELECT status FROM receipts WHERE message = ? AND address = ?", id_, incoming.address
        )
        if known is not None and known[0] in (word, "read"):
            return
        self._store.run(
            "INSERT OR REPLACE INTO receipts (message, address, status) VALUES (?, ?, ?)",
            id_,
            incoming.address,
            word,
        )
        self._core.tell(ReceiptReceived(incoming.conversation, id_, incoming.address, word))
        others = len(set(self._groups.addresses(incoming.conversation)) - {self._core.me.address})
        (count,) = self._store.one(  # type: ignore[misc]
            "SELECT count(*) FROM receipts WHERE message = ? AND (status = ? OR status = 'read')", id_, word
        )
        if count >= others:
            before = ("queued", "sent") if word == "delivered" else ("queued", "sent", "delivered")
            marks = ", ".join("?" * len(before))
            moved = self._store.changed(
                f"UPDATE messages SET state = ? WHERE id = ? AND state IN ({marks})",
                word,
                id_,
                *before,
            )
            if moved:
                self._changed(id_)

    # --- reading

    def set_read(self, conversation: bytes, ids: list[bytes]) -> None:
        """Mark messages of others as read; what disappears starts to."""
        now = self._core.now()
        for id_ in ids:
            self._store.run(
                f"UPDATE messages SET read = 1, expires_at = {_BEGUN} "
                "WHERE id = ? AND conversation = ? AND mine = 0 AND read = 0",
                now,
                now,
                id_,
                conversation,
            )
        self.on_expiry()

    def unread(self, conversation: bytes) -> list[bytes]:
        rows = self._store.all(
            "SELECT id FROM messages WHERE conversation = ? AND read = 0 AND mine = 0 ORDER BY row",
            conversation,
        )
        return [row[0] for row in rows]

    def sent(self, id_: bytes) -> bool:
        """The relay holds a message of this device. False if that was known, or the message is gone."""
        self.on_expiry()
        moved = self._store.changed(
            f"UPDATE messages SET state = 'sent', expires_at = {_BEGUN} WHERE id = ? AND state = 'queued'",
            self._core.now(),
            self._core.now(),
            id_,
        )
        return moved == 1

    def failed(self, id_: bytes) -> None:
        if self._store.changed("UPDATE messages SET state = 'failed' WHERE id = ? AND state = 'queued'", id_):
            self._changed(id_)

    def on_expiry(self) -> None:
        """Set by the owner: the time of the next `sweep` may have changed."""

    def sweep(self) -> float | None:
        """Take away what has disappeared; gives when the next goes, in Unix seconds."""
        now = self._core.now()
        gone = self._store.all("SELECT id, conversation FROM messages WHERE expires_at <= ?", now)
        if gone:
            with self._core.change():
                for id_, conversation in gone:
                    for statement in _FORGET:
                        self._store.run(statement, id_)
                    self._core.tell(MessageGone(conversation, id_))
        row = self._store.one("SELECT min(expires_at) FROM messages WHERE expires_at NOT NULL")
        return None if row is None else row[0]

    # --- showing

    def get(self, id_: bytes) -> ShownMessage:
        """Raises message.unknown."""
        row = self._store.one(f"{_SHOWN} WHERE id = ?", id_)
        if row is None:
            raise error("message.unknown")
        return self._shown(row)

    def by_prefix(self, prefix: str) -> ShownMessage:
        """By the start of an id in hex, skipping the byte that all share. Raises message.unknown."""
        wanted = prefix.strip().lower()
        if len(wanted) < MIN_PREFIX or any(digit not in "0123456789abcdef" for digit in wanted):
            raise error("message.unknown")
        rows = self._store.all(
            f"{_SHOWN} WHERE lower(hex(id)) LIKE ? OR lower(hex(id)) LIKE ? LIMIT 2",
            f"{wanted}%",
            f"01{wanted}%",
        )
        if len(rows) != 1:
            raise error("message.unknown")
        return self._shown(rows[0])

    def of(self, conversations: list[bytes], limit: int) -> list[ShownMessage]:
        """The latest `limit`, oldest first."""
        marks = ", ".join("?" * len(conversations))
        rows = self._store.all(
            f"{_SHOWN} WHERE conversation IN ({marks}) ORDER BY row DESC LIMIT ?", *conversations, limit
        )
        return [self._shown(row) for row in reversed(rows)]

    def unseen(self, limit: int = 1000) -> list[tuple[int, ShownMessage]]:
        rows = self._store.all(f"{_SHOWN} WHERE seen = 0 ORDER BY row LIMIT ?", limit)
        return [(row[12], self._shown(row)) for row in rows]

    def mark_seen(self, row: int) -> None:
        with self._core.change():
            self._store.run("UPDATE messages SET seen = 1 WHERE row = ?", row)

    def file(self, id_: bytes) -> StoredFile:
        """Raises message.unknown where the message holds no file."""
        row = self._store.one("SELECT file FROM messages WHERE id = ? AND file NOT NULL", id_)
        if row is None:
            raise error("message.unknown", "No such message here, or there is no file in it.")
        return msgspec.msgpack.decode(row[0], type=StoredFile)

    def own_reaction(self, target: bytes, emoji: str) -> bytes:
        """Raises message.unknown."""
        row = self._store.one(
            "SELECT id FROM reactions WHERE target = ? AND address = ? AND emoji = ?",
            target,
            self._core.me.address,
            emoji,
        )
        if row is None:
            raise error("message.unknown", "No such reaction of yours there.")
        found: bytes = row[0]
        return found

    def _is_direct(self, conversation: bytes) -> bool:
        row = self._store.one("SELECT kind FROM conversations WHERE id = ?", conversation)
        return row is not None and row[0] == "direct"

    def _changed(self, id_: bytes) -> None:
        row = self._store.one(f"{_SHOWN} WHERE id = ?", id_)
        if row is not None:
            self._core.tell(MessageChanged(self._shown(row)))

    def _shown(self, row: Row) -> ShownMessage:
        reactions = self._store.all(
            "SELECT emoji, address FROM reactions WHERE target = ? ORDER BY address, emoji", row[0]
        )
        file = None if row[9] is None else msgspec.msgpack.decode(row[9], type=StoredFile)
        return ShownMessage(
            id=row[0],
            conversation=row[1],
            sender=row[2],
            mine=bool(row[3]),
            at=row[4],
            kind=row[5],
            text=row[6],
            edited=bool(row[7]),
            reply_to=row[8],
            reactions=tuple((emoji, address) for emoji, address in reactions),
            file=None if file is None else _shared(file),
            state=row[10],
            expires_at=row[11],
        )


_FORGET: Final = (
    "DELETE FROM reactions WHERE target = ?",
    "DELETE FROM receipts WHERE message = ?",
    "DELETE FROM proofs WHERE message = ?",
    "DELETE FROM messages WHERE id = ?",
)


def _shared(file: StoredFile) -> SharedFile:
    shown = SharedFile(file.name, file.size, file.content_type)
    if file.media is None:
        return shown
    kind, width, height, seconds = file.media
    return replace(shown, kind=kind, width=width, height=height, seconds=seconds)


def _parts(body: c.Body) -> tuple[str, str, bytes | None]:
    """Kind, text and file of a row."""
    if isinstance(body, c.Text):
        return "text", body.text, None
    if isinstance(body, c.Attachment):
        file = StoredFile(
            body.url,
            body.key,
            body.nonce,
            body.hash,
            body.size,
            body.content_type,
            body.filename,
            body.description,
            None if (m := body.media) is None else (m.kind, m.width, m.height, m.seconds),
        )
        return "file", body.description, msgspec.msgpack.encode(file)
    return "unknown", "", None


def _expiry(expires: c.Expiry | None) -> tuple[int | None, int | None]:
    """Seconds after the clock starts, or the time itself."""
    if expires is None:
        return None, None
    return (expires.seconds, None) if expires.relative else (None, expires.seconds)
