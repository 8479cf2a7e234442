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


def new_device(
    identity: Ed25519PrivateKey,
    line_id: bytes,
    address: str,
    place: RelayPlace,
    now: int,
    fleet_key: bytes = b"",
) -> Me:
    """A new device of a line, with fresh keys and ids. `fleet_key`: of its organisation, or empty."""
    signer = SignatureKey.from_private(secrets.token_bytes(32))
    certificate = issue(
        identity,
        line_id=line_id,
        address=address,
        device_id=secrets.token_bytes(16),
        signature_key=signer.public,
        issued_at=now,
        fleet_key=fleet_key,
    )
    return Me(identity, signer, certificate, place)


def new_line(address: str, place: RelayPlace, now: int, fleet_key: bytes = b"") -> Me:
    """The first device of a new line."""
    return new_device(Ed25519PrivateKey.generate(), secrets.token_bytes(16), address, place, now, fleet_key)
