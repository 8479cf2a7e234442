"""The tables of what is sold: plans, batches of codes, the double-entry ledger, invoices, payments.

Amounts are whole minor units of the row's currency; rates of VAT are basis points. What was booked, invoiced
or paid is written once: it is put right by another entry, never by changing one.
"""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, Index, Integer, String, Table

from chappe.desk.schema import Big, Bytes, append_only, metadata

plans = Table(
    "plans",
    metadata,
    Column("plan", Bytes(16), primary_key=True),
    Column("name", String(60), nullable=False),
    Column("months", Integer, nullable=False),
    Column("unit_net", Big, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("vat_rate", Integer, nullable=False),
    Column("created_at", Big, nullable=False),
    # Sold no more; what was sold of it goes on.
    Column("withdrawn_at", Big),
    Column("version", Integer, nullable=False),
    Index("plans_name", "name", unique=True, sqlite_where=Column("withdrawn_at").is_(None)),
)

seller = Table(
    "seller",
    metadata,
    # One row, 1: the operator, as he stands on invoices.
    Column("seller", Integer, primary_key=True, autoincrement=False),
    Column("name", String(120), nullable=False),
    Column("street", String(200), nullable=False),
    Column("postcode", String(16), nullable=False),
    Column("city", String(80), nullable=False),
    Column("country", String(2), nullable=False),
    Column("registration", String(32), nullable=False),
    Column("vat_number", String(20), nullable=False),
    Column("email", String(254), nullable=False),
    Column("iban", String(34), nullable=False),
    Column("version", Integer, nullable=False),
)

trading_terms = Table(
    "trading_terms",
    metadata,
    Column("reseller", Bytes(16), primary_key=True),
    # standard, reverse_charge or exempt; and the reason that stands on the invoice.
    Column("treatment", String(16), nullable=False),
    Column("exemption", String(200), nullable=False),
    Column("payment_days", Integer, nullable=False),
    Column("version", Integer, nullable=False),
)

batches = Table(
    "batches",
    metadata,
    Column("batch", Bytes(16), primary_key=True),
    Column("reseller", Bytes(16), nullable=False),
    # Whose lines the codes make; NULL: of no organisation.
    Column("organisation", Bytes(16)),
    # What the plan said when this was ordered.
    Column("plan", Bytes(16), nullable=False),
    Column("months", Integer, nullable=False),
    Column("unit_net", Big, nullable=False),
    Column("currency", String(3), nullable=False),
    Column("vat_rate", Integer, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("ordered_at", Big, nullable=False),
    Column("invoice", String(20), nullable=False),
    # The relay has the codes; NULL: it was asked, and the answer never came.
    Column("made_at", Big),
    # The codes not used by then were taken back, and credited.
    Column("cancelled_at", Big),
    Column("version", Integer, nullable=False),
    Index("batches_reseller", "reseller", "ordered_at"),
    Index("batches_ordered", "ordered_at"),
)

# Under which ids the relay was asked for codes of an order: more than one where its answer was lost.
relay_batches = append_only(
    Table(
        "relay_batches",
        metadata,
        Column("relay_batch", Bytes(16), primary_key=True),
        Column("batch", Bytes(16), nullable=False),
        Column("at", Big, nullable=False),
        Index("relay_batches_batch", "batch"),
    )
)

bookings = append_only(
    Table(
        "bookings",
        metadata,
        # From 1, without holes.
        Column("booking", Big, primary_key=True, autoincrement=False),
        Column("at", Big, nullable=False),
        # sale, credit or payment; and what it is of: an invoice's number, a payment's id in hex.
        Column("kind", String(16), nullable=False),
        Column("paper", String(40), nullable=False, unique=True),
        Column("reseller", Bytes(16), nullable=False),
        Column("currency", String(3), nullable=False),
        Index("bookings_reseller", "reseller", "booking"),
        Index("bookings_at", "at"),
    )
)

postings = append_only(
    Table(
        "postings",
        metadata,
        Column("booking", Big, primary_key=True, autoincrement=False),
        Column("position", Integer, primary_key=True, autoincrement=False),
        # One of `ledger.ACCOUNTS`.
        Column("account", String(8), nullable=False),
        # Debit above zero, credit below; those of a booking sum to zero.
        Column("amount", Big, nullable=False),
        CheckConstraint("amount <> 0", name="postings_say_something"),
        Index("postings_account", "account"),
    )
)

invoices = append_only(
    Table(
        "invoices",
        metadata,
        Column("number", String(20), primary_key=True),
        # Numbers of a year go from 1, without holes; credit notes stand in the same row of numbers.
        Column("year", Integer, nullable=False),
        Column("sequence", Integer, nullable=False),
        Column("kind", String(16), nullable=False),
        Column("reseller", Bytes(16), nullable=False),
        Column("batch", Bytes(16), nullable=False),
        # The invoice that a credit note takes back.
        Column("refers_to", String(20)),
        # ISO 8601 dates, UTC.
        Column("issued", String(10), nullable=False),
        Column("due", String(10), nullable=False),
        Column("currency", String(3), nullable=False),
        Column("net", Big, nullable=False),
        Column("vat", Big, nullable=False),
        Column("language", String(2), nullable=False),
        # The whole of it (MessagePack of an `Invoice`): what was printed once is printed so again.
        Column("body", Bytes, nullable=False),
        Index("invoices_sequence", "year", "sequence", unique=True),
        Index("invoices_reseller", "reseller", "number"),
        Index("invoices_batch", "batch"),
    )
)

payments = append_only(
    Table(
        "payments",
        metadata,
        Column("payment", Bytes(16), primary_key=True),
        Column("invoice", String(20), nullable=False),
        Column("reseller", Bytes(16), nullable=False),
        Column("amount", Big, nullable=False),
        Column("currency", String(3), nullable=False),
        # The day that it came (ISO 8601), and what the bank calls it.
        Column("received", String(10), nullable=False),
        Column("reference", String(80), nullable=False),
        Column("at", Big, nullable=False),
        Index("payments_reference", "reference", unique=True),
        Index("payments_invoice", "invoice"),
    )
)

refunds = append_only(
    Table(
        "refunds",
        metadata,
        Column("refund", Bytes(16), primary_key=True),
        # What is paid back was credited, and paid for that invoice before.
        Column("credit_note", String(20), nullable=False),
        Column("invoice", String(20), nullable=False),
        Column("reseller", Bytes(16), nullable=False),
        Column("amount", Big, nullable=False),
        Column("currency", String(3), nullable=False),
        # The day that it left (ISO 8601), and what the bank calls it.
        Column("paid", String(10), nullable=False),
        Column("reference", String(80), nullable=False),
        Column("at", Big, nullable=False),
        Index("refunds_reference", "reference", unique=True),
        Index("refunds_invoice", "invoice"),
    )
)

# What the numbers of papers cannot say by themselves: `chappe.desk.numbers`.
number_notes = append_only(
    Table(
        "number_notes",
        metadata,
        Column("note", Integer, primary_key=True, autoincrement=False),
        Column("at", Big, nullable=False),
        # kept, lost or misdated; and which numbers, of which year.
        Column("kind", String(16), nullable=False),
        Column("year", Integer, nullable=False),
        Column("first", Integer, nullable=False),
        Column("last", Integer, nullable=False),
        Column("reason", String(500), nullable=False),
    )
)

# What a unit of another currency is worth: the newest that the operator gave.
rates = Table(
    "rates",
    metadata,
    Column("currency", String(3), primary_key=True),
    # Millionths of a euro, and the day (ISO 8601) that it is of.
    Column("rate", Big, nullable=False),
    Column("day", String(10), nullable=False),
    Column("version", Integer, nullable=False),
)
