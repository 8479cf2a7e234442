"""Mailboxes: payloads stored once, one entry per recipient, ids remembered, acknowledgement deletes.

Runs in the writer's thread alone, many operations at a time. What it remembers of mailboxes (last sequence
number, bytes) is only ever a copy of what the database says: it is dropped when a transaction fails, and at
the beginning of each where other relays write to the same database.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Connection

from chappe.relay import brought_back
from chappe.relay.ports import Arrival, Operation, Outcome, Refusing, Stale, Stored, Unit
from chappe.relay.storage import statements_of
from chappe.relay.tokens import TokenLimits, Tokens
from chappe.wire import frames
from chappe.wire.errors import ChappeError, error

_REMEMBERED: Final = 200_000
"""Mailboxes and devices kept in memory at once; some 300 bytes each."""

_SIGNED_OUT: Final = 0
"""In place of a mailbox, whose numbers begin at 1."""

SEALED_SHARE: Final = 0.75
"""Of a mailbox, for who does not sign in: a token that leaked does not shut it for the rest."""


@dataclass(frozen=True, slots=True)
class SendOperation:
    """Put one payload into the mailboxes of `to` (device ids). Gives `Stored`. Who sends it is not in it.

    `tokens`: of the recipients, in their order, where nobody signed in; then it may give `Stale`, too.
    """

    id: bytes
    to: Sequence[bytes]
    payload: bytes
    tokens: Sequence[bytes] | None = None

    @property
    def weight(self) -> int:
        return len(self.payload) + 16 * len(self.to) + 32 * len(self.tokens or ()) + 200

    def digest(self) -> bytes:
        """What the id stands for; the same id with another digest is another message. Tokens are not of it: a
        message may be said again with newer ones, or signed in."""
        # With their number, or a recipient could as well be the beginning of the payload.
        state = hashlib.sha256(b"send" + len(self.to).to_bytes(4, "big"))
        for device in self.to:
            state.update(device)
        state.update(self.payload)
        return state.digest()[:16]

    def run(self, unit: Unit) -> object:
        raise NotImplementedError("sends go through Mailroom.run, many at a time")


@dataclass(frozen=True, slots=True)
class AckOperation:
    """Delete a mailbox's entries up to and with `sequence`. Gives None."""

    mailbox: int
    sequence: int

    @property
    def weight(self) -> int:
        return 100

    def run(self, unit: Unit) -> object:
        raise NotImplementedError("acknowledgements go through Mailroom.run, many at a time")


@dataclass(slots=True)
class _Box:
    """A mailbox in memory: the last number given, bytes ever put in, and what is gone of both."""

    last: int
    total: int
    gone: int
    gone_total: int


@dataclass(frozen=True, slots=True)
class Post:
    """One payload on its way to mailboxes, checked. `id` is the envelope's."""

    id: bytes
    payload: bytes
    mailboxes: tuple[int, ...]


@dataclass(slots=True)
class _Rows:
    """Rows gathered for one statement per table. `most`: payloads that they may become."""

    most: int
    ids: list[tuple[bytes, bytes, int]] = field(default_factory=list)
    payloads: list[tuple[int, int, bytes]] = field(default_factory=list)
    shares: list[tuple[int, int]] = field(default_factory=list)
    entries: list[tuple[int, int, bytes, int, int, int]] = field(default_factory=list)


