"""The transparency log's entries, and the salt under which a line stands in it.

Revision 0005, after 0004. What is here already is logged at the next start (chappe.relay.log_opening): the
name of the log is not known here.
"""

from __future__ import annotations

import secrets

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
COLUMNS = (
    "line, address, identity_key, created_at, organisation, held_at, held_by, closed_at, term_ends, "
    "term_day, term_months, lapsed_at"
)


def upgrade() -> None:
    op.create_table(
        "log_entries",
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    # Made anew and filled from the old, so that the column stands where a fresh database has it.
    for index in ("ix_lines_organisation", "lines_address", "lines_open_address", "lines_term"):
        op.drop_index(index, "lines")
    op.rename_table("lines", "lines_before")
    _lines()
    connection = op.get_bind()
    fill = sa.text(
        # The names are those above.
        f"INSERT INTO lines ({COLUMNS}, salt) SELECT {COLUMNS}, :salt FROM lines_before WHERE line = :line"  # noqa: S608
    )
    for line in connection.execute(sa.text("SELECT line FROM lines_before")).scalars().all():
        connection.execute(fill, {"line": line, "salt": secrets.token_bytes(32)})
    op.drop_table("lines_before")


def _lines() -> None:
    op.create_table(
        "lines",
        sa.Column("line", sa.LargeBinary(length=16), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("identity_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.Column("held_at", BIG, nullable=True),
        sa.Column("held_by", sa.LargeBinary(length=16), nullable=True),
        sa.Column("closed_at", BIG, nullable=True),
        sa.Column("term_ends", BIG, nullable=True),
        sa.Column("term_day", sa.Integer(), nullable=True),
        sa.Column("term_months", sa.Integer(), nullable=True),
        sa.Column("lapsed_at", BIG, nullable=True),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("line"),
    )
    op.create_index("ix_lines_organisation", "lines", ["organisation"], unique=False)
    op.create_index("lines_address", "lines", ["address"], unique=False)
    op.create_index("lines_term", "lines", ["term_ends"], unique=False)
    op.create_index(
        "lines_open_address",
        "lines",
        ["address"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )
