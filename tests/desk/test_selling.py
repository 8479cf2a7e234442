"""Orders through the API, with the codes of a real relay's store: what is sold is made once, for one."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from chappe.desk.models import today
from chappe.desk.who import Role
from chappe.relay import organisations
from chappe.relay.config import load_settings
from chappe.relay.door import DirectoryDoor
from chappe.relay.usecases.register import ActivateLine
from chappe.wire import codes
from chappe.wire.api import to_base64
from chappe.wire.errors import ChappeError
from tests.desk.world import NAME, Browser, World
from tests.relay.fleet_world import Organisation, new_device
from tests.relay.fleet_world import Person as Officer

SIREN, OTHER = "552100554", "732829320"
DAY = 24 * 3600
SELLER = {
    "name": "Chappe SAS",
    "street": "1 rue du Télégraphe",
    "postcode": "75020",
    "city": "Paris",
    "country": "FR",
    "registration": "404833048",
    "vat_number": "FR83404833048",
    "iban": "FR76 3000 6000 0112 3456 7890 189",
    "version": 0,
}


class Shop(World):
    """A desk with a relay's data directory behind its door, a plan, and two accredited resellers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.settings = load_settings({}, data_dir=folder, server_name=NAME)
        self.door = DirectoryDoor(self.settings, self.clock)
        self.desk.door = self.desk.relay = self.door
        self.be_patient()
        self.operator = self.signed_in(Role.OPERATOR)
        assert self.operator.send("PUT", "/seller", SELLER).status_code == 200
        self.plan = self.made(self.operator, "/plans", {"name": "Six mois", "unit_net": 4900})
        self.ids = [self.accredited(siren) for siren in (SIREN, OTHER)]
        self.mine, self.theirs = (self.signed_in(Role.RESELLER, reseller=self.id_of(id_)) for id_ in self.ids)

    def made(self, client: Browser, path: str, body: Any) -> dict[str, Any]:
        answer = client.post(path, body)
        assert answer.status_code in (200, 201), answer.text
        found: dict[str, Any] = answer.json()
        return found

    def accredited(self, siren: str) -> str:
        made = self.made(self.operator, "/resellers", self.application(siren))
        first = today(self.desk.database.now())
        body = {
            "version": 1,
            "first": first.isoformat(),
            "last": (first + timedelta(days=400)).isoformat(),
            "contract": "C-1",
        }
        self.made(self.operator, f"/resellers/{made['id']}/accredit", body)
        return str(made["id"])

    def order(self, client: Browser | None = None, quantity: int = 3, **more: str) -> dict[str, Any]:
        body = {"plan": self.plan["id"], "quantity": quantity} | more
        return self.made(client or self.mine, "/orders", body)

    def activate(self, code: str, name: str) -> None:
        device = new_device(None, f"{name}@{NAME}")
        use = ActivateLine(codes.digest(codes.parse(code)), device.certificate)
        asyncio.run(self.door._change(use))

    def states(self, order: str) -> dict[str, int]:
        found: dict[str, int] = self.mine.get(f"/orders/{order}/codes").json()
        return found


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    made = Shop(tmp_path)
    yield made
    made.close()


def refusal(answer: Any) -> str:
    return str(answer.headers.get("chappe-error"))


def test_a_reseller_orders_and_its_codes_activate(shop: Shop) -> None:
    sold = shop.order(quantity=3)
    order = sold["order"]
    assert len(set(sold["codes"])) == 3
    assert order["made_at"] is not None
    shop.activate(sold["codes"][0], "ada")
    assert shop.states(order["id"]) == {"used": 1, "open": 2, "expired": 0, "voided": 0}
    # Neither half keeps a code.
    for path in (shop.desk.database.path, shop.settings.database):
        data = b"".join(file.read_bytes() for file in path.parent.glob(path.name + "*"))
        assert all(code.encode() not in data for code in sold["codes"])
    invoice = shop.mine.get(f"/invoices/{order['invoice']}").json()
    assert (invoice["gross"], invoice["owed"], invoice["buyer"]) == (17640, 17640, f"Société {SIREN}")
    paper = shop.mine.get(f"/invoices/{order['invoice']}/pdf")
    assert order["invoice"] in PdfReader(BytesIO(paper.content)).pages[0].extract_text()


def test_a_reseller_is_shown_codes_and_no_key(shop: Shop) -> None:
    gazette = Organisation("Gazette", [Officer("Olga")])
    organisations.add(shop.settings, gazette.file)
    of = to_base64(gazette.id)
    first = shop.order(shop.operator, quantity=1, reseller=shop.ids[0], organisation=of)
    assert first["fleet_key"] == to_base64(gazette.fleet_key)
    sold = shop.mine.post("/orders", {"plan": shop.plan["id"], "quantity": 2, "organisation": of})
    order = sold.json()["order"]
    again = shop.mine.post(f"/orders/{order['id']}/remake", {"version": order["version"]})
    for answer in (sold, again):
        assert len(answer.json()["codes"]) == 2
        assert answer.json()["fleet_key"] == ""
        assert to_base64(gazette.fleet_key) not in answer.text


