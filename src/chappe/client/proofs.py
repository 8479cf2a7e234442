"""What proves of a message who said it, kept for a while beside the message, for a report to the officers
(docs/decisions/0012). It goes with the message, and with its time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from chappe.client.core import Core
from chappe.client.messages import Incoming
from chappe.mls import ApplicationMessage
from chappe.wire import content as c
from chappe.wire.reports import Exhibit

KEPT_SECONDS: Final = 30 * 24 * 3600
MAX_KEPT: Final = 10_000
"""Messages; the oldest go first."""
FIRST, LAST = 0, 1
"""The message as it was first, and as it was edited last."""


@dataclass(frozen=True, slots=True)
class Received:
    """A message that opened, and the certificate of who signed it."""

    message: ApplicationMessage
    certificate: bytes


class Proofs:
    """Every call belongs in a change."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store

    def keep(self, incoming: Incoming, received: Received) -> None:
        """Of texts and files of others that are here, and of their edits."""
        body, replaces = incoming.message.body, incoming.message.replaces
        if not isinstance(body, c.Text | c.Attachment) or incoming.address == self._core.me.address:
            return
        target = replaces or incoming.id
        known = self._store.one(
            "SELECT 1 FROM messages WHERE id = ? AND address = ? AND conversation = ? AND kind IN "
            "('text', 'file')",
            target,
            incoming.address,
            incoming.conversation,
        )
        if known is None:
            return
        self._store.run(
            "INSERT OR REPLACE INTO proofs (message, place, signed, signature, certificate, at, until) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            target,
            LAST if replaces else FIRST,
            received.message.signed,
            received.message.signature,
            received.certificate,
            incoming.at,
            self._core.now() + KEPT_SECONDS,
        )

    def of(self, message: bytes) -> list[Exhibit]:
        rows = self._store.all(
            "SELECT signed, signature, certificate, at FROM proofs WHERE message = ? ORDER BY place", message
        )
        return [Exhibit(*row) for row in rows]

    def drop_expired(self) -> None:
        self._store.run("DELETE FROM proofs WHERE until <= ?", self._core.now())
        self._store.run(
            "DELETE FROM proofs WHERE row IN (SELECT row FROM proofs ORDER BY row DESC LIMIT -1 OFFSET ?)",
            MAX_KEPT,
        )
