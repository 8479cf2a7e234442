"""The tables of organisations: rosters, orders and what came of them, removals, the audit log.

Whoever has them knows which officer ordered what about which line, and in how many conversations a device was
that is being removed; not who else is in them.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, text

from chappe.relay.schema import Big, Bytes, metadata

organisations = Table(
    "organisations",
    metadata,
    Column("organisation", Bytes(16), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("fleet_key", Bytes(32), nullable=False, unique=True),
    Column("created_at", Big, nullable=False),
)

rosters = Table(
    "rosters",
    metadata,
    Column("organisation", Bytes(16), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    # The MessagePack of a `SignedRoster`.
    Column("signed", Bytes, nullable=False),
)

orders = Table(
    "orders",
    metadata,
    Column("order_id", Bytes(16), primary_key=True),
    Column("kind", String(16), nullable=False),
    # Whose audit log it is in; NULL where the line of an owner is of no organisation.
    Column("organisation", Bytes(16)),
    # The line whose owner gave it; NULL: officers did.
    Column("line", Bytes(16)),
    # The officer who gave it.
    Column("officer", Bytes(16)),
    # The MessagePack of a `SignedOrder`, with all signatures that came.
    Column("signed", Bytes, nullable=False),
    # Over what was given, so that the same again is answered again and something else is refused.
    Column("digest", Bytes(16), nullable=False),
    Column("reason", String(500), nullable=False),
    Column("salt", Bytes(16), nullable=False),
    Column("issued_at", Big, nullable=False),
    Column("given_at", Big, nullable=False),
    # NULL: it waits for a second officer.
    Column("executed_at", Big),
    # Signed by one officer: it counts for what one may erase alone.
    Column("alone", Boolean, nullable=False),
    Column("for_all", Boolean, nullable=False),
    Index("orders_organisation", "organisation", "given_at"),
    Index("orders_line", "line", "given_at"),
    Index(
        "orders_waiting",
        "given_at",
        sqlite_where=text("executed_at IS NULL"),
        postgresql_where=text("executed_at IS NULL"),
    ),
)

order_devices = Table(
    "order_devices",
    metadata,
    Column("order_id", Bytes(16), primary_key=True),
    Column("device", Bytes(16), primary_key=True),
    Column("line", Bytes(16), nullable=False),
    Column("ordered_at", Big, nullable=False),
    # Of an erase order: when the share service had destroyed its share. NULL: it is still to be asked.
    Column("unreadable_at", Big),
    # All removals were posted.
    Column("told_at", Big),
    Column("removed_at", Big),
    Column("done_at", Big),
    # The MessagePack of a `SignedReceipt`.
    Column("receipt", Bytes),
    # Erase: the share is to be destroyed.
    Column("doomed", Boolean, nullable=False),
    Index("order_devices_device", "device"),
    Index(
        "order_devices_readable",
        "order_id",
        sqlite_where=text("doomed AND unreadable_at IS NULL"),
        postgresql_where=text("doomed AND unreadable_at IS NULL"),
    ),
    sqlite_with_rowid=False,
)

# In which conversations the device is, sealed to the officers.
registers = Table(
    "registers",
    metadata,
    Column("device", Bytes(16), primary_key=True),
    Column("sealed", Bytes, nullable=False),
)

postings = Table(
    "postings",
    metadata,
    Column("group_id", Bytes(32), primary_key=True),
    Column("order_id", Bytes(16), primary_key=True),
    Column("device", Bytes(16), primary_key=True),
    Column("settled_at", Big),
    Index("postings_order", "order_id", "device"),
    Index(
        "postings_open",
        "group_id",
        sqlite_where=text("settled_at IS NULL"),
        postgresql_where=text("settled_at IS NULL"),
    ),
    sqlite_with_rowid=False,
)

proposals = Table(
    "proposals",
    metadata,
    Column("group_id", Bytes(32), primary_key=True),
    Column("order_id", Bytes(16), primary_key=True),
    Column("device", Bytes(16), primary_key=True),
    Column("epoch", Big, primary_key=True, autoincrement=False),
    Column("message", Bytes(1024), nullable=False),
)

# New phones that officers let into a line (chappe.wire.enrolments).
enrolments = Table(
    "enrolments",
    metadata,
    Column("order_id", Bytes(16), primary_key=True),
    Column("organisation", Bytes(16), nullable=False),
    Column("line", Bytes(16), nullable=False),
    Column("device", Bytes(16), nullable=False, unique=True),
    # The MessagePack of a `SignedEnrolment`.
    Column("signed", Bytes, nullable=False),
    Column("reason", String(500), nullable=False),
    Column("salt", Bytes(16), nullable=False),
    Column("given_at", Big, nullable=False),
    # In the transparency log since, as the entry there says. NULL: it waits for a second officer.
    Column("announced_at", Big),
    Column("added_at", Big),
    Column("withdrawn_at", Big),
    Index("enrolments_line", "line"),
    Index("enrolments_organisation", "organisation", "given_at"),
    Index(
        "enrolments_open",
        "given_at",
        sqlite_where=text("added_at IS NULL AND withdrawn_at IS NULL"),
        postgresql_where=text("added_at IS NULL AND withdrawn_at IS NULL"),
    ),
)

audit = Table(
    "audit",
    metadata,
    Column("organisation", Bytes(16), primary_key=True),
    # From 0, without gaps.
    Column("number", Big, primary_key=True, autoincrement=False),
    Column("at", Big, nullable=False),
    # The MessagePack of an `AuditEntry`.
    Column("entry", Bytes, nullable=False),
    # Of the log with this entry as its last (chappe.tlog).
    Column("root", Bytes(32), nullable=False),
)

# What the next entry is appended to: a `chappe.tlog.chain.Chain`.
audit_heads = Table(
    "audit_heads",
    metadata,
    Column("organisation", Bytes(16), primary_key=True),
    Column("chain", Bytes, nullable=False),
)
