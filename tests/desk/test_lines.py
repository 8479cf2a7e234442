"""Lines at the desk: seen, renewed, imported, exported; and nothing of one organisation to another."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from chappe.desk import lines
from chappe.desk.models import today
from chappe.desk.who import Role
from chappe.wire import codes
from chappe.wire.api import to_base64
from chappe.wire.errors import ChappeError
from tests.desk.lines_world import DAY, LinesWorld, id_of, run
from tests.desk.world import NAME, Browser
from tests.relay.fleet_world import Organisation


@pytest.fixture
def world(tmp_path: Path) -> Iterator[LinesWorld]:
    made = LinesWorld(tmp_path)
    yield made
    made.close()


@pytest.fixture
def operator(world: LinesWorld) -> Browser:
    return world.signed_in(Role.OPERATOR)


def officer(world: LinesWorld, of: Organisation) -> Browser:
    return world.signed_in(Role.OFFICER, organisation=of.id)


def logged(browser: Browser, what: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browser.get("/log", what=what).json()["items"]
    return found


def post_csv(browser: Browser, text: str | bytes, key: str = "", **query: Any) -> Any:
    data = text.encode() if isinstance(text, str) else text
    headers = {"Content-Type": "text/csv"} | ({"Idempotency-Key": key} if key else {})
    return browser.request("POST", "/lines/import", content=data, params=query, headers=headers)


# --- seeing


def test_lines_are_listed_with_their_terms_and_reminders(world: LinesWorld, operator: Browser) -> None:
    gazette = world.organisation("La Gazette")
    world.line("ada", 1, gazette)
    world.line("ben", 6, gazette)
    world.line("zoe", None)
    page = operator.get("/lines", limit=2).json()
    assert [one["address"] for one in page["items"]] == [f"ada@{NAME}", f"ben@{NAME}"]
    assert (page["total"], page["items"][0]["stage"]) == (3, "active")
    rest = operator.get("/lines", limit=2, after=page["next"]).json()
    assert ([one["address"] for one in rest["items"]], rest["next"]) == ([f"zoe@{NAME}"], None)
    assert (rest["items"][0]["term"], rest["items"][0]["stage"]) == (None, "none")
    last = date.fromisoformat(page["items"][0]["term"]["last_day"])
    for left, reminder in ((20, 30), (6, 7), (1, 1), (0, 1)):
        world.clock.at = (last - timedelta(days=left) - date(1970, 1, 1)).days * DAY + 3600
        operator.sign_in()
        term = operator.get("/lines", search="ada").json()["items"][0]["term"]
        assert (term["days_left"], term["reminder"]) == (left, reminder)
    assert operator.get("/lines", ends_before="9999-12-31").json()["code"] == "desk.malformed"
    due = operator.get("/lines", order="ends", ends_before=(last + timedelta(days=1)).isoformat()).json()
    assert [one["address"] for one in due["items"]] == [f"ada@{NAME}"]
    world.clock.pass_by(2 * DAY)
    operator.sign_in()
    assert operator.get("/lines", stage="grace").json()["total"] == 1
    assert operator.get("/overview").json()["lines"]["grace"] == 1


def test_an_officer_sees_the_own_organisation_and_no_other(world: LinesWorld, operator: Browser) -> None:
    gazette, herald = world.organisation("La Gazette"), world.organisation("The Herald")
    ours, theirs = world.line("ada", 6, gazette), world.line("ben", 6, herald)
    world.line("zoe", 6)
    chief = officer(world, gazette)
    page = chief.get("/lines").json()
    assert ([one["address"] for one in page["items"]], page["total"]) == ([f"ada@{NAME}"], 1)
    assert [one["name"] for one in chief.get("/organisations").json()] == ["La Gazette"]
    assert chief.get("/overview").json()["lines"]["active"] == 1
    assert chief.get("/overview").json()["load"] is None
    assert chief.get(f"/lines/{id_of(ours)}").json()["id"] == id_of(ours)
    code = world.code(6, herald)
    for guess in (id_of(theirs), to_base64(bytes(16))):
        answers = [
            chief.get(f"/lines/{guess}"),
            chief.get(f"/lines/{guess}/devices"),
            chief.get("/lines", after=guess),
            chief.post(f"/lines/{guess}/renew", {"code": code}),
            chief.post(f"/lines/{guess}/transfer", {"organisation": to_base64(gazette.id)}),
        ]
        assert {answer.json()["code"] for answer in answers} == {"desk.unknown"}
    for path in ("/lines", "/overview", "/lines/export"):
        assert chief.get(path, organisation=to_base64(herald.id)).json()["code"] == "desk.unknown"
    assert f"ben@{NAME}" not in chief.get("/lines/export").text
    # Nor does anything here hold a key.
    shown = operator.get("/lines").text + operator.get(f"/lines/{id_of(ours)}/devices").text
    assert to_base64(ours.certificate.identity_key) not in shown
    assert to_base64(ours.certificate.signature_key) not in shown


def test_no_reseller_sees_a_line(world: LinesWorld) -> None:
    device = world.line("ada", 6)
    reseller = world.signed_in(Role.RESELLER, reseller=world.reseller("552100554"))
    for path in ("/lines", f"/lines/{id_of(device)}", "/overview", "/organisations", "/lines/export"):
        assert reseller.get(path).json()["code"] == "desk.forbidden"


def test_a_desk_without_a_relay_says_so(world: LinesWorld, operator: Browser) -> None:
    world.desk.relay = None
    assert operator.get("/lines").json()["code"] == "desk.not_now"
    world.hour()


# --- renewing


def test_the_operator_renews_once_however_often_he_clicks(world: LinesWorld, operator: Browser) -> None:
    device = world.line("ada", 6)
    last = operator.get(f"/lines/{id_of(device)}").json()["term"]["last_day"]
    asked = {"lines": [{"line": id_of(device), "last_day": last}], "months": 3}
    first = operator.post("/lines/renew", asked).json()["lines"][0]["term"]
    assert first["last_day"] > last
    assert operator.post("/lines/renew", asked).json()["code"] == "desk.changed"
    entry = logged(operator, "line.renewed")[0]
    assert (entry["subject"], entry["details"]["months"], entry["details"]["by"]) == (
        id_of(device),
        3,
        "operator",
    )
    assert len(logged(operator, "line.renewed")) == 1


def test_all_lines_are_renewed_or_none(world: LinesWorld, operator: Browser) -> None:
    ada, zoe = world.line("ada", 6), world.line("zoe", None)
    last = operator.get(f"/lines/{id_of(ada)}").json()["term"]["last_day"]
    lines = [{"line": id_of(one), "last_day": last} for one in (ada, zoe)]
    assert operator.post("/lines/renew", {"lines": lines}).json()["code"] == "term.none"
    assert operator.get(f"/lines/{id_of(ada)}").json()["term"]["last_day"] == last
    assert logged(operator, "line.renewed") == []
    unfit: list[dict[str, Any]] = [
        {"lines": []},
        {"lines": lines, "months": 61},
        {"lines": lines, "months": 0},
    ]
    for wrong in unfit:
        assert operator.post("/lines/renew", wrong).json()["code"] == "desk.malformed"


def test_an_officer_renews_by_code_alone(world: LinesWorld, operator: Browser) -> None:
    gazette, herald = world.organisation("La Gazette"), world.organisation("The Herald")
    device = world.line("ada", 6, gazette)
    chief, path = officer(world, gazette), f"/lines/{id_of(device)}/renew"
    last = chief.get(f"/lines/{id_of(device)}").json()["term"]["last_day"]
    asked = {"lines": [{"line": id_of(device), "last_day": last}]}
    assert chief.post("/lines/renew", asked).json()["code"] == "desk.forbidden"
    assert chief.post(path, {"code": world.code(6, herald)}).json()["code"] == "term.transfer"
    assert chief.post(path, {"code": "0000"}).json()["code"] == "code.malformed"
    code = codes.show(world.code(12, gazette))
    renewed = chief.post(path, {"code": code})
    assert renewed.json()["term"]["last_day"] > last
    assert chief.post(path, {"code": code}).json() == renewed.json()
    assert len(logged(operator, "line.renewed")) == 1
    seller = bytes(16)
    run(world.door.allow_seller(seller))
    sold = world.code(6, gazette, seller)
    run(world.door.withhold_seller(seller))
    assert chief.post(path, {"code": sold}).json()["code"] == "code.withheld"


def test_a_renewal_is_in_the_log_before_it_is_done(
    world: LinesWorld, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The desk dies between the relay and its log: months that were given away are not unknown to it."""
    device = world.line("ada", 6)
    shown = operator.get(f"/lines/{id_of(device)}").json()
    body = {"lines": [{"line": id_of(device), "last_day": shown["term"]["last_day"]}], "months": 6}

    async def dies(*_: Any, **__: Any) -> None:
        raise ChappeError("storage.failed")

    with monkeypatch.context() as patch:
        patch.setattr(lines, "_tell", dies)
        assert operator.post("/lines/renew", body).json()["code"] == "storage.failed"
    after = operator.get(f"/lines/{id_of(device)}").json()
    assert after["term"]["last_day"] > shown["term"]["last_day"]
    (told,) = operator.get("/log", what="line.").json()["items"]
    assert (told["what"], told["subject"], told["by"]) == ("line.renewing", id_of(device), "account")
    # And the double click that follows renews nothing more.
    assert operator.post("/lines/renew", body).json()["code"] == "desk.changed"


