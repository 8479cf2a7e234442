"""New phones that officers let into a line.

Revision 0007.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "enrolments",
        sa.Column("order_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=False),
        sa.Column("line", sa.LargeBinary(length=16), nullable=False),
        sa.Column("device", sa.LargeBinary(length=16), nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("given_at", BIG, nullable=False),
        sa.Column("announced_at", BIG, nullable=True),
        sa.Column("added_at", BIG, nullable=True),
        sa.Column("withdrawn_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("order_id"),
        sa.UniqueConstraint("device"),
    )
    op.create_index("enrolments_line", "enrolments", ["line"], unique=False)
    op.create_index("enrolments_organisation", "enrolments", ["organisation", "given_at"], unique=False)
