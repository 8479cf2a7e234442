"""Make a line from an activation code, and add devices to a line. Each once, however often it is asked."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from chappe.relay.ports import Unit
from chappe.relay.tables import codes, devices, lines, mailboxes
from chappe.wire import frames
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import error


@dataclass(frozen=True, slots=True)
class Registered:
    """The line and device that are there now."""

    line: bytes
    device: bytes
    address: str


@dataclass(frozen=True, slots=True)
class ActivateLine:
    """Use up a code; make the line, its first device and that device's mailbox.

    `certificate` and the proof of possession were verified before. The same code and certificate again give
    the same answer. Refused with code.unknown, code.used, code.expired, address.taken, certificate.invalid.
    """

    code_digest: bytes
    certificate: DeviceCertificate

    @property
    def weight(self) -> int:
        return 2_000

    def run(self, unit: Unit) -> Registered:
        connection, certificate = unit.connection, self.certificate
        code = connection.execute(select(codes).where(codes.c.digest == self.code_digest)).one_or_none()
        if code is None:
            raise error("code.unknown")
        if code.used_at is not None:
            if _has_device(connection, certificate):
                return _registered(certificate)
            raise error("code.used")
        if code.expires_at <= unit.now:
            raise error("code.expired")
        if connection.execute(select(lines.c.line).where(lines.c.address == certificate.address)).first():
            raise error("address.taken")
        connection.execute(update(codes).where(codes.c.digest == self.code_digest).values(used_at=unit.now))
        try:
            connection.execute(
                insert(lines).values(
                    line=certificate.line_id,
                    address=certificate.address,
                    identity_key=certificate.identity_key,
                    created_at=unit.now,
                )
            )
        except IntegrityError:
            raise error("certificate.invalid", "This line id is taken; make a fresh one.") from None
        _add_device(unit, certificate)
        return _registered(certificate)


@dataclass(frozen=True, slots=True)
class AddDevice:
    """Add a device to its line: the certificate must be signed by the identity key the line has here.

    Refused with address.unknown, certificate.invalid, devices.too_many.
    """

    certificate: DeviceCertificate

    @property
    def weight(self) -> int:
        return 2_000

    def run(self, unit: Unit) -> Registered:
        connection, certificate = unit.connection, self.certificate
        line = connection.execute(select(lines).where(lines.c.address == certificate.address)).one_or_none()
        if line is None:
            raise error("address.unknown")
        if line.line != certificate.line_id or line.identity_key != certificate.identity_key:
            raise error("certificate.invalid", "The certificate is not signed by this line's identity key.")
        if not _has_device(connection, certificate):
            if _count_devices(connection, line.line) >= frames.MAX_DEVICES:
                raise error("devices.too_many")
            _add_device(unit, certificate)
        return _registered(certificate)


def _registered(certificate: DeviceCertificate) -> Registered:
    return Registered(certificate.line_id, certificate.device_id, certificate.address)


def _has_device(connection: Connection, certificate: DeviceCertificate) -> bool:
    """Whether this very certificate is registered here already."""
    stored = connection.execute(
        select(devices.c.certificate).where(devices.c.device == certificate.device_id)
    ).scalar()
    return stored == certificate.to_bytes()


def _count_devices(connection: Connection, line: bytes) -> int:
    return connection.execute(
        select(func.count())
        .select_from(devices)
        .where(devices.c.line == line, devices.c.revoked_at.is_(None))
    ).scalar_one()


def _add_device(unit: Unit, certificate: DeviceCertificate) -> None:
    key = unit.connection.execute(
        insert(mailboxes).values(gone_sequence=0, gone_bytes=0)
    ).inserted_primary_key
    if key is None:
        raise error("storage.failed")
    try:
        unit.connection.execute(
            insert(devices).values(
                device=certificate.device_id,
                line=certificate.line_id,
                mailbox=key[0],
                certificate=certificate.to_bytes(),
                signature_key=certificate.signature_key,
                created_at=unit.now,
            )
        )
    except IntegrityError:
        raise error("certificate.invalid", "This device id is taken; make a fresh one.") from None
