"""What a transparency log says, entry by entry: the rules of docs/protocol.md section 14. No I/O, no clock.

Whoever reads the log replays all of it: a phone, the phone's page, `chappe audit`. `LogState.apply` takes
the entries in their order and refuses, with `Broken`, the first that the log may not hold; what it holds
after that is nobody's to believe. It keeps what a phone asks about: which device certificates there are, of
which line, revoked or not, who let them in, and which releases of the phone's page were announced.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from chappe.wire import log_entries as e
from chappe.wire.errors import ChappeError
from chappe.wire.rosters import verify

_FORMAT: Final = 1


class Broken(Exception):
    """Entry `index` is one that the log may not hold there; `why` says it in English. The log's keeper lied,
    or its program is at fault: in both cases no phone relies on it any more."""

    code = "log.broken"

    def __init__(self, index: int, why: str) -> None:
        super().__init__(f"entry {index}: {why}")
        self.index = index
        self.why = why


# Rows of the state, written as arrays so that they are short.


class LoggedLine(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """`organisation`: a hash, or empty. `created`: index of its entry."""

    identity_key: bytes
    organisation: bytes
    created: int


class LoggedDevice(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """`line`: commitment. `at`: Unix seconds of its entry, `index` its number. `by`: the device that let it
    in; `order`: the officers' order that did; both empty for a line's first device, and for one that was
    there before the log. `revoked_at`: 0 while it is not."""

    line: bytes
    certificate: bytes
    signature_key: bytes
    at: int
    index: int
    by: bytes = b""
    order: bytes = b""
    revoked_at: int = 0


class Announced(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """A device that officers are going to add. `identity_key`: the line's when they have. `at`: since when
    that is in the log."""

    line: bytes
    device: bytes
    certificate: bytes
    signature_key: bytes
    identity_key: bytes
    order: bytes
    at: int
    index: int


class LoggedRoster(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    """Of an organisation: officers' keys by their hashes, after the roster `version` with `digest`. `judges`:
    those before it, who sign all entries of that version; none of the first. `owed`: of the first, the
    officer and the signature, while that officer's own entry is still to come."""

    version: int
    digest: bytes
    officers: dict[bytes, bytes]
    judges: dict[bytes, bytes]
    owed: list[bytes] = []


class _Snapshot(msgspec.Struct, array_like=True, forbid_unknown_fields=True, frozen=True):
    format: int
    size: int
    at: int
    origin: str
    lines: dict[bytes, LoggedLine]
    devices: dict[bytes, LoggedDevice]
    announced: list[Announced]
    organisations: dict[bytes, LoggedRoster]
    releases: dict[bytes, str]


_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final = msgspec.msgpack.Decoder(_Snapshot)
Check: TypeAlias = Callable[[bytes, bytes, bytes], None]


def _check_signature(key: bytes, signature: bytes, signed: bytes) -> None:
    verify(key, signature, signed, "certificate.invalid")


def _trusted(_key: bytes, _signature: bytes, _signed: bytes) -> None:
    """For entries that were checked before, and kept where nobody else writes."""


