"""Databases of every released schema with rows as they were then, in SQL and not by the code of today.

`Past` has the keys of a few people and knows what their relay would have kept of them; `fill` puts into a
database of any revision what its tables have columns for. A table that nobody described here gets a row of
the right types, so that none is ever empty. What is signed (certificates, rosters, orders) is signed anew:
those forms are the protocol's, and have not changed.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import sqlite3
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from tests.relay.world import Device
from tests.wire import fleet_world

from chappe.tlog.chain import Chain
from chappe.wire import codes, orders, rosters
from chappe.wire import log_entries as log

Row = dict[str, Any]
DAY: Final = 24 * 3600
ORIGIN: Final = "localhost/chappe"
TOKEN: Final = "chd_" + "t" * 43
WAITING: Final = (b"for both of them", b"for ada alone")
GAZETTE: Final = fleet_world.id_of("gazette")
"""The organisation."""
MAY_CHANGE: Final[dict[str, set[str]]] = {
    "resellers": {"told"},
    "log_heads": {"chain"},
    "audit_heads": {"chain"},
}
"""What a server that starts goes on writing."""


AUDIT: Final = "version at what officers order kind digest reason line device outcome number"
DESK_LOG: Final = "version at what by account token subject reseller organisation details"


def _packed(fields: str, **given: Any) -> bytes:
    """MessagePack of a map with these fields in their order."""
    return msgspec.msgpack.encode({name: given.get(name) for name in fields.split()})


def _hash(*parts: bytes) -> bytes:
    return hashlib.sha256(b"".join(parts)).digest()


@dataclass
class Past:
    """Ada with two devices, Ben, and Cyd, whose device was signed out. `now`: Unix seconds."""

    now: int = field(default_factory=lambda: int(time.time()))
    ada: Device = field(default_factory=lambda: Device.of_new_line("ada@localhost"))
    ben: Device = field(default_factory=lambda: Device.of_new_line("ben@localhost"))
    cyd: Device = field(default_factory=lambda: Device.of_new_line("cyd@localhost"))
    code: str = field(default_factory=lambda: codes.new())
    sent: bytes = field(default_factory=lambda: secrets.token_bytes(16))
    """The id under which Ben sent what waits for both."""
    group: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    opener: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    attachment: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    delivery: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    gone: bytes = field(default_factory=lambda: secrets.token_bytes(16))

    def __post_init__(self) -> None:
        self.second = self.ada.sibling()
        self.salts = {
            one.certificate.line_id: secrets.token_bytes(32) for one in (self.ada, self.ben, self.cyd)
        }
        target = orders.Target(self.cyd.certificate.line_id, self.cyd.id)
        self.order = fleet_world.order("erase", target, server="localhost")
        body = msgspec.msgpack.encode(self.order)
        signed = orders.order_bytes(body)
        by_ada = rosters.OfficerSignature(fleet_world.id_of("ada"), fleet_world.key("ada").sign(signed))
        self.signed = orders.SignedOrder(body, fleet_world.FLEET.sign(signed), [by_ada])

    # --- the relay's tables, as they were

    def relay(self) -> dict[str, list[Row]]:
        return self._people() | self._mail() | self._rest() | self._fleet() | self._log()

    def _people(self) -> dict[str, list[Row]]:
        then = self.now - 30 * DAY
        lines = [
            {
                "line": one.certificate.line_id,
                "address": one.address,
                "identity_key": one.certificate.identity_key,
                "created_at": then,
                "salt": self.salts[one.certificate.line_id],
            }
            for one in (self.ada, self.ben, self.cyd)
        ]
        ends = self.now - self.now % DAY + 100 * DAY
        last = time.gmtime(ends - 1).tm_mday
        lines[1] |= {"term_ends": ends, "term_day": last, "term_months": 6}
        lines[2] |= {"organisation": GAZETTE}
        devices: list[Row] = [
            {
                "device": one.id,
                "line": one.certificate.line_id,
                "mailbox": number,
                "certificate": one.certificate.to_bytes(),
                "signature_key": one.certificate.signature_key,
                "created_at": then,
            }
            for number, one in enumerate((self.ada, self.ben, self.cyd, self.second), 1)
        ]
        devices[2] |= {"revoked_at": self.now - DAY, "revoked_by": self.order.id}
        day = self.now - self.now % DAY
        return {
            "lines": lines,
            "devices": devices,
            "codes": [
                {"digest": codes.digest(self.code), "created_at": then, "expires_at": self.now + 30 * DAY},
                {"digest": _hash(b"used"), "created_at": then, "expires_at": self.now + DAY, "used_at": day},
            ],
        }

    def _mail(self) -> dict[str, list[Row]]:
        """Ada took nothing yet; Ben took seven before what waits for him."""
        both, alone = WAITING
        digest = _hash(b"send", (2).to_bytes(4, "big"), self.ada.id, self.ben.id, both)[:16]
        envelope = secrets.token_bytes(16)
        return {
            "mailboxes": [
                {"mailbox": number, "gone_sequence": gone, "gone_bytes": 10 * gone}
                for number, gone in ((1, 0), (2, 7), (3, 0), (4, 0))
            ],
            "payloads": [
                {"payload": 1, "at": self.now - 60, "data": both},
                {"payload": 2, "at": self.now - 50, "data": alone},
            ],
            "entries": [
                _entry(1, 1, self.sent, 1, len(both), self.now - 60),
                _entry(1, 2, envelope, 2, len(both) + len(alone), self.now - 50),
                _entry(2, 8, self.sent, 1, 70 + len(both), self.now - 60),
            ],
            "shares": [{"payload": 1, "mailboxes_left": 2}],
            "sent_ids": [{"mailbox": 2, "id": self.sent, "digest": digest, "expires": self.now + 20 * DAY}],
            "delivery_tokens": [{"mailbox": 1, "digest": _hash(b"chappe delivery v1", self.delivery)}],
        }

    def _rest(self) -> dict[str, list[Row]]:
        packages: list[Row] = [
            {"mailbox": 1, "digest": _hash(b"%d" % n)[:16], "position": n, "data": b"package %d" % n}
            for n in (1, 2)
        ]
        packages.append({"mailbox": 1, "digest": _hash(b"3")[:16], "position": 3, "taken_at": self.now - 60})
        return {
            "key_packages": packages,
            "last_resort_packages": [{"mailbox": 1, "data": b"the last one"}],
            "groups": [
                {
                    "group_id": self.group,
                    "epoch": 5,
                    "lock": _hash(b"chappe lock v1", self.opener),
                    "moved_at": self.now - 90,
                }
            ],
            "attachments": [
                {
                    "attachment": self.attachment,
                    "token_digest": _hash(b"chappe upload token v1", bytes(32)),
                    "size": 5,
                    "received": 5,
                    "expires": self.now + 20 * DAY,
                }
            ],
            "attachment_use": [{"line": self.ada.certificate.line_id, "day": self.now // DAY, "bytes": 5}],
            # Nobody answers there, so that nobody outside is knocked at.
            "push_subscriptions": [
                {"mailbox": 2, "endpoint": "https://localhost:1/x", "p256dh": bytes(65), "auth": bytes(16)}
            ],
            "sellers": [{"seller": b"s" * 16}],
            "given_addresses": [{"digest": _hash(b"chappe given address v1", b"eve@localhost")}],
            "gone_devices": [{"device": self.gone}],
            "meetings": [{"meeting": _hash(b"link")[:16], "ends": self.now + 600, "offer": b"sealed"}],
        }

    def _fleet(self) -> dict[str, list[Row]]:
        """One officer, one order to erase Cyd's device that was carried out."""
        roster = fleet_world.Organisation.of("ada").rosters[0]
        entry = _packed(AUDIT, version=1, at=self.now, what="roster.amended", officers=[], number=1)
        chain, row = Chain().append(entry)
        order = self.order.id
        return {
            "organisations": [
                {
                    "organisation": GAZETTE,
                    "name": "La Gazette",
                    "fleet_key": fleet_world.public(fleet_world.FLEET),
                    "created_at": self.now - 9 * DAY,
                }
            ],
            "rosters": [{"organisation": GAZETTE, "version": 1, "signed": msgspec.msgpack.encode(roster)}],
            "audit": [
                {"organisation": GAZETTE, "number": 0, "at": self.now, "entry": entry, "root": row.root}
            ],
            "audit_heads": [{"organisation": GAZETTE, "chain": chain.to_bytes()}],
            "orders": [
                {
                    "order_id": order,
                    "kind": "erase",
                    "organisation": GAZETTE,
                    "officer": fleet_world.id_of("ada"),
                    "signed": msgspec.msgpack.encode(self.signed),
                    "digest": _hash(self.signed.body)[:16],
                    "reason": fleet_world.REASON.text,
                    "salt": fleet_world.REASON.salt,
                    "issued_at": self.order.issued_at,
                    "given_at": self.now - DAY,
                    "executed_at": self.now - DAY,
                    "alone": 1,
                    "for_all": 0,
                }
            ],
            "order_devices": [
                {
                    "order_id": order,
                    "device": self.cyd.id,
                    "line": self.cyd.certificate.line_id,
                    "ordered_at": self.now - DAY,
                    "unreadable_at": self.now - DAY,
                    "doomed": 1,
                }
            ],
            "registers": [{"device": self.ada.id, "sealed": bytes(64)}],
            "postings": [{"group_id": self.group, "order_id": order, "device": self.cyd.id}],
            "enrolments": [
                {
                    "order_id": secrets.token_bytes(16),
                    "organisation": GAZETTE,
                    "line": self.cyd.certificate.line_id,
                    "device": secrets.token_bytes(16),
                    "given_at": self.now - DAY,
                    "announced_at": self.now - DAY,
                    "added_at": self.now - DAY,
                }
            ],
            "proposals": [
                {
                    "group_id": self.group,
                    "order_id": order,
                    "device": self.cyd.id,
                    "epoch": 5,
                    "message": b"a proposal",
                }
            ],
        }

    def _log(self) -> dict[str, list[Row]]:
        """As a relay of that time would have opened its log."""
        told: list[log.LogEntry] = []
        for one in (self.ada, self.second, self.ben, self.cyd):
            certificate = one.certificate
            salt = self.salts[certificate.line_id]
            fields: Row = {
                "line": log.line_commitment(salt, certificate.line_id, certificate.address),
                "device": log.device_hash(certificate.device_id),
                "certificate": log.certificate_hash(certificate.to_bytes()),
                "signature_key": certificate.signature_key,
            }
            if one is self.second:
                told.append(log.DeviceAdded(1, self.now, **fields, by=None, order=None))
            else:
                fields |= {"identity_key": certificate.identity_key, "organisation": b""}
                told.append(log.LineCreated(1, self.now, **fields))
        told.append(log.LogOpened(1, self.now, ORIGIN))
        return {
            "log_entries": [
                {"number": number, "entry": log.encode(one), "at": self.now}
                for number, one in enumerate(told)
            ]
        }

    # --- the desk's

    def desk(self) -> dict[str, list[Row]]:
        """An operator with a token, a reseller who bought a batch and paid for it, a subscriber."""
        account, reseller, batch, plan = (
            name.ljust(16, b"-") for name in (b"operator", b"reseller", b"batch", b"plan")
        )
        then, paper = self.now - 20 * DAY, "F2026-000001"
        entry = _packed(DESK_LOG, version=1, at=then, what="account.opened", by="console", details={})
        chain, row = Chain().append(entry)
        address = {"street": "1 rue Haute", "postcode": "75001", "city": "Paris", "country": "FR"}
        money = {"reseller": reseller, "currency": "EUR"}
        return {
            "accounts": [
                {
                    "account": account,
                    "role": "operator",
                    "name": "Ada",
                    "email": "ada@example.org",
                    "language": "fr",
                    "created_at": then,
                    "version": 1,
                }
            ],
            "tokens": [
                {
                    "token": b"t" * 16,
                    "digest": hashlib.sha256(f"chappe desk token v1\0{TOKEN}".encode()).digest(),
                    "account": account,
                    "label": "books",
                    "scopes": "resellers:read log:read subscribers:read sales:read",
                    "created_at": then,
                    "expires_at": self.now + 100 * DAY,
                }
            ],
            "log": [{"number": 0, "entry": entry, "root": row.root, "at": then, "what": "account.opened"}],
            "log_heads": [{"head": 1, "chain": chain.to_bytes()}],
            "resellers": [
                {
                    "reseller": reseller,
                    "name": "Télégraphes du Nord",
                    **address,
                    "applied_at": then,
                    "accredited_from": "2026-01-01",
                    "accredited_until": "2099-01-01",
                    "language": "fr",
                    "version": 1,
                }
            ],
            "plans": [
                {
                    "plan": plan,
                    "name": "Six months",
                    "months": 6,
                    "unit_net": 9_000,
                    "currency": "EUR",
                    "vat_rate": 2_000,
                }
            ],
            "batches": [
                {"batch": batch, **money, "plan": plan, "ordered_at": then, "made_at": then, "invoice": paper}
            ],
            "bookings": [{"booking": 1, "at": then, "kind": "invoice", "paper": paper, **money}],
            "postings": [
                {"booking": 1, "position": position, "account": number, "amount": amount}
                for position, (number, amount) in enumerate(
                    (("411", 10_800), ("706", -9_000), ("44571", -1_800))
                )
            ],
            "invoices": [
                {
                    "number": paper,
                    "year": 2026,
                    "sequence": 1,
                    "kind": "invoice",
                    **money,
                    "batch": batch,
                    "issued": "2026-11-10",
                    "due": "2026-12-10",
                    "net": 9_000,
                    "vat": 1_800,
                    "language": "fr",
                }
            ],
            "payments": [
                {
                    "payment": b"p" * 16,
                    "invoice": paper,
                    **money,
                    "amount": 10_800,
                    "received": "2026-11-20",
                    "at": then,
                }
            ],
            "subscribers": [
                {
                    "subscriber": b"s" * 16,
                    "kind": "person",
                    "surname": "Lovelace",
                    "given_name": "Ada",
                    "address": "ada@localhost",
                    **address,
                    "created_at": then,
                    "began_on": "2026-11-10",
                    "version": 1,
                }
            ],
        }


