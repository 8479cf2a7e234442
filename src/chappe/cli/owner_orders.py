"""A line's owner ends a lost device of the line from another one: `chappe erase` without an officer."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, cast

from chappe.cli import show
from chappe.cli.common import SECONDS, with_phone
from chappe.cli.officers import confirm
from chappe.cli.show import note, out
from chappe.cli.words import say
from chappe.wire.errors import error

if TYPE_CHECKING:
    from chappe.client import DeviceInfo, OrderProgress, Phone
    from chappe.client.order_views import OrderView
    from chappe.wire.orders import Kind

MIN_PREFIX = 4


def end_own(kind: Kind, targets: list[str], reason: str, *, yes: bool, home: Path | None) -> None:
    """Erase, revoke or lock other devices of this line."""
    from chappe.cli.erase_commands import explain

    async def work(phone: Phone) -> None:
        devices = await phone.devices()
        chosen = [_own_device(text, phone.address, devices) for text in targets]
        if kind != "lock":
            explain(kind)
        for device in chosen:
            note(f"  {show.clean(phone.address)}  {device.device_id.hex()[:8]}")
        question = say("confirm.address", what=phone.address)
        confirm(question, yes=yes, expected=phone.address)
        give = {"erase": phone.erase_device, "revoke": phone.revoke_device, "lock": phone.lock_device}[kind]
        for device in chosen:
            id_ = await give(device.device_id, reason)
            out(say("order.given", id=id_.hex()))
        # The device is put out of the conversations by this one.
        await phone.settled(SECONDS)

    with_phone(home, work)


def _own_device(text: str, address: str, devices: list[DeviceInfo]) -> DeviceInfo:
    """`DEVICE` or `ADDRESS/DEVICE`, by first digits. Raises usage.invalid."""
    name, slash, prefix = text.strip().lower().rpartition("/")
    if slash and name != address:
        raise error("usage.invalid", "Another line's device: that takes an officer (--officer FILE).")
    if "@" in prefix:
        raise error(
            "usage.invalid", "A whole line takes an officer (--officer FILE); name a device of yours."
        )
    found = [device for device in devices if device.device_id.hex().startswith(prefix)]
    if len(prefix) < MIN_PREFIX or len(found) != 1:
        raise error("usage.invalid", "Which device? Give its first digits; see `chappe devices`.")
    if found[0].this:
        raise error("usage.invalid", "That is this device; order it from another one.")
    return found[0]


def status_own(order: str | None, *, watch: bool, json: bool, home: Path | None) -> None:
    """How far this line's own orders got."""
    from chappe.cli.erase_commands import find_order, follow

    async def work(phone: Phone) -> None:
        async def look() -> list[OrderView]:
            views = _views(await phone.order_status())
            return [find_order(order, views)] if order else views

        await follow(look, watch=watch, json=json)

    with_phone(home, work)


def _views(progress: list[OrderProgress]) -> list[OrderView]:
    """The rows of each order together, as an officer sees them."""
    return [_view(list(rows)) for _, rows in groupby(progress, key=lambda one: one.order)]


def _view(rows: list[OrderProgress]) -> OrderView:
    from chappe.client.order_views import DeviceView, OrderView

    first = rows[0]
    devices = tuple(
        DeviceView(
            one.device,
            b"",
            one.address,
            one.ordered_at,
            one.unreadable_at,
            one.conversations,
            one.removed,
            one.removed_at,
            one.done_at,
            "none" if one.done_at is None else "holds",
            one.has_pin,
        )
        for one in rows
    )
    return OrderView(
        first.order,
        cast("Kind", first.kind),
        (),
        first.reason,
        first.ordered_at,
        awaiting=False,
        devices=devices,
        missing=(),
    )