class Mailroom:
    """The bulk operations of the writer, and the same filing for a group's commit."""

    def __init__(
        self, *, max_items: int, max_bytes: int, keep_seconds: int, limits: TokenLimits | None = None
    ) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._keep_seconds = keep_seconds
        self._boxes: dict[int, _Box] = {}
        self._devices: dict[bytes, int] = {}
        self._tokens = Tokens(limits or TokenLimits())
        self._numbers: Iterator[int] | None = None

    # --- for the writer

    def takes(self, operation: Operation) -> bool:
        return isinstance(operation, (SendOperation, AckOperation, Refusing))

    def run(self, unit: Unit, operations: list[Operation]) -> list[Outcome]:
        """Sends and acknowledgements do not touch each other's entries: an acknowledgement reaches only
        what was delivered, so the two kinds may be gathered apart."""
        sql = statements_of(unit.connection)
        sends = [operation for operation in operations if isinstance(operation, SendOperation)]
        upto: dict[int, int] = {}
        for ack in operations:
            if isinstance(ack, AckOperation):
                upto[ack.mailbox] = max(ack.sequence, upto.get(ack.mailbox, 0))
        self._learn_devices(unit.connection, {device for send in sends for device in send.to})
        # All at once, and before anything of them is read that another relay may be changing.
        sql.lock(unit.connection, self._boxes_of(sends) | upto.keys())
        stored = iter(self._send(unit, sends) if sends else [])
        if upto:
            sql.acknowledge(unit.connection, list(upto.items()))
        return [
            next(stored)
            if isinstance(operation, SendOperation)
            else operation.refusal
            if isinstance(operation, Refusing)
            else None
            for operation in operations
        ]

    def forget(self) -> None:
        self._boxes.clear()
        self._devices.clear()
        self._tokens.clear()
        self._numbers = None

    def forget_device(self, device: bytes) -> None:
        """The device was revoked: it takes no more mail."""
        self._devices.pop(device, None)

    def forget_token(self, mailbox: int) -> None:
        """The device left another delivery token."""
        self._tokens.forget(mailbox)

    # --- for operations that file several payloads at once

    def known_id(self, connection: Connection, id_: bytes, digest: bytes) -> Stored | None:
        """What was answered to this id before, or None. Raises id.reused if it was something else."""
        found = statements_of(connection).find_ids(connection, [id_]).get(id_)
        return _repeated(found, digest) if found else None

    def resolve(self, unit: Unit, devices: Iterable[bytes]) -> tuple[int, ...]:
        """The mailboxes of `devices`, without doubles and without those signed out. Raises
        mailbox.unknown_recipient."""
        wanted = list(dict.fromkeys(devices))
        self._learn_devices(unit.connection, wanted)
        return self._mailboxes_of(unit, wanted)

    def file(self, unit: Unit, id_: bytes, digest: bytes, posts: list[Post]) -> Stored:
        """File all of `posts` and remember the id. Raises mailbox.full before anything is written."""
        self._learn_boxes(unit.connection, {box for post in posts for box in post.mailboxes})
        rows = _Rows(len(posts))
        taken: dict[int, tuple[int, int]] = {}
        for post in posts:
            for mailbox in post.mailboxes:
                items, size = taken.get(mailbox, (0, 0))
                taken[mailbox] = (items + 1, size + len(post.payload))
        self._check_room(unit.connection, taken)
        for post in posts:
            self._place(unit, post, rows)
        expires = unit.now + self._keep_seconds
        rows.ids.append((id_, digest, expires))
        _write(unit.connection, rows)
        return Stored(expires)

    # --- sends

    def _send(self, unit: Unit, sends: list[SendOperation]) -> list[Outcome]:
        """Their devices are learned."""
        connection = unit.connection
        known = statements_of(connection).find_ids(connection, [send.id for send in sends])
        self._learn_boxes(connection, self._boxes_of(sends))
        sealed = {d for send in sends if send.tokens is not None for d in send.to}
        self._tokens.learn(connection, {self._devices[d] for d in sealed if self._devices.get(d)})
        rows = _Rows(len(sends))
        outcomes = [self._send_one(unit, send, known, rows) for send in sends]
        _write(connection, rows)
        return outcomes

    def _send_one(
        self, unit: Unit, send: SendOperation, known: dict[bytes, tuple[bytes, int]], rows: _Rows
    ) -> Outcome:
        """Decide one send and gather its rows; a refusal leaves no row and no number taken."""
        digest = send.digest()
        try:
            if send.id in known:
                return _repeated(known[send.id], digest)
            stale = self._stale(unit, send)
            if stale:
                return Stale(stale)
            mailboxes = self._mailboxes_of(unit, dict.fromkeys(send.to))
            share = 1.0 if send.tokens is None else SEALED_SHARE
            self._check_room(unit.connection, dict.fromkeys(mailboxes, (1, len(send.payload))), share)
            if send.tokens is not None:
                self._tokens.spend(mailboxes, len(send.payload), unit.now)
        except ChappeError as refusal:
            return refusal
        self._place(unit, Post(send.id, send.payload, mailboxes), rows)
        expires = unit.now + self._keep_seconds
        known[send.id] = (digest, expires)
        rows.ids.append((send.id, digest, expires))
        return Stored(expires)

    def _stale(self, unit: Unit, send: SendOperation) -> tuple[bytes, ...]:
        """The recipients whose token does not hold. A device that is not here is one of them, so that nobody
        learns by it who is; one that was forgotten with its line takes any, and gets nothing."""
        if send.tokens is None:
            return ()
        stale = []
        for device, token in zip(send.to, send.tokens, strict=True):
            mailbox = self._devices.get(device)
            if mailbox is None or (
                mailbox != _SIGNED_OUT and not self._tokens.holds(mailbox, token, unit.now)
            ):
                stale.append(device)
        return tuple(stale)

    def _place(self, unit: Unit, post: Post, rows: _Rows) -> None:
        """Give the payload its next number in each mailbox."""
        if not post.mailboxes:
            return
        payload = self._take_payload_number(unit.connection, rows.most)
        places = []
        for mailbox in post.mailboxes:
            box = self._boxes[mailbox]
            box.last += 1
            box.total += len(post.payload)
            places.append((mailbox, box.last))
            rows.entries.append((mailbox, box.last, post.id, payload, box.total, unit.now))
        rows.payloads.append((payload, unit.now, post.payload))
        if len(places) > 1:
            rows.shares.append((payload, len(places)))
        unit.arrivals.append(Arrival(post.id, post.payload, unit.now, tuple(places)))

    def _take_payload_number(self, connection: Connection, wanted: int) -> int:
        if self._numbers is None:
            self._numbers = statements_of(connection).payload_numbers(connection, wanted)
        return next(self._numbers)

    def _check_room(
        self, connection: Connection, taken: dict[int, tuple[int, int]], share: float = 1.0
    ) -> None:
        """Raises mailbox.full if a mailbox has no room for (items, bytes) in this share of it.

        What is gone is known here only as of the last look, so that an acknowledgement costs nothing;
        before refusing, look again.
        """
        for mailbox, (items, size) in taken.items():
            box = self._boxes[mailbox]
            if self._has_room(box, items, size, share):
                continue
            box.gone, box.gone_total = statements_of(connection).gone(connection, mailbox)
            if not self._has_room(box, items, size, share):
                raise error("mailbox.full")

    def _has_room(self, box: _Box, items: int, size: int, share: float) -> bool:
        return (
            box.last - box.gone + items <= share * self._max_items
            and box.total - box.gone_total + size <= share * self._max_bytes
        )

    def _mailboxes_of(self, unit: Unit, devices: Iterable[bytes]) -> tuple[int, ...]:
        boxes = [self._devices.get(device) for device in devices]
        if None in boxes and brought_back.when(unit.connection, unit.now) is None:
            raise error("mailbox.unknown_recipient")
        # Who was signed out is passed over: its groups go on until it is removed from them. So is one that a
        # relay which was brought back from a copy has forgotten.
        return tuple([box for box in boxes if box is not None and box != _SIGNED_OUT])

    def _learn_devices(self, connection: Connection, devices: Iterable[bytes]) -> None:
        missing = [device for device in devices if device not in self._devices]
        if not missing:
            return
        if len(self._devices) + len(missing) > _REMEMBERED:
            self._devices.clear()
            missing = list(devices)
        self._devices.update(statements_of(connection).find_mailboxes(connection, missing))

    def _boxes_of(self, sends: list[SendOperation]) -> set[int]:
        """The mailboxes that these may be put into."""
        return {self._devices[device] for send in sends for device in send.to if self._devices.get(device)}

    def _learn_boxes(self, connection: Connection, mailboxes: set[int]) -> None:
        missing = [mailbox for mailbox in mailboxes if mailbox not in self._boxes]
        if not missing:
            return
        if len(self._boxes) + len(missing) > _REMEMBERED:
            self._boxes.clear()
            missing = list(mailboxes)
        found = statements_of(connection).load_boxes(connection, missing)
        for mailbox, last, total, gone, gone_total in found:
            self._boxes[mailbox] = _Box(last, total, gone, gone_total)


def _write(connection: Connection, rows: _Rows) -> None:
    sql = statements_of(connection)
    sql.insert_ids(connection, rows.ids)
    sql.insert_payloads(connection, rows.payloads)
    sql.insert_shares(connection, rows.shares)
    sql.insert_entries(connection, rows.entries)


def _repeated(found: tuple[bytes, int], digest: bytes) -> Stored:
    """The same id with the same content is answered again; with other content it is refused."""
    if found[0] != digest:
        raise error("id.reused")
    return Stored(found[1])


MAX_KEEP: Final = frames.MAILBOX_SECONDS
