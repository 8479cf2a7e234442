"""Plans, orders, invoices, payments: what is written is whole, numbered without holes, and adds up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest

from chappe.desk import batches, fec, invoices, ledger, numbers, payments, plans, sales, trading
from chappe.desk.batches import Batch, Buyer
from chappe.desk.database import Database, Unit
from chappe.desk.invoice import Party
from chappe.desk.plans import Plan
from chappe.desk.trading import Terms
from chappe.desk.who import CONSOLE
from chappe.wire.errors import ChappeError
from tests.desk.world import Clock

T = TypeVar("T")
DAY = 24 * 3600
OPERATOR = Party(
    "Chappe SAS",
    "1 rue du Télégraphe",
    "75020",
    "Paris",
    "FR",
    "FR83404833048",
    "404833048",
    "f@chappe.example",
)
BUYER = Buyer(b"\1" * 16, Party("Lignes Sûres", "2 quai du Sud", "69002", "Lyon", "FR"), "fr")
OTHER = Buyer(b"\2" * 16, Party("Tours de l’Ouest", "3 mail du Nord", "35000", "Rennes", "FR"), "fr")
IBAN = "FR76 3000 6000 0112 3456 7890 189"


class Desk:
    """A database with a seller and a plan, and shorthands."""

    def __init__(self, folder: Path) -> None:
        self.clock = Clock()
        self.database = Database(folder, self.clock)
        self.do(lambda unit: trading.set_seller(unit, OPERATOR, IBAN, 0))
        self.plan = self.make_plan()

    def do(self, work: Callable[[Unit], T]) -> T:
        return self.database.change(CONSOLE, work)

    def make_plan(self, name: str = "Six mois", **values: int) -> Plan:
        given = {"months": 6, "unit_net": 4900, "vat_rate": 2000} | values
        return self.do(lambda unit: plans.make(unit, name=name, currency="EUR", **given))

    def order(self, quantity: int = 10, buyer: Buyer = BUYER) -> Batch:
        return self.do(lambda unit: batches.order(unit, buyer, self.plan.id, quantity, None))

    def pay(self, number: str, amount: int, reference: str = "V1", received: str | None = None) -> None:
        day = date.fromisoformat(received) if received else date.fromtimestamp(self.clock())
        self.do(lambda unit: payments.record(unit, number, amount=amount, received=day, reference=reference))

    def owed(self, number: str) -> int:
        return self.database.read(lambda connection: invoices.owed(connection, [number]))[number]

    def numbers(self) -> list[str]:
        found = self.database.read(lambda connection: invoices.page(connection, limit=200))
        return [one.invoice.number for one in reversed(found)]

    def whole(self) -> tuple[int, int]:
        return self.database.read(
            lambda connection: (ledger.check(connection), numbers.check_whole(connection))
        )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    opened = Desk(tmp_path)
    yield opened
    opened.database.close()


def refused(code: str, work: Callable[[], object]) -> ChappeError:
    with pytest.raises(ChappeError) as caught:
        work()
    assert caught.value.code == code
    return caught.value


def test_an_order_is_invoiced_and_booked(desk: Desk) -> None:
    batch = desk.order(50)
    issued = desk.database.read(lambda connection: invoices.find(connection, batch.invoice))
    assert (issued.invoice.net, issued.invoice.vat_total, issued.invoice.gross) == (245000, 49000, 294000)
    assert issued.invoice.iban == IBAN.replace(" ", "")
    assert desk.database.read(ledger.balances) == {
        (ledger.RECEIVABLE, "EUR"): 294000,
        (ledger.SALES, "EUR"): -245000,
        (ledger.VAT, "EUR"): -49000,
    }
    assert desk.whole() == (1, 1)


def test_numbers_have_no_holes_and_begin_anew_each_year(desk: Desk) -> None:
    for quantity in (1, 2):
        desk.order(quantity)
    # What fails takes no number.
    refused("desk.malformed", lambda: desk.order(0))
    refused("desk.malformed", lambda: desk.order(1_001))

    def fails(unit: Unit) -> None:
        batches.order(unit, BUYER, desk.plan.id, 3, None)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        desk.do(fails)
    desk.order(3)
    desk.clock.pass_by(300 * DAY)
    desk.order(4)
    assert desk.numbers() == ["2026-000001", "2026-000002", "2026-000003", "2027-000001"]
    assert desk.whole() == (4, 4)


def test_a_clock_that_went_back_issues_nothing(desk: Desk) -> None:
    desk.order()
    desk.clock.pass_by(-2 * DAY)
    refused("desk.not_now", desk.order)
    assert desk.whole() == (1, 1)


def test_without_a_seller_nothing_is_sold(tmp_path: Path) -> None:
    database = Database(tmp_path, Clock())
    try:
        plan = database.change(
            CONSOLE,
            lambda unit: plans.make(unit, name="x", months=1, unit_net=1, currency="EUR", vat_rate=0),
        )
        refused(
            "desk.not_now",
            lambda: database.change(CONSOLE, lambda unit: batches.order(unit, BUYER, plan.id, 1, None)),
        )
    finally:
        database.close()


def test_a_price_never_changes_but_a_plan_is_withdrawn(desk: Desk) -> None:
    refused("desk.exists", desk.make_plan)
    desk.do(lambda unit: plans.withdraw(unit, desk.plan.id, 1))
    refused("desk.not_now", desk.order)
    again = desk.make_plan(unit_net=5900)
    assert desk.database.read(plans.known) == [again]
    refused("desk.changed", lambda: desk.do(lambda unit: plans.withdraw(unit, again.id, 7)))


@pytest.mark.parametrize(
    "wrong",
    [
        {"months": 0},
        {"months": 61},
        {"unit_net": -1},
        {"unit_net": 10**13},
        {"vat_rate": 3001},
        {"vat_rate": -1},
    ],
)
def test_a_plan_that_cannot_be_is_refused(desk: Desk, wrong: dict[str, int]) -> None:
    refused("desk.malformed", lambda: desk.make_plan("Autre", **wrong))


@pytest.mark.parametrize("name", ["", " ", "x" * 61, "a\nb\x00"])
def test_a_plan_has_a_name(desk: Desk, name: str) -> None:
    refused("desk.malformed", lambda: desk.make_plan(name))


def test_a_payment_settles_and_no_more_than_is_owed(desk: Desk) -> None:
    number = desk.order(1).invoice
    desk.pay(number, 5000, "V1")
    refused("desk.not_now", lambda: desk.pay(number, 881, "V2"))
    refused("desk.exists", lambda: desk.pay(number, 100, "V1"))
    assert desk.owed(number) == 880
    desk.pay(number, 880, "V2")
    assert desk.owed(number) == 0
    balances = desk.database.read(ledger.balances)
    assert balances[ledger.BANK, "EUR"] == 5880
    assert balances[ledger.RECEIVABLE, "EUR"] == 0
    refused("desk.not_now", lambda: desk.pay(number, 1, "V3"))


@pytest.mark.parametrize("amount", [0, -5])
def test_nothing_is_no_payment(desk: Desk, amount: int) -> None:
    number = desk.order(1).invoice
    refused("desk.malformed", lambda: desk.pay(number, amount))


@pytest.mark.parametrize("day", ["2026-01-01", "2030-01-01"])
def test_a_payment_has_a_day_that_can_be(desk: Desk, day: str) -> None:
    number = desk.order(1).invoice
    refused("desk.malformed", lambda: desk.pay(number, 1, received=day))


def test_what_nobody_used_is_credited_as_it_was_invoiced(desk: Desk) -> None:
    batch = desk.order(10)
    reverse = Terms("reverse_charge", "", 30)
    desk.do(lambda unit: trading.set_terms(unit, BUYER.reseller, reverse))
    desk.do(lambda unit: batches.cancel(unit, batch.id, batch.version, 4))
    note = desk.database.read(lambda connection: invoices.find(connection, "2026-000002"))
    assert (note.invoice.kind, note.invoice.refers_to) == ("credit_note", batch.invoice)
    assert (note.invoice.treatment, note.invoice.gross) == ("standard", 4 * 5880)
    assert desk.owed(batch.invoice) == 6 * 5880
    found = desk.database.read(lambda connection: batches.find(connection, batch.id))
    refused("desk.not_now", lambda: desk.do(lambda unit: batches.cancel(unit, batch.id, found.version, 4)))
    refused("desk.changed", lambda: desk.do(lambda unit: batches.cancel(unit, batch.id, 1, 4)))
    assert desk.whole() == (2, 2)
    # A credit note is not paid.
    refused("desk.malformed", lambda: desk.pay("2026-000002", 1))


def test_two_at_once_ask_for_codes_once(desk: Desk) -> None:
    batch = desk.order()
    desk.do(lambda unit: batches.ask_for_codes(unit, batch))
    refused("desk.changed", lambda: desk.do(lambda unit: batches.ask_for_codes(unit, batch)))
    assert len(desk.database.read(lambda connection: batches.relay_ids(connection, batch.id))) == 1


def test_an_old_order_is_not_changed(desk: Desk) -> None:
    batch = desk.order()
    desk.clock.pass_by(301 * DAY)
    refused("desk.not_now", lambda: desk.do(lambda unit: batches.cancel(unit, batch.id, batch.version, 1)))


def test_no_reseller_sees_anothers_papers(desk: Desk) -> None:
    batch = desk.order()
    theirs = OTHER.reseller
    read = desk.database.read
    refused("desk.unknown", lambda: read(lambda connection: batches.find(connection, batch.id, theirs)))
    refused("desk.unknown", lambda: read(lambda connection: invoices.find(connection, batch.invoice, theirs)))
    assert read(lambda connection: invoices.page(connection, reseller=theirs)) == []
    assert read(lambda connection: batches.page(connection, reseller=theirs)) == []
    refused("desk.unknown", lambda: read(lambda connection: batches.find(connection, b"\7" * 16)))


def test_pages_follow_one_another(desk: Desk) -> None:
    made = [desk.order(n) for n in range(1, 6)]
    orders: list[Batch] = []
    papers: list[str] = []
    for _ in range(3):
        after = orders[-1].id if orders else None
        before = papers[-1] if papers else None
        orders += desk.database.read(partial(batches.page, after=after, limit=2))
        papers += [
            one.invoice.number for one in desk.database.read(partial(invoices.page, before=before, limit=2))
        ]
    assert sorted(one.quantity for one in orders) == [1, 2, 3, 4, 5]
    assert papers == sorted((one.invoice for one in made), reverse=True)
    refused("desk.malformed", lambda: desk.database.read(lambda c: invoices.page(c, before="x")))


def test_figures_are_those_of_the_ledger(desk: Desk) -> None:
    desk.order(10)
    batch = desk.order(2, OTHER)
    desk.clock.pass_by(40 * DAY)
    desk.order(1)
    desk.do(lambda unit: batches.cancel(unit, batch.id, batch.version, 1))
    figures = desk.database.read(lambda connection: sales.by_month(connection, 0))
    assert [(one.month, one.reseller[0], one.net, one.vat, one.codes) for one in figures] == [
        ("2026-06", 1, 49000, 9800, 10),
        ("2026-06", 2, 9800, 1960, 2),
        ("2026-07", 1, 4900, 980, 1),
        ("2026-07", 2, -4900, -980, 0),
    ]
    mine = desk.database.read(lambda connection: sales.by_month(connection, 0, reseller=OTHER.reseller))
    assert {one.reseller for one in mine} == {OTHER.reseller}


def test_what_was_given_away_is_counted(desk: Desk) -> None:
    free = desk.make_plan("Essai", unit_net=0)
    batch = desk.do(lambda unit: batches.order(unit, BUYER, free.id, 4, None))
    assert desk.whole() == (0, 1)
    (figure,) = desk.database.read(lambda connection: sales.by_month(connection, 0))
    assert (figure.net, figure.vat, figure.codes) == (0, 0, 4)
    assert desk.database.read(lambda c: sales.by_month(c, 0, reseller=OTHER.reseller)) == []
    # And taken back: a paper that says so, and nothing to book.
    desk.do(lambda unit: batches.cancel(unit, batch.id, batch.version, 4))
    assert desk.whole() == (0, 2)


def test_vat_is_charged_by_who_has_a_number_or_left_to_who_has_one(desk: Desk) -> None:
    reverse = Terms("reverse_charge", "", 30)
    desk.do(lambda unit: trading.set_terms(unit, BUYER.reseller, reverse))
    refused("desk.not_now", desk.order)
    liable = replace(BUYER, party=replace(BUYER.party, vat_number="FR40303265045"))
    assert desk.owed(desk.order(1, liable).invoice) == 4900
    desk.do(lambda unit: trading.set_seller(unit, replace(OPERATOR, vat_number=""), IBAN, 1))
    refused("desk.not_now", lambda: desk.order(1, liable))
    refused("desk.not_now", lambda: desk.order(1, OTHER))
    at_zero = desk.make_plan("Franchise", vat_rate=0)
    desk.do(lambda unit: batches.order(unit, OTHER, at_zero.id, 1, None))
    # Nothing that was refused took a number.
    assert desk.whole() == (2, 2)


def test_the_export_for_the_tax_office_balances(desk: Desk) -> None:
    desk.pay(desk.order(3).invoice, 100)
    names = {BUYER.reseller: "Lignes|Sûres\n"}
    lines = desk.database.read(lambda connection: list(fec.written(connection, names)))
    rows = [line.split("|") for line in lines]
    assert {len(row) for row in rows} == {18}
    debit, credit = (sum(int(row[column].replace(",", "")) for row in rows[1:]) for column in (11, 12))
    assert debit == credit == 3 * 5880 + 100
    assert rows[1][7] == "Lignes Sûres"


def test_what_was_booked_is_written_once(desk: Desk) -> None:
    desk.order()
    with sqlite3.connect(desk.database.path) as connection:
        for statement in (
            "DELETE FROM invoices",
            "UPDATE postings SET amount = amount + 1",
            "DELETE FROM bookings",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


def test_a_hole_made_by_hand_is_found(desk: Desk) -> None:
    desk.order()
    desk.order()
    with sqlite3.connect(desk.database.path) as connection:
        connection.execute("DROP TRIGGER invoices_keeps_delete")
        connection.execute("DROP TRIGGER postings_keeps_update")
        connection.execute("DELETE FROM invoices WHERE sequence = 1")
        connection.execute("UPDATE postings SET amount = amount + 1 WHERE booking = 2 AND position = 0")
    refused("storage.failed", lambda: desk.database.read(numbers.check_whole))
    refused("storage.failed", lambda: desk.database.read(ledger.check))


@pytest.mark.parametrize("iban", ["FR7630006000011234567890188", "x", "FR76"])
def test_a_wrong_iban_is_refused(desk: Desk, iban: str) -> None:
    refused("desk.malformed", lambda: desk.do(lambda unit: trading.set_seller(unit, OPERATOR, iban, 1)))


@pytest.mark.parametrize(
    "terms",
    [
        Terms("exempt", ""),
        Terms("standard", "for a reason"),
        Terms("standard", "", 61),
        Terms("standard", "", -1),
        Terms("none", ""),  # type: ignore[arg-type]
    ],
)
def test_terms_that_cannot_be_are_refused(desk: Desk, terms: Terms) -> None:
    refused("desk.malformed", lambda: desk.do(lambda unit: trading.set_terms(unit, BUYER.reseller, terms)))


def test_a_booking_that_does_not_balance_is_not_written(desk: Desk) -> None:
    def uneven(unit: Unit) -> None:
        lines = [ledger.Posting(ledger.BANK, 5), ledger.Posting(ledger.RECEIVABLE, -4)]
        ledger.book(
            unit.connection, unit.now, "payment", paper="p", reseller=b"\1" * 16, currency="EUR", lines=lines
        )

    refused("internal.bug", lambda: desk.do(uneven))
    assert desk.whole() == (0, 0)