def test_a_line_is_moved_to_no_other_organisation(world: LinesWorld, operator: Browser) -> None:
    gazette, herald = world.organisation("La Gazette"), world.organisation("The Herald")
    device = world.line("ada", 6, gazette)
    answer = operator.post(f"/lines/{id_of(device)}/transfer", {"organisation": to_base64(herald.id)})
    assert answer.json()["code"] == "term.transfer"
    shown = operator.get(f"/lines/{id_of(device)}").json()
    assert shown["organisation"] == to_base64(gazette.id)


# --- importing

HEAD = "address,surname,given name,email\n"
ROW = "ada,Martin,Camille,camille@example.org\n"


def test_a_dry_run_tells_every_mistake_in_its_place_and_makes_nothing(
    world: LinesWorld, operator: Browser
) -> None:
    world.line("taken", 6)
    before = world.sql("SELECT count(*) FROM codes")
    sheet = (
        "\ufeffAdresse de ligne;Nom;Prénom;Courriel;Téléphone;Né le;Mois;Pays\n"
        "ada;Martin;Camille;camille@example.org;+33 1 23 45 67 89;31/12/1980;12;FR\n"
        "Ada;Martin;Camille;camille@example.org;;;;\n"
        "b@d name;Martin;;not an address;0123;31/02/1980;0;FRA\n"
        "taken;Martin;Camille;camille@example.org;;2199-01-01;;\n"
        "=HYPERLINK(1);Martin;Camille;camille@example.org;;;;\n"
        "eve;Martin;Camille\n"
        f"fay@elsewhere.example;{'x' * 120};Camille;;;;;\n"
        "\n"
    )
    told = post_csv(operator, sheet).json()
    assert (told["dry_run"], told["encoding"], told["separator"]) == (True, "utf-8", ";")
    assert told["columns"][:4] == ["address", "surname", "given_name", "email"]
    found = {(one["row"], one["column"]) for one in told["problems"]}
    assert found == {
        (3, "address"),
        (4, "address"),
        (4, "given_name"),
        (4, "email"),
        (4, "phone"),
        (4, "born_on"),
        (4, "months"),
        (4, "country"),
        (5, "born_on"),
        (6, "address"),
        (7, ""),
        (8, "address"),
        (8, "surname"),
        (8, "email"),
    }
    assert all(one["message"] for one in told["problems"])
    assert told["lines"] == []
    refused = post_csv(operator, sheet, dry_run=False)
    assert refused.json()["code"] == "desk.malformed"
    assert world.sql("SELECT count(*) FROM codes") == before
    assert operator.get("/subscribers").json()["items"] == []


