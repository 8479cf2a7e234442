"""The entries of an organisation's audit log (docs/protocol.md section 12.6).

The relay appends them, each in the transaction of what it tells of; officers read them with `audit` and check
them against the log's root (chappe.tlog).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal, TypeAlias

import msgspec
from msgspec import Meta

from chappe.wire.errors import error
from chappe.wire.orders import MAX_REASON, Kind
from chappe.wire.rosters import MAX_OFFICERS, Id16, Key32, Seconds, Strict

What: TypeAlias = Literal[
    "order.given",
    "order.awaits",
    "order.approved",
    "order.lapsed",
    "share.destroyed",
    "receipt.taken",
    "roster.amended",
    "line.activated",
    "line.held",
    "line.released",
    "line.renewed",
    "line.lapsed",
    "line.forgotten",
    "line.phone_awaits",
    "line.phone_announced",
    "line.phone_entered",
    "line.phone_withdrawn",
]
MAX_ENTRY: Final = 8 * 1024


class AuditEntry(Strict, frozen=True):
    """One thing that happened, at the relay's clock.

    `officers`: who ordered, approved or amended; none where `line`'s owner ordered. `digest`: SHA-256 of the
    order's or roster's body as it was signed. `outcome`: of a receipt; of a renewal, who paid (`code`,
    `officer`, `operator`). `number`: a roster's version; months of a renewal.
    """

    version: Literal[1]
    at: Seconds
    what: What
    officers: Annotated[list[Id16], Meta(max_length=MAX_OFFICERS)] = []  # noqa: RUF012
    order: Id16 | None = None
    kind: Kind | None = None
    digest: Key32 | None = None
    reason: Annotated[str, Meta(max_length=MAX_REASON)] | None = None
    line: Id16 | None = None
    device: Id16 | None = None
    outcome: str | None = None
    number: int | None = None


def encode(entry: AuditEntry) -> bytes:
    """The MessagePack that is hashed: fields in the order above, each in its shortest form."""
    return msgspec.msgpack.encode(entry)


def decode(data: bytes) -> AuditEntry:
    """Raises BadInput order.malformed for what is no entry, or not in its one spelling."""
    try:
        entry = msgspec.msgpack.decode(data, type=AuditEntry)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("order.malformed", "The audit log has an entry that cannot be read.") from None
    if encode(entry) != data:
        raise error("order.malformed", "The audit log has an entry that cannot be read.")
    return entry
