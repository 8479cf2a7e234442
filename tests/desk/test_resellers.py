"""Resellers from the application to the end, what each may see, the public register, and what the relay is
told."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from chappe.desk import resellers, sellers
from chappe.desk.models import today
from chappe.desk.register import register_routes
from chappe.desk.resellers import Standing
from chappe.desk.who import Role
from chappe.wire.errors import ChappeError, error
from tests.desk.authenticator import b64
from tests.desk.test_selling import Shop
from tests.desk.world import Browser, World, tva_of

SIREN, OTHER = "552100554", "732829320"
DAY = 24 * 3600
VAT = tva_of(SIREN)


@pytest.fixture(scope="module")
def applicant(shared: World) -> str:
    """The path of one that has applied."""
    return f"/resellers/{b64(shared.reseller('443061841'))}"


def days(world: World, number: int) -> str:
    return (today(world.desk.database.now()) + timedelta(days=number)).isoformat()


def accredited(world: World, operator: Browser, siren: str = SIREN) -> dict[str, Any]:
    made = operator.post("/resellers", world.application(siren)).json()
    body = {"version": 1, "first": days(world, 0), "last": days(world, 30), "contract": "C-2026/7"}
    answer = operator.post(f"/resellers/{made['id']}/accredit", body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_from_application_to_the_end(world: World, operator: Browser) -> None:
    made = operator.post("/resellers", world.application(SIREN)).json()
    assert (made["standing"], made["version"]) == ("applied", 1)
    path = f"/resellers/{made['id']}"
    coming = operator.post(
        f"{path}/accredit",
        {"version": 1, "first": days(world, 2), "last": days(world, 10), "contract": "C-1"},
    ).json()
    assert (coming["standing"], coming["contract"]) == ("coming", "C-1")
    world.clock.pass_by(2 * DAY)
    operator.sign_in()
    assert operator.get(path).json()["standing"] == "accredited"
    held = operator.post(f"{path}/suspend", {"version": 2, "reason": "unpaid invoices"}).json()
    assert (held["standing"], held["reason"]) == ("suspended", "unpaid invoices")
    assert operator.post(f"{path}/resume", {"version": 3}).json()["standing"] == "accredited"
    world.clock.pass_by(8 * DAY)
    operator.sign_in()
    assert operator.get(path).json()["standing"] == "accredited"
    world.clock.pass_by(DAY)
    operator.sign_in()
    assert operator.get(path).json()["standing"] == "expired"
    again = {"version": 4, "first": days(world, 0), "last": days(world, 365), "contract": "C-2"}
    assert operator.post(f"{path}/accredit", again).json()["standing"] == "accredited"
    over = operator.post(f"{path}/end", {"version": 5, "reason": "closed its shop"}).json()
    assert over["standing"] == "ended"
    for verb, body in (
        ("accredit", again | {"version": 6}),
        ("suspend", {"version": 6, "reason": "again"}),
        ("resume", {"version": 6}),
        ("end", {"version": 6, "reason": "again"}),
    ):
        assert operator.post(f"{path}/{verb}", body).json()["code"] == "desk.not_now"
    told = [one["what"] for one in operator.get("/log", what="reseller.").json()["items"]]
    assert told == [
        f"reseller.{what}"
        for what in ("ended", "accredited", "resumed", "suspended", "accredited", "applied")
    ]


@pytest.mark.parametrize(
    ("first", "last"),
    [(0, -1), (-10, -1), (5, 4), (0, 5 * 366 + 2), (-400, 10), (400, 410)],
)
def test_dates_that_do_not_fit(
    shared: World, shared_operator: Browser, applicant: str, first: int, last: int
) -> None:
    body = {"version": 1, "first": days(shared, first), "last": days(shared, last), "contract": "C"}
    assert shared_operator.post(f"{applicant}/accredit", body).json()["code"] == "desk.malformed"
    assert shared_operator.get(applicant).json()["standing"] == "applied"


@pytest.mark.parametrize("wrong", ["2026-02-30", "30/06/2026", "2026-13-01", "", None, 5e40, "10000-01-01"])
def test_dates_that_are_none(shared: World, shared_operator: Browser, applicant: str, wrong: Any) -> None:
    body = {"version": 1, "first": wrong, "last": days(shared, 3), "contract": "C"}
    assert shared_operator.post(f"{applicant}/accredit", body).json()["code"] == "desk.malformed"


@pytest.mark.parametrize(
    ("lie", "word"),
    [
        ({"vat_number": "FR00552100554"}, "VAT"),
        ({"vat_number": "FR27552100555"}, "VAT"),
        ({"vat_number": "FR44732829320"}, "SIREN"),
        ({"vat_number": "BE0697449992"}, "country"),
        ({"vat_number": "ZZ123"}, "VAT"),
        ({"registration": "552100555"}, "SIREN"),
        ({"registration": "55210055"}, "SIREN"),
        ({"country": "DE", "registration": "HRB 1", "vat_number": "DE136695977"}, "VAT"),
        ({"website": "http://shop.example"}, ""),
        ({"website": "javascript:alert(1)"}, ""),
        ({"country": "fr"}, ""),
        ({"contact_phone": "01 23 45 67 89"}, ""),
        ({"contact_email": "x"}, ""),
        ({"city": "Par\u0000is"}, ""),
    ],
)
def test_particulars_that_do_not_fit(
    shared: World, shared_operator: Browser, lie: dict[str, str], word: str
) -> None:
    answer = shared_operator.post("/resellers", shared.application(SIREN) | lie)
    assert answer.json()["code"] == "desk.malformed"
    assert word in answer.json()["message"]
    assert shared_operator.get("/resellers", search=SIREN).json()["items"] == []


@pytest.mark.parametrize(
    ("fits", "shown"),
    [
        ({"vat_number": f"{VAT[:4]} 552 100 554"}, VAT),
        ({"vat_number": ""}, ""),
        ({"country": "GR", "registration": "12", "vat_number": "EL094259216"}, "EL094259216"),
        ({"country": "DE", "registration": "HRB 1", "vat_number": "DE136695976"}, "DE136695976"),
        ({"country": "CH", "registration": "CHE-1", "vat_number": "CHE-107.787.577"}, "CHE107787577"),
    ],
)
def test_vat_numbers_that_hold(world: World, operator: Browser, fits: dict[str, str], shown: str) -> None:
    answer = operator.post("/resellers", world.application(SIREN) | fits)
    assert answer.status_code == 201, answer.text
    assert answer.json()["vat_number"] == shown


def test_a_company_is_there_once(world: World, operator: Browser) -> None:
    made = operator.post("/resellers", world.application(SIREN)).json()
    spaced = world.application("552 100 554")
    assert operator.post("/resellers", spaced).json()["code"] == "desk.exists"
    operator.post(f"/resellers/{made['id']}/end", {"version": 1, "reason": "turned down"})
    assert operator.post("/resellers", spaced).status_code == 201


def test_anybody_may_apply_and_learns_nothing(world: World, operator: Browser) -> None:
    stranger = world.program(None)
    for _ in range(2):
        answer = stranger.post("/applications", world.application(SIREN))
        assert (answer.status_code, answer.json()) == (202, {"received": True})
    (one,) = operator.get("/resellers").json()["items"]
    assert one["standing"] == "applied"
    assert stranger.post("/applications", {"name": "x"}).json()["code"] == "desk.malformed"
    # What is asked costs, also where it turns out well.
    answers = [stranger.post("/applications", world.application(SIREN)) for _ in range(40)]
    assert answers[-1].json()["code"] == "limit.rate"


def test_a_flood_of_applications_keeps_others_out_for_a_day_at_most(
    world: World, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resellers, "MAX_APPLICATIONS", 3)
    monkeypatch.setattr(resellers, "APPLICATIONS_A_DAY", 2)
    companies = iter(("552100554", "732829320", "404833048", "303265045", "542107651", "775670417"))

    def apply() -> str:
        world.be_patient()
        siren = next(companies)
        answer = world.program(None).post("/applications", world.application(siren)).json()
        return str(answer.get("code", siren))

    filed = [apply(), apply()]
    assert apply() == "limit.rate"
    world.clock.pass_by(DAY + 1)
    filed.append(apply())
    # There is no more room, and who was told that it is filed has it there for a week.
    assert apply() == "limit.rate"
    world.clock.pass_by(7 * DAY)
    # One that is there already makes nobody else go.
    world.program(None).post("/applications", world.application(filed[2]))
    filed.append(apply())
    operator.sign_in()
    ended, waits = (
        {
            one["registration"]: one["reason"]
            for one in operator.get("/resellers", standing=where).json()["items"]
        }
        for where in ("ended", "applied")
    )
    assert list(ended.values()) == [resellers.CROWDED_OUT]
    assert set(ended) < set(filed[:2])
    assert set(waits) == set(filed) - set(ended)


def test_one_network_applies_five_times_a_day(world: World, operator: Browser) -> None:
    stranger = world.program(None)
    answers = [stranger.post("/applications", world.application(SIREN)) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [202] * 5 + [429]


def test_who_was_not_accredited_again_is_ended_and_forgotten(world: World, operator: Browser) -> None:
    made = accredited(world, operator)
    last = date.fromisoformat(made["accredited_until"])
    for days_after, standing, contact in (
        (365, "expired", True),
        (366, "ended", True),
        (732, "ended", False),
    ):
        world.clock.at = datetime.combine(last, time(), UTC).timestamp() + days_after * DAY
        world.hour()
        operator.sign_in()
        shown = operator.get(f"/resellers/{made['id']}").json()
        assert (shown["standing"], bool(shown["contact_email"])) == (standing, contact), days_after


def test_a_reseller_sees_itself_and_nobody_else(world: World, operator: Browser) -> None:
    mine, other = accredited(world, operator), accredited(world, operator, OTHER)
    browser = world.signed_in(Role.RESELLER, reseller=world.id_of(mine["id"]))
    assert [one["id"] for one in browser.get("/resellers").json()["items"]] == [mine["id"]]
    assert browser.get(f"/resellers/{mine['id']}").json()["contract"] == "C-2026/7"
    for answer in (
        browser.get(f"/resellers/{other['id']}"),
        browser.get("/resellers", after=other["id"]),
        browser.get("/resellers/AAAAAAAAAAAAAAAAAAAAAA"),
        browser.get("/log", reseller=other["id"]),
    ):
        assert (answer.status_code, answer.json()["code"]) == (404, "desk.unknown")
    seen = browser.get("/log").json()["items"]
    assert {one["reseller"] for one in seen} == {mine["id"]}
    assert browser.get("/resellers", search="Autre").json()["items"] == []


def test_an_officer_sees_the_log_of_the_organisation_alone(world: World) -> None:
    one, two = (world.signed_in(Role.OFFICER, organisation=bytes([n]) * 16) for n in (5, 6))
    assert {entry["organisation"] for entry in one.get("/log").json()["items"]} == {b64(b"\5" * 16)}
    answer = two.get("/log", organisation=b64(b"\5" * 16))
    assert answer.json()["code"] == "desk.unknown"
    assert one.get("/resellers").json()["code"] == "desk.forbidden"


def test_two_who_decide_at_once(world: World, operator: Browser) -> None:
    made = accredited(world, operator)
    path = f"/resellers/{made['id']}"
    assert operator.post(f"{path}/suspend", {"version": 2, "reason": "first"}).status_code == 200
    assert operator.post(f"{path}/end", {"version": 2, "reason": "second"}).json()["code"] == "desk.changed"
    changed = operator.send("PATCH", path, {"version": 3, "city": "Lyon", "trade_name": "Télé"})
    assert (changed.json()["city"], changed.json()["version"]) == ("Lyon", 4)
    assert operator.send("PATCH", path, {"version": 3, "city": "Nice"}).json()["code"] == "desk.changed"
    answer = operator.send("PATCH", path, {"version": 4, "registration": OTHER})
    assert answer.json()["code"] == "desk.malformed", "the VAT number is of the other company"


def test_resellers_come_in_pages_by_standing_and_by_search(world: World, operator: Browser) -> None:
    first, second = accredited(world, operator), operator.post("/resellers", world.application(OTHER)).json()
    pages = [operator.get("/resellers", limit=1).json()]
    pages.append(operator.get("/resellers", limit=1, after=pages[0]["next"]).json())
    assert sorted(page["items"][0]["id"] for page in pages) == sorted([first["id"], second["id"]])
    assert pages[1]["next"] is None
    for standing, expected in (("accredited", first), ("applied", second)):
        (found,) = operator.get("/resellers", standing=standing).json()["items"]
        assert found["id"] == expected["id"]
    for standing in ("coming", "suspended", "expired", "ended"):
        assert operator.get("/resellers", standing=standing).json()["items"] == []
    (found,) = operator.get("/resellers", search=OTHER[2:6]).json()["items"]
    assert found["id"] == second["id"]
    assert operator.get("/resellers", search="%").json()["items"] == []


def register_page(world: World, path: str, **headers: str) -> Any:
    import httpx
    from starlette.applications import Starlette

    app = Starlette(routes=list(register_routes(world.desk)))

    async def ask() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="https://x") as client:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return await client.get(path, headers=named)

    return asyncio.run(ask())


def test_the_register_shows_who_is_accredited_and_no_person(world: World, operator: Browser) -> None:
    assert "No reseller" in register_page(world, "/register").text
    evil = world.application(OTHER) | {
        "name": "<script>alert(1)</script> & Co",
        "website": "https://a.example/\"'x",
    }
    made = operator.post("/resellers", evil).json()
    operator.post(
        f"/resellers/{made['id']}/accredit",
        {"version": 1, "first": days(world, 0), "last": days(world, 30), "contract": "SECRET-7"},
    )
    held = accredited(world, operator)
    operator.post(f"/resellers/{held['id']}/suspend", {"version": 2, "reason": "an internal reason"})
    operator.post("/resellers", world.application("443061841")).json()
    for language, word in (("en", "suspended: its codes"), ("fr", "suspendu : ses codes")):
        answer = register_page(world, f"/register?lang={language}")
        assert answer.headers["content-language"] == language
        assert word in answer.text
        assert "<script" not in answer.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; Co" in answer.text
        for hidden in ("SECRET-7", "internal reason", "@example", "443 061", "443061841", "+33"):
            assert hidden not in answer.text
    assert "script-src" not in answer.headers["content-security-policy"]
    listed = register_page(world, "/register.json").json()
    assert [one["standing"] for one in listed["resellers"]] == ["accredited", "suspended"]
    assert listed == world.program(None).get("/register").json() | {"at": listed["at"]}
    assert "contact" not in register_page(world, "/register.json").text


@pytest.mark.parametrize(
    ("asked", "accepted", "language"),
    [
        ("", "fr-FR,fr;q=0.9,en;q=0.8", "fr"),
        ("", "de, en;q=0.5, fr;q=0.1", "en"),
        ("", "x" * 10_000, "en"),
        ("?lang=fr", "en", "fr"),
        ("?lang=%3Cscript%3E", "fr", "fr"),
    ],
)
def test_the_registers_language(shared: World, asked: str, accepted: str, language: str) -> None:
    answer = register_page(shared, f"/register{asked}", accept_language=accepted)
    assert f'<html lang="{language}">' in answer.text


def test_the_contact_is_forgotten_a_year_after_the_end(world: World, operator: Browser) -> None:
    made = operator.post("/resellers", world.application(SIREN)).json()
    operator.post(f"/resellers/{made['id']}/end", {"version": 1, "reason": "turned down"})
    assert b"camille@example.org" in world.on_disk()
    for days_later, contact in ((364, "Camille Martin"), (2, "")):
        world.clock.pass_by(days_later * DAY)
        world.hour()
        operator.sign_in()
        shown = operator.get(f"/resellers/{made['id']}").json()
        assert (shown["contact_name"], shown["name"]) == (contact, f"Société {SIREN}")
    assert b"camille@example.org" not in world.on_disk()


def test_an_application_that_nobody_decides_on_is_not_kept_for_good(world: World, operator: Browser) -> None:
    made = operator.post("/resellers", world.application(SIREN)).json()
    for days_later, standing, contact in ((364, "applied", True), (2, "ended", True), (366, "ended", False)):
        world.clock.pass_by(days_later * DAY)
        world.hour()
        operator.sign_in()
        shown = operator.get(f"/resellers/{made['id']}").json()
        assert (shown["standing"], bool(shown["contact_name"])) == (standing, contact)
    assert b"camille@example.org" not in world.on_disk()


class Relay:
    """What the relay was told; it can be away."""

    def __init__(self) -> None:
        self.told: list[tuple[str, bytes]] = []
        self.away = False
        self.allowed: list[bytes] = []

    async def allow_seller(self, seller: bytes) -> None:
        self._hear("allow", seller)

    async def withhold_seller(self, seller: bytes) -> None:
        self._hear("withhold", seller)

    async def allowed_sellers(self) -> list[bytes]:
        return self.allowed

    def _hear(self, what: str, seller: bytes) -> None:
        if self.away:
            raise error("storage.failed")
        self.told.append((what, seller))


def test_the_relay_hears_whose_codes_activate(world: World, operator: Browser) -> None:
    relay = Relay()
    world.desk.door = relay
    made = accredited(world, operator)
    id_ = world.id_of(made["id"])
    assert relay.told == [("allow", id_)]
    operator.post(f"/resellers/{made['id']}/suspend", {"version": 2, "reason": "unpaid"})
    operator.post(f"/resellers/{made['id']}/resume", {"version": 3})
    assert [what for what, _ in relay.told] == ["allow", "withhold", "allow"]
    # Nothing new: nothing is said.
    asyncio.run(world.desk.each_minute())
    assert len(relay.told) == 3
    world.clock.pass_by(31 * DAY)
    asyncio.run(world.desk.each_minute())
    assert relay.told[3:] == [("withhold", id_)]
    world.hour()
    assert relay.told[4:] == [("withhold", id_)]


def test_a_relay_that_is_away_hears_it_later(world: World, operator: Browser) -> None:
    relay = Relay()
    relay.away = True
    world.desk.door = relay
    made = operator.post("/resellers", world.application(SIREN)).json()
    body = {"version": 1, "first": days(world, 0), "last": days(world, 30), "contract": "C"}
    assert operator.post(f"/resellers/{made['id']}/accredit", body).json()["code"] == "storage.failed"
    # What was decided stands, and is told as soon as somebody listens.
    assert operator.get(f"/resellers/{made['id']}").json()["standing"] == "accredited"
    with pytest.raises(ChappeError):
        asyncio.run(world.desk.each_minute())
    relay.away = False
    asyncio.run(sellers.tell(world.desk.database, relay))
    assert relay.told == [("allow", world.id_of(made["id"]))]


def test_a_reseller_that_the_desk_does_not_know_sells_nothing(tmp_path: Path) -> None:
    """The desk's database was lost, or an old copy brought back, and the relay's was not."""
    shop = Shop(tmp_path)
    try:
        code = shop.order(quantity=1)["codes"][0]
        with sqlite3.connect(shop.desk.database.path) as connection:
            connection.execute("DELETE FROM resellers WHERE reseller = ?", (shop.id_of(shop.ids[0]),))
        shop.hour()
        assert asyncio.run(shop.door.allowed_sellers()) == [shop.id_of(shop.ids[1])]
        with pytest.raises(ChappeError) as caught:
            shop.activate(code, "ada")
        assert caught.value.code == "code.withheld"
    finally:
        shop.close()


def test_the_standing_in_sql_is_the_standing(world: World, operator: Browser) -> None:
    """A reseller is found under its standing and under no other, on every day around its dates."""
    made = operator.post("/resellers", world.application(SIREN)).json()
    body = {"version": 1, "first": days(world, 2), "last": days(world, 4), "contract": "C"}
    assert operator.post(f"/resellers/{made['id']}/accredit", body).status_code == 200
    seen = []
    for _ in range(7):
        now = world.desk.database.now()
        found = {standing: [one.standing for one in _listed(world, now, standing)] for standing in Standing}
        (standing,) = [one for one in Standing if found[one]]
        assert found[standing] == [standing]
        seen.append(str(standing))
        world.clock.pass_by(DAY)
    assert seen == ["coming"] * 2 + ["accredited"] * 3 + ["expired"] * 2


def _listed(world: World, now: int, standing: Standing) -> list[resellers.Reseller]:
    return world.desk.database.read(
        lambda connection: resellers.listed(connection, now, limit=9, standing=standing)
    )
