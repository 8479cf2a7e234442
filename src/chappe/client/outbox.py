"""What waits to be sent. Kept in clear inside the store, and encrypted only when its turn has come.

State, ciphertext and recipients are durable before a frame leaves, and the frame is said again with the same
id until the relay has accepted it: a ratchet key never serves twice, and nothing is lost or doubled by a
kill.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Final

from chappe.client.chains import Chains
from chappe.client.connection import TRY_LATER, Connection
from chappe.client.core import Core
from chappe.client.courier import Courier
from chappe.client.events import Failed, MessageSent
from chappe.client.groups import ACTIVE, LEFT, Groups
from chappe.client.intents import HOLDS_BACK
from chappe.client.log_alarms import FORKED
from chappe.client.log_doubts import FOR_A_PERSON, IN_DOUBT
from chappe.client.messages import Messages
from chappe.client.tokens import Tokens
from chappe.mls import MLSError
from chappe.vault.store import Row
from chappe.wire import chain, delivery, frames
from chappe.wire.errors import BadInput, ChappeError, Refused, error, from_peer
from chappe.wire.padding import padding_for

WINDOW: Final = 64
"""Frames that are under way at once."""
PAUSE: Final = 3.0
STRIKES: Final = 3
SIGNED_IN_SECONDS: Final = 600.0
"""After so many refusals for want of room, so long by the socket."""
STALE_EPOCHS: Final = 2
"""Behind by so many, a message may not be readable any more: it is encrypted anew."""
ID: Final = 16

# With somebody whose key the relay has not confirmed, or a person has not accepted.
_NOT_TRUSTED: Final = (
    "SELECT m.conversation FROM members m JOIN unconfirmed u ON u.address = m.address UNION "
    "SELECT m.conversation FROM members m JOIN contacts c ON c.address = m.address "
    f"WHERE c.new_identity_key NOT NULL UNION {FOR_A_PERSON}"
)
# Conversations that wait: for a commit under way, for a change of members, for trust.
_WAITING: Final = (
    "SELECT conversation FROM pending_commits UNION "
    f"SELECT conversation FROM intents WHERE kind IN ({', '.join(repr(k) for k in HOLDS_BACK)}) UNION "
    f"{_NOT_TRUSTED} UNION {IN_DOUBT}"
)
# While the log is forked, receipts and the like go on: with them others hear of the fork.
_MAY_GO: Final = f"(message IS NULL OR NOT EXISTS ({FORKED}))"
_NEXT: Final = (
    "SELECT row, conversation, message, epoch, envelope, recipients FROM outbox "
    f"WHERE conversation NOT IN ({_WAITING}) AND {_MAY_GO} ORDER BY row LIMIT {2 * WINDOW}"
)
_SENDABLE: Final = f"SELECT 1 FROM outbox WHERE conversation NOT IN ({_NOT_TRUSTED}) AND {_MAY_GO} LIMIT 1"
_HAS_ROWS: Final = "SELECT 1 FROM outbox WHERE conversation = ?"
_WAITS: Final = f"SELECT 1 WHERE ? IN ({_WAITING})"
_TRY_LATER: Final = TRY_LATER | {"network.unreachable"}
_USED_UP: Final = frozenset({"limit.rate", "mailbox.full"})


@dataclass(slots=True)
class _Ready:
    """A frame that is durable here. `tokens`: of its recipients, where it goes without a sign-in."""

    row: int
    conversation: bytes
    envelope: bytes
    to: list[bytes]
    payload: bytes = field(repr=False)
    tokens: list[bytes] | None = field(default=None, repr=False)

    @property
    def size(self) -> int:
        return len(self.payload) + 64 * len(self.to) + 64

    def sealed(self) -> delivery.Sealed:
        pairs = list(zip(self.to, self.tokens or (), strict=True))
        return delivery.Sealed(self.envelope, pairs, self.payload)


class Outbox:
    def __init__(
        self,
        core: Core,
        groups: Groups,
        messages: Messages,
        chains: Chains,
        connection: Connection,
        tokens: Tokens,
        courier: Courier,
    ) -> None:
        self._core = core
        self._store = core.store
        self._groups = groups
        self._messages = messages
        self._chains = chains
        self._connection = connection
        self._tokens = tokens
        self._courier = courier
        # Row and conversation, by the ref under which it was said.
        self._said: dict[int, tuple[int, bytes]] = {}
        self._not_before = 0.0
        self._strikes = 0
        self._signed_in_until = 0.0

    def put(self, conversation: bytes, content: bytes, message: bytes | None) -> None:
        """Queue a content. `message` is the row that it becomes, if any."""
        self._store.run(
            "INSERT INTO outbox (conversation, content, message) VALUES (?, ?, ?)",
            conversation,
            content,
            message,
        )

    def put_proposal(self, conversation: bytes, epoch: int, payload: bytes) -> None:
        """Queue a proposal: it holds in this epoch only."""
        self._store.run(
            "INSERT INTO outbox (conversation, content, epoch, envelope, recipients, payload) "
            "VALUES (?, x'', ?, ?, ?, ?)",
            conversation,
            epoch,
            secrets.token_bytes(ID),
            b"".join(self._groups.other_devices(conversation)),
            payload,
        )

    @property
    def empty(self) -> bool:
        """Nothing is left that could be sent without a person's doing."""
        return self._store.one(_SENDABLE) is None

    def reconnected(self) -> None:
        """Whatever was said without an answer is said again, in order."""
        self._said.clear()
        self._not_before = 0.0

    async def pump(self) -> None:
        """Say what may be said now. Raises network.unreachable, StorageFailure."""
        while self._connection.online:
            wait = self._not_before - asyncio.get_running_loop().time()
            if wait > 0:
                await asyncio.sleep(wait)
            if not await self._say(self._prepare()):
                return

    async def _say(self, ready: list[_Ready]) -> bool:
        """Say them in order; where all recipients' tokens are known, without a sign-in. False where nothing
        could be said: what is under way one way is answered before the conversation takes the other."""
        said = False
        for sealed, rows in _runs(ready, self._by_token):
            if not sealed:
                for one in rows:
                    ref = self._connection.new_ref()
                    self._said[ref] = (one.row, one.conversation)
                    await self._connection.say(frames.Send(ref, one.envelope, one.to, one.payload))
                said = True
                continue
            under_way = {conversation for _, conversation in self._said.values()}
            free = [one for one in rows if one.conversation not in under_way]
            for batch in _batches(free):
                if not await self._post(batch):
                    break
            said = said or bool(free)
        return said

    def _by_token(self, one: _Ready) -> bool:
        one.tokens = None
        if asyncio.get_running_loop().time() >= self._signed_in_until:
            one.tokens = self._tokens.of(one.to)
        return one.tokens is not None

    async def _post(self, batch: list[_Ready]) -> bool:
        """Without a sign-in; the answers are taken here. False where there are none. Raises
        network.untrusted."""
        try:
            answers = await self._courier.deliver([one.sealed() for one in batch])
        except ChappeError as problem:
            if problem.code == "network.untrusted":
                raise
            # Perhaps it was taken, and the answer lost: the same ids again, whichever way.
            self._later()
            if not problem.code.startswith("network."):
                self._struck(STRIKES if problem.code == "http.unknown_path" else 1)
            return False
        with self._core.change():
            for one, answer in zip(batch, answers, strict=True):
                self._take_sealed(one, answer)
        return True

    def _take_sealed(self, one: _Ready, answer: delivery.Taken | delivery.Turned) -> None:
        if isinstance(answer, delivery.Taken):
            self._strikes = 0
            self._take_answer(one.row, frames.Accepted(0, answer.id, answer.expires))
        elif answer.code == "delivery.refused":
            known = dict(zip(one.to, one.tokens or (), strict=True))
            # A relay that names nobody gets no more of them for it: all are forgotten.
            stale = [device for device in answer.stale if device in known] or one.to
            self._tokens.refused([(device, known[device]) for device in stale])
        else:
            if answer.code in _USED_UP:
                self._struck(1)
            self._take_answer(one.row, from_peer(answer.code, answer.message))

    def _struck(self, times: int) -> None:
        """For a while messages go signed in: a token that leaked, and that somebody uses up, must not stop
        those who have a limit of their own."""
        self._strikes += times
        if self._strikes >= STRIKES:
            self._strikes = 0
            self._signed_in_until = asyncio.get_running_loop().time() + SIGNED_IN_SECONDS

    def _later(self) -> None:
        self._not_before = asyncio.get_running_loop().time() + PAUSE

    async def say_now(self, conversation: bytes, content: bytes) -> bool:
        """Say a content now or never: it has no row here, and its answer is not looked at. False where it
        would have to wait, or nobody is there. Raises network.unreachable, StorageFailure."""
        if self._not_before > asyncio.get_running_loop().time():
            return False
        with self._core.change():
            now = self._ready_now(conversation, content)
        if now is None:
            return False
        devices, payload = now
        one = _Ready(0, conversation, secrets.token_bytes(ID), devices, payload)
        if self._by_token(one):
            with contextlib.suppress(Refused, BadInput):
                await self._courier.deliver([one.sealed()])
            return True
        await self._connection.say(frames.Send(self._connection.new_ref(), one.envelope, devices, payload))
        return True

    def _ready_now(self, conversation: bytes, content: bytes) -> tuple[list[bytes], bytes] | None:
        """The state after it is durable, as for any other: a ratchet key never serves twice."""
        if self._store.one(_HAS_ROWS, conversation) or self._store.one(_WAITS, conversation):
            return None
        if self._groups.activity(conversation) != ACTIVE or self._groups.lacks_peer(conversation):
            return None
        devices = list(self._groups.other_devices(conversation))
        if not devices or self._groups.group(conversation).pending_proposals:
            return None
        _, payload = self._seal(conversation, chain.loose(content))
        return devices, payload

    def _prepare(self) -> list[_Ready]:
        """The next frames, all durable. At most a window in all."""
        under_way = {row for row, _ in self._said.values()}
        rows = [row for row in self._store.all(_NEXT) if row[0] not in under_way]
        ready: list[_Ready] = []
        with self._core.change():
            for row in rows[: max(0, WINDOW - len(under_way))]:
                frame = self._ready(row)
                if frame is not None:
                    ready.append(frame)
        return ready

    def _ready(self, row: Row) -> _Ready | None:
        number, conversation, message, epoch, envelope, recipients = row
        content, payload = self._store.one(  # type: ignore[misc]
            "SELECT content, payload FROM outbox WHERE row = ?", number
        )
        activity = self._groups.activity(conversation)
        if activity == LEFT or (content and activity != ACTIVE):
            self._fail(number, conversation, message, error("conversation.left"))
            return None
        group = self._groups.group(conversation)
        if content == b"" and epoch != group.epoch:
            self._drop(number)
            return None
        if payload is None or (content and epoch <= group.epoch - STALE_EPOCHS):
            devices = self._groups.other_devices(conversation)
            if self._groups.lacks_peer(conversation) or (content and group.pending_proposals):
                return None
            if not devices:
                self._finish(number, conversation, message)
                return None
            envelope, recipients = secrets.token_bytes(ID), b"".join(devices)
            payload = self._encrypt(number, conversation, content, envelope, recipients)
        to = [recipients[at : at + ID] for at in range(0, len(recipients), ID)]
        return _Ready(number, conversation, envelope, to, payload)

    def _encrypt(
        self, row: int, conversation: bytes, content: bytes, envelope: bytes, recipients: bytes
    ) -> bytes:
        link = self._link(row, conversation, content)
        epoch, payload = self._seal(conversation, link + content)
        self._store.run(
            "UPDATE outbox SET epoch = ?, envelope = ?, recipients = ?, payload = ?, link = ? WHERE row = ?",
            epoch,
            envelope,
            recipients,
            payload,
            link,
            row,
        )
        return payload

    def _link(self, row: int, conversation: bytes, content: bytes) -> bytes:
        """A message keeps the link that it was first encrypted with."""
        (link,) = self._store.one("SELECT link FROM outbox WHERE row = ?", row)  # type: ignore[misc]
        if link is not None:
            return bytes(link)
        for void, digest in self._chains.take_voids(conversation):
            self._store.run(
                "INSERT INTO outbox (conversation, content, link) VALUES (?, ?, ?)",
                conversation,
                digest,
                void,
            )
        return self._chains.link(conversation, self._groups.group(conversation).epoch, content)

    def _seal(self, conversation: bytes, data: bytes) -> tuple[int, bytes]:
        """The epoch and the ciphertext."""
        group = self._groups.group(conversation)
        epoch = group.epoch
        history = chain.history(conversation, epoch, group.transcript_hash(epoch) or b"")
        try:
            group, payload = group.encrypt(
                data, now=self._core.now(), authenticated_data=history, padding=padding_for(len(data))
            )
        except MLSError:
            raise error("conversation.left") from None
        self._groups.keep(conversation, group)
        self._store.run("UPDATE conversations SET leaf_sent = leaf_sent + 1 WHERE id = ?", conversation)
        return group.epoch, payload

    # --- answers

    def answered(self, answers: list[tuple[int, frames.FromRelay | ChappeError]]) -> None:
        """What the relay said to frames of this outbox; other refs are passed over."""
        with self._core.change():
            for ref, answer in answers:
                said = self._said.pop(ref, None)
                if said is not None:
                    self._take_answer(said[0], answer)

    def _take_answer(self, row: int, answer: frames.FromRelay | ChappeError) -> None:
        found = self._store.one("SELECT conversation, message, envelope FROM outbox WHERE row = ?", row)
        if found is None:
            return
        conversation, message, envelope = found
        if isinstance(answer, frames.Accepted):
            if answer.id == envelope:
                self._finish(row, conversation, message)
        elif isinstance(answer, ChappeError):
            if answer.code == "id.reused":
                self._store.run("UPDATE outbox SET payload = NULL WHERE row = ?", row)
            elif answer.code in _TRY_LATER:
                self._later()
            else:
                self._fail(row, conversation, message, answer)

    def _finish(self, row: int, conversation: bytes, message: bytes | None) -> None:
        self._drop(row)
        if message is not None:
            self.on_sent()
        if message is not None and self._messages.sent(message):
            self._core.tell(MessageSent(conversation, message))

    def on_sent(self) -> None:
        """The relay took something that a person wrote."""

    def _fail(self, row: int, conversation: bytes, message: bytes | None, problem: ChappeError) -> None:
        kept = self._store.one("SELECT link, content FROM outbox WHERE row = ?", row)
        self._drop(row)
        if kept is not None and kept[0] is not None and problem.code != "conversation.left":
            self._chains.lost(conversation, *kept)
            if kept[0][1] == chain.Kind.VOID:
                return
        if message is not None:
            self._messages.failed(message)
        self._core.tell(Failed(conversation, problem.code, problem.message))

    def _drop(self, row: int) -> None:
        self._store.run("DELETE FROM outbox WHERE row = ?", row)


def _runs(ready: list[_Ready], sealed: Callable[[_Ready], bool]) -> Iterator[tuple[bool, list[_Ready]]]:
    """Neighbours that go the same way."""
    for way, rows in groupby(ready, sealed):
        yield way, list(rows)


def _batches(rows: list[_Ready]) -> Iterator[list[_Ready]]:
    """As many as one request holds, in order."""
    batch: list[_Ready] = []
    for one in rows:
        size = sum(other.size for other in batch) + one.size
        if batch and (size > delivery.MAX_BODY or len(batch) == delivery.MAX_MESSAGES):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch
