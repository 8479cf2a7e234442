"""The tables of the foundation: the audit log, accounts and what they sign in with, tokens, resellers.

Ids are 16 random bytes, times Unix seconds. A row that people change carries `version`, which grows by one
with each change. Secrets that the desk hands out (session cookies, codes, links, tokens) are here as
SHA-256 alone.
"""

from __future__ import annotations

from sqlalchemy import Boolean, Column, Index, Integer, String, Table

from chappe.desk.schema import Big, Bytes, append_only, metadata

log = append_only(
    Table(
        "log",
        metadata,
        # From 0, without holes: the index in the Merkle tree.
        Column("number", Big, primary_key=True, autoincrement=False),
        # The MessagePack of an `Entry`; the columns between are what of it lists are filtered by.
        Column("entry", Bytes, nullable=False),
        Column("root", Bytes(32), nullable=False),
        Column("at", Big, nullable=False),
        Column("what", String(64), nullable=False),
        # The account that did it, or in whose name a token did.
        Column("account", Bytes(16)),
        # What it was done to.
        Column("subject", Bytes(16)),
        # Whose affair it is: what that reseller or organisation may read of the log.
        Column("reseller", Bytes(16)),
        Column("organisation", Bytes(16)),
        Index("log_at", "at"),
        Index("log_what", "what", "number"),
        Index("log_account", "account", "number"),
        Index("log_subject", "subject", "number"),
        Index("log_reseller", "reseller", "number"),
        Index("log_organisation", "organisation", "number"),
    )
)

log_heads = Table(
    "log_heads",
    metadata,
    # One row, 1.
    Column("head", Integer, primary_key=True, autoincrement=False),
    # `Chain.to_bytes`: what the next entry is appended to.
    Column("chain", Bytes, nullable=False),
)

accounts = Table(
    "accounts",
    metadata,
    Column("account", Bytes(16), primary_key=True),
    Column("role", String(16), nullable=False),
    Column("name", String(100), nullable=False),
    # In lower case; unique among open accounts.
    Column("email", String(254), nullable=False),
    Column("language", String(2), nullable=False),
    # Of a reseller's account.
    Column("reseller", Bytes(16)),
    # Of an officer's account.
    Column("organisation", Bytes(16)),
    Column("created_at", Big, nullable=False),
    Column("closed_at", Big),
    Column("version", Integer, nullable=False),
    Index("accounts_email", "email", unique=True, sqlite_where=Column("closed_at").is_(None)),
    Index("accounts_reseller", "reseller"),
    Index("accounts_organisation", "organisation"),
)

passkeys = Table(
    "passkeys",
    metadata,
    # The id that the authenticator gave it, up to 1,023 bytes.
    Column("passkey", Bytes(1023), primary_key=True),
    Column("account", Bytes(16), nullable=False),
    # The credential as WebAuthn has it: AAGUID, id, public key (COSE).
    Column("credential", Bytes, nullable=False),
    # How often the authenticator says that it signed.
    Column("signatures", Big, nullable=False),
    Column("label", String(60), nullable=False),
    Column("created_at", Big, nullable=False),
    Column("used_at", Big),
    Index("passkeys_account", "account"),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    Column("digest", Bytes(32), primary_key=True),
    Column("account", Bytes(16), nullable=False),
    Column("created_at", Big, nullable=False),
    Column("used_at", Big),
    Index("recovery_codes_account", "account"),
)

sign_in_links = Table(
    "sign_in_links",
    metadata,
    Column("digest", Bytes(32), primary_key=True),
    Column("account", Bytes(16), nullable=False),
    Column("created_at", Big, nullable=False),
    Column("expires_at", Big, nullable=False),
    Column("used_at", Big),
    Index("sign_in_links_account", "account"),
)

ceremonies = Table(
    "ceremonies",
    metadata,
    # SHA-256 of the challenge, which is used once.
    Column("digest", Bytes(32), primary_key=True),
    Column("kind", String(16), nullable=False),
    # Whose passkey is being made; NULL at a sign-in, where the passkey says who it is.
    Column("account", Bytes(16)),
    Column("challenge", Bytes, nullable=False),
    Column("expires_at", Big, nullable=False),
    Index("ceremonies_expires", "expires_at"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", Bytes(32), primary_key=True),
    Column("account", Bytes(16), nullable=False),
    # Where it began with a link or a recovery code: good for making a passkey, and for nothing else.
    Column("enrolling", Boolean, nullable=False),
    Column("signed_in_at", Big, nullable=False),
    Column("seen_at", Big, nullable=False),
    Index("sessions_account", "account"),
    Index("sessions_seen", "seen_at"),
)

tokens = Table(
    "tokens",
    metadata,
    Column("token", Bytes(16), primary_key=True),
    Column("digest", Bytes(32), nullable=False, unique=True),
    # In whose name it acts: never with more than the rights of that account.
    Column("account", Bytes(16), nullable=False),
    Column("label", String(60), nullable=False),
    # Separated by spaces, sorted.
    Column("scopes", String(500), nullable=False),
    Column("created_at", Big, nullable=False),
    Column("expires_at", Big, nullable=False),
    Column("revoked_at", Big),
    # Within the hour.
    Column("used_at", Big),
    Index("tokens_account", "account"),
)

answers = Table(
    "answers",
    metadata,
    # SHA-256 of who asked and the Idempotency-Key.
    Column("digest", Bytes(32), primary_key=True),
    # SHA-256 of the operation and the body: the same key for something else is refused.
    Column("asked", Bytes(32), nullable=False),
    # JSON; NULL where it held something that is shown once.
    Column("answer", Bytes),
    Column("at", Big, nullable=False),
    Index("answers_at", "at"),
)

resellers = Table(
    "resellers",
    metadata,
    Column("reseller", Bytes(16), primary_key=True),
    # As it is registered, and as it trades where that is another name.
    Column("name", String(120), nullable=False),
    Column("trade_name", String(120), nullable=False),
    # ISO 3166-1 alpha-2.
    Column("country", String(2), nullable=False),
    # At the country's register of companies (SIREN in France).
    Column("registration", String(32), nullable=False),
    Column("vat_number", String(20), nullable=False),
    Column("street", String(200), nullable=False),
    Column("postcode", String(16), nullable=False),
    Column("city", String(80), nullable=False),
    Column("website", String(200), nullable=False),
    # The person to speak to; never on the public page.
    Column("contact_name", String(100), nullable=False),
    Column("contact_email", String(254), nullable=False),
    Column("contact_phone", String(20), nullable=False),
    Column("language", String(2), nullable=False),
    Column("applied_at", Big, nullable=False),
    # An application that was turned down, or an accreditation that was ended, for good.
    Column("ended_at", Big),
    # The accreditation in force: first day, last day (ISO 8601 dates, UTC), contract.
    Column("accredited_from", String(10)),
    Column("accredited_until", String(10)),
    Column("contract", String(64)),
    Column("suspended_at", Big),
    # What the relay was told last of its codes: allowed or withheld; NULL: nothing, which withholds them.
    Column("told", String(8)),
    # Why it was suspended, turned down or ended; the reseller reads it.
    Column("reason", String(500), nullable=False),
    Column("version", Integer, nullable=False),
    Index(
        "resellers_registration",
        "country",
        "registration",
        unique=True,
        sqlite_where=Column("ended_at").is_(None),
    ),
    Index("resellers_name", "name"),
)
