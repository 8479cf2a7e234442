"""Who asks over `POST /v1/fleet`: an envelope checked against the key that the relay has."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from chappe.relay import brought_back, fleet_rows
from chappe.relay.tables import devices, lines
from chappe.wire import fleet
from chappe.wire.errors import error
from chappe.wire.rosters import Officer, Roster


@dataclass(frozen=True, slots=True)
class AsOfficer:
    """`key`: the one that signed; the officer may have left the roster since."""

    organisation: bytes
    officer: bytes
    key: bytes

    @property
    def name(self) -> bytes:
        """Tells this asker from every other."""
        return b"o" + self.organisation + self.officer


@dataclass(frozen=True, slots=True)
class AsOwner:
    line: bytes

    @property
    def name(self) -> bytes:
        return b"l" + self.line


@dataclass(frozen=True, slots=True)
class AsDevice:
    device: bytes


Asker = AsOfficer | AsOwner | AsDevice


def identify(
    connection: Connection, envelope: fleet.AnyEnvelope, ask: fleet.AnyAsk, server: str, now: int
) -> Asker:
    """Raises organisation.unknown, signin.unknown_device, order.forged, order.stale; roster.invalid where the
    relay was brought back from a copy that lacks the newest roster.

    A receipt is signed itself: who carries it shows nothing else.
    """
    if isinstance(envelope, fleet.ByOfficer):
        officer = fleet_rows.newest_roster(connection, envelope.organisation).officer(envelope.officer)
        key = None if officer is None else officer.key
        _check(envelope, key, server, now)
        assert officer is not None
        if not isinstance(ask, fleet.Amend | fleet.Rosters):
            brought_back.check_roster(connection, envelope.organisation)
        return AsOfficer(envelope.organisation, officer.id, officer.key)
    if isinstance(envelope, fleet.ByOwner):
        key = connection.execute(select(lines.c.identity_key).where(lines.c.line == envelope.line)).scalar()
        _check(envelope, key, server, now)
        return AsOwner(envelope.line)
    if isinstance(ask, fleet.OPEN_DEVICES) and envelope.key != "device":
        raise error("order.forged")
    key = _key_of_device(connection, envelope)
    if not isinstance(ask, fleet.Report):
        _check(envelope, key, server, now)
    return AsDevice(envelope.device)


def still_officer(connection: Connection, asker: AsOfficer) -> tuple[Roster, Officer]:
    """Inside the transaction of what he asks: the roster may have changed since. Raises order.forged."""
    roster = fleet_rows.newest_roster(connection, asker.organisation)
    officer = roster.officer(asker.officer)
    if officer is None or officer.key != asker.key:
        raise error("order.forged")
    return roster, officer


def _key_of_device(connection: Connection, envelope: fleet.ByDevice) -> bytes | None:
    """Also of one that is signed out: it is to hear of the order that did it."""
    row = connection.execute(
        select(devices.c.signature_key, devices.c.unlock_key).where(devices.c.device == envelope.device)
    ).one_or_none()
    if row is None:
        raise error("signin.unknown_device")
    key: bytes | None = row.signature_key if envelope.key == "device" else row.unlock_key
    return key


def _check(envelope: fleet.AnyEnvelope, key: bytes | None, server: str, now: int) -> None:
    if key is None:
        raise error("order.forged")
    fleet.check_envelope(envelope, key, server, now)
