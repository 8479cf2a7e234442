"""Lines to be made, from a CSV: a code and a subscriber's record for each row.

A dry run says what is wrong, row by row, and changes nothing. Without one it is all rows or none: the
relay makes the codes, then the records are filed; where that fails, the codes are taken back.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Final

from starlette.concurrency import run_in_threadpool

from chappe.desk import sheets, subscribers
from chappe.desk.database import Database, Unit
from chappe.desk.ids import new_id
from chappe.desk.lines import through
from chappe.desk.once import Once
from chappe.desk.sheets import MAX_PROBLEMS, Problem, Sheet
from chappe.desk.subscriber_tables import subscribers as table
from chappe.desk.who import Actor
from chappe.wire.certificate import check_address
from chappe.wire.door import MAX_RENEWED, CodeBatch, Door
from chappe.wire.errors import ChappeError, error
from chappe.wire.terms import MAX_MONTHS

CODE_DAYS: Final = 90
"""How long a code of an import holds."""
NAMES: Final[Mapping[str, str]] = {
    "address": "address", "line": "address", "ligne": "address", "adresse de ligne": "address",
    "months": "months", "mois": "months",
    "kind": "kind", "type": "kind", "nature": "kind",
    "company": "company", "société": "company", "raison sociale": "company",
    "registration": "registration", "siren": "registration",
    "surname": "surname", "nom": "surname",
    "given name": "given_name", "first name": "given_name", "prénom": "given_name",
    "born on": "born_on", "date of birth": "born_on", "date de naissance": "born_on", "né le": "born_on",
    "born at": "born_at", "place of birth": "born_at", "lieu de naissance": "born_at",
    "street": "street", "rue": "street", "adresse": "street",
    "postcode": "postcode", "code postal": "postcode",
    "city": "city", "ville": "city",
    "country": "country", "pays": "country",
    "email": "email", "e-mail": "email", "courriel": "email",
    "phone": "phone", "telephone": "phone", "téléphone": "phone",
    "contract": "contract", "contrat": "contract",
}  # fmt: skip
"""What a column may be called, in English and in French."""
_KINDS: Final = {"personne": "person", "société": "company", "entreprise": "company"}
_FRENCH_DATE: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
_EMAIL: Final = re.compile(r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63}){1,8}", re.ASCII)
_PHONE: Final = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A row that holds: the record to file, and the months of its line."""

    row: int
    months: int
    fields: Mapping[str, str]

    @property
    def address(self) -> str:
        return self.fields["address"]


@dataclass(frozen=True, slots=True)
class Looked:
    """What a look at the file came to; `cut`: there are more problems than are told."""

    sheet: Sheet
    wanted: list[Wanted]
    problems: list[Problem]
    cut: bool


@dataclass(frozen=True, slots=True)
class Made:
    """`codes`: (row, address, code), shown once. `fleet_key` of the organisation; empty for none."""

    codes: list[tuple[int, str, str]] = field(repr=False)
    fleet_key: bytes = b""


async def look(door: Door, data: bytes, server: str, months: int, now: date) -> Looked:
    """Read the file, judge every row; nothing changes. `months`: where no column says so. Raises
    desk.malformed, http.oversized for what is no such file."""
    sheet = sheets.read(data, NAMES)
    problems = list(sheet.problems)
    if "address" not in sheet.columns:
        raise error("desk.malformed", "Row 1 has no column “address”: which lines are to be made?")
    bad = {problem.row for problem in problems}
    wanted: list[Wanted] = []
    first: dict[str, int] = {}
    for number, cells in sheet.rows:
        row, found = _judge(number, cells, server, months, now)
        before = first.setdefault(row.address, number)
        if before != number:
            found.append(Problem(number, "address", f"Row {before} has the same address."))
        problems += found
        if not found and number not in bad:
            wanted.append(row)
    taken = await _taken(door, wanted)
    problems += [
        Problem(one.row, "address", "This address is taken.") for one in wanted if one.address in taken
    ]
    problems.sort(key=lambda problem: (problem.row, problem.column))
    return Looked(
        sheet,
        [one for one in wanted if one.address not in taken],
        problems[:MAX_PROBLEMS],
        len(problems) > MAX_PROBLEMS,
    )


async def make(
    database: Database,
    door: Door,
    who: Actor,
    looked: Looked,
    organisation: bytes | None,
    once: Once | None,
) -> Made:
    """Codes and records for all rows. Raises desk.malformed where a row has a problem, or there is none;
    desk.exists for the same Idempotency-Key again, id.reused where that one had failed;
    desk.unknown for an organisation that is not there."""
    if looked.problems:
        raise error(
            "desk.malformed",
            f"The file has {len(looked.problems)} mistakes; look at them in a dry run. Nothing was made.",
        )
    if not looked.wanted:
        raise error("desk.malformed", "The file has no rows.")
    batches: list[bytes] = []
    try:
        made = await _codes(door, who, looked.wanted, organisation, once, batches)
        await run_in_threadpool(_file, database, who, looked.wanted, organisation, batches)
    except BaseException:
        # Whatever came between: no code is left that nobody was shown.
        for batch in batches:
            with suppress(ChappeError):
                await door.void_codes(batch)
        raise
    return made


