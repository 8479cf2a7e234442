"""A relay's data directory with a year behind it: lines in every stage, resellers, and what they bought."""

from __future__ import annotations

import asyncio
import secrets
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from chappe.desk import batches, plans, resellers, trading
from chappe.desk.database import Unit
from chappe.desk.desk import Desk
from chappe.desk.invoice import Party
from chappe.desk.models import show_id
from chappe.desk.resellers import Particulars, Reseller
from chappe.desk.routes_orders import buyer
from chappe.desk.selling import Selling
from chappe.desk.settings import DeskSettings
from chappe.desk.who import CONSOLE
from chappe.relay import organisations
from chappe.relay.config import load_settings
from chappe.relay.door import DirectoryDoor
from chappe.wire.terms import begin
from tests.desk.world import tva_of
from tests.relay.fleet_world import Organisation, Person

DAY: Final = 24 * 3600
MONTHS: Final = 11
COMPANIES: Final = (
    ("Bureau Sûr", "552100554", "Lyon", (12, 20, 18, 25, 30, 28, 34, 30, 41, 44, 38, 52)),
    ("Lignes du Nord", "732829320", "Lille", (0, 0, 8, 10, 10, 16, 12, 20, 18, 22, 30, 26)),
    ("Atelier Vauban", "404833048", "Brest", (0, 0, 0, 0, 0, 6, 8, 8, 10, 12, 12, 15)),
)
_FIRST: Final = [
    "ada",
    "amine",
    "anouk",
    "awa",
    "basile",
    "camille",
    "chloe",
    "diane",
    "elif",
    "emile",
    "farah",
    "felix",
    "gabin",
    "hana",
    "hugo",
    "ines",
    "jade",
    "kenza",
    "leo",
    "lila",
    "louis",
    "mael",
    "manon",
    "mina",
    "naomi",
    "nour",
    "oscar",
    "paul",
    "rania",
    "rose",
    "sacha",
    "salome",
    "theo",
    "victor",
    "yanis",
    "zoe",
]
_DESKS: Final = [
    "accueil",
    "redaction",
    "enquete",
    "nuit",
    "etranger",
    "justice",
    "sante",
    "photo",
    "web",
    "archives",
]


class Clock:
    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def fill(data: Path, lines: int = 0) -> dict[str, str]:
    """In a directory that no relay uses yet. Gives resellers' names with their ids as the API shows them."""
    settings = load_settings({}, data_dir=data)
    olga = Person("Olga")
    groups = [Organisation(name, [olga]) for name in ("Gazette du Rhône", "Cabinet Hébrard")]
    for group in groups:
        organisations.add(settings, group.file)
    if lines:
        _lines(settings.database, lines, [group.id for group in groups])
    clock = Clock(time.time() - ((MONTHS + 1) * 30 + 1) * DAY)
    door = DirectoryDoor(settings, clock)
    desk = Desk(DeskSettings(data, "localhost", "https://localhost"), clock, door=door, relay=door)
    try:
        return _sell(desk, clock)
    finally:
        desk.close()


def _sell(desk: Desk, clock: Clock) -> dict[str, str]:
    database = desk.database

    def change(work: Any) -> Any:
        return database.change(CONSOLE, work)

    seller = Party(
        "Chappe SAS", "1 rue du Télégraphe", "75020", "Paris", "FR", "FR83404833048", "404833048", ""
    )
    change(lambda unit: trading.set_seller(unit, seller, "FR7630006000011234567890189", 0))
    half, year = (
        change(
            lambda unit, name=name, months=months, price=price: plans.make(
                unit, name=name, months=months, unit_net=price, currency="EUR", vat_rate=2000
            )
        )
        for name, months, price in (("Six months", 6, 14_900), ("Twelve months", 12, 26_900))
    )
    known = {name: change(lambda unit, one=one: _company(unit, one)) for name, *one in COMPANIES}
    asyncio.run(desk.tell_sellers(all_of_them=True))
    selling = Selling(database, desk.relay_door())
    for month in range(MONTHS + 1):
        for name, *_, sold in COMPANIES:
            if not sold[month]:
                continue
            plan = (year if month % 4 == 3 else half).id

            batch = change(
                lambda unit, id_=known[name].id, plan=plan, many=sold[month]: batches.order(
                    unit, buyer(unit, id_), plan, many, None
                )
            )
            asyncio.run(selling.make(CONSOLE, batch, batch.quantity))
        clock.at += 30 * DAY
    asyncio.run(desk.tell_sellers(all_of_them=True))
    change(lambda unit: resellers.apply(unit, _particulars("Comptoir Marin", "542065479", "Nantes")))
    return {name: show_id(one.id) for name, one in known.items()}


