"""Orders as people and programs see them: one table for each, a row for each device."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from chappe.cli import show
from chappe.cli.words import say

if TYPE_CHECKING:
    from chappe.client.order_views import DeviceView, OrderView

_BAR: Final = 8
_GAP: Final = "  "


def order_lines(view: OrderView, now: float) -> list[str]:
    """The order, a heading, its devices, and what to be told besides. An empty line ends it."""
    who = ", ".join(map(show.clean, view.by)) or say("order.by.owner")
    head = say(
        "order.head",
        id=view.id.hex()[:8],
        kind=say(f"kind.{view.kind}"),
        by=who,
        when=_when(view.ordered_at, now),
        reason=show.clean(view.reason),
    )
    rows = [_heading(view), *(_row(view, device, now) for device in view.devices)]
    notes = [say("order.waits", id=view.id.hex()[:8])] if view.awaiting else []
    notes += [say("order.false", device=d.device.hex()[:8]) for d in view.devices if d.receipt == "false"]
    if view.kind == "erase":
        notes += no_pin_lines(view)
    notes += [say("order.missing", device=device.hex()[:8]) for device in view.missing]
    return [head, *(_aligned(rows) if view.devices else []), *notes, ""]


def no_pin_lines(view: OrderView) -> list[str]:
    """Devices that no destroyed share protects, and that have not shown yet that they erased."""
    bare = [one for one in view.devices if not one.has_pin and one.done_at is None]
    return [say("order.no_pin", device=one.device.hex()[:8]) for one in bare]


def _heading(view: OrderView) -> list[str]:
    return [say(f"stage.{name}.{view.kind}" if name == "done" else f"stage.{name}") for name in _stages(view)]


def _stages(view: OrderView) -> list[str]:
    if view.kind == "erase":
        return ["device", "ordered", "unreadable", "removed", "done"]
    return (
        ["device", "ordered", "removed", "done"] if view.kind == "revoke" else ["device", "ordered", "done"]
    )


def _row(view: OrderView, device: DeviceView, now: float) -> list[str]:
    cells = {
        "device": f"{show.clean(device.address)}/{device.device.hex()[:8]}",
        "ordered": _when(device.ordered_at, now),
        "unreadable": _when(device.unreadable_at, now) if device.has_pin else say("stage.no_pin"),
        "removed": _removed(device, now),
        "done": _when(device.done_at, now),
    }
    return [cells[name] for name in _stages(view)]


def _removed(device: DeviceView, now: float) -> str:
    if device.conversations is None:
        return say("removed.unknown")
    count = say("removed.count", done=device.removed, all=device.conversations)
    if device.removed_at is not None:
        return f"{count} {_when(device.removed_at, now)}"
    full = _BAR * device.removed // max(1, device.conversations)
    return f"{count} {'█' * full}{'░' * (_BAR - full)}"


def _when(at: int | None, now: float) -> str:
    """The time of day today, the date else; a dash for what is not yet."""
    if at is None:
        return "-"
    then = time.localtime(at)
    return time.strftime("%H:%M:%S" if then[:3] == time.localtime(now)[:3] else "%Y-%m-%d %H:%M", then)


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        _GAP + _GAP.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def order_dict(view: OrderView) -> dict[str, Any]:
    """Ids in hex, times in Unix seconds, null for what is not yet."""
    return {
        "order": view.id.hex(),
        "kind": view.kind,
        "by": list(view.by),
        "reason": view.reason,
        "ordered_at": view.ordered_at,
        "awaiting": view.awaiting,
        "finished": view.finished,
        "missing": [device.hex() for device in view.missing],
        "devices": [_device_dict(device) for device in view.devices],
    }


def _device_dict(device: DeviceView) -> dict[str, Any]:
    return {
        "device": device.device.hex(),
        "line": device.line.hex(),
        "address": device.address,
        "stage": device.stage,
        "ordered_at": device.ordered_at,
        "unreadable_at": device.unreadable_at,
        "conversations": device.conversations,
        "removed": device.removed,
        "removed_at": device.removed_at,
        "done_at": device.done_at,
        "receipt": device.receipt,
        "has_pin": device.has_pin,
    }