async def _codes(
    door: Door,
    who: Actor,
    wanted: list[Wanted],
    organisation: bytes | None,
    once: Once | None,
    batches: list[bytes],
) -> Made:
    codes: list[tuple[int, str, str]] = []
    fleet_key = b""
    for months in sorted({one.months for one in wanted}):
        rows = [one for one in wanted if one.months == months]
        batch = _batch_id(who, once, months)
        try:
            made = await through(
                door.make_codes(CodeBatch(batch, len(rows), months, CODE_DAYS, None, organisation))
            )
        except ChappeError as problem:
            if problem.code != "id.reused":
                raise
            raise await _why_reused(door, batch) from None
        batches.append(batch)
        fleet_key = made.fleet_key
        codes += [(one.row, one.address, code) for one, code in zip(rows, made.codes, strict=True)]
    return Made(sorted(codes), fleet_key)


async def _why_reused(door: Door, batch: bytes) -> ChappeError:
    state = await through(door.batch(batch))
    if state.used or state.open or state.expired:
        return error("desk.exists", "This was imported before, and its codes were shown then.")
    return error("id.reused", "An import with this key failed, and was taken back; take another key.")


def _file(
    database: Database, who: Actor, wanted: list[Wanted], organisation: bytes | None, batches: list[bytes]
) -> None:
    def work(unit: Unit) -> None:
        for one in wanted:
            subscribers.file(unit, one.fields, organisation=organisation)
        for batch in batches:
            unit.log("lines.imported", batch, organisation=organisation, lines=len(wanted))

    database.change(who, work)


def _batch_id(who: Actor, once: Once | None, months: int) -> bytes:
    """The same for the same Idempotency-Key of the same asker: the relay makes a batch once."""
    if once is None:
        return new_id()
    asker = who.token or who.account or who.kind.encode()
    parts = (b"chappe import v1", asker, once.key.encode(), months.to_bytes(2, "big"))
    return hashlib.sha256(b"\0".join(parts)).digest()[:16]


async def _taken(door: Door, wanted: list[Wanted]) -> set[str]:
    addresses = [one.address for one in wanted]
    taken: set[str] = set()
    for start in range(0, len(addresses), MAX_RENEWED):
        taken |= set(await through(door.taken_addresses(addresses[start : start + MAX_RENEWED])))
    return taken


def _judge(
    number: int, cells: Mapping[str, str], server: str, months: int, now: date
) -> tuple[Wanted, list[Problem]]:
    found: list[Problem] = []

    def wrong(column: str, message: str) -> None:
        found.append(Problem(number, column, message))

    given = dict(cells)
    paid = given.pop("months", "") or str(months)
    if not paid.isdecimal() or not 1 <= int(paid) <= MAX_MONTHS:
        wrong("months", f"It is a number from 1 to {MAX_MONTHS}.")
        paid = "1"
    given["kind"] = _KINDS.get(given.get("kind", "").lower(), given.get("kind", "").lower())
    given["born_on"] = _iso(given.get("born_on", ""))
    given["phone"] = re.sub(r"[ .()-]", "", given.get("phone", ""))
    given["country"] = given.get("country", "") or "FR"
    fields = subscribers.complete(given)
    fields["address"] = _address(fields["address"], server, wrong)
    for column, most in _LENGTHS.items():
        if len(fields[column]) > most:
            wrong(column, f"It has more than {most} characters.")
    if fields["email"] and not _EMAIL.fullmatch(fields["email"]):
        wrong("email", "It is no e-mail address.")
    if fields["phone"] and not _PHONE.fullmatch(fields["phone"]):
        wrong("phone", "It is written with its country: +33123456789.")
    if not re.fullmatch(r"[A-Z]{2}", fields["country"]):
        wrong("country", "It is a country in two letters: FR.")
    told = {problem.column for problem in found}
    for column, message in subscribers.problems(fields, now).items():
        if column not in told:
            wrong(column, message)
    return Wanted(number, int(paid), fields), found


def _address(text: str, server: str, wrong: object) -> str:
    assert callable(wrong)
    whole = text if "@" in text else f"{text}@{server}"
    try:
        address = check_address(whole)
    except ChappeError as problem:
        wrong("address", problem.message)
        return text
    if address.partition("@")[2] != server:
        wrong("address", f"Addresses of this relay end in @{server}.")
    return address


def _iso(text: str) -> str:
    """A date as the French write it, too."""
    match = _FRENCH_DATE.fullmatch(text)
    return text if match is None else f"{match[3]}-{int(match[2]):02d}-{int(match[1]):02d}"


_LENGTHS: Final = {name: table.c[name].type.length or 0 for name in subscribers.FIELDS if name != "country"}  # type: ignore[attr-defined]
