"""An organisation's lines as an officer may believe them, and how a person names one.

What the relay says of a line counts as far as the line's own certificates say it, too; and a line is
remembered as it was first seen. A relay that swapped two lines would turn an order against the wrong one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from chappe.client.officer_file import KnownLine
from chappe.wire.certificate import DeviceCertificate, check_address
from chappe.wire.errors import error
from chappe.wire.fleet import LineOf
from chappe.wire.orders import Target

MIN_PREFIX: Final = 4
"""Hexadecimal digits by which a device may be named after its line's address."""


@dataclass(frozen=True, slots=True)
class FleetDevice:
    """Times in Unix seconds. `order`: the one that signed it out for good."""

    id: bytes
    created_at: int
    revoked_at: int | None
    order: bytes | None


@dataclass(frozen=True, slots=True)
class FleetLine:
    """A line whose certificates hold."""

    id: bytes
    address: str
    identity_key: bytes
    created_at: int
    held_at: int | None
    closed_at: int | None
    devices: tuple[FleetDevice, ...]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What a person meant: a line, or one device of it."""

    line: FleetLine
    device: FleetDevice | None

    @property
    def target(self) -> Target:
        return Target(self.line.id, self.device.id if self.device else None)


def checked_line(said: LineOf, fleet_key: bytes) -> FleetLine:
    """Raises certificate.invalid where a certificate says something else than the relay."""
    for device in said.devices:
        certificate = DeviceCertificate.from_bytes(device.certificate)
        certificate.verify()
        found = (certificate.device_id, certificate.line_id, certificate.fleet_key)
        # Of one that was lost, the line's key is one that officers changed since.
        other = device.revoked_at is None and certificate.identity_key != said.identity_key
        if other or found != (device.device, said.line, fleet_key):
            raise error(
                "certificate.invalid", "The relay says something else of a line than its certificate."
            )
        if certificate.address != said.address:
            raise error("certificate.invalid", "The relay shows a line under another address than its own.")
    devices = tuple(FleetDevice(d.device, d.created_at, d.revoked_at, d.order) for d in said.devices)
    return FleetLine(
        said.line, said.address, said.identity_key, said.created_at, said.held_at, said.closed_at, devices
    )


def remember(known: Sequence[KnownLine], seen: Iterable[FleetLine]) -> list[KnownLine]:
    """What is known now. Raises identity.changed for a line that is not the one it was."""
    book = {line.line: line for line in known}
    for line in seen:
        now = KnownLine(line.id, line.address, line.identity_key)
        if book.setdefault(line.id, now) != now:
            raise error(
                "identity.changed",
                "The relay shows a line with another address or key than before; give no order about it.",
            )
    return list(book.values())


def choose(text: str, lines: Sequence[FleetLine]) -> Chosen:
    """`ADDRESS`, `ADDRESS/DEVICE` (the first digits of its id), or the whole id of a line or a device.

    Raises address.unknown, address.malformed, usage.invalid for digits that name more than one.
    """
    text = text.strip()
    if "@" not in text:
        return _by_id(text, lines)
    name, slash, prefix = text.partition("/")
    address = check_address(name)
    # The address of a closed line may have gone to a newer one.
    found = sorted((line for line in lines if line.address == address), key=_newest)
    if not found:
        raise error("address.unknown", "The organisation has no line with this address.")
    return Chosen(found[0], _device(prefix.lower(), found[0]) if slash else None)


def _newest(line: FleetLine) -> tuple[bool, int]:
    return line.closed_at is not None, -line.created_at


def _device(prefix: str, line: FleetLine) -> FleetDevice:
    found = [device for device in line.devices if device.id.hex().startswith(prefix)]
    if len(prefix) < MIN_PREFIX or len(found) > 1:
        raise error("usage.invalid", "Give more digits of the device; see `chappe fleet lines`.")
    if not found:
        raise error("address.unknown", "The line has no such device; see `chappe fleet lines`.")
    return found[0]


def _by_id(text: str, lines: Sequence[FleetLine]) -> Chosen:
    for line in lines:
        if line.id.hex() == text.lower():
            return Chosen(line, None)
        for device in line.devices:
            if device.id.hex() == text.lower():
                return Chosen(line, device)
    raise error("address.unknown", "No such line or device in the organisation; see `chappe fleet lines`.")


def choose_all(texts: Sequence[str], lines: Sequence[FleetLine]) -> list[Chosen]:
    """Each once; a device whose whole line is named, too, is left out. Raises as `choose`."""
    found = {chosen.target: chosen for chosen in (choose(text, lines) for text in texts)}
    whole = {target.line for target in found if target.device is None}
    return [c for target, c in found.items() if target.device is None or target.line not in whole]