def _company(unit: Unit, one: list[Any]) -> Reseller:
    siren, city, _ = one
    name = next(name for name, *rest in COMPANIES if rest[0] == siren)
    applied = resellers.apply(unit, _particulars(name, siren, city))
    first = datetime.fromtimestamp(unit.now, UTC).date()
    last = date(first.year + 2, 12, 31)
    return resellers.accredit(unit, applied.id, applied.version, first, last, f"ACC-{siren[:4]}")


def _particulars(name: str, siren: str, city: str) -> Particulars:
    return Particulars(
        name=name,
        country="FR",
        registration=siren,
        vat_number=tva_of(siren),
        street="1 rue de la Paix",
        postcode="69001",
        city=city,
        contact_name="Camille Martin",
        contact_email="camille@example.org",
        contact_phone="+33123456789",
    )


def _lines(database: Path, count: int, groups: list[bytes]) -> None:
    """Rows as the relay itself writes them, but with keys that nobody holds."""
    now = int(time.time())
    with sqlite3.connect(database, timeout=30) as connection:
        rows = list(_rows(count, groups, now))
        connection.executemany(
            "INSERT INTO lines (line, address, identity_key, created_at, organisation, closed_at, term_ends, "
            "term_day, term_months, lapsed_at, salt) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, randomblob(32))",
            [row for row, _ in rows],
        )
        connection.executemany(
            "INSERT INTO devices (device, line, mailbox, certificate, signature_key, created_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            [device for _, device in rows],
        )
        _erasures(connection, [device for _, device in rows][:11], now)


def _erasures(connection: sqlite3.Connection, devices: list[tuple[Any, ...]], now: int) -> None:
    """Orders as the overview counts them: some devices are silent, some have answered; one order waits."""
    for number, (device, line, *_) in enumerate(devices):
        order, at = secrets.token_bytes(16), now - (number + 1) * DAY
        connection.execute(
            "INSERT INTO orders (order_id, kind, signed, digest, reason, salt, issued_at, given_at, "
            "executed_at, alone, for_all) VALUES (?, 'erase', ?, ?, 'lost', ?, ?, ?, ?, 1, 0)",
            (order, b"", bytes(16), bytes(16), at, at, None if number == 0 else at),
        )
        if number:
            reached = [at + 60 * step if number % 5 >= step else None for step in (1, 2, 3)]
            connection.execute(
                "INSERT INTO order_devices (order_id, device, line, ordered_at, doomed, unreadable_at, "
                "removed_at, done_at) VALUES (?, ?, ?, ?, 1, ?, ?, ?)",
                (order, device, line, at, *reached),
            )


def _rows(count: int, groups: list[bytes], now: int) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    for number in range(count):
        first, place = _FIRST[number % len(_FIRST)], _DESKS[number // len(_FIRST) % len(_DESKS)]
        address = f"{first}.{place}{number // (len(_FIRST) * len(_DESKS)) or ''}@localhost"
        # Most run; the oldest are in grace, suspended or closed.
        ago = (number * 7919) % 193
        ago = ago if number % 40 else 185 + (number // 40) % 110
        began = now - ago * DAY
        term = begin(6, began)
        closed = term.closes if term.closes <= now else None
        line = secrets.token_bytes(16)
        yield (
            (
                *(line, address, secrets.token_bytes(32), began, groups[number % 3 % 2], closed),
                *(term.ends, term.anchor, 6, closed),
            ),
            (secrets.token_bytes(16), line, number + 1, b"", secrets.token_bytes(32), began),
        )
