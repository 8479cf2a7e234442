"""Make a line from an activation code, and add devices to a line. Each once, however often it is asked."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Connection, Row, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from chappe.relay import audit, log_rows, term_rows
from chappe.relay.fleet_rows import newest_policy, policy_of
from chappe.relay.fleet_tables import order_devices, organisations
from chappe.relay.ports import Unit
from chappe.relay.tables import codes, devices, given_addresses, lines, mailboxes, sellers
from chappe.wire import frames
from chappe.wire.audit import AuditEntry
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import error
from chappe.wire.log_entries import SALT_BYTES, DeviceAdded, Endorsement, device_hash, endorsement_bytes
from chappe.wire.terms import begin

DAY: Final = 24 * 3600


@dataclass(frozen=True, slots=True)
class Registered:
    """The line and device that are there now. `salt`: of the line, in the transparency log."""

    line: bytes
    device: bytes
    address: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class ActivateLine:
    """Use up a code; make the line, its first device and that device's mailbox.

    `certificate` and the proof of possession were verified before. The same code and certificate again give
    the same answer. The line's term begins today where the code is of a plan. Refused with code.unknown,
    code.used, code.expired, code.withheld, address.taken, certificate.invalid (also where its fleet key
    is not that of the organisation that the code is of).
    """

    code_digest: bytes
    certificate: DeviceCertificate

    @property
    def weight(self) -> int:
        return 2_000

    def run(self, unit: Unit) -> Registered:
        connection, certificate = unit.connection, self.certificate
        code = find_code(connection, self.code_digest)
        if code.used_at is not None:
            # One that renewed a line made none: whose certificate this is does not matter.
            if code.renewed is None and has_device(connection, certificate):
                return registered(connection, certificate)
            raise error("code.used")
        check_open(connection, code, unit.now)
        _check_fleet_key(connection, code.organisation, certificate)
        _check_address(connection, code.organisation, certificate.address)
        connection.execute(
            update(codes).where(codes.c.digest == self.code_digest).values(used_at=day_of(unit.now))
        )
        salt = secrets.token_bytes(SALT_BYTES)
        term = {} if code.months is None else term_rows.columns(begin(code.months, unit.now), code.months)
        try:
            connection.execute(
                insert(lines).values(
                    line=certificate.line_id,
                    address=certificate.address,
                    identity_key=certificate.identity_key,
                    created_at=unit.now,
                    organisation=code.organisation,
                    salt=salt,
                    **term,
                )
            )
        except IntegrityError:
            raise error("certificate.invalid", "This line id is taken; make a fresh one.") from None
        add_device(unit, certificate)
        tell_policy(unit, code.organisation, certificate)
        entry = AuditEntry(
            1, unit.now, "line.activated", line=certificate.line_id, device=certificate.device_id
        )
        audit.append(unit, code.organisation, entry)
        log_rows.append(unit, log_rows.line_created(unit.now, salt, certificate))
        return registered(connection, certificate)


@dataclass(frozen=True, slots=True)
class AddDevice:
    """Add a device to its line: the certificate must be signed by the identity key the line has here, and a
    device of the line, not signed out, must vouch for it (`by`; chappe.wire.log_entries.endorsement_bytes).

    Refused with address.unknown, certificate.invalid, line.closed, term.suspended, term.closed,
    devices.too_many.
    """

    certificate: DeviceCertificate
    by: Endorsement

    @property
    def weight(self) -> int:
        return 2_000

    def run(self, unit: Unit) -> Registered:
        connection, certificate = unit.connection, self.certificate
        line = _line_at(connection, certificate)
        if line.line != certificate.line_id or line.identity_key != certificate.identity_key:
            raise error("certificate.invalid", "The certificate is not signed by this line's identity key.")
        term_rows.check_devices(line, unit.now)
        _check_fleet_key(connection, line.organisation, certificate)
        if not has_device(connection, certificate):
            if _count_devices(connection, line.line) >= frames.MAX_DEVICES:
                raise error("devices.too_many")
            added = log_rows.device_added(unit.now, line.salt, certificate, self.by)
            _check_endorsed(connection, line.line, added)
            add_device(unit, certificate)
            tell_policy(unit, line.organisation, certificate)
            log_rows.append(unit, added)
        return registered(connection, certificate)


@dataclass(frozen=True, slots=True)
class FindCode:
    """Whose lines a code makes. Gives `CodeOf`. Refused with code.unknown, code.expired, code.withheld."""

    code_digest: bytes

    @property
    def weight(self) -> int:
        return 200

    def run(self, unit: Unit) -> CodeOf:
        code = find_code(unit.connection, self.code_digest)
        # A used one is answered, too: its phone may not have heard that it is a line now.
        if code.used_at is None:
            check_open(unit.connection, code, unit.now)
        row = _organisation(unit.connection, code.organisation)
        if row is None:
            return CodeOf("", b"")
        policy = policy_of(unit.connection, row.organisation)
        return CodeOf(row.name, row.fleet_key, 6 if policy is None else policy.pin_length)


@dataclass(frozen=True, slots=True)
class CodeOf:
    """An organisation's name and fleet key, empty where a code is of none; the least digits of a PIN."""

    name: str
    fleet_key: bytes
    pin_length: int = 6


