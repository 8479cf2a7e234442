"""What makes this process one of several gateways, or the only one.

With `--bus` there may be others on the same database: a bus wakes, a lookout looks, a leader is elected.
Without, the process is alone, and none of it costs anything.
"""

from __future__ import annotations

from chappe.relay.bus import Bus
from chappe.relay.bus.local import LocalBus
from chappe.relay.config import Settings
from chappe.relay.leader import Leader, OnlyOne
from chappe.relay.storage import Database
from chappe.wire.errors import error


def open_bus(settings: Settings) -> Bus:
    """The one that the settings name. Made in the event loop that uses it. Raises tls.unreadable,
    storage.missing."""
    if settings.bus is None:
        return LocalBus()
    # Only here: who is alone need not load the client.
    from chappe.relay.bus.nats import NatsBus, Place, instance_of

    token = None
    if settings.bus_token_file is not None:
        try:
            token = settings.bus_token_file.read_text().strip()
        except (OSError, UnicodeDecodeError):
            raise error("storage.missing", "The file with the bus's token cannot be read.") from None
    return NatsBus(
        Place(
            settings.bus.get_secret_value(),
            instance_of(settings.server_name),
            token,
            settings.bus_authority,
            settings.bus_certificate,
            settings.bus_key,
        )
    )


def elect(database: Database, bus: Bus) -> Leader:
    if not bus.shared:
        return OnlyOne()
    from chappe.relay.election import Elected

    return Elected(lambda: database.engine(writes=True))