def test_an_address_that_is_taken_is_told(world: LinesWorld, operator: Browser) -> None:
    world.line("ada", 6)
    told = post_csv(operator, HEAD + ROW).json()
    assert [(one["row"], one["column"], one["message"]) for one in told["problems"]] == [
        (2, "address", "This address is taken.")
    ]


def test_an_import_makes_codes_that_activate_and_records_that_find_their_lines(
    world: LinesWorld, operator: Browser
) -> None:
    gazette = world.organisation("La Gazette")
    sheet = "address,surname,given name,email,months\n"
    sheet += "ada,Martin,Camille,camille@example.org,12\nben,Durand,Alex,alex@example.org,\n"
    query = {"dry_run": False, "organisation": to_base64(gazette.id)}
    made = post_csv(operator, sheet, "an-import-of-today-1", **query).json()
    assert [(one["row"], one["address"]) for one in made["lines"]] == [
        (2, f"ada@{NAME}"),
        (3, f"ben@{NAME}"),
    ]
    assert made["fleet_key"] == to_base64(gazette.fleet_key)
    # The same again: nothing more is made, and the codes are not shown twice.
    again = post_csv(operator, sheet, "an-import-of-today-1", **query)
    assert again.json()["code"] == "desk.exists"
    assert world.sql("SELECT count(*) FROM codes WHERE voided_at IS NULL") == [(2,)]
    assert len(operator.get("/subscribers").json()["items"]) == 2
    from chappe.relay.usecases.register import ActivateLine
    from tests.relay.fleet_world import new_device

    device = new_device(gazette, f"ada@{NAME}")
    digest = codes.digest(made["lines"][0]["code"])
    run(world.door._change(ActivateLine(digest, device.certificate)))
    assert operator.get(f"/lines/{id_of(device)}").json()["term"]["months"] == 12
    world.hour()
    (linked,) = operator.get("/subscribers", line=id_of(device)).json()["items"]
    whole = operator.get(f"/subscribers/{linked['id']}").json()
    assert (whole["surname"], whole["address"]) == ("Martin", f"ada@{NAME}")
    # Neither a name nor an address in the log.
    assert "Martin" not in operator.get("/log").text
    assert "ada@" not in operator.get("/log").text