def day_of(at: int) -> int:
    """When a code was used is kept to the day: the very second is that of the line's beginning too, and would
    tell which reseller's code made it."""
    return at - at % DAY


def find_code(connection: Connection, digest: bytes) -> Row[Any]:
    """Raises code.unknown: also for one that the operator took back."""
    code = connection.execute(select(codes).where(codes.c.digest == digest)).one_or_none()
    if code is None or (code.voided_at is not None and code.used_at is None):
        raise error("code.unknown")
    return code


def check_open(connection: Connection, code: Row[Any], now: int) -> None:
    """Raises code.expired; code.withheld where its seller was never allowed to sell, or is not now."""
    if code.expires_at <= now:
        raise error("code.expired")
    if code.seller is not None and not may_sell(connection, code.seller):
        raise error("code.withheld")


def may_sell(connection: Connection, seller: bytes) -> bool:
    row = connection.execute(select(sellers).where(sellers.c.seller == seller)).one_or_none()
    return row is not None and row.withheld_at is None


def _organisation(connection: Connection, organisation: bytes | None) -> Row[Any] | None:
    if organisation is None:
        return None
    return connection.execute(
        select(organisations).where(organisations.c.organisation == organisation)
    ).one_or_none()


def _check_fleet_key(
    connection: Connection, organisation: bytes | None, certificate: DeviceCertificate
) -> None:
    """A line trusts the fleet key of the organisation that it is of, and none where it is of none."""
    row = _organisation(connection, organisation)
    if certificate.fleet_key != (b"" if row is None else row.fleet_key):
        raise error("certificate.invalid", "The certificate names another organisation than the code's.")


def _check_address(connection: Connection, organisation: bytes | None, address: str) -> None:
    """An address is given once. That of a closed line is free again, for its organisation alone."""
    owners = connection.execute(
        select(lines.c.organisation, lines.c.closed_at).where(lines.c.address == address)
    ).all()
    for owner in owners:
        theirs = organisation is None or owner.organisation != organisation
        if owner.closed_at is None or theirs:
            raise error("address.taken")
    given = connection.execute(
        select(given_addresses).where(given_addresses.c.digest == term_rows.given_digest(address))
    ).one_or_none()
    if given is not None and (organisation is None or given.organisation != organisation):
        raise error("address.taken")


def _line_at(connection: Connection, certificate: DeviceCertificate) -> Row[Any]:
    """The certificate's line where it was closed, else the one that has its address. Raises
    address.unknown."""
    found = connection.execute(
        select(lines).where(
            (lines.c.address == certificate.address)
            & (lines.c.closed_at.is_(None) | (lines.c.line == certificate.line_id))
        )
    ).all()
    if not found:
        raise error("address.unknown")
    return next((row for row in found if row.line == certificate.line_id), found[0])


def tell_policy(unit: Unit, organisation: bytes | None, certificate: DeviceCertificate) -> None:
    """A policy for all lines is for those that come later, too."""
    policy = None if organisation is None else newest_policy(unit.connection, organisation)
    if policy is not None:
        unit.connection.execute(
            insert(order_devices).values(
                order_id=policy,
                device=certificate.device_id,
                line=certificate.line_id,
                ordered_at=unit.now,
                doomed=False,
            )
        )


def _check_endorsed(connection: Connection, line: bytes, added: DeviceAdded) -> None:
    """Raises certificate.invalid."""
    assert added.by is not None
    keys = {
        device_hash(row.device): row.signature_key
        for row in connection.execute(
            select(devices.c.device, devices.c.signature_key).where(
                devices.c.line == line, devices.c.revoked_at.is_(None)
            )
        )
    }
    signed = endorsement_bytes(
        line=added.line,
        device=added.device,
        certificate=added.certificate,
        signature_key=added.signature_key,
    )
    try:
        Ed25519PublicKey.from_public_bytes(keys[added.by.device]).verify(added.by.signature, signed)
    except (KeyError, InvalidSignature, ValueError):
        raise error(
            "certificate.invalid", "No device of the line lets this one in; link it from one of them."
        ) from None


def registered(connection: Connection, certificate: DeviceCertificate) -> Registered:
    salt = connection.execute(select(lines.c.salt).where(lines.c.line == certificate.line_id)).scalar_one()
    return Registered(certificate.line_id, certificate.device_id, certificate.address, salt)


def has_device(connection: Connection, certificate: DeviceCertificate) -> bool:
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


def add_device(unit: Unit, certificate: DeviceCertificate) -> None:
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
