"""Delivery tokens: this device's own, and those that others have handed out (docs/protocol.md section 9.3).

With a token of each recipient a message goes to the relay without a sign-in. A device's own is left with the
relay before it is told to anybody, told in each conversation where somebody is who has not heard it, and made
anew when somebody who heard it shares no conversation any more, or by age.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

import msgspec

from chappe.client.connection import Connection
from chappe.client.core import Core
from chappe.client.groups import Groups
from chappe.client.messages import MAX_READ_RECEIPT_LINES, Messages
from chappe.wire import content as c
from chappe.wire import frames
from chappe.wire.delivery import TOKEN_BYTES, token_digest
from chappe.wire.errors import ChappeError

MAX_LINES: Final = MAX_READ_RECEIPT_LINES
"""In larger conversations a device does not hand its token out: each would have to tell each."""
AGE_SECONDS: Final = 30 * 24 * 3600
LEAST_SECONDS: Final = 600
"""Not more often than this, whoever comes and goes."""
OVERLAP_SECONDS: Final = 600
OVERLAP_BY_AGE: Final = 24 * 3600
Put: TypeAlias = Callable[[bytes, bytes, bytes | None], None]
"""Queues a content in a conversation (`Outbox.put`)."""
_OWN: Final = "delivery.own"
_OF: Final = "delivery.of/"
_TOLD: Final = "delivery.told/"
_NUMBER: Final = 4
_ID: Final = 16


class _Own(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: int
    token: bytes
    made_at: int
    overlap: int

    def __repr__(self) -> str:
        return f"<delivery token {self.number}>"


class Tokens:
    def __init__(self, core: Core, groups: Groups, messages: Messages, connection: Connection) -> None:
        self._core = core
        self._store = core.store
        self._groups = groups
        self._messages = messages
        self._connection = connection
        self._left: int | None = None
        """The number of the token that the relay has of this device, on this connection."""
        self._told_crowd = -1
        self._look_at = 0

    # --- of others

    def of(self, devices: Sequence[bytes]) -> list[bytes] | None:
        """Their tokens; None where one is not known."""
        found = []
        for device in devices:
            kept = self._store.get(_OF + device.hex())
            if kept is None:
                return None
            found.append(kept[_NUMBER:])
        return found

    def learn(self, device: bytes, said: c.Delivery) -> None:
        """A device told its token: the highest number counts."""
        if device == self._core.me.device_id:
            return
        kept = self._store.get(_OF + device.hex())
        if kept is None or int.from_bytes(kept[:_NUMBER], "big") < said.number:
            self._store.set(_OF + device.hex(), said.number.to_bytes(_NUMBER, "big") + said.token)

    def refused(self, stale: Sequence[tuple[bytes, bytes]]) -> None:
        """The relay took these tokens (device, token) for none. One that came meanwhile stays."""
        for device, token in stale:
            kept = self._store.get(_OF + device.hex())
            if kept is not None and kept[_NUMBER:] == token:
                self._store.drop(_OF + device.hex())

    # --- its own

    @property
    def own(self) -> bytes | None:
        """This device's, while the relay has it."""
        kept = self._store.get(_OWN)
        if kept is None or self._left is None:
            return None
        own = msgspec.msgpack.decode(kept, type=_Own)
        return own.token if own.number == self._left else None

    def reconnected(self) -> None:
        """The relay may be another than it was, put back from a copy."""
        self._left, self._told_crowd = None, -1

    @property
    def idle(self) -> bool:
        """Everybody who is to know the token has been told, as far as this is known without looking."""
        return self._told_crowd == self._groups.crowd

    async def pump(self, put: Put) -> None:
        """Leave the token with the relay, and `put` what tells it. Raises network.*, StorageFailure."""
        if self.idle and self._core.now() < self._look_at:
            return
        crowd = self._groups.crowd
        with self._core.change():
            own = self._due()
        if self._left != own.number:
            digest = token_digest(own.token)
            try:
                await self._connection.ask(
                    lambda ref: frames.LeaveToken(ref, digest, own.overlap), frames.Done
                )
            except ChappeError as problem:
                if problem.code.startswith("network."):
                    raise
                # It takes none: then nobody is told one.
                self._told_crowd = crowd
                return
            self._left = own.number
        with self._core.change():
            self._tell(own, put)
        self._told_crowd = crowd
        self._look_at = self._core.now() + LEAST_SECONDS

    def _due(self) -> _Own:
        """The token as it is now: another one where it is time for that."""
        now, kept = self._core.now(), self._store.get(_OWN)
        if kept is None:
            return self._make(1, 0)
        own = msgspec.msgpack.decode(kept, type=_Own)
        age = now - own.made_at
        if age >= AGE_SECONDS or age < 0:
            return self._make(own.number + 1, OVERLAP_BY_AGE)
        if age >= LEAST_SECONDS and self._told_devices() - self._groups.company():
            return self._make(own.number + 1, OVERLAP_SECONDS)
        return own

    def _make(self, number: int, overlap: int) -> _Own:
        own = _Own(number, secrets.token_bytes(TOKEN_BYTES), self._core.now(), overlap)
        self._store.set(_OWN, msgspec.msgpack.encode(own))
        for key, _ in self._store.all_of(_TOLD):
            self._store.drop(key)
        return own

    def _told_devices(self) -> set[bytes]:
        return {device for _, told in self._store.all_of(_TOLD) for device in _devices(told)}

    def _tell(self, own: _Own, put: Put) -> None:
        for conversation in self._groups.active():
            if len(self._groups.addresses(conversation)) > MAX_LINES:
                continue
            present = set(self._groups.other_devices(conversation))
            key = _TOLD + conversation.hex()
            told = _devices(self._store.get(key) or b"")
            if present <= told:
                continue
            _, data = self._messages.new(conversation, c.Delivery(own.number, own.token))
            put(conversation, data, None)
            # Who has gone stays in it: that is who makes the next token due.
            self._store.set(key, b"".join(sorted(present | told)))


def _devices(told: bytes) -> set[bytes]:
    return {told[at : at + _ID] for at in range(0, len(told), _ID)}
