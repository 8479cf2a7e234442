"""What relay, share service and desk hold on a line, put together: they do not know one another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chappe.desk.database import FILE, FOLDER, Database
from chappe.desk.dossier.disclosure import Holdings, held_by_desk
from chappe.desk.kept import TABLES as DESK
from chappe.relay.disclosing import held_by_relay, held_by_shares, lines_at
from chappe.relay.kept import SHARES
from chappe.relay.kept import TABLES as RELAY

if TYPE_CHECKING:
    from chappe.relay.config import Settings

DESK_FILE = f"{FOLDER}/{FILE}"


def holdings_on(settings: Settings, database: Database, line: str) -> Holdings:
    """Raises address.unknown, storage.*."""
    named, others = lines_at(settings, line)
    ids = [named]
    relay = held_by_relay(settings, ids)
    places = [(row["address"], row["organisation"]) for row in relay["lines"]]
    return Holdings(
        line,
        ids,
        {
            "relay.db": relay,
            "shares/shares.db": held_by_shares(settings, relay),
            DESK_FILE: held_by_desk(database, ids, places),
        },
        {"relay.db": RELAY, "shares/shares.db": SHARES, DESK_FILE: DESK},
        others,
    )
