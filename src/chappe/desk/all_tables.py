"""Every table of the desk: importing this puts them all into `metadata`. A room that adds tables adds a
line."""

from __future__ import annotations

from chappe.desk import ledger_tables, subscriber_tables, tables
from chappe.desk.schema import metadata

__all__ = ["metadata"]

# Importing them has put them there.
assert tables.log.metadata is metadata
assert ledger_tables.plans.metadata is metadata
assert subscriber_tables.subscribers.metadata is metadata
