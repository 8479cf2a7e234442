"""Devices in conversations that the transparency log does not show: nothing is sent there until it does, or a
person decides."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from chappe.client.contacts import certificate_of
from chappe.client.core import Core
from chappe.client.events import LogSettled
from chappe.client.groups import Groups
from chappe.client.log_alarms import Alarms, Evidence
from chappe.client.log_ledger import Ledger
from chappe.client.log_state import LogState
from chappe.wire.certificate import DeviceCertificate
from chappe.wire.errors import error
from chappe.wire.log_entries import certificate_hash, device_hash, line_commitment

CHECKING: Final = "checking"
ALARMED: Final = "alarmed"
ACCEPTED: Final = "accepted"
# Of devices that are still members: one that was put out holds nothing back.
_OF_MEMBERS: Final = (
    "SELECT d.conversation FROM log_doubts d JOIN members m ON m.conversation = d.conversation "
    "AND m.device = d.device WHERE d.state"
)
IN_DOUBT: Final = f"{_OF_MEMBERS} <> '{ACCEPTED}'"
"""Conversations where nothing is sent for now (SQL)."""
FOR_A_PERSON: Final = f"{_OF_MEMBERS} = '{ALARMED}'"
"""Those of them that only a person can settle (SQL)."""


class Doubts:
    def __init__(self, core: Core, groups: Groups, alarms: Alarms) -> None:
        self._core = core
        self._store = core.store
        self._groups = groups
        self._alarms = alarms

    # --- salts

    def learn_salt(self, address: str, line: bytes, salt: bytes) -> None:
        """As the relay names it with a line. The first one stays: another would not fit what was logged."""
        self._store.run(
            "INSERT OR IGNORE INTO log_salts (address, line, salt) VALUES (?, ?, ?)", address, line, salt
        )

    def salt_of(self, address: str, line: bytes) -> bytes | None:
        row = self._store.one("SELECT salt FROM log_salts WHERE address = ? AND line = ?", address, line)
        return None if row is None else bytes(row[0])

    # --- judging

    def why(self, state: LogState, certificate: DeviceCertificate, *, revoked_too: bool) -> str | None:
        """What the log lacks of a device, in English; None where it is as it should be."""
        device = state.device_of(certificate_hash(certificate.to_bytes()))
        if device is None:
            return "the log does not have this device"
        if revoked_too and device.revoked_at:
            return "the log says that this device was revoked"
        if state.devices.get(device_hash(certificate.device_id)) is not device:
            return "the log has this device under another id"
        line = state.lines[device.line]
        # Officers may have given the line a new identity key since: then all with the old one are revoked.
        old = device.revoked_at and device.signature_key == certificate.signature_key
        if not old and (device.signature_key, line.identity_key) != (
            certificate.signature_key,
            certificate.identity_key,
        ):
            return "the log has other keys for this device or its line"
        salt = self.salt_of(certificate.address, certificate.line_id)
        named = None if salt is None else line_commitment(salt, certificate.line_id, certificate.address)
        return None if named in (None, device.line) else "the log has this device on another line"

    def all_members(self) -> Iterator[tuple[bytes, DeviceCertificate]]:
        """Of every conversation that goes on."""
        for conversation in self._groups.active():
            for member in self._groups.group(conversation).members:
                yield conversation, certificate_of(member.credential)

    def add(self, conversation: bytes, certificate: DeviceCertificate) -> None:
        self._store.run(
            "INSERT OR REPLACE INTO log_doubts (conversation, device, certificate, address, at, state) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            conversation,
            certificate.device_id,
            certificate.to_bytes(),
            certificate.address,
            self._core.now(),
            CHECKING,
        )

    @property
    def waiting(self) -> bool:
        """Whether something is to be looked up without a person."""
        return self._store.one(f"{_OF_MEMBERS} = '{CHECKING}' LIMIT 1") is not None

    def look_again(self, state: LogState) -> None:
        """The log has grown: what it shows now is no doubt any more. Inside a change."""
        for conversation, data, state_before in self._store.all(
            "SELECT conversation, certificate, state FROM log_doubts WHERE state <> ?", ACCEPTED
        ):
            certificate = DeviceCertificate.from_bytes(data)
            if self.why(state, certificate, revoked_too=True) is None:
                self._store.run(
                    "DELETE FROM log_doubts WHERE conversation = ? AND device = ?",
                    conversation,
                    certificate.device_id,
                )
                self._alarms.settle("log.not_there", about=_about(conversation, certificate))
                if state_before == ALARMED:
                    self._core.tell(LogSettled(conversation, certificate.address))

    def judge(self, ledger: Ledger, grace: int) -> None:
        """After a look at the log: what it did not show for `grace` seconds is an alarm. Inside a change."""
        self.look_again(ledger.state)
        for conversation, data, at in self._store.all(
            "SELECT conversation, certificate, at FROM log_doubts WHERE state = ?", CHECKING
        ):
            if not 0 <= self._core.now() - at < grace:
                certificate = DeviceCertificate.from_bytes(data)
                why = self.why(ledger.state, certificate, revoked_too=True)
                self._set(conversation, certificate.device_id, ALARMED)
                self.alarm(conversation, certificate, why or "", ledger)

    def allowed(self, certificate: DeviceCertificate) -> None:
        """A device that was refused before is in the log now."""
        self._alarms.settle("log.not_there", about=_about(None, certificate))

    def alarm(
        self, conversation: bytes | None, certificate: DeviceCertificate, why: str, ledger: Ledger
    ) -> None:
        note = b"" if ledger.held is None else ledger.held.note
        said = f"{why}: certificate {certificate_hash(certificate.to_bytes()).hex()}"
        self._alarms.raise_(
            "log.not_there",
            Evidence(note, b"", said),
            about=_about(conversation, certificate),
            conversation=conversation,
            address=certificate.address,
            device=certificate.device_id.hex(),
        )

    # --- by a person

    def in_doubt(self, conversation: bytes) -> list[str]:
        """Addresses whose devices a person has to decide on."""
        rows = self._store.all(
            "SELECT DISTINCT d.address FROM log_doubts d JOIN members m ON m.conversation = d.conversation "
            "AND m.device = d.device WHERE d.state = ? AND d.conversation = ? ORDER BY d.address",
            ALARMED,
            conversation,
        )
        return [row[0] for row in rows]

    def check_sending(self, conversation: bytes) -> None:
        """Raises log.not_there."""
        if self.in_doubt(conversation):
            raise error("log.not_there")

    def accept(self, conversation: bytes) -> None:
        """A person trusts the devices there, whatever the log says."""
        with self._core.change():
            for device, data in self._store.all(
                "SELECT device, certificate FROM log_doubts WHERE conversation = ? AND state = ?",
                conversation,
                ALARMED,
            ):
                self._set(conversation, device, ACCEPTED)
                about = _about(conversation, DeviceCertificate.from_bytes(data))
                self._alarms.settle("log.not_there", about=about)

    def _set(self, conversation: bytes, device: bytes, state: str) -> None:
        self._store.run(
            "UPDATE log_doubts SET state = ? WHERE conversation = ? AND device = ?",
            state,
            conversation,
            device,
        )


def _about(conversation: bytes | None, certificate: DeviceCertificate) -> bytes:
    return (conversation or b"") + b"\0" + certificate.to_bytes()
