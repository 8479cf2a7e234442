"""What a device leaves with the relay for its officers: its register, and the key that signs its guesses."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select, update

from chappe.relay.fleet_tables import registers
from chappe.relay.ports import Unit
from chappe.relay.storage import upsert
from chappe.relay.tables import devices
from chappe.wire import frames
from chappe.wire.errors import error
from chappe.wire.orders import unlock_key_bytes
from chappe.wire.rosters import verify


@dataclass(frozen=True, slots=True)
class LeaveRegister:
    """A `Register` frame. Refused with signin.revoked."""

    device: bytes
    sealed: bytes

    @property
    def weight(self) -> int:
        return len(self.sealed) + 500

    def run(self, unit: Unit) -> None:
        revoked = unit.connection.execute(
            select(devices.c.revoked_at).where(devices.c.device == self.device)
        ).scalar()
        if revoked is not None:
            # An order came first: the register that it was given with stays.
            raise error("signin.revoked")
        statement = upsert(unit.connection, registers).values(device=self.device, sealed=self.sealed)
        unit.connection.execute(
            statement.on_conflict_do_update(index_elements=["device"], set_={"sealed": self.sealed})
        )


def vouched_key(device: bytes, signature_key: bytes, frame: frames.Enrol) -> VouchForKey | None:
    """What an enrolment vouches for, if it does. Raises unlock.bad_signature."""
    if frame.unlock_key is None and frame.unlock_proof is None:
        return None
    if frame.unlock_key is None or frame.unlock_proof is None:
        raise error("unlock.bad_signature", "A key and the proof of it come together.")
    signed = unlock_key_bytes(device, frame.unlock_key)
    verify(signature_key, frame.unlock_proof, signed, "unlock.bad_signature")
    return VouchForKey(device, frame.unlock_key, frame.unlock_proof)


@dataclass(frozen=True, slots=True)
class VouchForKey:
    """The key that signs a device's guesses, vouched for: it was checked before. Gives nothing."""

    device: bytes
    unlock_key: bytes
    unlock_proof: bytes

    @property
    def weight(self) -> int:
        return 500

    def run(self, unit: Unit) -> None:
        unit.connection.execute(
            update(devices)
            .where(devices.c.device == self.device)
            .values(unlock_key=self.unlock_key, unlock_proof=self.unlock_proof)
        )
