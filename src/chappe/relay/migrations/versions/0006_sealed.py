"""Delivery tokens; and the ids of what was sent, without who sent it.

Revision 0006.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "delivery_tokens",
        sa.Column("mailbox", BIG, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("before", sa.LargeBinary(length=32), nullable=True),
        sa.Column("before_until", BIG, nullable=True),
        sa.PrimaryKeyConstraint("mailbox"),
    )
    # What was sent before the upgrade is still stored once; by whom is overwritten (`secure_delete`).
    op.drop_index("sent_ids_expires", "sent_ids")
    op.rename_table("sent_ids", "sent_ids_before")
    op.create_table(
        "sent_ids",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("expires", BIG, nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sqlite_with_rowid=False,
    )
    op.create_index("sent_ids_expires", "sent_ids", ["expires"], unique=False)
    op.execute(
        "INSERT INTO sent_ids (id, digest, expires) SELECT id, digest, expires FROM sent_ids_before "
        "WHERE true ON CONFLICT DO NOTHING"
    )
    op.drop_table("sent_ids_before")
