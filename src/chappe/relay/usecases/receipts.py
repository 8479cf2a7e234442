"""What devices and the share service answer to orders: receipts, and that a share is destroyed."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from chappe.relay import audit, fleet_rows, log_rows
from chappe.relay.fleet_rows import pieces
from chappe.relay.fleet_tables import order_devices, orders
from chappe.relay.ports import Reported, Unit
from chappe.wire.audit import AuditEntry
from chappe.wire.errors import error
from chappe.wire.orders import OUTCOMES, SignedReceipt, check_receipt


@dataclass(frozen=True, slots=True)
class TakeReceipt:
    """A device's receipt. Gives `Reported`; the first one counts. Refused with receipt.invalid,
    order.unknown."""

    device: bytes
    receipt: SignedReceipt

    @property
    def weight(self) -> int:
        return 1_500

    def run(self, unit: Unit) -> Reported:
        connection = unit.connection
        device = fleet_rows.find_devices(connection, [self.device])[self.device]
        receipt = check_receipt(
            self.receipt, signature_key=device.signature_key, unlock_key=device.unlock_key
        )
        if receipt.device != self.device:
            raise error("receipt.invalid")
        here = (order_devices.c.order_id == receipt.order, order_devices.c.device == self.device)
        stage = connection.execute(select(order_devices.c.done_at).where(*here)).one_or_none()
        order = fleet_rows.find_order(connection, receipt.order)
        if stage is None or order is None:
            raise error("order.unknown")
        if receipt.outcome != OUTCOMES[order.kind]:
            raise error("receipt.invalid", "The receipt is not of what was ordered.")
        if stage.done_at is None:
            connection.execute(
                update(order_devices)
                .where(*here)
                .values(done_at=unit.now, receipt=fleet_rows.encode(self.receipt))
            )
            entry = AuditEntry(
                1,
                unit.now,
                "receipt.taken",
                order=receipt.order,
                kind=order.kind,
                line=device.line,
                device=self.device,
                outcome=receipt.outcome,
            )
            audit.append(unit, order.organisation, entry)
        return Reported(receipt.order)


@dataclass(frozen=True, slots=True)
class MarkUnreadable:
    """The share service has destroyed these devices' shares. Gives nothing."""

    devices: tuple[bytes, ...]

    @property
    def weight(self) -> int:
        return 500 + 32 * len(self.devices)

    def run(self, unit: Unit) -> None:
        connection = unit.connection
        for piece in pieces(self.devices):
            here = (
                order_devices.c.device.in_(piece),
                order_devices.c.doomed,
                order_devices.c.unreadable_at.is_(None),
            )
            rows = connection.execute(
                select(order_devices.c.order_id, order_devices.c.device, orders.c.organisation)
                .join(orders, orders.c.order_id == order_devices.c.order_id)
                .where(*here)
                .order_by(order_devices.c.order_id, order_devices.c.device)
            ).all()
            # Of two orders to erase one device, the first destroyed its share.
            before = set(
                connection.execute(
                    select(order_devices.c.device).where(
                        order_devices.c.device.in_(piece), order_devices.c.unreadable_at.is_not(None)
                    )
                ).scalars()
            )
            connection.execute(update(order_devices).where(*here).values(unreadable_at=unit.now))
            logs: dict[bytes, list[AuditEntry]] = {}
            for row in rows:
                if row.organisation is not None:
                    entry = AuditEntry(1, unit.now, "share.destroyed", order=row.order_id, device=row.device)
                    logs.setdefault(row.organisation, []).append(entry)
            for organisation, entries in logs.items():
                audit.append(unit, organisation, *entries)
            fresh = [row.device for row in rows if row.device not in before]
            log_rows.append(unit, *log_rows.destroyed(unit.now, fresh))