def _entry(mailbox: int, sequence: int, envelope: bytes, payload: int, total: int, at: int) -> Row:
    return {
        "mailbox": mailbox,
        "sequence": sequence,
        "envelope": envelope,
        "payload": payload,
        "total_bytes": total,
        "at": at,
    }


def fill(path: Path, rows: dict[str, list[Row]]) -> None:
    """Into every table of the database; of a row, what the table has columns for, and something of the right
    type where it must not be empty."""
    with closing(sqlite3.connect(path)) as connection, connection:
        for table in tables(connection):
            columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
            for row in rows.get(table, [{}]):
                values = {
                    name: row.get(name, _something(kind, name) if required or key else None)
                    for _, name, kind, required, _, key in columns
                }
                marks = ",".join("?" * len(values))
                connection.execute(f"INSERT INTO {table} VALUES ({marks})", tuple(values.values()))


def _something(kind: str, name: str) -> Any:
    length = int((re.findall(r"\d+", kind) or ["16"])[0])
    if kind.startswith("BLOB"):
        return secrets.token_bytes(min(length, 32))
    if kind.startswith(("VARCHAR", "TEXT")):
        return name[:length]
    return 1


def tables(connection: sqlite3.Connection) -> list[str]:
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return sorted(name for (name,) in found if name != "alembic_version" and not name.startswith("sqlite_"))


def everything(path: Path) -> dict[str, list[Row]]:
    """Every row of every table."""
    with closing(sqlite3.connect(path, timeout=20)) as connection:
        connection.row_factory = sqlite3.Row
        return {
            table: [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
            for table in tables(connection)
        }


def missing(before: dict[str, list[Row]], after: dict[str, list[Row]]) -> list[str]:
    """What was there and is not: tables, and rows, compared by the columns that the table still has."""
    found = []
    for table, rows in before.items():
        kept = after.get(table, [])
        names = set(rows[0]) & set(kept[0] if kept else rows[0]) - MAY_CHANGE.get(table, set())
        left = Counter(_key(row, names) for row in kept)
        found += [f"{table}: {sorted(row)}" for row, times in _counted(rows, names) if left[row] < times]
    return found


def _counted(rows: list[Row], names: set[str]) -> list[tuple[tuple[tuple[str, Any], ...], int]]:
    return list(Counter(_key(row, names) for row in rows).items())


def _key(row: Row, names: set[str]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted((name, value) for name, value in row.items() if name in names))
