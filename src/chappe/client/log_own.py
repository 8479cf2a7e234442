"""This line in the transparency log: a device there that the line did not let in itself is an alarm."""

from __future__ import annotations

from typing import Final

import msgspec

from chappe.client.core import Core
from chappe.client.log_alarms import Alarms, Evidence
from chappe.client.log_ledger import Ledger
from chappe.client.log_state import LoggedDevice
from chappe.wire.log_entries import device_hash, line_commitment

_KNOWN: Final = "log.own"
_ENDORSED: Final = "log.endorsed"


class OwnLine:
    """`known`: devices (by hash) that were found to be in order. A device that another one of the line let in
    is that one's to judge: it does the same; what this device let in it remembers."""

    def __init__(self, core: Core, alarms: Alarms) -> None:
        self._core = core
        self._store = core.store
        self._alarms = alarms
        self.device = device_hash(core.me.device_id)

    def commitment(self) -> bytes | None:
        """What stands for this line in the log; None before the relay has named its salt."""
        me = self._core.me
        row = self._store.one(
            "SELECT salt FROM log_salts WHERE address = ? AND line = ?", me.address, me.line_id
        )
        return None if row is None else line_commitment(bytes(row[0]), me.line_id, me.address)

    def endorsed(self, device_id: bytes) -> None:
        """This device lets another one in. Kept before that one hears of it."""
        with self._core.change():
            self._write(_ENDORSED, self._read(_ENDORSED) | {device_hash(device_id)})

    def known(self) -> set[bytes]:
        """Those of them that are in order."""
        return self._read(_KNOWN)

    def devices(self, ledger: Ledger) -> dict[bytes, LoggedDevice]:
        """As the log shows them, by hash."""
        line = self.commitment()
        return {} if line is None else ledger.state.devices_of(line)

    def look(self, ledger: Ledger) -> None:
        """Inside a change."""
        line = self.commitment()
        if line is None:
            return
        known = self._read(_KNOWN)
        before = len(known)
        devices = ledger.state.devices_of(line)
        first_look = not known
        for key, device in devices.items():
            if key in known:
                continue
            why = self._strange(key, device, first_look)
            if why is None:
                known.add(key)
            else:
                self._alarm(ledger, key, why)
        if self.device in devices:
            known.add(self.device)
        # A phone that officers let in may read the log before the entry by which it came.
        expected = {self.device, *known, *devices}
        for one in ledger.state.announced:
            if one.line == line and one.device not in expected:
                self._alarm(ledger, one.device, "officers have announced one more device of this line")
        if len(known) != before:
            self._write(_KNOWN, known)

    def _strange(self, key: bytes, device: LoggedDevice, first_look: bool) -> str | None:
        """Why nobody here knows of a device. What was there when this device came to the line is accepted:
        the others have looked."""
        if key == self.device:
            return None
        if device.by == self.device:
            endorsed = key in self._read(_ENDORSED)
            return None if endorsed else "a device was let in with this device's key, and not by this device"
        # One that officers announced and that never came: the announcement was the alarm.
        withdrawn = device.order and device.revoked_at == device.at
        if device.by or first_look or withdrawn:
            return None
        return "a device of this line that none of its devices has let in"

    def _alarm(self, ledger: Ledger, device: bytes, why: str) -> None:
        note = b"" if ledger.held is None else ledger.held.note
        self._alarms.raise_(
            "log.own_line",
            Evidence(note, b"", why),
            about=device,
            address=self._core.me.address,
            device=device.hex(),
        )

    def _read(self, key: str) -> set[bytes]:
        data = self._store.get(key)
        return set() if data is None else set(msgspec.msgpack.decode(data, type=list[bytes]))

    def _write(self, key: str, devices: set[bytes]) -> None:
        self._store.set(key, msgspec.msgpack.encode(sorted(devices)))
