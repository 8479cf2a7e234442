"""Who this device is: its line's identity key, its own signature key, its certificate, its relay."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from chappe.mls import Credential, SignatureKey
from chappe.vault.store import Store
from chappe.wire.certificate import DeviceCertificate, issue
from chappe.wire.errors import error
from chappe.wire.links import RelayPlace
from chappe.wire.log_entries import certificate_hash, device_hash, endorsement_bytes, line_commitment

_KEY = "identity"


class _Kept(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identity: bytes
    signer: bytes
    certificate: bytes
    host: str
    port: int
    pin: bytes | None


@dataclass(frozen=True, slots=True)
class Me:
    """This device. `identity` and `signer` are private keys."""

    identity: Ed25519PrivateKey = field(repr=False)
    signer: SignatureKey = field(repr=False)
    certificate: DeviceCertificate
    place: RelayPlace

    @property
    def address(self) -> str:
        return self.certificate.address

    @property
    def line_id(self) -> bytes:
        return self.certificate.line_id

    @property
    def device_id(self) -> bytes:
        return self.certificate.device_id

    @property
    def server(self) -> str:
        """The relay's name, the host part of its addresses."""
        return self.address.partition("@")[2]

    @property
    def credential(self) -> Credential:
        return Credential.basic(self.certificate.to_bytes())

    @property
    def signing_key(self) -> Ed25519PrivateKey:
        """The device's."""
        return Ed25519PrivateKey.from_private_bytes(self.signer.private)

    def sign(self, data: bytes) -> bytes:
        """A signature of the device's key."""
        return self.signing_key.sign(data)

    def certify(self, device_id: bytes, signature_key: bytes, now: int) -> DeviceCertificate:
        """The certificate of one more device of the line."""
        return issue(
            self.identity,
            line_id=self.line_id,
            address=self.address,
            device_id=device_id,
            signature_key=signature_key,
            issued_at=now,
            fleet_key=self.certificate.fleet_key,
        )

    def endorse(self, certificate: DeviceCertificate, salt: bytes) -> bytes:
        """How this device lets that one in, for the transparency log. `salt`: of the line there."""
        return self.sign(
            endorsement_bytes(
                line=line_commitment(salt, self.line_id, self.address),
                device=device_hash(certificate.device_id),
                certificate=certificate_hash(certificate.to_bytes()),
                signature_key=certificate.signature_key,
            )
        )

    def keep(self, store: Store) -> None:
        kept = _Kept(
            self.identity.private_bytes_raw(),
            self.signer.private,
            self.certificate.to_bytes(),
            self.place.host,
            self.place.port,
            self.place.pin,
        )
        store.set(_KEY, msgspec.msgpack.encode(kept))

    @classmethod
    def kept(cls, store: Store) -> Me:
        """Raises storage.missing, storage.failed."""
        data = store.get(_KEY)
        if data is None:
            raise error("storage.missing")
        try:
            kept = msgspec.msgpack.decode(data, type=_Kept)
        except msgspec.MsgspecError:
            raise error("storage.failed") from None
        return cls(
            Ed25519PrivateKey.from_private_bytes(kept.identity),
            SignatureKey.from_private(kept.signer),
            DeviceCertificate.from_bytes(kept.certificate),
            RelayPlace(kept.host, kept.port, kept.pin),
        )


def new_signer() -> SignatureKey:
    """A device's signature key."""
    return SignatureKey.from_private(secrets.token_bytes(32))


def linked(
    signer: SignatureKey, device_id: bytes, identity: bytes, certificate: bytes, place: RelayPlace
) -> Me:
    """A device of a line that another device of it made the certificate for. Raises link.malformed for one
    that is not about it, certificate.invalid for one that does not hold."""
    try:
        private = Ed25519PrivateKey.from_private_bytes(identity)
    except ValueError:
        raise error("link.malformed") from None
    read = DeviceCertificate.from_bytes(certificate)
    read.verify()
    ours = (device_id, signer.public, private.public_key().public_bytes_raw())
    if (read.device_id, read.signature_key, read.identity_key) != ours:
        raise error("link.malformed", "The other device answered for another one; start again.")
    return Me(private, signer, read, place)


def new_line(
    address: str, place: RelayPlace, now: int, fleet_key: bytes = b"", line: bytes | None = None
) -> Me:
    """The first device of a new line, with fresh keys and ids. `fleet_key`: of its organisation, or empty.
    `line`: of one that lost every device, whose id stays."""
    identity, signer = Ed25519PrivateKey.generate(), new_signer()
    certificate = issue(
        identity,
        line_id=secrets.token_bytes(16) if line is None else line,
        address=address,
        device_id=secrets.token_bytes(16),
        signature_key=signer.public,
        issued_at=now,
        fleet_key=fleet_key,
    )
    return Me(identity, signer, certificate, place)
