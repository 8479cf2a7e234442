"""The first schema: lines, devices, mailboxes, key packages, groups, codes, attachments.

Revision 0001, after nothing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    _people()
    _mail()
    _groups()
    _attachments()


def _people() -> None:
    op.create_table(
        "lines",
        sa.Column("line", sa.LargeBinary(length=16), nullable=False),
        sa.Column("address", sa.String(length=320), nullable=False),
        sa.Column("identity_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("line"),
        sa.UniqueConstraint("address"),
    )
    op.create_table(
        "devices",
        sa.Column("device", sa.LargeBinary(length=16), nullable=False),
        sa.Column("line", sa.LargeBinary(length=16), nullable=False),
        sa.Column("mailbox", BIG, nullable=False),
        sa.Column("certificate", sa.LargeBinary(length=1024), nullable=False),
        sa.Column("signature_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("revoked_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("device"),
        sa.UniqueConstraint("mailbox"),
    )
    op.create_index("ix_devices_line", "devices", ["line"], unique=False)
    op.create_table(
        "codes",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("used_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )


def _mail() -> None:
    op.create_table(
        "mailboxes",
        sa.Column("mailbox", BIG, autoincrement=True, nullable=False),
        sa.Column("gone_sequence", BIG, nullable=False),
        sa.Column("gone_bytes", BIG, nullable=False),
        sa.PrimaryKeyConstraint("mailbox"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "entries",
        sa.Column("mailbox", BIG, autoincrement=False, nullable=False),
        sa.Column("sequence", BIG, autoincrement=False, nullable=False),
        sa.Column("envelope", sa.LargeBinary(length=16), nullable=False),
        sa.Column("payload", BIG, nullable=False),
        sa.Column("total_bytes", BIG, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "sequence"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "payloads",
        sa.Column("payload", BIG, autoincrement=False, nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("payload"),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Where one process writes, the highest number in the table is enough.
        op.execute("CREATE SEQUENCE payload_numbers")
    op.create_table(
        "shares",
        sa.Column("payload", BIG, autoincrement=False, nullable=False),
        sa.Column("mailboxes_left", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("payload"),
    )
    op.create_table(
        "sent_ids",
        sa.Column("mailbox", BIG, autoincrement=False, nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("expires", BIG, nullable=False),
        sa.PrimaryKeyConstraint("mailbox", "id"),
        sqlite_with_rowid=False,
    )
    op.create_index("sent_ids_expires", "sent_ids", ["expires"], unique=False)


def _groups() -> None:
    op.create_table(
        "key_packages",
        sa.Column("mailbox", BIG, autoincrement=False, nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("position", BIG, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=True),
        sa.Column("taken_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("mailbox", "digest"),
    )
    op.create_index(
        "key_packages_free",
        "key_packages",
        ["mailbox", "position"],
        unique=False,
        sqlite_where=sa.text("taken_at IS NULL"),
        postgresql_where=sa.text("taken_at IS NULL"),
    )
    op.create_index("key_packages_taken", "key_packages", ["taken_at"], unique=False)
    op.create_table(
        "last_resort_packages",
        sa.Column("mailbox", BIG, autoincrement=False, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("mailbox"),
    )
    op.create_table(
        "groups",
        sa.Column("group_id", sa.LargeBinary(length=32), nullable=False),
        sa.Column("epoch", BIG, nullable=False),
        sa.Column("lock", sa.LargeBinary(length=32), nullable=False),
        sa.Column("moved_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("group_id"),
        sqlite_with_rowid=False,
    )


def _attachments() -> None:
    op.create_table(
        "attachments",
        sa.Column("attachment", sa.LargeBinary(length=32), nullable=False),
        sa.Column("token_digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("size", BIG, nullable=False),
        sa.Column("received", BIG, nullable=False),
        sa.Column("expires", BIG, nullable=False),
        sa.PrimaryKeyConstraint("attachment"),
    )
    op.create_index("attachments_expires", "attachments", ["expires"], unique=False)
    op.create_table(
        "attachment_use",
        sa.Column("line", sa.LargeBinary(length=16), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("bytes", BIG, nullable=False),
        sa.PrimaryKeyConstraint("line", "day"),
        sqlite_with_rowid=False,
    )
