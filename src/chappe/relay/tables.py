"""The relay's tables, in SQLAlchemy Core. Migrations (Alembic) make them; a test compares the two.

Hot tables carry the mailbox as the leading key, so that they can be spread over servers by it. Times are
whole Unix seconds. There is no table of contacts, of members of a group, or of IP addresses.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, Integer, String, Table, text

from chappe.relay import fleet_tables as fleet_tables  # so that `metadata` is whole
from chappe.relay import gateway_tables as gateway_tables
from chappe.relay.schema import Big, Bytes, metadata

lines = Table(
    "lines",
    metadata,
    Column("line", Bytes(16), primary_key=True),
    Column("address", String(320), nullable=False),
    Column("identity_key", Bytes(32), nullable=False),
    Column("created_at", Big, nullable=False),
    # NULL: of none.
    Column("organisation", Bytes(16), index=True),
    # Under legal hold since, by which order.
    Column("held_at", Big),
    Column("held_by", Bytes(16)),
    # Closed, by an order to erase it or long after its term: it takes no device any more, and its address may
    # be another line's of its organisation.
    Column("closed_at", Big),
    # The term (chappe.wire.terms.Term): its end, and the day of the month it counts from; months paid last.
    # NULL: it has none, and goes on.
    Column("term_ends", Big),
    Column("term_day", Integer),
    Column("term_months", Integer),
    # Closed because its term was over; NULL where an order closed it.
    Column("lapsed_at", Big),
    # What hides it in the transparency log (chappe.wire.log_entries.line_commitment): 32 random bytes.
    Column("salt", Bytes(32), nullable=False),
    Index(
        "lines_open_address",
        "address",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index("lines_address", "address"),
    Index("lines_term", "term_ends"),
)

# Lines that the relay has forgotten. An address is given once, and nobody may take it over to pass for
# whom it was; a device may still be in conversations, and who writes there is not to be refused.
given_addresses = Table(
    "given_addresses",
    metadata,
    # SHA-256("chappe given address v1" || address).
    Column("digest", Bytes(32), primary_key=True),
    # Whose lines may have it again; NULL: nobody's.
    Column("organisation", Bytes(16)),
    sqlite_with_rowid=False,
)

gone_devices = Table(
    "gone_devices",
    metadata,
    Column("device", Bytes(16), primary_key=True),
    sqlite_with_rowid=False,
)

devices = Table(
    "devices",
    metadata,
    Column("device", Bytes(16), primary_key=True),
    Column("line", Bytes(16), nullable=False, index=True),
    Column("mailbox", Big, nullable=False, unique=True),
    Column("certificate", Bytes(1024), nullable=False),
    Column("signature_key", Bytes(32), nullable=False),
    Column("created_at", Big, nullable=False),
    Column("revoked_at", Big),
    # The order that did it.
    Column("revoked_by", Bytes(16)),
    # The key that signs its guesses, and how the device vouched for it.
    Column("unlock_key", Bytes(32)),
    Column("unlock_proof", Bytes(64)),
)

mailboxes = Table(
    "mailboxes",
    metadata,
    # AUTOINCREMENT: a mailbox number is never given to a second device.
    Column("mailbox", Big, primary_key=True, autoincrement=True),
    # Everything up to here is gone (acknowledged or expired): with `entries` this gives the next
    # sequence number, so that taking a message in does not write this row.
    Column("gone_sequence", Big, nullable=False),
    Column("gone_bytes", Big, nullable=False),
    sqlite_autoincrement=True,
)

entries = Table(
    "entries",
    metadata,
    Column("mailbox", Big, primary_key=True, autoincrement=False),
    Column("sequence", Big, primary_key=True, autoincrement=False),
    Column("envelope", Bytes(16), nullable=False),
    Column("payload", Big, nullable=False),
    # Bytes ever put into this mailbox, with this entry: what waits is a difference of two of these.
    Column("total_bytes", Big, nullable=False),
    Column("at", Big, nullable=False),
    sqlite_with_rowid=False,
)

payloads = Table(
    "payloads",
    metadata,
    Column("payload", Big, primary_key=True, autoincrement=False),
    Column("at", Big, nullable=False),
    Column("data", Bytes, nullable=False),
)

# Only payloads of two or more mailboxes have a row here: counting down must not rewrite the payload.
shares = Table(
    "shares",
    metadata,
    Column("payload", Big, primary_key=True, autoincrement=False),
    Column("mailboxes_left", Integer, nullable=False),
)

# What a device's mailbox takes sealed messages by (docs/decisions/0011-sealed-sender.md): the hash of its
# delivery token, and of the one before while that still holds. The tokens themselves are handed out inside
# conversations, and never by the relay.
delivery_tokens = Table(
    "delivery_tokens",
    metadata,
    Column("mailbox", Big, primary_key=True, autoincrement=False),
    Column("digest", Bytes(32), nullable=False),
    Column("before", Bytes(32)),
    Column("before_until", Big),
)

# The ids of what was sent, not by whom, so that the same id again is stored once. `digest`: what it was.
sent_ids = Table(
    "sent_ids",
    metadata,
    Column("id", Bytes(16), primary_key=True),
    Column("digest", Bytes(16), nullable=False),
    Column("expires", Big, nullable=False),
    Index("sent_ids_expires", "expires"),
    sqlite_with_rowid=False,
)

key_packages = Table(
    "key_packages",
    metadata,
    Column("mailbox", Big, primary_key=True, autoincrement=False),
    Column("digest", Bytes(16), primary_key=True),
    Column("position", Big, nullable=False),
    # NULL once taken: the row stays a while, so that a package published again is not handed out again.
    Column("data", Bytes),
    Column("taken_at", Big),
    Index(
        "key_packages_free",
        "mailbox",
        "position",
        sqlite_where=text("taken_at IS NULL"),
        postgresql_where=text("taken_at IS NULL"),
    ),
    Index("key_packages_taken", "taken_at"),
)

last_resort_packages = Table(
    "last_resort_packages",
    metadata,
    Column("mailbox", Big, primary_key=True, autoincrement=False),
    Column("data", Bytes, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    Column("group_id", Bytes(32), primary_key=True),
    Column("epoch", Big, nullable=False),
    Column("lock", Bytes(32), nullable=False),
    Column("moved_at", Big, nullable=False),
    sqlite_with_rowid=False,
)

codes = Table(
    "codes",
    metadata,
    Column("digest", Bytes(32), primary_key=True),
    Column("created_at", Big, nullable=False),
    Column("expires_at", Big, nullable=False),
    Column("used_at", Big),
    # Whose line it makes; NULL: of none.
    Column("organisation", Bytes(16)),
    # Of the term that it begins, or renews by; NULL: it makes a line without one.
    Column("months", Integer),
    # Who sold it; NULL: the operator himself.
    Column("seller", Bytes(16)),
    # Made together.
    Column("batch", Bytes(16), index=True),
    Column("voided_at", Big),
    # The line that it renewed, so that who asks again is answered again; NULL where it made one.
    Column("renewed", Bytes(16), index=True),
    Index("codes_used", "used_at"),
    Index("codes_expires", "expires_at"),
)

# Who may sell. One that is not here may not.
sellers = Table(
    "sellers",
    metadata,
    Column("seller", Bytes(16), primary_key=True),
    Column("withheld_at", Big),
)

attachments = Table(
    "attachments",
    metadata,
    Column("attachment", Bytes(32), primary_key=True),
    Column("token_digest", Bytes(32), nullable=False),
    Column("size", Big, nullable=False),
    # Bytes that are durable in the file; what lies beyond is cut off when the upload resumes.
    Column("received", Big, nullable=False),
    Column("expires", Big, nullable=False),
    Index("attachments_expires", "expires"),
)

# Room used by a line per day, not per attachment: the relay does not keep who uploaded which.
attachment_use = Table(
    "attachment_use",
    metadata,
    Column("line", Bytes(16), primary_key=True),
    Column("day", Integer, primary_key=True, autoincrement=False),
    Column("bytes", Big, nullable=False),
    sqlite_with_rowid=False,
)

# Where a device's browser is knocked for; the address says to whoever reads it at which push service it is.
push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("mailbox", Big, primary_key=True, autoincrement=False),
    Column("endpoint", String(1024), nullable=False),
    Column("p256dh", Bytes(65), nullable=False),
    Column("auth", Bytes(16), nullable=False),
)

# The transparency log, entry by entry: a row is never changed or deleted.
log_entries = Table(
    "log_entries",
    metadata,
    Column("number", Big, primary_key=True, autoincrement=False),
    # The MessagePack of a chappe.wire.log_entries.LogEntry.
    Column("entry", Bytes(1024), nullable=False),
    Column("at", Big, nullable=False),
)
