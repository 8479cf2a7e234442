"""The foundation: the audit log, accounts and what they sign in with, tokens, resellers.

Revision 0001, after None.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from chappe.desk.schema import append_only_statements

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("email", sa.String(length=254), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=True),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("closed_at", BIG, nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account"),
    )
    op.create_index(
        "accounts_email", "accounts", ["email"], unique=True, sqlite_where=sa.text("closed_at IS NULL")
    )
    op.create_index("accounts_organisation", "accounts", ["organisation"], unique=False)
    op.create_index("accounts_reseller", "accounts", ["reseller"], unique=False)
    op.create_table(
        "answers",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("asked", sa.LargeBinary(length=32), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("answers_at", "answers", ["at"], unique=False)
    op.create_table(
        "ceremonies",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=True),
        sa.Column("challenge", sa.LargeBinary(), nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("ceremonies_expires", "ceremonies", ["expires_at"], unique=False)
    op.create_table(
        "log",
        sa.Column("number", BIG, autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.Column("at", BIG, nullable=False),
        sa.Column("what", sa.String(length=64), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=True),
        sa.Column("subject", sa.LargeBinary(length=16), nullable=True),
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=True),
        sa.Column("organisation", sa.LargeBinary(length=16), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index("log_account", "log", ["account", "number"], unique=False)
    op.create_index("log_at", "log", ["at"], unique=False)
    op.create_index("log_organisation", "log", ["organisation", "number"], unique=False)
    op.create_index("log_reseller", "log", ["reseller", "number"], unique=False)
    op.create_index("log_subject", "log", ["subject", "number"], unique=False)
    op.create_index("log_what", "log", ["what", "number"], unique=False)
    op.create_table(
        "log_heads",
        sa.Column("head", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("head"),
    )
    op.create_table(
        "passkeys",
        sa.Column("passkey", sa.LargeBinary(length=1023), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("credential", sa.LargeBinary(), nullable=False),
        sa.Column("signatures", BIG, nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("used_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("passkey"),
    )
    op.create_index("passkeys_account", "passkeys", ["account"], unique=False)
    op.create_table(
        "recovery_codes",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("used_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("recovery_codes_account", "recovery_codes", ["account"], unique=False)
    op.create_table(
        "resellers",
        sa.Column("reseller", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("trade_name", sa.String(length=120), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("registration", sa.String(length=32), nullable=False),
        sa.Column("vat_number", sa.String(length=20), nullable=False),
        sa.Column("street", sa.String(length=200), nullable=False),
        sa.Column("postcode", sa.String(length=16), nullable=False),
        sa.Column("city", sa.String(length=80), nullable=False),
        sa.Column("website", sa.String(length=200), nullable=False),
        sa.Column("contact_name", sa.String(length=100), nullable=False),
        sa.Column("contact_email", sa.String(length=254), nullable=False),
        sa.Column("contact_phone", sa.String(length=20), nullable=False),
        sa.Column("language", sa.String(length=2), nullable=False),
        sa.Column("applied_at", BIG, nullable=False),
        sa.Column("ended_at", BIG, nullable=True),
        sa.Column("accredited_from", sa.String(length=10), nullable=True),
        sa.Column("accredited_until", sa.String(length=10), nullable=True),
        sa.Column("contract", sa.String(length=64), nullable=True),
        sa.Column("suspended_at", BIG, nullable=True),
        sa.Column("told", sa.String(length=8), nullable=True),
        sa.Column("reason", sa.String(length=500), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("reseller"),
    )
    op.create_index("resellers_name", "resellers", ["name"], unique=False)
    op.create_index(
        "resellers_registration",
        "resellers",
        ["country", "registration"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
    )
    op.create_table(
        "sessions",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("enrolling", sa.Boolean(), nullable=False),
        sa.Column("signed_in_at", BIG, nullable=False),
        sa.Column("seen_at", BIG, nullable=False),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sessions_account", "sessions", ["account"], unique=False)
    op.create_index("sessions_seen", "sessions", ["seen_at"], unique=False)
    op.create_table(
        "sign_in_links",
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("used_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("digest"),
    )
    op.create_index("sign_in_links_account", "sign_in_links", ["account"], unique=False)
    op.create_table(
        "tokens",
        sa.Column("token", sa.LargeBinary(length=16), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=32), nullable=False),
        sa.Column("account", sa.LargeBinary(length=16), nullable=False),
        sa.Column("label", sa.String(length=60), nullable=False),
        sa.Column("scopes", sa.String(length=500), nullable=False),
        sa.Column("created_at", BIG, nullable=False),
        sa.Column("expires_at", BIG, nullable=False),
        sa.Column("revoked_at", BIG, nullable=True),
        sa.Column("used_at", BIG, nullable=True),
        sa.PrimaryKeyConstraint("token"),
        sa.UniqueConstraint("digest"),
    )
    op.create_index("tokens_account", "tokens", ["account"], unique=False)
    for statement in append_only_statements("log"):
        op.execute(statement)
