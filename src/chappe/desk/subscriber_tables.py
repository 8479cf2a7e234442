"""The record of subscribers, apart from everything that the relay has.

Two kinds of columns, by what the law keeps for how long: who the subscriber is (five years after the
contract's
end), and what was said of the account and of the payment (one year). `chappe.desk.subscribers.sweep` empties
them when their time is over.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Index, Integer, String, Table

from chappe.desk.schema import Big, Bytes, metadata

subscribers = Table(
    "subscribers",
    metadata,
    Column("subscriber", Bytes(16), primary_key=True),
    # person or company.
    Column("kind", String(8), nullable=False),
    # Who it is, or who acts for the company.
    Column("company", String(120), nullable=False),
    Column("registration", String(32), nullable=False),
    Column("surname", String(100), nullable=False),
    Column("given_name", String(100), nullable=False),
    Column("born_on", String(10), nullable=False),
    Column("born_at", String(120), nullable=False),
    Column("street", String(200), nullable=False),
    Column("postcode", String(16), nullable=False),
    Column("city", String(80), nullable=False),
    Column("country", String(2), nullable=False),
    Column("email", String(254), nullable=False),
    Column("phone", String(20), nullable=False),
    # Of the account: its line, as the relay has it, and its address.
    Column("address", String(320), nullable=False),
    Column("line", Bytes(16)),
    Column("organisation", Bytes(16)),
    # Of the contract and how it was paid: never a card or account number.
    Column("contract", String(64), nullable=False),
    Column("payment", String(16), nullable=False),
    Column("payment_reference", String(64), nullable=False),
    Column("created_at", Big, nullable=False),
    # ISO 8601 dates, UTC. NULL: the contract goes on.
    Column("began_on", String(10), nullable=False),
    Column("ended_on", String(10)),
    # When what is kept for one year was emptied.
    Column("reduced_at", Big),
    Column("version", Integer, nullable=False),
    Index("subscribers_line", "line"),
    Index("subscribers_address", "address"),
    Index("subscribers_organisation", "organisation"),
    Index("subscribers_ended", "ended_on"),
)

IDENTITY: Final = (
    "company",
    "registration",
    "surname",
    "given_name",
    "born_on",
    "born_at",
    "street",
    "postcode",
    "city",
    "country",
    "email",
    "phone",
)
"""Kept for five years after the end."""
ACCOUNT: Final = ("address", "contract", "payment", "payment_reference")
"""Kept for one year after the end, with `line` and `organisation`."""
