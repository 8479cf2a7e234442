"""What several gateways on one database share beside the relay's tables. Empty where there is one process."""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, Table

from chappe.relay.schema import Big, Bytes, metadata

# Which socket of a device is its newest: 8 random bytes of the gateway, and a number that it gave.
holders = Table(
    "holders",
    metadata,
    Column("mailbox", Big, primary_key=True, autoincrement=False),
    Column("holder", Bytes(16), nullable=False),
)

# Where two devices of a line meet once (chappe.relay.rendezvous).
meetings = Table(
    "meetings",
    metadata,
    Column("meeting", Bytes(16), primary_key=True),
    Column("ends", Big, nullable=False),
    Column("offer", Bytes),
    Column("answer", Bytes),
    Index("meetings_ends", "ends"),
)

# The transparency log's head, as it was signed last: one row.
log_heads = Table(
    "log_heads",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", Big, nullable=False),
    Column("note", Bytes, nullable=False),
)
