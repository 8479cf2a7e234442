"""One entry of each kind that the transparency log has, the same on every run."""

from __future__ import annotations

from typing import Final

from chappe.wire import log_entries as log


def h(name: str) -> bytes:
    """32 bytes that are the same for the same name."""
    return name.encode().ljust(32, b".")


def mark(name: str) -> log.OfficerMark:
    return log.OfficerMark(h(name), name.encode().ljust(64, b"*"))


AT: Final = 1_790_000_000
DEVICE: Final = (h("line"), h("device"), h("certificate"), h("key"))
CHANGE: Final = (h("organisation"), h("ada"), h("ada's key"), 3, h("roster"), [mark("ben"), mark("cyd")])

SAMPLES: Final[tuple[log.LogEntry, ...]] = (
    log.LogOpened(1, AT, "relay.example/chappe"),
    log.LineCreated(1, AT, h("line"), h("identity"), h("organisation"), *DEVICE[1:]),
    log.LineCreated(1, AT, h("line"), h("identity"), b"", *DEVICE[1:]),
    log.DeviceAdded(1, AT, *DEVICE, by=None, order=None),
    log.DeviceAdded(1, AT, *DEVICE, by=log.Endorsement(h("first"), b"s" * 64), order=None),
    log.DeviceAdded(1, AT, *DEVICE, by=None, order=h("order")),
    log.DeviceAnnounced(1, AT, *DEVICE, h("identity"), h("order"), [mark("ada"), mark("ben")]),
    log.DeviceRevoked(1, AT, h("device"), "owner", h("order")),
    log.DeviceRevoked(1, AT, h("device"), "lapsed", None),
    log.EraseOrdered(1, AT, h("device"), h("order")),
    log.ShareDestroyed(1, AT, h("device")),
    log.OfficerAdded(1, AT, *CHANGE),
    log.OfficerRemoved(1, AT, *CHANGE),
    log.Release(1, AT, h("manifest"), "0.1.0"),
)
