"""The next roster of an organisation, signed by officers of the one before."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.exc import IntegrityError

from chappe.relay import audit, brought_back, fleet_rows, log_rows
from chappe.relay.asker import AsOfficer, still_officer
from chappe.relay.fleet_tables import organisations, rosters
from chappe.relay.ports import Unit
from chappe.relay.tables import log_entries
from chappe.wire import fleet
from chappe.wire import log_entries as log
from chappe.wire.audit import AuditEntry
from chappe.wire.errors import error
from chappe.wire.rosters import Roster, SignedRoster, check_chain


@dataclass(frozen=True, slots=True)
class AmendRoster:
    """An `Amend`. The newest once more changes nothing. Refused with order.forged, roster.invalid."""

    asker: AsOfficer
    ask: fleet.Amend

    @property
    def weight(self) -> int:
        return len(self.ask.roster.body) + 4_000

    def run(self, unit: Unit) -> None:
        before, _ = still_officer(unit.connection, self.asker)
        chain = fleet_rows.roster_chain(unit.connection, before.organisation)
        if chain[-1] == self.ask.roster:
            return
        roster = check_chain([*chain, self.ask.roster], fleet_key=before.fleet_key).roster
        newer = brought_back.newer_roster(unit.connection, before.organisation)
        if newer is not None:
            _check_logged(unit.connection, roster, self.ask.roster)
        unit.connection.execute(
            insert(rosters).values(
                organisation=roster.organisation,
                version=roster.version,
                signed=fleet_rows.encode(self.ask.roster),
            )
        )
        try:
            unit.connection.execute(
                update(organisations)
                .where(organisations.c.organisation == roster.organisation)
                .values(name=roster.name)
            )
        except IntegrityError:
            raise error("roster.invalid", "Another organisation of this relay has that name.") from None
        entry = AuditEntry(
            1,
            unit.now,
            "roster.amended",
            officers=sorted(one.officer for one in self.ask.roster.officers),
            digest=hashlib.sha256(self.ask.roster.body).digest(),
            number=roster.version,
        )
        audit.append(unit, roster.organisation, entry)
        if newer is None:
            log_rows.append(unit, *log_rows.officers_changed(unit.now, before, roster, self.ask.roster))
        elif roster.version >= newer:
            # All is here again that the log tells.
            brought_back.forget_roster(unit.connection, roster.organisation)


def _check_logged(connection: Connection, roster: Roster, signed: SignedRoster) -> None:
    """Given again to a relay that lost it: the log has it, and has no other of that version. Raises
    roster.invalid."""
    digest, organisation = hashlib.sha256(signed.body).digest(), log.organisation_hash(roster.fleet_key)
    for data in connection.execute(select(log_entries.c.entry)).scalars():
        entry = log.decode(data)
        if (
            isinstance(entry, log.OfficerAdded | log.OfficerRemoved)
            and (entry.organisation, entry.roster) == (organisation, roster.version)
            and entry.digest != digest
        ):
            raise error("roster.invalid", "The transparency log has another roster of this version.")
