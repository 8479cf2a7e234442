"""Counts of a year, from the relay's tables: how many, never whose. Read without a way to write."""

from __future__ import annotations

from typing import Final

from chappe.relay.config import Settings
from chappe.relay.storage.reading import reading

_COUNTS: Final[dict[str, str]] = {
    "lines_activated": "SELECT count(*) FROM lines WHERE created_at >= :since AND created_at < :until",
    "lines_closed": "SELECT count(*) FROM lines WHERE closed_at >= :since AND closed_at < :until",
    "lines_at_the_end": "SELECT count(*) FROM lines WHERE created_at < :until "
    "AND (closed_at IS NULL OR closed_at >= :until)",
    "devices_added": "SELECT count(*) FROM devices WHERE created_at >= :since AND created_at < :until",
    "devices_signed_out": "SELECT count(*) FROM devices WHERE revoked_at >= :since AND revoked_at < :until",
    "organisations_added": "SELECT count(*) FROM organisations WHERE created_at >= :since "
    "AND created_at < :until",
    "organisations_at_the_end": "SELECT count(*) FROM organisations WHERE created_at < :until",
    "orders_given": "SELECT count(*) FROM orders WHERE given_at >= :since AND given_at < :until",
    "orders_carried_out": "SELECT count(*) FROM orders WHERE executed_at >= :since AND executed_at < :until",
    "erasures_ordered": "SELECT count(*) FROM order_devices d JOIN orders o ON o.order_id = d.order_id "
    "WHERE o.kind = 'erase' AND d.ordered_at >= :since AND d.ordered_at < :until",
    "erasures_unreadable": "SELECT count(*) FROM order_devices d JOIN orders o ON o.order_id = d.order_id "
    "WHERE o.kind = 'erase' AND d.unreadable_at >= :since AND d.unreadable_at < :until",
    "erasures_confirmed": "SELECT count(*) FROM order_devices d JOIN orders o ON o.order_id = d.order_id "
    "WHERE o.kind = 'erase' AND d.receipt IS NOT NULL AND d.done_at >= :since AND d.done_at < :until",
    "holds_ordered": "SELECT count(*) FROM orders WHERE kind = 'hold' AND executed_at >= :since "
    "AND executed_at < :until",
}


def figures(settings: Settings, since: int, until: int) -> dict[str, int]:
    """Of the time from `since` to before `until`, in Unix seconds. Raises storage.*."""
    with reading(settings) as store:
        bounds = {"since": since, "until": until}
        return {
            name: sum(int(value) for row in store.rows(statement, bounds) for value in row.values())
            for name, statement in _COUNTS.items()
        }
