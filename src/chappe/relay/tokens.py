"""Delivery tokens as the writer knows them: which hold, and how much each may still bring.

Only in the writer's thread. What is remembered of the table is a copy, and is dropped when a transaction
fails. What a token has brought is in memory alone: a restart gives it back, and no table holds a count that
could be read as how often somebody was written to.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection

from chappe.relay.limits import Allowances
from chappe.relay.storage import statements_of
from chappe.wire.delivery import token_digest
from chappe.wire.errors import ChappeError

_REMEMBERED: Final = 200_000
MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What one token brings into its mailbox: at once, and coming back with each second."""

    messages: float = 1_000
    messages_per_second: float = 10
    size: float = 64 * MIB
    size_per_second: float = MIB / 2


@dataclass(frozen=True, slots=True)
class _Known:
    """Of a mailbox; `digest` is None where its device left no token."""

    digest: bytes | None
    before: bytes | None
    before_until: int


class Tokens:
    def __init__(self, limits: TokenLimits) -> None:
        self._messages: Allowances[bytes] = Allowances(limits.messages, limits.messages_per_second)
        self._sizes: Allowances[bytes] = Allowances(limits.size, limits.size_per_second)
        self._known: dict[int, _Known] = {}
        # By the last look: which of a mailbox's two tokens was shown.
        self._shown: dict[int, bytes] = {}

    def clear(self) -> None:
        self._known.clear()

    def forget(self, mailbox: int) -> None:
        self._known.pop(mailbox, None)

    def learn(self, connection: Connection, mailboxes: set[int]) -> None:
        """Read those that are not remembered."""
        missing = [mailbox for mailbox in mailboxes if mailbox not in self._known]
        if not missing:
            return
        if len(self._known) + len(missing) > _REMEMBERED:
            self._known.clear()
            missing = list(mailboxes)
        self._known.update(dict.fromkeys(missing, _Known(None, None, 0)))
        for mailbox, digest, before, until in statements_of(connection).find_tokens(connection, missing):
            self._known[mailbox] = _Known(digest, before, until or 0)

    def holds(self, mailbox: int, token: bytes, now: int) -> bool:
        """Whether it opens this mailbox, which was learned. `spend` then takes it from this token."""
        known, shown = self._known[mailbox], token_digest(token)
        if known.digest is not None and hmac.compare_digest(known.digest, shown):
            self._shown[mailbox] = known.digest
            return True
        if known.before is None or known.before_until <= now:
            return False
        if hmac.compare_digest(known.before, shown):
            self._shown[mailbox] = known.before
            return True
        return False

    def spend(self, mailboxes: Iterable[int], size: int, now: int) -> None:
        """One message of `size` bytes for each of the tokens that were shown. Raises limit.rate, and takes
        nothing, where one of them has not so much left."""
        spent: list[tuple[bytes, bool]] = []
        try:
            for mailbox in mailboxes:
                digest = self._shown.pop(mailbox)
                self._messages.of(digest, now).spend(now)
                spent.append((digest, False))
                self._sizes.of(digest, now).spend(now, size)
                spent[-1] = (digest, True)
        except ChappeError:
            for digest, with_size in spent:
                self._messages.of(digest, now).give_back()
                if with_size:
                    self._sizes.of(digest, now).give_back(size)
            raise
        finally:
            self._shown.clear()
