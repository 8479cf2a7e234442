"""What the relay and its share service have on their disk, for the inventory."""

from __future__ import annotations

import sqlite3

from chappe.relay.config import Settings
from chappe.relay.kept import SHARES, TABLES
from chappe.relay.shares import store as share_store
from chappe.relay.storage.reading import all_tables
from chappe.wire.stored import Store, StoredTable, read_only, tables_of


def stores(settings: Settings, *, count: bool = True) -> list[Store]:
    """The relay's database, and the share service's. Raises storage.*."""
    file = "relay.db" if settings.database_url is None else "PostgreSQL"
    return [
        Store(("Relay", "Relais"), file, all_tables(settings, count=count), TABLES),
        Store(("Share service", "Service des parts"), "shares/shares.db", _shares(settings, count), SHARES),
    ]


def _shares(settings: Settings, count: bool) -> tuple[StoredTable, ...]:
    """One on another machine is not looked into: then it is what this version makes."""
    path = settings.shares / "shares.db"
    if settings.share_service is None and path.exists():
        with read_only(path) as connection:
            return tables_of(connection, count=count)
    made = sqlite3.connect(":memory:")
    try:
        for statement in share_store.SCHEMA:
            made.execute(statement)
        return tables_of(made, count=False)
    finally:
        made.close()
