"""A disclosure: what the operator holds on a line, signed, with what he does not hold. Each is noted in the
desk's audit log before it is written: by number and hash, without the address.

    {"disclosure": {…}, "key": "…", "signature": "…"}
    signature = Ed25519("chappe disclosure v1" || 0 || canonical JSON of the disclosure)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, false, func, or_, select

from chappe.desk.all_tables import metadata
from chappe.desk.database import Database, Unit
from chappe.desk.dossier.operator_key import OperatorKey, holds
from chappe.desk.dossier.wording import in_no_hand
from chappe.desk.tables import log
from chappe.desk.who import CONSOLE
from chappe.wire.api import to_base64
from chappe.wire.cryptology import canonical
from chappe.wire.errors import error
from chappe.wire.kept import Kept

CONTEXT: Final = b"chappe disclosure v1\0"
HAPPENING: Final = "dossier.disclosed"
MAX_FILE: Final = 256 * 1024 * 1024
MAX_REFERENCE: Final = 200

WITHHELD: Final = frozenset({("payloads", "data"), ("shares", "wrapped"), ("push_subscriptions", "auth")})
"""Held, and named by size and hash alone: ciphertexts, and secrets that a paper must not spread."""


class Disclosed(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """`at`: ISO 8601, UTC. `lines`: ids in hexadecimal. `held`: database → table → rows. `reference`: whose
    request it answers, in the operator's words."""

    format: Literal[1] = 1
    number: int
    at: str
    operator: str
    version: str
    asked: str
    lines: list[str]
    reference: str
    held: dict[str, dict[str, list[dict[str, Any]]]]
    withheld: list[str]
    not_held: dict[str, list[str]]


class Signed(msgspec.Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    disclosure: Disclosed
    key: str
    signature: str


@dataclass(frozen=True, slots=True)
class Holdings:
    """`held` and `kept` by database: rows as they are in the tables, and the reasons for each column.
    `others`: lines that had the address before, which are not in it."""

    asked: str
    lines: list[bytes]
    held: Mapping[str, Mapping[str, list[dict[str, Any]]]]
    kept: Mapping[str, Mapping[str, Kept]]
    others: Sequence[bytes] = ()


def held_by_desk(
    database: Database, lines: list[bytes], places: list[tuple[str, bytes | None]]
) -> dict[str, list[dict[str, Any]]]:
    """Rows of the desk that name a line: by their column `line`, or as what the log tells of. `places`: its
    address and organisation, by which a record is its own that has no line yet. Of another organisation, or
    over, it is somebody else's."""
    found: dict[str, list[dict[str, Any]]] = {}
    for table in metadata.sorted_tables:
        condition = _about(table, lines, places)
        if condition is None:
            continue
        rows = database.read(partial(_all, statement=select(table).where(condition)))
        if rows:
            found[table.name] = [dict(row._mapping) for row in rows]
    return found


def _all(connection: Connection, statement: Select[Any]) -> list[Row[Any]]:
    return list(connection.execute(statement))


def _about(
    table: Table, lines: list[bytes], places: list[tuple[str, bytes | None]]
) -> ColumnElement[bool] | None:
    if table.name == log.name:
        return table.c.subject.in_(lines)
    if "line" not in table.c:
        return None
    if "address" not in table.c:
        return table.c.line.in_(lines)
    at_its_place = or_(
        false(),
        *(
            and_(table.c.address == address, table.c.organisation.is_not_distinct_from(organisation))
            for address, organisation in places
        ),
    )
    waiting = and_(table.c.line.is_(None), table.c.ended_on.is_(None), at_its_place)
    return or_(table.c.line.in_(lines), waiting)


def disclose(
    database: Database, key: OperatorKey, holdings: Holdings, *, operator: str, version: str, reference: str
) -> Signed:
    """Make one, and note it. Raises usage.invalid for a reference that is too long, storage.*."""
    if len(reference) > MAX_REFERENCE or not reference.isprintable():
        raise error("usage.invalid", f"A reference is one line of {MAX_REFERENCE} characters at the most.")

    def work(unit: Unit) -> Signed:
        before = select(func.count()).select_from(log).where(log.c.what == HAPPENING)
        number = int(unit.connection.execute(before).scalar_one()) + 1
        at = datetime.fromtimestamp(unit.now, UTC).isoformat().replace("+00:00", "Z")
        signed = _signed(key, holdings, number, at, operator, version, reference)
        digest = hashlib.sha256(canonical(msgspec.to_builtins(signed.disclosure))).digest()
        unit.log(HAPPENING, number=number, digest=digest)
        return signed

    return database.change(CONSOLE, work)


def _signed(
    key: OperatorKey, holdings: Holdings, number: int, at: str, operator: str, version: str, reference: str
) -> Signed:
    held = {
        file: {table: [_plain(table, row) for row in rows] for table, rows in sorted(tables.items())}
        for file, tables in sorted(holdings.held.items())
        if tables
    }
    disclosed = Disclosed(
        number=number,
        at=at,
        operator=operator,
        version=version,
        asked=holdings.asked,
        lines=[line.hex() for line in holdings.lines],
        reference=reference,
        held=held,
        withheld=sorted(f"{table}.{column}" for table, column in WITHHELD),
        not_held={"en": in_no_hand("en"), "fr": in_no_hand("fr")},
    )
    body = canonical(msgspec.to_builtins(disclosed))
    return Signed(disclosure=disclosed, key=key.public, signature=key.sign(CONTEXT + body))


def _plain(table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    return {column: _value(table, column, value) for column, value in row.items()}


def _value(table: str, column: str, value: Any) -> Any:
    """Bytes as base64url; what is withheld as its size and hash."""
    if not isinstance(value, bytes):
        return value
    if (table, column) in WITHHELD:
        return {"bytes": len(value), "sha256": hashlib.sha256(value).hexdigest()}
    return to_base64(value)


def encode(signed: Signed) -> bytes:
    return json.dumps(msgspec.to_builtins(signed), indent=1, ensure_ascii=False).encode() + b"\n"


def read(path: Path) -> Signed:
    """Raises dossier.malformed for what is no disclosure, dossier.forged if its signature does not hold."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError:
        raise error("file.unreadable") from None
    if len(data) > MAX_FILE:
        raise error("dossier.malformed", "That file is no disclosure.")
    return check(data)


def check(data: bytes) -> Signed:
    """As `read`. Whose key it is, the caller compares."""
    try:
        signed = msgspec.json.decode(data, type=Signed)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise error("dossier.malformed", "That file is no disclosure.") from None
    if not holds(signed.key, signed.signature, CONTEXT + canonical(msgspec.to_builtins(signed.disclosure))):
        raise error("dossier.forged")
    return signed
