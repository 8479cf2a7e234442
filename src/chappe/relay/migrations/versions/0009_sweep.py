"""Indexes by which a sweep finds what is over without looking through what is not.

Revision 0009.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

WAITING = sa.text("executed_at IS NULL")
OPEN = sa.text("added_at IS NULL AND withdrawn_at IS NULL")


def upgrade() -> None:
    # Of before a use was kept to the day only.
    op.execute("UPDATE codes SET used_at = used_at - used_at % 86400 WHERE used_at % 86400 <> 0")
    op.create_index("codes_used", "codes", ["used_at"], unique=False)
    op.create_index("codes_expires", "codes", ["expires_at"], unique=False)
    op.create_index(
        "orders_waiting", "orders", ["given_at"], unique=False, sqlite_where=WAITING, postgresql_where=WAITING
    )
    op.create_index(
        "enrolments_open", "enrolments", ["given_at"], unique=False, sqlite_where=OPEN, postgresql_where=OPEN
    )
