"""What became of orders, as far as signatures show it. The relay's word stands for times alone.

`erased` is what a receipt proves; `unreadable` is what the share service reports to the relay.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

import msgspec

from chappe.client.officer_file import KnownLine
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import ChappeError, error
from chappe.wire.fleet import DeviceStages, OrderStatus
from chappe.wire.orders import (
    DESTROYING,
    OUTCOMES,
    Kind,
    Order,
    check_receipt,
    unlock_key_bytes,
)
from chappe.wire.rosters import verify

Proof: TypeAlias = Literal["none", "holds", "false"]


@dataclass(frozen=True, slots=True)
class DeviceView:
    """Unix seconds; None: not yet. `done_at` is set where the receipt holds, and only there.
    `has_pin`: it vouched for a key that signs guesses; without one there never was a share to destroy."""

    device: bytes
    line: bytes
    address: str
    ordered_at: int
    unreadable_at: int | None
    conversations: int | None
    removed: int
    removed_at: int | None
    done_at: int | None
    receipt: Proof
    has_pin: bool = True

    @property
    def stage(self) -> str:
        """The last one reached: ordered, unreadable, removed, done."""
        if self.done_at is not None:
            return "done"
        if self.removed_at is not None:
            return "removed"
        return "unreadable" if self.unreadable_at is not None and self.has_pin else "ordered"


@dataclass(frozen=True, slots=True)
class OrderView:
    """`by`: names of the officers who signed; empty where the line's owner did. `missing`: devices that the
    order names and the relay says nothing of."""

    id: bytes
    kind: Kind
    by: tuple[str, ...]
    reason: str
    ordered_at: int
    awaiting: bool
    devices: tuple[DeviceView, ...]
    missing: tuple[bytes, ...]

    @property
    def finished(self) -> bool:
        """Nothing more is to be expected."""
        removes = self.kind in DESTROYING
        return not self.awaiting and all(
            device.done_at is not None and (device.removed_at is not None or not removes)
            for device in self.devices
        )


def view(
    status: OrderStatus,
    check: Callable[[OrderStatus], tuple[Order, tuple[str, ...]]],
    known: dict[bytes, KnownLine],
    fleet_key: bytes,
    former: Collection[tuple[bytes, bytes]] = (),
) -> OrderView:
    """`check` verifies the order's signatures and names its officers; what it raises is raised. `former`:
    lines with identity keys that they had, as officers signed."""
    order, by = check(status)
    if status.reason.digest() != order.reason_digest or status.kind != order.kind:
        raise error("order.forged", "The relay shows an order with another reason or kind than was signed.")
    for one in status.devices:
        if not order.covers(one.line, one.device):
            raise error("order.forged", "The relay shows a device with an order that does not name it.")
    devices = tuple(_device(one, order, known.get(one.line), fleet_key, former) for one in status.devices)
    shown = {device.device for device in devices}
    named = [target.device for target in order.targets if target.device is not None]
    missing = tuple(device for device in named if device not in shown and not status.awaiting)
    return OrderView(
        order.id, order.kind, by, status.reason.text, status.ordered_at, status.awaiting, devices, missing
    )


def _device(
    one: DeviceStages,
    order: Order,
    known: KnownLine | None,
    fleet_key: bytes,
    former: Collection[tuple[bytes, bytes]] = (),
) -> DeviceView:
    proof: Proof = "none"
    if one.receipt is not None:
        keys = [] if known is None else [key for line, key in former if line == known.line]
        each = [known, *(known and msgspec.structs.replace(known, identity_key=key) for key in keys)]
        holds = any(receipt_holds(one, order, as_known, fleet_key) for as_known in each)
        proof = "holds" if holds else "false"
    return DeviceView(
        one.device,
        one.line,
        known.address if known else one.address,
        one.ordered_at,
        one.unreadable_at,
        one.conversations,
        one.removed,
        one.removed_at,
        (one.done_at or one.ordered_at) if proof == "holds" else None,
        proof,
        has_pin(one),
    )


def has_pin(one: DeviceStages) -> bool:
    """Whether the device ever had a share. The relay's word of a key counts only with the device's proof."""
    try:
        certificate = DeviceCertificate.from_bytes(one.certificate)
        return _vouched(one, certificate.signature_key) is not None
    except ChappeError:
        return False


def receipt_holds(one: DeviceStages, order: Order, known: KnownLine | None, fleet_key: bytes) -> bool:
    """Whether this very device signed that it did what this very order asks.

    The certificate counts if the identity key that was remembered of the line signed it; the key that
    signs while locked counts if the device vouched for it.
    """
    if one.receipt is None or known is None:
        return False
    try:
        certificate = DeviceCertificate.from_bytes(one.certificate)
        certificate.verify()
        said = (certificate.device_id, certificate.line_id, certificate.identity_key, certificate.fleet_key)
        if said != (one.device, known.line, known.identity_key, fleet_key) or one.line != known.line:
            return False
        receipt = check_receipt(
            one.receipt,
            signature_key=certificate.signature_key,
            unlock_key=_vouched(one, certificate.signature_key),
        )
    except ChappeError:
        return False
    return (receipt.order, receipt.device, receipt.outcome) == (
        order.id,
        one.device,
        OUTCOMES.get(order.kind),
    )


def _vouched(one: DeviceStages, signature_key: bytes) -> bytes | None:
    """Raises receipt.invalid where the proof does not hold."""
    if one.unlock_key is None or one.unlock_proof is None:
        return None
    verify(signature_key, one.unlock_proof, unlock_key_bytes(one.device, one.unlock_key), "receipt.invalid")
    return one.unlock_key
