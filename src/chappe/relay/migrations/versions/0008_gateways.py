"""Several gateways on one database: where devices are, meetings of devices, the head of the log.

Revision 0008.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "holders",
        sa.Column("mailbox", BIG, autoincrement=False, nullable=False),
        sa.Column("holder", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("mailbox"),
    )
    op.create_table(
        "meetings",
        sa.Column("meeting", sa.LargeBinary(length=16), nullable=False),
        sa.Column("ends", BIG, nullable=False),
        sa.Column("offer", sa.LargeBinary(), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("meeting"),
    )
    op.create_index("meetings_ends", "meetings", ["ends"], unique=False)
    op.create_table(
        "log_heads",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
