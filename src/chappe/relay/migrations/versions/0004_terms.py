"""Terms of lines; months, seller and batch of codes; who may sell; what stays of a line that is forgotten.

Revision 0004, after 0003.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # Made anew and filled from the old, so that the columns stand where a fresh database has them.
    for index in ("ix_lines_organisation", "lines_address", "lines_open_address"):
        op.drop_index(index, "lines")
    for table in ("lines", "codes"):
        op.rename_table(table, f"{table}_before")
    _lines()
    _codes()
    for table, columns in (
        (
            "lines",
            "line, address, identity_key, created_at, organisation, held_at, held_by, closed_at",
        ),
        ("codes", "digest, created_at, expires_at, used_at, organisation"),
    ):
        # The names are those above.
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before")  # noqa: S608
        op.drop_table(f"{table}_before")
    op.create_table(
        "sellers",
        sa.Column("seller", sa.LargeBinary(length=16), nullable=False),
        sa.Column("withheld_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("seller"),
    )
    op.create_table(
        "given_addresses",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gone_devices",
        sa.Column("device", sa.LargeBinary(length=16), nullable=False),
        sa.PrimaryKeyConstraint("device"),
        sqlite_with_rowid=False,
    )


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


def _codes() -> None:
    op.create_table(
        "codes",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("used_at", BIG, nullable=True),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.Column("months", sa.Integer(), nullable=True),
        sa.Column("seller", sa.LargeBinary(length=16), nullable=True),
        sa.Column("batch", sa.LargeBinary(length=16), nullable=True),
        sa.Column("voided_at", BIG, nullable=True),
        sa.Column("renewed", sa.LargeBinary(length=16), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ix_codes_batch", "codes", ["batch"], unique=False)
    op.create_index("ix_codes_renewed", "codes", ["renewed"], unique=False)
