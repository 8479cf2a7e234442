"""The lines that this one knows, and the check that every leaf of every group has to pass."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from chappe.client.core import Core
from chappe.client.events import IdentityChanged
from chappe.client.model import Contact
from chappe.mls import Credential, CredentialType
from chappe.wire import frames
from chappe.wire.certificate import ID_BYTES, DeviceCertificate, safety_number
from chappe.wire.errors import error

_COLUMNS = "address, line, identity_key, verified, new_line, new_identity_key"


@lru_cache(maxsize=8192)
def verified_certificate(data: bytes) -> DeviceCertificate:
    """The certificate in `data`, its signature checked. Raises certificate.invalid."""
    certificate = DeviceCertificate.from_bytes(data)
    certificate.verify()
    return certificate


def certificate_of(credential: Credential) -> DeviceCertificate:
    """The device behind a leaf. Raises certificate.invalid."""
    if credential.type != CredentialType.BASIC:
        raise error("certificate.invalid")
    return verified_certificate(credential.identity)


def fleet_identity(fleet_key: bytes) -> bytes:
    """What an organisation's credential says in `external_senders` (docs/protocol.md section 12.4)."""
    return b"chappe fleet v1" + fleet_key


class Check:
    """One `authenticate` of the engine; `seen` is to be learnt once the whole message holds.

    `allowed`: the only addresses that may be let in (None: any of this relay).
    """

    def __init__(self, contacts: Contacts, allowed: frozenset[str] | None = None) -> None:
        self._contacts = contacts
        self._allowed = allowed
        self.seen: list[DeviceCertificate] = []

    def __call__(self, credential: Credential, signature_key: bytes) -> None:
        if credential.type == CredentialType.BASIC and credential.identity == fleet_identity(signature_key):
            # An organisation, among those who may propose from outside; no leaf may call itself so
            # (`Senders`, `check_leaves`).
            return
        certificate = certificate_of(credential)
        if certificate.signature_key != signature_key:
            raise error("certificate.invalid")
        self._contacts.check_home(certificate)
        if self._allowed is not None and certificate.address not in self._allowed:
            raise error("certificate.invalid")
        self.seen.append(certificate)