def test_a_file_in_latin_1_is_noticed(world: LinesWorld, operator: Browser) -> None:
    sheet = (HEAD + "ada,Lefèvre,Zoé,zoe@example.org\n").encode("latin-1")
    told = post_csv(operator, sheet).json()
    assert (told["encoding"], told["problems"]) == ("latin-1", [])
    post_csv(operator, sheet, dry_run=False)
    (record,) = operator.get("/subscribers").json()["items"]
    assert operator.get(f"/subscribers/{record['id']}").json()["surname"] == "Lefèvre"


@pytest.mark.parametrize(
    ("sheet", "words"),
    [
        (b"", "empty"),
        (b"\xff\xfea\0d\0", "UTF-8"),
        (b"PK\x03\x04\0\0", "UTF-8"),
        (b"surname\nMartin\n", "address"),
        (b"address,address\na,b\n", "twice"),
        (b"address,colour\na,b\n", "not known"),
        (b'address,surname\n"a,b\n', "Row 2"),
        (b"address\n" + b"a\n" * 5_001, "5000 rows"),
    ],
)
def test_what_is_no_such_table_is_refused(
    world: LinesWorld, operator: Browser, sheet: bytes, words: str
) -> None:
    answer = post_csv(operator, sheet)
    assert answer.json()["code"] == "desk.malformed"
    assert words in answer.json()["message"]


def test_a_file_that_is_too_large_is_refused(world: LinesWorld, operator: Browser) -> None:
    assert post_csv(operator, b"a" * (2 * 1024 * 1024 + 1)).json()["code"] == "http.oversized"


def test_codes_of_an_import_that_fails_are_taken_back(
    world: LinesWorld, operator: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    from chappe.desk import subscribers

    def fail(*_: Any, **__: Any) -> None:
        raise ChappeError("storage.full")

    with monkeypatch.context() as patch:
        patch.setattr(subscribers, "file", fail)
        refused = post_csv(operator, HEAD + ROW, "an-import-of-today-1", dry_run=False)
    assert refused.json()["code"] == "storage.full"
    assert world.sql("SELECT count(*) FROM codes WHERE voided_at IS NULL") == [(0,)]
    assert world.sql("SELECT count(*) FROM codes") == [(1,)]
    # Who asks again hears the truth: nothing was imported, and what to do.
    again = post_csv(operator, HEAD + ROW, "an-import-of-today-1", dry_run=False).json()
    assert again["code"] == "id.reused"
    assert post_csv(operator, HEAD + ROW, "an-import-of-today-2", dry_run=False).status_code == 200


# --- exporting


def test_an_export_holds_no_formula(world: LinesWorld, operator: Browser) -> None:
    world.line("ada", 6)
    answer = operator.get("/lines/export")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    assert [(row["address"], row["stage"]) for row in rows] == [(f"ada@{NAME}", "active")]
    assert len(logged(operator, "lines.exported")) == 1
    from chappe.desk import sheets

    cells = ["=1+1", "+33123456789", "-2", "@SUM(A1)", "\tx", "a=b", "'", '"; x']
    written = sheets.write(["a"], [[cell] for cell in cells]).decode("utf-8-sig")
    back = [row[0] for row in csv.reader(io.StringIO(written))][1:]
    assert back == ["'=1+1", "'+33123456789", "'-2", "'@SUM(A1)", "'\tx", "a=b", "'", '"; x']
    assert not any(sheets.is_formula(cell) for cell in back)


def test_the_clock_is_the_desks(world: LinesWorld) -> None:
    assert today(world.desk.database.now()) == date(2026, 6, 9)