class LogState:
    """The log's first `size` entries, all of them by the rules. `at`: of the last one, Unix seconds."""

    def __init__(self) -> None:
        self.size = 0
        self.at = 0
        self.origin = ""
        """As `log.opened` names it; empty before."""
        self.lines: dict[bytes, LoggedLine] = {}
        self.devices: dict[bytes, LoggedDevice] = {}
        self.announced: list[Announced] = []
        self.organisations: dict[bytes, LoggedRoster] = {}
        self.releases: dict[bytes, str] = {}
        self._by_certificate: dict[bytes, bytes] = {}
        self._check: Check = _check_signature

    # --- reading

    def device_of(self, certificate: bytes) -> LoggedDevice | None:
        """The device with this certificate (its hash), revoked or not."""
        found = self._by_certificate.get(certificate)
        return None if found is None else self.devices[found]

    def devices_of(self, line: bytes) -> dict[bytes, LoggedDevice]:
        """Of a line (its commitment): by device hash, in the order of the log."""
        return {key: device for key, device in self.devices.items() if device.line == line}

    # --- replaying

    def apply_bytes(self, index: int, data: bytes) -> e.LogEntry:
        """The next entry, as it lies in the log. Raises Broken, and is then as it was."""
        try:
            entry = e.decode(data)
        except ChappeError:
            raise Broken(index, "it cannot be read") from None
        self.apply(index, entry)
        return entry

    def apply(self, index: int, entry: e.LogEntry) -> None:
        """The next entry, number `index`. Raises Broken, and is then as it was."""
        if index != self.size:
            raise Broken(index, f"entry {self.size} is the next")
        if entry.at < self.at:
            raise Broken(index, "it is older than the one before")
        match entry:
            case e.LogOpened():
                self._opened(index, entry)
            case e.LineCreated():
                self._line_created(index, entry)
            case e.DeviceAdded():
                self._device_added(index, entry)
            case e.DeviceAnnounced():
                self._device_announced(index, entry)
            case e.DeviceRevoked():
                self._device_revoked(index, entry)
            case e.EraseOrdered() | e.ShareDestroyed():
                self._device(index, entry.device)
            case e.OfficerAdded() | e.OfficerRemoved():
                self._officers(index, entry)
            case e.Release():
                self.releases[entry.digest] = entry.release
        self.size = index + 1
        self.at = entry.at

    def replay_trusted(self, entries: list[bytes]) -> None:
        """Entries that this very phone checked before, without the signatures. Raises Broken."""
        self._check = _trusted
        try:
            for data in entries:
                self.apply_bytes(self.size, data)
        finally:
            self._check = _check_signature

    def _opened(self, index: int, entry: e.LogOpened) -> None:
        if self.origin:
            raise Broken(index, "the log was opened before")
        self.origin = entry.origin

    def _line_created(self, index: int, entry: e.LineCreated) -> None:
        if entry.line in self.lines:
            raise Broken(index, "the line was there before")
        self._check_new(index, entry)
        self.lines[entry.line] = LoggedLine(entry.identity_key, entry.organisation, index)
        self._insert(index, entry)

    def _device_added(self, index: int, entry: e.DeviceAdded) -> None:
        self._line(index, entry.line)
        self._check_new(index, entry)
        if entry.by is not None:
            self._check_endorsed(index, entry, entry.by)
        elif entry.order is not None:
            found = self._check_announced(index, entry, entry.order)
            line = self.lines[entry.line]
            self.lines[entry.line] = LoggedLine(found.identity_key, line.organisation, line.created)
            self.announced.remove(found)
        elif self.origin:
            raise Broken(index, "nobody has let the device in")
        self._insert(index, entry, b"" if entry.by is None else entry.by.device, entry.order or b"")

    def _check_endorsed(self, index: int, entry: e.DeviceAdded, by: e.Endorsement) -> None:
        other = self._device(index, by.device, revoked=False)
        if other.line != entry.line:
            raise Broken(index, "a device of another line has let the device in")
        signed = e.endorsement_bytes(
            line=entry.line,
            device=entry.device,
            certificate=entry.certificate,
            signature_key=entry.signature_key,
        )
        self._verify(index, other.signature_key, by.signature, signed)

    def _device_revoked(self, index: int, entry: e.DeviceRevoked) -> None:
        """Of one that was only announced: it is kept as a revoked one, so that nobody announces it again with
        the signatures that are there."""
        found = next((one for one in self.announced if one.device == entry.device), None)
        if found is None or entry.device in self.devices:
            self._device(index, entry.device, revoked=False).revoked_at = max(entry.at, 1)
            return
        if entry.order != found.order or found.certificate in self._by_certificate:
            raise Broken(index, "an announcement is withdrawn that is another one")
        self.announced.remove(found)
        self.devices[found.device] = LoggedDevice(
            found.line,
            found.certificate,
            found.signature_key,
            entry.at,
            index,
            order=found.order,
            revoked_at=max(entry.at, 1),
        )
        self._by_certificate[found.certificate] = found.device

    def _check_announced(self, index: int, entry: e.DeviceAdded, order: bytes) -> Announced:
        wanted = entry.line, entry.device, entry.certificate, entry.signature_key, order
        found = [
            one
            for one in self.announced
            if (one.line, one.device, one.certificate, one.signature_key, one.order) == wanted
        ]
        if not found:
            raise Broken(index, "officers have added a device that they did not announce")
        if entry.at < found[0].at + e.ANNOUNCED_SECONDS:
            raise Broken(index, "officers have added a device less than a day after they announced it")
        changes = found[0].identity_key != self.lines[entry.line].identity_key
        if changes and any(not one.revoked_at for one in self.devices_of(entry.line).values()):
            raise Broken(index, "a line's identity key changes while it has a device with the old one")
        return found[0]

    def _device_announced(self, index: int, entry: e.DeviceAnnounced) -> None:
        line = self._line(index, entry.line)
        self._check_new(index, entry)
        if any(entry.device == one.device or entry.certificate == one.certificate for one in self.announced):
            raise Broken(index, "the device or its certificate was announced before")
        roster = self.organisations.get(line.organisation)
        signed = e.announcement_bytes(
            line=entry.line,
            device=entry.device,
            certificate=entry.certificate,
            signature_key=entry.signature_key,
            identity_key=entry.identity_key,
            order=entry.order,
        )
        officers = {} if roster is None or roster.owed else roster.officers
        self._check_officers(index, officers, entry.officers, signed, 2)
        self.announced.append(
            Announced(
                entry.line,
                entry.device,
                entry.certificate,
                entry.signature_key,
                entry.identity_key,
                entry.order,
                entry.at,
                index,
            )
        )

    def _officers(self, index: int, entry: e.OfficerAdded | e.OfficerRemoved) -> None:
        """An entry of a roster; those of one version are judged by the officers of the version before."""
        roster = self.organisations.get(entry.organisation)
        first = roster is None or (roster.version == entry.roster and not roster.judges)
        officers = {} if roster is None else dict(roster.officers)
        judges = officers
        if roster is not None and entry.roster < roster.version:
            raise Broken(index, "the roster is older than the one before")
        if roster is not None and entry.roster == roster.version:
            if entry.digest != roster.digest:
                raise Broken(index, "the organisation has two rosters with one number")
            judges = roster.judges
        if isinstance(entry, e.OfficerAdded):
            if entry.officer in officers:
                raise Broken(index, "the officer is one already")
            changed = officers | {entry.officer: entry.key}
        else:
            if officers.get(entry.officer) != entry.key:
                raise Broken(index, "who is removed was no officer, or had another key")
            changed = {officer: key for officer, key in officers.items() if officer != entry.officer}
        if first:
            owed = self._check_first(index, entry, changed, [] if roster is None else roster.owed)
            self.organisations[entry.organisation] = LoggedRoster(
                entry.roster, entry.digest, changed, {}, owed
            )
            return
        assert roster is not None
        if roster.owed:
            raise Broken(index, "none of its officers has signed the first roster")
        signed = e.signed_digest(entry.digest)
        self._check_officers(index, judges, entry.signatures, signed, min(2, len(judges)))
        self.organisations[entry.organisation] = LoggedRoster(
            entry.roster, entry.digest, changed, dict(judges)
        )

    def _check_first(
        self,
        index: int,
        entry: e.OfficerAdded | e.OfficerRemoved,
        officers: dict[bytes, bytes],
        owed: list[bytes],
    ) -> list[bytes]:
        """The first roster is signed by one of its own officers, whose entry may be a later one of it. Gives
        what is still owed."""
        mark = entry.signatures[0]
        if isinstance(entry, e.OfficerRemoved) or len(entry.signatures) != 1:
            raise Broken(index, "a first roster adds officers, and one of them signs it")
        if owed and owed != [mark.officer, mark.signature]:
            raise Broken(index, "the entries of one roster are signed by different officers")
        if mark.officer not in officers:
            return [mark.officer, mark.signature]
        self._verify(index, officers[mark.officer], mark.signature, e.signed_digest(entry.digest))
        return []

    # --- what the rules share

    def _line(self, index: int, line: bytes) -> LoggedLine:
        found = self.lines.get(line)
        if found is None:
            raise Broken(index, "it is about a line that is not there")
        return found

    def _device(self, index: int, device: bytes, *, revoked: bool | None = None) -> LoggedDevice:
        """`revoked` False: only one that is not."""
        found = self.devices.get(device)
        if found is None:
            raise Broken(index, "it is about a device that is not there")
        if revoked is False and found.revoked_at:
            raise Broken(index, "it is about a device that was revoked before")
        return found

    def _check_new(self, index: int, entry: e.LineCreated | e.DeviceAdded | e.DeviceAnnounced) -> None:
        if entry.device in self.devices or entry.certificate in self._by_certificate:
            raise Broken(index, "the device or its certificate was there before")

    def _insert(
        self, index: int, entry: e.LineCreated | e.DeviceAdded, by: bytes = b"", order: bytes = b""
    ) -> None:
        self.devices[entry.device] = LoggedDevice(
            entry.line, entry.certificate, entry.signature_key, entry.at, index, by, order
        )
        self._by_certificate[entry.certificate] = entry.device

    def _check_officers(
        self, index: int, officers: dict[bytes, bytes], marks: list[e.OfficerMark], signed: bytes, needed: int
    ) -> None:
        if len({mark.officer for mark in marks}) != len(marks) or len(marks) < needed:
            raise Broken(index, "too few officers have signed it")
        for mark in marks:
            key = officers.get(mark.officer)
            if key is None:
                raise Broken(index, "somebody who is no officer has signed it")
            self._verify(index, key, mark.signature, signed)

    def _verify(self, index: int, key: bytes, signature: bytes, signed: bytes) -> None:
        try:
            self._check(key, signature, signed)
        except ChappeError:
            raise Broken(index, "a signature in it does not hold") from None

    # --- keeping

    def copy(self) -> LogState:
        """One that goes on by itself. Rows that never change are shared."""
        return LogState.from_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """MessagePack, about 200 bytes for each device. Kept where nobody else writes: it is not signed."""
        return _encoder.encode(
            _Snapshot(
                _FORMAT,
                self.size,
                self.at,
                self.origin,
                self.lines,
                self.devices,
                self.announced,
                self.organisations,
                self.releases,
            )
        )

    @classmethod
    def from_bytes(cls, data: bytes) -> LogState:
        """What `to_bytes` wrote. Raises ValueError for anything else."""
        try:
            kept = _decoder.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise ValueError("not a kept state of a log") from None
        if kept.format != _FORMAT:
            raise ValueError("a kept state of a log, of another version")
        state = cls()
        state.size, state.at, state.origin = kept.size, kept.at, kept.origin
        state.lines, state.devices, state.announced = kept.lines, kept.devices, kept.announced
        state.organisations, state.releases = kept.organisations, kept.releases
        state._by_certificate = {device.certificate: key for key, device in kept.devices.items()}
        return state