class Contacts:
    """Trust on first use: a line's identity key is kept as first seen, and a change of it is never silent.

    A key that was seen in a group only is the word of whoever let that leaf in: it is unconfirmed, and
    nothing is sent to it, until the relay has said who the line is.
    """

    def __init__(self, core: Core) -> None:
        self._core = core
        self._store = core.store

    def on_impostor(self, address: str, identity_key: bytes | None) -> None:
        """Set by the owner: leaves of this address with another key than this are not the line's."""

    def on_salt(self, address: str, line: bytes, salt: bytes) -> None:
        """Set by the owner: the relay names what hides this line in the transparency log."""

    def check_home(self, certificate: DeviceCertificate) -> None:
        """Of this relay; and of this line only with this line's key. Raises certificate.invalid."""
        me = self._core.me
        if certificate.address.partition("@")[2] != me.server:
            raise error("certificate.invalid")
        mine = certificate.identity_key == me.certificate.identity_key and certificate.line_id == me.line_id
        if (certificate.address == me.address) != mine:
            raise error("certificate.invalid")

    def learn(self, certificates: Iterable[DeviceCertificate]) -> None:
        """Know these lines; one whose key is not the one known is marked."""
        for certificate in certificates:
            if certificate.address != self._core.me.address and self.find(certificate.address) is None:
                self._store.run("INSERT OR IGNORE INTO unconfirmed (address) VALUES (?)", certificate.address)
            self._learn(certificate.address, certificate.line_id, certificate.identity_key)

    def _learn(self, address: str, line: bytes, identity_key: bytes) -> bool:
        """True unless the line is known with another identity."""
        if address == self._core.me.address:
            return True
        row = self._store.one(
            "SELECT line, identity_key, new_line, new_identity_key FROM contacts WHERE address = ?", address
        )
        if row is None:
            self._store.run(
                "INSERT INTO contacts (address, line, identity_key, verified) VALUES (?, ?, ?, 0)",
                address,
                line,
                identity_key,
            )
            return True
        if (row[0], row[1]) == (line, identity_key):
            return True
        if (row[2], row[3]) != (line, identity_key):
            self._store.run(
                "UPDATE contacts SET new_line = ?, new_identity_key = ? WHERE address = ?",
                line,
                identity_key,
                address,
            )
            self._core.tell(IdentityChanged(address))
        return False

    def take_answer(self, address: str, line: frames.Line) -> list[tuple[DeviceCertificate, bytes | None]]:
        """The devices in a relay's answer, checked, with their key packages.

        Raises certificate.invalid where the answer contradicts itself, identity.changed where it
        contradicts what is known; that is kept first.
        """
        if line.address != address:
            raise error("certificate.invalid")
        devices: list[tuple[DeviceCertificate, bytes | None]] = []
        for entry in line.devices:
            certificate = verified_certificate(entry.certificate)
            self.check_home(certificate)
            said = (line.line, line.address, line.identity_key, entry.device)
            if said != _claims(certificate):
                raise error("certificate.invalid")
            devices.append((certificate, entry.key_package))
        with self._core.change():
            self.on_salt(address, line.line, line.salt)
            self._confirm(address, line)
            known = self._learn(address, line.line, line.identity_key)
        if not known:
            raise error("identity.changed")
        return devices

    def unconfirmed(self) -> list[str]:
        """Lines that only a group has named so far."""
        return [row[0] for row in self._store.all("SELECT address FROM unconfirmed ORDER BY address")]

    def _confirm(self, address: str, line: frames.Line) -> None:
        """The relay's word takes the place of a group's; where they differ, the group holds an impostor."""
        if not self._store.changed("DELETE FROM unconfirmed WHERE address = ?", address):
            return
        if self.known(address).identity_key != line.identity_key:
            self._store.run("DELETE FROM contacts WHERE address = ?", address)
            self.on_impostor(address, line.identity_key)

    def speaks_for_its_line(self, certificate: DeviceCertificate) -> bool:
        """Whether a member's key is one that its line is known by, or waits to be accepted."""
        if certificate.address == self._core.me.address:
            return True
        row = self._store.one(
            "SELECT identity_key, new_identity_key FROM contacts WHERE address = ?", certificate.address
        )
        return row is not None and certificate.identity_key in row

    def deny(self, address: str) -> None:
        """The relay knows no such line: whoever a group calls so is an impostor."""
        with self._core.change():
            self._store.run("DELETE FROM unconfirmed WHERE address = ?", address)
            self._store.run("DELETE FROM contacts WHERE address = ?", address)
            self.on_impostor(address, None)

    def add(self, address: str, line: bytes, identity_key: bytes, verified: bool) -> None:
        """A contact handed over by another device of this line."""
        self._store.run(
            "INSERT OR IGNORE INTO contacts (address, line, identity_key, verified) VALUES (?, ?, ?, ?)",
            address,
            line,
            identity_key,
            verified,
        )

    def all(self) -> list[Contact]:
        rows = self._store.all(f"SELECT {_COLUMNS} FROM contacts ORDER BY address")
        return [_contact(row) for row in rows]

    def find(self, address: str) -> Contact | None:
        row = self._store.one(
            f"SELECT {_COLUMNS} FROM contacts WHERE address = ?",
            address,
        )
        return None if row is None else _contact(row)

    def known(self, address: str) -> Contact:
        """Raises address.unknown."""
        contact = self.find(address)
        if contact is None:
            raise error("address.unknown")
        return contact

    def safety_number(self, contact: Contact) -> str:
        """Of the identity that a person is to judge: the new one where it changed."""
        me = self._core.me
        line, key = contact.identity[:ID_BYTES], contact.identity[ID_BYTES:]
        return safety_number(me.certificate.identity_key, me.line_id, key, line)

    def mark_verified(self, address: str, identity: bytes | None) -> None:
        """`identity`: the one that was compared; a new one is accepted by that. None: not verified any more.

        Raises address.unknown; identity.changed where it is another one meanwhile.
        """
        with self._core.change():
            if identity is not None:
                self._take(address, identity)
            self.known(address)
            verified = identity is not None
            self._store.run("UPDATE contacts SET verified = ? WHERE address = ?", verified, address)

    def accept_identity(self, address: str, identity: bytes) -> None:
        """`identity`, the one that a person saw, becomes the known one, not verified yet.

        Raises address.unknown; identity.changed where it is another one meanwhile: nobody has seen that.
        """
        with self._core.change():
            self._take(address, identity)

    def _take(self, address: str, identity: bytes) -> None:
        if self.known(address).identity != identity:
            raise error("identity.changed", "The identity changed again meanwhile; look at it anew.")
        self._store.run(
            "UPDATE contacts SET line = new_line, identity_key = new_identity_key, verified = 0, "
            "new_line = NULL, new_identity_key = NULL WHERE address = ? AND new_identity_key NOT NULL",
            address,
        )

    def check_unchanged(self, addresses: Iterable[str]) -> None:
        """Raises identity.changed if one of these waits to be accepted."""
        for address in addresses:
            contact = self.find(address)
            if contact is not None and contact.changed:
                raise error("identity.changed")


def _claims(certificate: DeviceCertificate) -> tuple[bytes, str, bytes, bytes]:
    return certificate.line_id, certificate.address, certificate.identity_key, certificate.device_id


def _contact(row: tuple[str, bytes, bytes, int, bytes | None, bytes | None]) -> Contact:
    return Contact(row[0], row[1], row[2], bool(row[3]), row[4], row[5])