def test_the_day_that_a_code_was_used_does_not_say_which_line_it_made(shop: Shop) -> None:
    sold = shop.order(quantity=2)
    shop.clock.at += 12_345
    shop.activate(sold["codes"][0], "ada")
    with sqlite3.connect(shop.settings.database) as connection:
        ((used,),) = connection.execute("SELECT used_at FROM codes WHERE used_at IS NOT NULL").fetchall()
        ((made,),) = connection.execute("SELECT created_at FROM lines").fetchall()
    assert made == int(shop.clock.at)
    assert used == made - made % DAY != made


def test_a_double_submit_sells_once(shop: Shop) -> None:
    body = {"plan": shop.plan["id"], "quantity": 2}
    key = {"Idempotency-Key": "a-double-click-1"}
    assert shop.mine.post("/orders", body, key).status_code == 201
    assert refusal(shop.mine.post("/orders", body, key)) == "desk.exists"
    assert len(shop.mine.get("/orders").json()["items"]) == 1
    checked = shop.operator.get("/ledger/check").json()
    assert (checked["bookings"], checked["invoices"]) == (1, 1)


def test_who_is_suspended_buys_nothing_and_sells_nothing(shop: Shop) -> None:
    sold = shop.order()
    path = f"/resellers/{shop.ids[0]}"
    version = shop.operator.get(path).json()["version"]
    shop.made(shop.operator, f"{path}/suspend", {"version": version, "reason": "unpaid invoices"})
    assert refusal(shop.mine.post("/orders", {"plan": shop.plan["id"], "quantity": 1})) == "desk.not_now"
    again = {"version": sold["order"]["version"]}
    assert refusal(shop.mine.post(f"/orders/{sold['order']['id']}/remake", again)) == "desk.not_now"
    with pytest.raises(ChappeError) as caught:
        shop.activate(sold["codes"][0], "ada")
    assert caught.value.code == "code.withheld"
    shop.made(shop.operator, f"{path}/resume", {"version": version + 1})
    shop.activate(sold["codes"][0], "ada")


def test_an_answer_that_was_lost_is_made_good_at_no_price(shop: Shop) -> None:
    sold = shop.order(quantity=3)
    order = sold["order"]
    shop.activate(sold["codes"][0], "ada")
    path = f"/orders/{order['id']}"
    anew = shop.made(shop.mine, f"{path}/remake", {"version": order["version"]})
    assert len(anew["codes"]) == 2
    with pytest.raises(ChappeError) as caught:
        shop.activate(sold["codes"][1], "ben")
    assert caught.value.code == "code.unknown"
    for code, name in zip(anew["codes"], ("ben", "cyd"), strict=True):
        shop.activate(code, name)
    assert shop.states(order["id"]) == {"used": 3, "open": 0, "expired": 0, "voided": 2}
    # All are used: there is nothing to make, nor to take back.
    version = anew["order"]["version"]
    assert refusal(shop.mine.post(f"{path}/remake", {"version": version})) == "desk.not_now"
    assert refusal(shop.mine.post(f"{path}/remake", {"version": 1})) == "desk.changed"
    assert shop.made(shop.operator, f"{path}/cancel", {"version": version})["cancelled_at"]
    assert len(shop.mine.get("/invoices").json()["items"]) == 1


