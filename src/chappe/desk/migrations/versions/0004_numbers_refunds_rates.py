"""Notes on invoice numbers, refunds, rates of currencies.

Revision 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chappe.desk.schema import append_only_statements

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "number_notes",
        sa.Column("note", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("year", sa.Integer(), nullable=False),
        sa.Column("first", sa.Integer(), nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.PrimaryKeyConstraint("note"),
    )
    op.create_table(
        "refunds",
        sa.Column("refund", sa.LargeBinary(length=16), nullable=False),
        sa.Column("credit_note", sa.String(length=20), nullable=False),
        sa.Column("invoice", sa.String(length=20), nullable=False),
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=False),
        sa.Column("amount", BIG, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("paid", sa.String(length=10), nullable=False),
        sa.Column("reference", sa.String(length=80), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("refund"),
    )
    op.create_index("refunds_reference", "refunds", ["reference"], unique=True)
    op.create_index("refunds_invoice", "refunds", ["invoice"])
    for name in ("number_notes", "refunds"):
        for statement in append_only_statements(name):
            op.execute(statement)
    op.create_table(
        "rates",
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("rate", BIG, nullable=False),
        sa.Column("day", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("currency"),
    )
