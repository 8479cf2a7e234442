"""What is sold: plans, batches of codes, the double-entry ledger, invoices, payments.

Revision 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chappe.desk.schema import append_only_statements

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "batches",
        sa.Column("batch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=False),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.Column("plan", sa.LargeBinary(length=16), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("unit_net", BIG, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("vat_rate", sa.Integer(), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("ordered_at", BIG, nullable=False),
        sa.Column("invoice", sa.String(length=20), nullable=False),
        sa.Column("made_at", BIG, nullable=True),
        sa.Column("cancelled_at", BIG, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("batch"),
    )
    op.create_index("batches_ordered", "batches", ["ordered_at"], unique=False)
    op.create_index("batches_reseller", "batches", ["reseller", "ordered_at"], unique=False)
    op.create_table(
        "bookings",
        sa.Column("booking", BIG, autoincrement=False, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("paper", sa.String(length=40), nullable=False),
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.PrimaryKeyConstraint("booking"),
        sa.UniqueConstraint("paper"),
    )
    op.create_index("bookings_at", "bookings", ["at"], unique=False)
    op.create_index("bookings_reseller", "bookings", ["reseller", "booking"], unique=False)
    op.create_table(
        "invoices",
        sa.Column("number", sa.String(length=20), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=False),
        sa.Column("batch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("refers_to", sa.String(length=20), nullable=True),
        sa.Column("issued", sa.String(length=10), nullable=False),
        sa.Column("due", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("net", BIG, nullable=False),
        sa.Column("vat", BIG, nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("invoices_batch", "invoices", ["batch"], unique=False)
    op.create_index("invoices_reseller", "invoices", ["reseller", "number"], unique=False)
    op.create_index("invoices_sequence", "invoices", ["year", "sequence"], unique=True)
    op.create_table(
        "payments",
        sa.Column("payment", sa.LargeBinary(length=16), nullable=False),
        sa.Column("invoice", sa.String(length=20), nullable=False),
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("received", sa.String(length=10), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("payment"),
    )
    op.create_index("payments_invoice", "payments", ["invoice"], unique=False)
    op.create_index("payments_reference", "payments", ["reference"], unique=True)
    op.create_table(
        "plans",
        sa.Column("plan", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.String(length=60), nullable=False),
        sa.Column("months", sa.Integer(), nullable=False),
        sa.Column("unit_net", BIG, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("vat_rate", sa.Integer(), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("withdrawn_at", BIG, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("plan"),
    )
    op.create_index(
        "plans_name", "plans", ["name"], unique=True, sqlite_where=sa.text("withdrawn_at IS NULL")
    )
    op.create_table(
        "postings",
        sa.Column("booking", BIG, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("account", sa.String(length=8), nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.CheckConstraint("amount <> 0", name="postings_say_something"),
        sa.PrimaryKeyConstraint("booking", "position"),
    )
    op.create_index("postings_account", "postings", ["account"], unique=False)
    op.create_table(
        "relay_batches",
        sa.Column("relay_batch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("batch", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("relay_batch"),
    )
    op.create_index("relay_batches_batch", "relay_batches", ["batch"], unique=False)
    op.create_table(
        "seller",
        sa.Column("seller", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("street", sa.String(length=200), nullable=False),
        sa.Column("postcode", sa.String(length=16), nullable=False),
        sa.Column("city", sa.String(length=80), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("registration", sa.String(length=32), nullable=False),
        sa.Column("vat_number", sa.String(length=20), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("iban", sa.String(length=34), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("seller"),
    )
    op.create_table(
        "trading_terms",
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=False),
        sa.Column("treatment", sa.String(length=16), nullable=False),
        sa.Column("exemption", sa.String(length=200), nullable=False),
        sa.Column("payment_days", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("reseller"),
    )
    for table in ("relay_batches", "bookings", "postings", "invoices", "payments"):
        for statement in append_only_statements(table):
            op.execute(statement)
