"""The subscriber's record: what the law asks, who reads it, and that its dates are carried out."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chappe.desk import lines, subscribers
from chappe.desk.subscriber_tables import ACCOUNT, IDENTITY
from chappe.desk.subscribers import years_after
from chappe.desk.who import Role
from chappe.wire.api import to_base64
from chappe.wire.terms import utc_date
from tests.desk.lines_world import DAY, LinesWorld, id_of
from tests.desk.world import NAME, Browser

WHO = {
    "surname": "Martin",
    "given_name": "Camille",
    "born_on": "1980-12-31",
    "born_at": "Brûlon",
    "street": "1 rue de la Paix",
    "postcode": "75002",
    "city": "Paris",
    "country": "FR",
    "email": "Camille@example.org",
    "phone": "+33123456789",
}
MORE = {"address": f"ada@{NAME}", "contract": "C-7", "payment": "card", "payment_reference": "P-1"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinesWorld]:
    made = LinesWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def operator(world: LinesWorld) -> Browser:
    return world.signed_in(Role.OPERATOR)


def to(world: LinesWorld, day: date) -> None:
    world.clock.at = datetime(day.year, day.month, day.day, 12, tzinfo=UTC).timestamp()


def row(world: LinesWorld) -> dict[str, Any] | None:
    with sqlite3.connect(world.desk.database.path) as connection:
        connection.row_factory = sqlite3.Row
        found = connection.execute("SELECT * FROM subscribers").fetchone()
    return None if found is None else dict(found)


def test_a_record_is_filed_read_and_corrected_and_the_log_tells_who_read_it(
    world: LinesWorld, operator: Browser
) -> None:
    made = operator.post("/subscribers", WHO | MORE)
    assert made.status_code == 201
    # What is answered to a list, or kept for a double submit, is nobody's name.
    assert "Martin" not in made.text + operator.get("/subscribers").text
    path = f"/subscribers/{made.json()['id']}"
    whole = operator.get(path).json()
    assert (whole["surname"], whole["email"], whole["kind"]) == ("Martin", "camille@example.org", "person")
    assert (whole["ended_on"], whole["identity_until"]) == (None, None)
    changed = operator.send("PATCH", path, {"version": 1, "surname": "Durand"})
    assert (changed.json()["surname"], changed.json()["version"]) == ("Durand", 2)
    stale = operator.send("PATCH", path, {"version": 1, "surname": "Petit"})
    assert stale.json()["code"] == "desk.changed"
    told = [one["what"] for one in operator.get("/log", what="subscriber.").json()["items"]]
    assert told == ["subscriber.changed", "subscriber.read", "subscriber.filed"]
    log = operator.get("/log").text
    assert not any(words in log for words in ("Martin", "Durand", "camille", "Brûlon", "ada@"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"surname": ""},
        {"surname": "a\u202eb"},
        {"country": "fr"},
        {"email": "", "phone": ""},
        {"email": "nobody"},
        {"phone": "0123456789"},
        {"born_on": "1980-02-30"},
        {"born_on": "2030-01-01"},
        {"born_on": "31/12/1980"},
        {"kind": "robot"},
        {"kind": "company"},
        {"kind": "company", "company": "ACME", "registration": "552100555"},
        {"company": "ACME"},
        {"address": "no such thing"},
        {"payment": "gold"},
        {"payment_reference": "x" * 65},
        {"iban": "FR76"},
    ],
)
def test_what_does_not_fit_is_refused(world: LinesWorld, operator: Browser, wrong: dict[str, str]) -> None:
    assert operator.post("/subscribers", WHO | wrong).json()["code"] == "desk.malformed"
    assert row(world) is None


def test_a_company_is_filed_by_who_acts_for_it(world: LinesWorld, operator: Browser) -> None:
    company = {"kind": "company", "company": "Société ACME", "registration": "552100554"}
    assert operator.post("/subscribers", WHO | company).status_code == 201


def test_nobody_but_the_operator_sees_a_record(world: LinesWorld, operator: Browser) -> None:
    made = operator.post("/subscribers", WHO).json()
    gazette = world.organisation("La Gazette")
    others = [
        world.signed_in(Role.AUDITOR),
        world.signed_in(Role.OFFICER, organisation=gazette.id),
        world.signed_in(Role.RESELLER, reseller=world.reseller("552100554")),
    ]
    for browser in others:
        for path in ("/subscribers", f"/subscribers/{made['id']}"):
            assert browser.get(path).json()["code"] == "desk.forbidden"


def test_its_dates_are_carried_out(world: LinesWorld, operator: Browser) -> None:
    """One year after the end the account and the payment go; five years after it, all."""
    made = operator.post("/subscribers", WHO | MORE | {"began_on": "2026-01-01"}).json()
    path = f"/subscribers/{made['id']}"
    ended = operator.post(f"{path}/end", {"version": 1, "on": "2026-05-31"}).json()
    assert (ended["account_until"], ended["identity_until"]) == ("2027-05-31", "2031-05-31")
    assert operator.post(f"{path}/end", {"version": 2, "on": "2026-05-31"}).json()["code"] == "desk.not_now"
    to(world, date(2027, 5, 30))
    world.hour()
    kept = row(world)
    assert kept is not None
    assert kept["contract"] == "C-7"
    to(world, date(2027, 5, 31))
    world.hour()
    kept = row(world)
    assert kept is not None
    assert {kept[name] for name in ACCOUNT} == {""}
    assert (kept["line"], kept["organisation"]) == (None, None)
    assert {name: kept[name] for name in IDENTITY if kept[name]} == WHO | {"email": "camille@example.org"}
    operator.sign_in()
    late = operator.send("PATCH", path, {"version": kept["version"], "surname": "Durand"})
    assert late.json()["code"] == "desk.not_now"
    to(world, date(2031, 5, 30))
    world.hour()
    assert row(world) is not None
    to(world, date(2031, 5, 31))
    world.hour()
    assert row(world) is None
    operator.sign_in()
    told = [one["what"] for one in operator.get("/log", what="subscriber.").json()["items"]]
    assert told == ["subscriber.forgotten", "subscriber.reduced", "subscriber.ended", "subscriber.filed"]


def test_the_log_which_is_never_shortened_does_not_say_whose_line_it_is(
    world: LinesWorld, operator: Browser
) -> None:
    """After a year a record has no line and no organisation: then nothing else may lead from one to the
    other, and who it is of stays for four years more."""
    gazette = world.organisation("La Gazette")
    device = world.line("ada", 6, gazette)
    made = operator.post("/subscribers", WHO | MORE | {"organisation": to_base64(gazette.id)}).json()
    world.hour()
    path = f"/subscribers/{made['id']}"
    found = operator.get(path).json()
    assert found["line"] == id_of(device)
    operator.send("PATCH", path, {"version": found["version"], "city": "Lyon"})
    operator.post(f"{path}/end", {"version": found["version"] + 1, "on": made["began_on"]})
    told = operator.get("/log", subject=made["id"]).json()["items"]
    assert len(told) == 5
    assert all(one["organisation"] is None for one in told)
    assert id_of(device) not in json.dumps(told)


@pytest.mark.parametrize("on", ["1899-12-31", "2027-07-01", "9999-12-31"])
def test_a_contract_begins_on_a_day_that_can_be(world: LinesWorld, operator: Browser, on: str) -> None:
    """One that begins in the year 9999 is never over: its record would be kept for ever."""
    assert operator.post("/subscribers", WHO | {"began_on": on}).json()["code"] == "desk.malformed"
    assert row(world) is None


def test_each_of_many_records_finds_its_line(
    world: LinesWorld, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where hundreds wait whose codes nobody uses, and where an address is a part of many others."""
    monkeypatch.setattr(lines, "LINKED_AT_ONCE", 2)
    monkeypatch.setattr(lines, "MAX_PAGE", 2)
    for name in ("aaada", "aada", "abada", "ada"):
        world.line(name, 6)
    for name in ("ada", "eve", "fay", "guy", "hal"):
        assert operator.post("/subscribers", WHO | {"address": f"{name}@{NAME}"}).status_code == 201
        world.clock.pass_by(1)
    world.hour()
    linked = [one for one in operator.get("/subscribers").json()["items"] if one["line"]]
    assert len(linked) == 1


