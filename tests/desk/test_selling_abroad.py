"""Other currencies: the VAT in euros on the invoice, the books in euros. And what is paid back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from facturx import xml_check_xsd
from lxml import etree

from chappe.desk import batches, fec, invoices, ledger, plans, rates, refunds, sales, trading
from chappe.desk.batches import Batch
from chappe.desk.factur_x import RAM, xml
from chappe.desk.invoice import Invoice
from chappe.desk.invoice_words import written
from chappe.desk.money import euros
from chappe.desk.rates import Rate
from chappe.wire.terms import utc_date
from tests.desk.test_selling_books import BUYER, DAY, IBAN, OPERATOR, Desk, refused


class Abroad(Desk):
    """Sells in pounds, francs CFA or euros."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.plans = {
            currency: self.do(
                lambda unit, currency=currency: plans.make(  # type: ignore[misc]
                    unit, name=currency, months=6, unit_net=4900, currency=currency, vat_rate=2000
                )
            )
            for currency in ("GBP", "XOF")
        }

    @property
    def today(self) -> date:
        return utc_date(int(self.clock()))

    def rate(self, currency: str, millionths: int, version: int = 0) -> Rate:
        return self.do(lambda unit: rates.set_rate(unit, Rate(currency, millionths, self.today, version)))

    def sell(self, currency: str, quantity: int = 3) -> Batch:
        plan = self.plans[currency].id
        return self.do(lambda unit: batches.order(unit, BUYER, plan, quantity, None))

    def paper(self, number: str) -> Invoice:
        return self.database.read(lambda connection: invoices.find(connection, number)).invoice

    def pay_back(self, number: str, amount: int, reference: str = "R1") -> None:
        self.do(
            lambda unit: refunds.record(unit, number, amount=amount, paid=self.today, reference=reference)
        )

    def exported(self) -> list[list[str]]:
        lines = self.database.read(lambda connection: list(fec.written(connection, {})))
        return [line.split("|") for line in lines[1:]]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Abroad]:
    opened = Abroad(tmp_path)
    yield opened
    opened.database.close()


def cents(text: str) -> int:
    return int(text.replace(",", ""))


def test_vat_in_another_currency_is_said_in_euros(desk: Abroad) -> None:
    assert "chappe desk sale rate GBP" in refused("desk.not_now", lambda: desk.sell("GBP")).message
    desk.rate("GBP", 1_153_200)
    invoice = desk.paper(desk.sell("GBP").invoice)
    assert (invoice.vat_total, invoice.vat_in_euros) == (2940, 3390)
    document = xml(invoice)
    assert xml_check_xsd(document, flavor="factur-x", level="en16931")
    root = etree.fromstring(document)
    assert [node.text for node in root.iter(f"{{{RAM}}}TaxCurrencyCode")] == ["EUR"]
    totals = {node.get("currencyID"): node.text for node in root.iter(f"{{{RAM}}}TaxTotalAmount")}
    assert totals == {"GBP": "29.40", "EUR": "33.90"}
    said = " ".join(written(invoice, "en")["notes"])
    assert "VAT in euros: €33.90 (1 GBP = €1.1532 on 9 June 2026)" in said
    # In euros there is nothing more to say.
    at_home = xml(desk.paper(desk.order().invoice))
    assert b"TaxCurrencyCode" not in at_home


def test_a_rate_is_of_these_days_and_one_that_was_used_stays(desk: Abroad) -> None:
    desk.rate("GBP", 1_153_200)
    refused("desk.changed", lambda: desk.rate("GBP", 1_200_000))
    refused("desk.malformed", lambda: desk.rate("EUR", 1_000_000))
    refused("desk.malformed", lambda: desk.rate("XOF", 0))
    old = Rate("XOF", 1_524, date(2026, 1, 1), 0)
    refused("desk.malformed", lambda: desk.do(lambda unit: rates.set_rate(unit, old)))
    batch = desk.sell("GBP")
    desk.clock.pass_by(8 * DAY)
    refused("desk.not_now", lambda: desk.sell("GBP"))
    desk.rate("GBP", 1_200_000, version=1)
    desk.do(lambda unit: batches.cancel(unit, batch.id, batch.version, 3))
    credit = desk.paper(desk.numbers()[-1])
    assert (credit.kind, credit.rate, credit.vat_in_euros) == ("credit_note", 1_153_200, 3390)
    assert desk.paper(desk.sell("GBP").invoice).rate == 1_200_000


def test_who_sells_from_elsewhere_needs_no_rate(desk: Abroad) -> None:
    elsewhere = OPERATOR.__class__("Lines Ltd", "1 High Street", "N1", "London", "GB", "GB980780684")
    desk.do(lambda unit: trading.set_seller(unit, elsewhere, IBAN, 1))
    assert desk.paper(desk.sell("GBP").invoice).vat_in_euros is None


def test_the_export_for_the_tax_office_is_in_euros_and_balances(desk: Abroad) -> None:
    desk.rate("GBP", 1_153_217)
    desk.rate("XOF", 1_524)
    pounds, francs = desk.sell("GBP"), desk.sell("XOF", 7)
    desk.pay(pounds.invoice, 17_640)
    rows = desk.exported()
    by_number: dict[str, list[list[str]]] = {}
    for row in rows:
        by_number.setdefault(row[2], []).append(row)
    for lines in by_number.values():
        assert sum(cents(row[11]) for row in lines) == sum(cents(row[12]) for row in lines)
    # What is owed in euros is the same when it is made and when it is paid.
    assert by_number["1"][0][11] == by_number["3"][1][12] == "203,43"
    assert by_number["1"][0][16:] == ["176,40", "GBP"]
    assert (by_number["1"][2][4], by_number["1"][2][12]) == ("44571", "33,90")
    assert by_number["2"][0][16:] == ["41160", "XOF"]
    assert cents(by_number["2"][0][11]) == euros(41_160, "XOF", 1_524) == 6_273
    assert francs.invoice == by_number["2"][0][8]


def test_what_was_paid_and_taken_back_is_paid_back_once(desk: Abroad) -> None:
    batch = desk.order(10)
    desk.pay(batch.invoice, 58_800)
    desk.do(lambda unit: batches.cancel(unit, batch.id, batch.version, 4))
    note = desk.numbers()[-1]
    assert desk.owed(batch.invoice) == -23_520
    refused("desk.malformed", lambda: desk.pay_back(batch.invoice, 100))
    refused("desk.malformed", lambda: desk.pay_back(note, 0))
    assert "235.20 EUR" in refused("desk.not_now", lambda: desk.pay_back(note, 23_521)).message
    desk.pay_back(note, 20_000)
    refused("desk.exists", lambda: desk.pay_back(note, 100))
    refused("desk.not_now", lambda: desk.pay_back(note, 3_521, "R2"))
    desk.pay_back(note, 3_520, "R2")
    assert desk.owed(batch.invoice) == 0
    assert desk.database.read(ledger.balances)[ledger.BANK, "EUR"] == 58_800 - 23_520
    assert desk.database.read(ledger.balances)[ledger.RECEIVABLE, "EUR"] == 0
    assert desk.whole() == (5, 2)
    assert [row[0] for row in desk.exported()].count("BQ") == 6
    (sold,) = desk.database.read(lambda connection: sales.by_month(connection, 0))
    assert (sold.net, sold.codes) == (29_400, 10)


def test_what_was_never_paid_is_not_paid_back(desk: Abroad) -> None:
    batch = desk.order(10)
    desk.do(lambda unit: batches.cancel(unit, batch.id, batch.version, 10))
    refused("desk.not_now", lambda: desk.pay_back(desk.numbers()[-1], 1))
