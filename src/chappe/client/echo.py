"""Whether the relay hands on what it has for this device (docs/protocol.md section 9.3).

A relay that keeps a mailbox shut looks like a quiet day: nobody writes. So a device that has heard nothing
for a while sends a message to itself, by its own delivery token and without a sign-in, in the form of any
other: the relay cannot tell it from a friend's. If it takes two of them and hands out neither, it is keeping
this device's messages back, and the person is told. Nobody else needs to be awake for it.
"""

from __future__ import annotations

import secrets
from typing import Final

import msgspec

from chappe.client.core import Core
from chappe.client.courier import Courier
from chappe.client.groups import Groups
from chappe.client.log_alarms import Alarms, Evidence
from chappe.client.tokens import Tokens
from chappe.mls import blank_message
from chappe.wire import chain, delivery

QUIET_SECONDS: Final = 3600
"""So long without a message from anybody, and a device asks by itself."""
WAITING_SECONDS: Final = 120
"""As long where something was sent that nobody has answered, with a receipt or otherwise."""
ANSWER_SECONDS: Final = 60
"""So long one may take to come back. A device that slept meanwhile sends another before it says anything."""
ALARM_AFTER: Final = 2
KEPT: Final = 16
"""Ids of the last ones: one that comes late is known, too."""
SENDER_BYTES: Final = 28
RECEIPT_BYTES: Final = 340
"""The two ciphertexts of a receipt, as Chappe's suite makes them: 256 padded bytes, a signature, a tag."""
_IDS: Final = "echo"
_ID: Final = 16


class _Sent(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ids: list[bytes] = []


class Echo:
    def __init__(self, core: Core, groups: Groups, tokens: Tokens, courier: Courier, alarms: Alarms) -> None:
        self._core = core
        self._groups = groups
        self._tokens = tokens
        self._courier = courier
        self._alarms = alarms
        self._alarmed = any(alarm.code == "relay.silent" for alarm in alarms.open())
        self._heard_at = core.now()
        self._last_at = core.now()
        self._asked_at: int | None = None
        self._out: set[bytes] = set()
        """Those that have not come back."""
        self._missing = 0
        self._said = False

    # --- what comes

    def heard(self) -> None:
        """Something came that only a member can have written, and not before: inside a change."""
        self._heard_at = self._core.now()
        self._asked_at, self._said = None, False
        self._missing = 0
        self._out.clear()
        if self._alarmed:
            for alarm in self._alarms.open():
                if alarm.code == "relay.silent":
                    self._alarms.settle_row(alarm.row)
            self._alarmed = False

    def took(self, id_: bytes) -> bool:
        """Whether an envelope is one that this device sent to itself; inside a change. One that comes again
        says nothing."""
        if id_ in self._out:
            self.heard()
        return id_ in self._ids()

    def said(self) -> None:
        """The relay took a message of this device: somebody may be expected to answer it."""
        self._said = True

    # --- what is asked

    def due(self) -> int:
        """When to look again, Unix seconds."""
        if self._asked_at is not None:
            return self._asked_at + ANSWER_SECONDS
        return max(self._heard_at, self._last_at) + (WAITING_SECONDS if self._said else QUIET_SECONDS)

    async def pump(self) -> None:
        """Raises network.*, StorageFailure, and what the relay refuses a message with."""
        now = self._core.now()
        if now < self._heard_at or now < self._last_at:
            # The clock was put back.
            self._heard_at = self._last_at = now
            self._asked_at = None
        if now < self.due():
            return
        if self._asked_at is not None:
            self._asked_at = None
            self._missing += 1
            if self._missing >= ALARM_AFTER:
                # Each time that it falls silent is another alarm.
                since = self._heard_at.to_bytes(8, "big")
                said = f"{self._missing} messages to this device itself were taken and never handed out"
                self._alarms.raise_("relay.silent", Evidence(said=said), about=since)
                self._alarmed = True
                self._last_at = now
                return
        await self._ask(now)

    async def _ask(self, now: int) -> None:
        token, conversations = self._tokens.own, self._groups.active()
        self._last_at = now
        if token is None or not conversations:
            return
        id_ = secrets.token_bytes(_ID)
        with self._core.change():
            kept = _Sent([*self._ids(), id_][-KEPT:])
            self._core.store.set(_IDS, msgspec.msgpack.encode(kept))
        place = int.from_bytes(secrets.token_bytes(4), "big") % len(conversations)
        payload = self._like_a_receipt(conversations[place])
        self._out.add(id_)
        (answer,) = await self._courier.deliver(
            [delivery.Sealed(id_, [(self._core.me.device_id, token)], payload)]
        )
        # It may have come back before the answer did.
        if isinstance(answer, delivery.Taken) and id_ in self._out:
            self._asked_at = now

    def _like_a_receipt(self, conversation: bytes) -> bytes:
        """What a receipt there looks like to whoever has no key of the conversation; it opens nowhere."""
        group = self._groups.group(conversation)
        history = chain.history(conversation, group.epoch, group.transcript_hash(group.epoch) or b"")
        return blank_message(
            conversation, group.epoch, history, SENDER_BYTES, RECEIPT_BYTES, secrets.token_bytes
        )

    def _ids(self) -> list[bytes]:
        kept = self._core.store.get(_IDS)
        return [] if kept is None else msgspec.msgpack.decode(kept, type=_Sent).ids