def test_nothing_of_a_forgotten_record_is_left_in_the_file(world: LinesWorld, operator: Browser) -> None:
    secret = "Zyxwvutsrq"
    made = operator.post("/subscribers", WHO | {"surname": secret, "began_on": "2020-01-01"}).json()
    operator.post(f"/subscribers/{made['id']}/end", {"version": 1, "on": "2020-02-01"})
    world.hour()
    assert row(world) is None
    with sqlite3.connect(world.desk.database.path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    files = [file for file in world.desk.database.path.parent.iterdir() if file.is_file()]
    assert files
    assert all(secret.encode() not in file.read_bytes() for file in files)


def test_many_are_swept_in_pieces(
    world: LinesWorld, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscribers, "SWEPT_AT_ONCE", 2)
    for _ in range(5):
        made = operator.post("/subscribers", WHO | {"began_on": "2020-01-01"}).json()
        operator.post(f"/subscribers/{made['id']}/end", {"version": 1, "on": "2020-02-01"})
    world.hour()
    assert row(world) is None


def test_a_record_whose_line_never_comes_ends(world: LinesWorld, operator: Browser) -> None:
    operator.post("/subscribers", WHO | MORE)
    for later, ended in ((399, False), (2, True)):
        world.clock.pass_by(later * DAY)
        world.hour()
        found = row(world)
        assert found is not None
        assert (found["ended_on"] is not None) == ended


def test_a_contract_ends_with_its_line(world: LinesWorld, operator: Browser) -> None:
    device = world.line("ada", 1)
    operator.post("/subscribers", WHO | MORE)
    world.hour()
    (linked,) = operator.get("/subscribers", line=id_of(device)).json()["items"]
    assert linked["ended_on"] is None
    ((ends, day),) = world.sql("SELECT term_ends, term_day FROM lines")
    assert day
    world.clock.at = ends + 91 * DAY
    world.hour()
    operator.sign_in()
    (over,) = operator.get("/subscribers", line=id_of(device)).json()["items"]
    assert over["ended_on"] == utc_date(ends - 1).isoformat()


def test_a_record_is_linked_to_no_line_of_another_organisation(world: LinesWorld, operator: Browser) -> None:
    """Somebody else took the address: his line is not this subscriber's."""
    world.line("ada", 6, world.organisation("La Gazette"))
    operator.post("/subscribers", WHO | MORE)
    world.hour()
    kept = row(world)
    assert kept is not None
    assert kept["line"] is None


def test_an_end_is_between_the_beginning_and_today(world: LinesWorld, operator: Browser) -> None:
    made = operator.post("/subscribers", WHO | {"began_on": "2026-03-01"}).json()
    for on in ("2026-02-28", "2026-12-31", "yesterday"):
        answer = operator.post(f"/subscribers/{made['id']}/end", {"version": 1, "on": on})
        assert answer.json()["code"] == "desk.malformed"


@given(st.dates(date(2000, 1, 1), date(2090, 12, 31)), st.integers(1, 5))
def test_a_year_is_never_short(day: date, years: int) -> None:
    later = years_after(day, years)
    assert (later.year, later.month) in ((day.year + years, day.month), (day.year + years, 3))
    assert (later - day).days >= 365 * years
