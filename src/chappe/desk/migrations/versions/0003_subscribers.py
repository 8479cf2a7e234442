"""The record of subscribers.

Revision 0003, after 0002.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "subscribers",
        sa.Column("subscriber", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("company", sa.String(length=120), nullable=False),
        sa.Column("registration", sa.String(length=32), nullable=False),
        sa.Column("surname", sa.String(length=100), nullable=False),
        sa.Column("given_name", sa.String(length=100), nullable=False),
        sa.Column("born_on", sa.String(length=10), nullable=False),
        sa.Column("born_at", sa.String(length=120), nullable=False),
        sa.Column("street", sa.String(length=200), nullable=False),
        sa.Column("postcode", sa.String(length=16), nullable=False),
        sa.Column("city", sa.String(length=80), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("phone", sa.String(length=20), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("line", sa.LargeBinary(length=16), nullable=True),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.Column("contract", sa.String(length=64), nullable=False),
        sa.Column("payment", sa.String(length=16), nullable=False),
        sa.Column("payment_reference", sa.String(length=64), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("began_on", sa.String(length=10), nullable=False),
        sa.Column("ended_on", sa.String(length=10), nullable=True),
        sa.Column("reduced_at", BIG, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("subscriber"),
    )
    for name in ("address", "line", "organisation"):
        op.create_index(f"subscribers_{name}", "subscribers", [name], unique=False)
    op.create_index("subscribers_ended", "subscribers", ["ended_on"], unique=False)
