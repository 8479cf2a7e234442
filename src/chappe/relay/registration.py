"""What is checked of a new device before the store is asked: certificate, address, time, possession."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from chappe.relay.usecases.approve_order import AWAIT_SECONDS
from chappe.relay.usecases.enrol import ENTER_SECONDS
from chappe.relay.usecases.enter import EnterPhone
from chappe.relay.usecases.register import ActivateLine, AddDevice, CodeOf, Registered
from chappe.relay.usecases.renew_line import RenewByDevice
from chappe.wire import api, codes, frames
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import error
from chappe.wire.log_entries import Endorsement

CLOCKS_MAY_DIFFER: Final = 24 * 3600


def activation(body: api.Activate, server: str, now: int) -> ActivateLine:
    """The operation that a well-founded request stands for.

    Raises http.malformed, code.malformed, certificate.invalid, address.malformed.
    """
    code = codes.parse(body.code)
    raw = api.from_base64(body.certificate)
    certificate = _checked(raw, server, now)
    _check_proof(certificate, api.from_base64(body.proof), api.activate_bytes(server, code, raw))
    return ActivateLine(codes.digest(code), certificate)


def addition(body: api.AddDevice, server: str, now: int) -> AddDevice:
    """As `activation`, for one more device of a line. Raises the same but code.malformed."""
    raw = api.from_base64(body.certificate)
    certificate = _checked(raw, server, now)
    _check_proof(certificate, api.from_base64(body.proof), api.add_device_bytes(server, raw))
    by = Endorsement(api.from_base64(body.by, 32), api.from_base64(body.endorsement, 64))
    return AddDevice(certificate, by)


def entry(body: api.Enter, server: str, now: int) -> EnterPhone:
    """As `addition`, for a phone that officers let in: its certificate is a day old and more."""
    raw = api.from_base64(body.certificate)
    certificate = _checked(raw, server, now, since=ENTER_SECONDS + AWAIT_SECONDS + CLOCKS_MAY_DIFFER)
    _check_proof(certificate, api.from_base64(body.proof), api.add_device_bytes(server, raw))
    return EnterPhone(certificate)


async def renewal(
    body: api.Renew, server: str, signature_key: Callable[[bytes], Awaitable[bytes | None]]
) -> RenewByDevice:
    """The operation that a device's renewal stands for; `signature_key` finds a device's key.

    Raises http.malformed, code.malformed, signin.unknown_device, signin.bad_signature.
    """
    code = codes.parse(body.code)
    device = api.from_base64(body.device, 16)
    key = await signature_key(device)
    if key is None:
        raise error("signin.unknown_device")
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(
            api.from_base64(body.proof), api.renew_bytes(server, code, device)
        )
    except (InvalidSignature, ValueError):
        raise error("signin.bad_signature") from None
    return RenewByDevice(device, key, codes.digest(code))


def renewed(term: frames.Term) -> api.Renewed:
    """The body that tells a device how its line's term is now."""
    return api.Renewed(term.stage, term.ends, term.suspends, term.closes, term.forgotten)


def answer(registered: object) -> api.Activated:
    """The body that tells the device what it is now."""
    assert isinstance(registered, Registered)
    line, device = api.to_base64(registered.line), api.to_base64(registered.device)
    return api.Activated(line, device, registered.address, api.to_base64(registered.salt))


def organisation(found: object) -> api.Organisation:
    """The body that tells whose line a code makes."""
    assert isinstance(found, CodeOf)
    return api.Organisation(found.name, api.to_base64(found.fleet_key), found.pin_length)


def _checked(raw: bytes, server: str, now: int, since: int = CLOCKS_MAY_DIFFER) -> DeviceCertificate:
    """`since`: how many seconds ago it may have been issued."""
    certificate = DeviceCertificate.from_bytes(raw)
    certificate.verify()
    if certificate.address.partition("@")[2] != server:
        raise error("address.malformed", "The address is not of this relay; see the host in its links.")
    if not now - since <= certificate.issued_at <= now + CLOCKS_MAY_DIFFER:
        raise error("certificate.invalid", "The certificate is not of today; set this device's clock.")
    return certificate


def _check_proof(certificate: DeviceCertificate, proof: bytes, signed: bytes) -> None:
    """Whoever asks holds the device's signature key: a certificate that was seen cannot be registered."""
    try:
        Ed25519PublicKey.from_public_bytes(certificate.signature_key).verify(proof, signed)
    except (InvalidSignature, ValueError):
        raise error("certificate.invalid", "The proof of the device's key does not hold.") from None