def test_a_desk_that_dies_before_the_relay_answers_loses_nothing(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(shop.door, "make_codes", dies)
        answer = shop.mine.post("/orders", {"plan": shop.plan["id"], "quantity": 2})
        assert answer.status_code == 500
    (order,) = shop.mine.get("/orders").json()["items"]
    assert order["made_at"] is None
    anew = shop.made(shop.mine, f"/orders/{order['id']}/remake", {"version": order["version"]})
    assert len(anew["codes"]) == 2
    assert shop.operator.get("/ledger/check").json()["bookings"] == 1


def test_what_nobody_used_is_taken_back_and_credited(shop: Shop) -> None:
    sold = shop.order(quantity=5)
    order = sold["order"]
    shop.activate(sold["codes"][0], "ada")
    body = {"version": order["version"]}
    path = f"/orders/{order['id']}/cancel"
    assert refusal(shop.mine.post(path, body)) == "desk.forbidden"
    shop.made(shop.operator, path, body)
    assert refusal(shop.operator.post(path, body)) in ("desk.changed", "desk.not_now")
    note, invoice = shop.mine.get("/invoices").json()["items"]
    assert (note["kind"], note["gross"], note["refers_to"]) == ("credit_note", 4 * 5880, invoice["number"])
    assert invoice["owed"] == 5880
    for code in sold["codes"][1:]:
        with pytest.raises(ChappeError):
            shop.activate(code, "ben")


def test_no_reseller_reaches_anothers(shop: Shop) -> None:
    order = shop.order()["order"]
    their, id_ = shop.theirs, order["id"]
    for answer in (
        their.get(f"/orders/{id_}"),
        their.get(f"/orders/{id_}/codes"),
        their.post(f"/orders/{id_}/remake", {"version": order["version"]}),
        their.get(f"/invoices/{order['invoice']}"),
        their.get(f"/invoices/{order['invoice']}/pdf"),
        their.get(f"/invoices/{order['invoice']}/payments"),
        their.get("/orders", reseller=shop.ids[0]),
        their.get("/invoices", reseller=shop.ids[0]),
        their.get("/sales", reseller=shop.ids[0]),
        their.get(f"/resellers/{shop.ids[0]}/terms"),
        their.post("/orders", {"plan": shop.plan["id"], "quantity": 1, "reseller": shop.ids[0]}),
    ):
        assert refusal(answer) == "desk.unknown", answer.text
    for path in ("/orders", "/invoices", "/sales"):
        assert their.get(path).json()["items"] == []
    assert [one["reseller"] for one in shop.mine.get("/sales").json()["items"]] == [shop.ids[0]]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("registration", "404833049"),
        ("vat_number", "FR12404833048"),
        ("vat_number", "BE0428759497"),
        ("iban", "FR7630006000011234567890188"),
        ("country", "FRA"),
        ("name", ""),
        ("version", -1),
    ],
)
def test_a_seller_that_cannot_be_is_refused(shop: Shop, field: str, value: object) -> None:
    body = SELLER | {"version": 1, field: value}
    answer = shop.operator.send("PUT", "/seller", body)
    assert refusal(answer) in ("desk.malformed", "desk.changed"), answer.text
    assert answer.status_code < 500


def test_two_operators_at_once(shop: Shop) -> None:
    other = shop.signed_in(Role.OPERATOR)
    body = SELLER | {"version": 1}
    assert shop.operator.send("PUT", "/seller", body).status_code == 200
    assert refusal(other.send("PUT", "/seller", body)) == "desk.changed"
    path = f"/resellers/{shop.ids[0]}/terms"
    terms = {"treatment": "reverse_charge", "payment_days": 45, "version": 0}
    assert shop.operator.send("PUT", path, terms).json()["version"] == 1
    assert refusal(other.send("PUT", path, terms)) == "desk.changed"
    invoice = shop.order(quantity=1)["order"]["invoice"]
    assert shop.mine.get(f"/invoices/{invoice}").json()["vat"] == 0


def test_payments_and_the_books(shop: Shop) -> None:
    number = shop.order(quantity=1)["order"]["invoice"]
    day = today(shop.desk.database.now()).isoformat()
    body = {"amount": 5880, "received": day, "reference": "VIR 17"}
    path = f"/invoices/{number}/payments"
    assert refusal(shop.mine.post(path, body)) == "desk.forbidden"
    shop.made(shop.operator, path, body)
    assert refusal(shop.operator.post(path, body)) in ("desk.exists", "desk.not_now")
    assert shop.mine.get(f"/invoices/{number}").json()["owed"] == 0
    assert [one["amount"] for one in shop.mine.get(path).json()["items"]] == [5880]
    books = shop.operator.get("/ledger").json()["items"]
    assert [one["kind"] for one in books] == ["sale", "payment"]
    assert all(sum(line["amount"] for line in one["postings"]) == 0 for one in books)
    lines = shop.operator.get("/ledger/fec").text.splitlines()
    assert len(lines) == 1 + 3 + 2
    assert f"Société {SIREN}" in lines[1]
    assert shop.operator.get("/sales").json()["items"][0]["net"] == 4900


def test_a_plan_that_was_withdrawn_is_not_sold(shop: Shop) -> None:
    path = f"/plans/{shop.plan['id']}/withdraw"
    assert refusal(shop.mine.post(path, {"version": 1})) == "desk.forbidden"
    shop.made(shop.operator, path, {"version": 1})
    assert shop.mine.get("/plans").json()["items"] == []
    assert refusal(shop.mine.post("/orders", {"plan": shop.plan["id"], "quantity": 1})) == "desk.not_now"


def test_an_order_for_an_organisation_that_is_not_there(shop: Shop) -> None:
    body = {"plan": shop.plan["id"], "quantity": 1, "organisation": shop.ids[1]}
    assert refusal(shop.mine.post("/orders", body)) == "desk.unknown"
    assert refusal(shop.operator.post("/orders", body | {"reseller": shop.ids[0]})) == "organisation.unknown"
    assert shop.mine.get("/orders").json()["items"] == []
