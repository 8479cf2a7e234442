"""Organisations: rosters, orders, registers, removals, the audit log; lines may be of one, held, closed.

Revision 0002, after 0001.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    # SQLite takes no constraint off a table: the three that change are made anew and filled from the old.
    op.drop_index("ix_devices_line", "devices")
    for table in ("lines", "devices", "codes"):
        op.rename_table(table, f"{table}_before")
    _lines()
    _devices()
    _codes()
    for table, columns in (
        ("lines", "line, address, identity_key, created_at"),
        ("devices", "device, line, mailbox, certificate, signature_key, created_at, revoked_at"),
        ("codes", "digest, created_at, expires_at, used_at"),
    ):
        # The names are those above.
        op.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table}_before")  # noqa: S608
        op.drop_table(f"{table}_before")
    _organisations()
    _orders()
    _removals()


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
        sa.PrimaryKeyConstraint("line"),
    )
    op.create_index("ix_lines_organisation", "lines", ["organisation"], unique=False)
    op.create_index("lines_address", "lines", ["address"], unique=False)
    op.create_index(
        "lines_open_address",
        "lines",
        ["address"],
        unique=True,
        sqlite_where=sa.text("closed_at IS NULL"),
        postgresql_where=sa.text("closed_at IS NULL"),
    )


def _devices() -> None:
    op.create_table(
        "devices",
        sa.Column("device", sa.LargeBinary(length=16), nullable=False),
        sa.Column("line", sa.LargeBinary(length=16), nullable=False),
        sa.Column("mailbox", BIG, nullable=False),
        sa.Column("certificate", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("signature_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("revoked_at", BIG, nullable=True),
        sa.Column("revoked_by", sa.LargeBinary(length=16), nullable=True),
        sa.Column("unlock_key", sa.LargeBinary(length=32), nullable=True),
        sa.Column("unlock_proof", sa.LargeBinary(length=64), nullable=True),
        sa.PrimaryKeyConstraint("device"),
        sa.UniqueConstraint("mailbox"),
    )
    op.create_index("ix_devices_line", "devices", ["line"], unique=False)


def _codes() -> None:
    op.create_table(
        "codes",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("used_at", BIG, nullable=True),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )


def _organisations() -> None:
    op.create_table(
        "organisations",
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("fleet_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("organisation"),
        sa.UniqueConstraint("name"),
        sa.UniqueConstraint("fleet_key"),
    )
    op.create_table(
        "rosters",
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "version"),
    )
    op.create_table(
        "audit",
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("organisation", "number"),
    )
    op.create_table(
        "audit_heads",
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("organisation"),
    )


def _orders() -> None:
    op.create_table(
        "orders",
        sa.Column("order_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.Column("line", sa.LargeBinary(length=16), nullable=True),
        sa.Column("officer", sa.LargeBinary(length=16), nullable=True),
        sa.Column("signed", sa.LargeBinary(), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("salt", sa.LargeBinary(length=16), nullable=False),
        sa.Column("issued_at", BIG, nullable=False),
        sa.Column("given_at", BIG, nullable=False),
        sa.Column("executed_at", BIG, nullable=True),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("for_all", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("order_id"),
    )
    op.create_index("orders_organisation", "orders", ["organisation", "given_at"], unique=False)
    op.create_index("orders_line", "orders", ["line", "given_at"], unique=False)
    op.create_table(
        "order_devices",
        sa.Column("order_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("device", sa.LargeBinary(length=16), nullable=False),
        sa.Column("line", sa.LargeBinary(length=16), nullable=False),
        sa.Column("ordered_at", BIG, nullable=False),
        sa.Column("unreadable_at", BIG, nullable=True),
        sa.Column("told_at", BIG, nullable=True),
        sa.Column("removed_at", BIG, nullable=True),
        sa.Column("done_at", BIG, nullable=True),
        sa.Column("receipt", sa.LargeBinary(), nullable=True),
        sa.Column("doomed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", "device"),
        sqlite_with_rowid=False,
    )
    op.create_index("order_devices_device", "order_devices", ["device"], unique=False)
    op.create_index(
        "order_devices_readable",
        "order_devices",
        ["order_id"],
        unique=False,
        sqlite_where=sa.text("doomed AND unreadable_at IS NULL"),
        postgresql_where=sa.text("doomed AND unreadable_at IS NULL"),
    )


def _removals() -> None:
    op.create_table(
        "registers",
        sa.Column("device", sa.LargeBinary(length=16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("device"),
    )
    op.create_table(
        "postings",
        sa.Column("group_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("order_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("device", sa.LargeBinary(length=16), nullable=False),
        sa.Column("settled_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("group_id", "order_id", "device"),
        sqlite_with_rowid=False,
    )
    op.create_index("postings_order", "postings", ["order_id", "device"], unique=False)
    op.create_index(
        "postings_open",
        "postings",
        ["group_id"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "proposals",
        sa.Column("group_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("order_id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("device", sa.LargeBinary(length=16), nullable=False),
        sa.Column("epoch", BIG, autoincrement=False, nullable=False),
        sa.Column("message", sa.LargeBinary(length=1024), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "order_id", "device", "epoch"),
    )
