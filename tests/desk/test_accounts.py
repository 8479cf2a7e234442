"""Accounts: opened, changed, closed; and tokens, double submits, two at once, guessed ids."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from chappe.desk.who import SYSTEM, Role
from chappe.relay import organisations
from chappe.relay.config import load_settings
from chappe.relay.door import DirectoryDoor
from tests.desk.authenticator import b64
from tests.desk.world import Browser, World
from tests.relay.fleet_world import Organisation, Person

NOBODY = "AAAAAAAAAAAAAAAAAAAAAA"
ADA = {"role": "auditor", "name": "Ada Lovelace", "email": "Ada@Example.org", "language": "en"}
KEY = {"Idempotency-Key": "0123456789abcdef"}


def test_an_account_is_opened_and_its_person_signs_in(world: World, operator: Browser) -> None:
    made = operator.post("/accounts", ADA)
    assert made.status_code == 201
    account = made.json()["account"]
    assert account | {"id": "", "created_at": ""} == {
        "id": "",
        "role": "auditor",
        "name": "Ada Lovelace",
        "email": "ada@example.org",
        "language": "en",
        "reseller": None,
        "organisation": None,
        "created_at": "",
        "closed_at": None,
        "version": 1,
        "passkeys": 0,
        "recovery_codes": 0,
    }
    ada = world.browser()
    assert ada.enrol(made.json()["link"].partition("=")[2]).status_code == 201
    shown = operator.get(f"/accounts/{account['id']}").json()
    assert (shown["passkeys"], shown["recovery_codes"]) == (1, 10)


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        ({"email": "x"}, "desk.malformed"),
        ({"email": "a@b\n.org"}, "desk.malformed"),
        ({"name": ""}, "desk.malformed"),
        ({"name": " "}, "desk.malformed"),
        ({"name": "a\x1b[2J"}, "desk.malformed"),
        ({"name": "\u202egnp"}, "desk.malformed"),
        ({"name": "x" * 101}, "desk.malformed"),
        ({"role": "owner"}, "desk.malformed"),
        ({"language": "de"}, "desk.malformed"),
        ({"extra": 1}, "desk.malformed"),
        ({"role": "reseller"}, "desk.malformed"),
        ({"role": "officer"}, "desk.malformed"),
        ({"reseller": NOBODY}, "desk.malformed"),
        ({"organisation": NOBODY}, "desk.malformed"),
        ({"role": "reseller", "reseller": NOBODY}, "desk.unknown"),
        ({"role": "reseller", "reseller": NOBODY[:-1] + "B"}, "desk.malformed"),
    ],
)
def test_accounts_that_are_not_opened(shared_operator: Browser, lie: dict[str, Any], code: str) -> None:
    before = len(shared_operator.get("/accounts").json()["items"])
    answer = shared_operator.post("/accounts", ADA | lie)
    assert answer.json()["code"] == code
    assert len(shared_operator.get("/accounts").json()["items"]) == before


def test_an_officer_is_of_an_organisation_of_this_relay(world: World, operator: Browser) -> None:
    settings = load_settings({}, data_dir=world.folder)
    world.desk.relay = DirectoryDoor(settings)
    gazette = Organisation("La Gazette", [Person("one")])
    body = ADA | {"role": "officer", "organisation": b64(gazette.id)}
    assert operator.post("/accounts", body).json()["code"] == "desk.unknown"
    organisations.add(settings, gazette.file)
    assert operator.post("/accounts", body).status_code == 201


def test_what_does_not_fit_is_named_and_not_repeated(shared_operator: Browser) -> None:
    answer = shared_operator.post("/accounts", ADA | {"email": "secret-in-the-wrong-field"})
    assert answer.status_code == 422
    assert [one["field"] for one in answer.json()["fields"]] == ["email"]
    assert "secret-in" not in answer.text


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"null", b'{"a":' * 5_000, b'"x"'])
def test_bodies_that_are_none(shared_operator: Browser, body: bytes) -> None:
    answer = shared_operator.request(
        "POST", "/accounts", content=body, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code in (400, 422), answer.text


def test_a_body_that_is_too_large_is_not_read(shared_operator: Browser) -> None:
    answer = shared_operator.request("POST", "/accounts", content=b" " * 70_000)
    assert answer.json()["code"] == "http.oversized"
    assert answer.status_code == 413


def test_an_address_has_one_open_account(operator: Browser) -> None:
    first = operator.post("/accounts", ADA).json()["account"]
    assert operator.post("/accounts", ADA | {"email": "ADA@example.ORG"}).json()["code"] == "desk.exists"
    assert operator.post(f"/accounts/{first['id']}/close", {"version": 1}).status_code == 200
    assert operator.post("/accounts", ADA).status_code == 201


def test_two_who_change_it_at_once(operator: Browser) -> None:
    account = operator.post("/accounts", ADA).json()["account"]
    path = f"/accounts/{account['id']}"
    changed = operator.send("PATCH", path, {"version": 1, "name": "Augusta"})
    assert changed.json()["version"] == 2
    assert operator.send("PATCH", path, {"version": 1, "name": "Ada King"}).json()["code"] == "desk.changed"
    assert operator.get(path).json()["name"] == "Augusta"
    assert operator.send("PATCH", path, {"version": 2}).json()["code"] == "desk.malformed"
    assert operator.post(f"{path}/close", {"version": 1}).json()["code"] == "desk.changed"


def test_closing_ends_sessions_and_tokens_and_the_last_operator_stays(
    world: World, operator: Browser
) -> None:
    second = world.signed_in(Role.OPERATOR)
    token = second.post("/tokens", {"label": "x", "scopes": ["accounts:read"]}).json()["secret"]
    assert world.program(token).get("/accounts").status_code == 200
    me, you = (one.get("/session").json()["account"] for one in (operator, second))
    assert operator.post(f"/accounts/{you}/close", {"version": 1}).status_code == 200
    assert second.get("/session").json()["code"] == "desk.signed_out"
    assert second.sign_in().json()["code"] == "desk.passkey"
    assert world.program(token).get("/accounts").json()["code"] == "desk.signed_out"
    assert world.browser().post("/session/recovery", {"code": second.recovery_codes[0]}).status_code == 409
    assert operator.post(f"/accounts/{me}/close", {"version": 1}).json()["code"] == "desk.not_now"
    assert operator.post(f"/accounts/{you}/link").json()["code"] == "desk.unknown"


def test_closed_accounts_are_forgotten_after_a_year(world: World, operator: Browser) -> None:
    from chappe.desk import accounts

    account = operator.post("/accounts", ADA).json()["account"]
    operator.post(f"/accounts/{account['id']}/close", {"version": 1})
    assert b"ada@example.org" in world.on_disk()
    for days, forgotten in ((364, 0), (1, 1), (1, 0)):
        world.clock.pass_by(days * 24 * 3600)
        assert world.desk.database.change(SYSTEM, accounts.forget_closed) == forgotten
    assert operator.sign_in().status_code == 200
    shown = operator.get(f"/accounts/{account['id']}").json()
    assert (shown["name"], shown["email"]) == ("", "")
    assert b"ada@example.org" not in world.on_disk()


@pytest.mark.parametrize("id_", [NOBODY, "x", "A" * 500, "%00", NOBODY[:-1] + "B"])
def test_guessed_ids(shared_operator: Browser, id_: str) -> None:
    for answer in (shared_operator.get(f"/accounts/{id_}"), shared_operator.post(f"/accounts/{id_}/link")):
        assert answer.status_code in (404, 405, 422)


def test_accounts_come_in_pages(world: World, operator: Browser) -> None:
    for _ in range(6):
        world.account(Role.AUDITOR)
    seen: list[str] = []
    after = None
    while True:
        query = {"limit": 3} | ({"after": after} if after else {})
        page = operator.get("/accounts", **query).json()
        seen += [one["id"] for one in page["items"]]
        assert len(page["items"]) <= 3
        after = page["next"]
        if after is None:
            break
    assert len(seen) == len(set(seen)) == 7
    assert len(operator.get("/accounts", role="operator").json()["items"]) == 1
    for wrong in (0, 201, -1, "x"):
        assert operator.get("/accounts", limit=wrong).json()["code"] == "desk.malformed"


def test_a_double_submit_opens_one_account_and_shows_its_link_once(operator: Browser) -> None:
    assert operator.post("/accounts", ADA, KEY).status_code == 201
    again = operator.post("/accounts", ADA, KEY)
    assert again.json()["code"] == "desk.exists"
    assert "shown then" in again.json()["message"]
    other = operator.post("/accounts", ADA | {"email": "b@example.org"}, KEY)
    assert other.json()["code"] == "id.reused"
    for wrong in ("short", "x" * 65, "with space 0123456"):
        answer = operator.post("/accounts", ADA, {"Idempotency-Key": wrong})
        assert answer.json()["code"] == "desk.malformed"


def test_the_same_at_the_same_moment_is_done_once(world: World, operator: Browser) -> None:
    token = operator.post("/tokens", {"label": "x", "scopes": ["resellers:write"]}).json()["secret"]
    answers: list[Any] = []
    body = world.application("552100554")

    def submit() -> None:
        answers.append(world.program(token).post("/resellers", body, KEY))

    threads = [threading.Thread(target=submit) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {one.status_code for one in answers} == {201}
    assert len({one.json()["id"] for one in answers}) == 1
    # A day later the key is free; the company is still there once.
    world.clock.pass_by(24 * 3600 + 1)
    assert world.program(token).post("/resellers", body, KEY).json()["code"] == "desk.exists"


def test_a_key_is_of_who_used_it(world: World, operator: Browser) -> None:
    other = world.signed_in(Role.OPERATOR)
    first = operator.post("/resellers", world.application("552100554"), KEY)
    second = other.post("/resellers", world.application("732829320"), KEY)
    assert first.status_code == second.status_code == 201
    assert first.json()["id"] != second.json()["id"]


def test_tokens_are_shown_once_end_and_are_revoked(world: World, operator: Browser) -> None:
    made = operator.post("/tokens", {"label": "nightly", "scopes": ["log:read"], "days": 1}).json()
    secret, id_ = made["secret"], made["token"]["id"]
    assert secret.startswith("chd_")
    assert secret not in operator.get("/tokens").text
    assert secret.encode() not in world.on_disk()
    assert id_ in operator.get("/tokens").text
    program = world.program(secret)
    assert program.get("/log").status_code == 200
    assert program.get("/accounts").json()["code"] == "desk.forbidden"
    assert operator.get("/tokens").json()["items"][0]["used_at"] is not None
    # Another operator does not see it, nor revoke it.
    other = world.signed_in(Role.OPERATOR)
    assert other.get("/tokens").json()["items"] == []
    assert other.post(f"/tokens/{id_}/revoke").json()["code"] == "desk.unknown"
    world.clock.pass_by(24 * 3600)
    assert program.get("/log").json()["code"] == "desk.signed_out"
    operator.sign_in()
    second = operator.post("/tokens", {"label": "x", "scopes": ["log:read"]}).json()
    assert world.program(second["secret"]).get("/log").status_code == 200
    for _ in range(2):
        revoked = operator.post(f"/tokens/{second['token']['id']}/revoke")
        assert revoked.json()["revoked_at"] is not None
    assert world.program(second["secret"]).get("/log").json()["code"] == "desk.signed_out"


@pytest.mark.parametrize(
    "lie",
    [
        {"scopes": []},
        {"scopes": ["all"]},
        {"scopes": ["everything:write"]},
        {"scopes": ["log:read"] * 21},
        {"days": 0},
        {"days": 366},
        {"label": ""},
    ],
)
def test_tokens_that_are_not_made(shared_operator: Browser, lie: dict[str, Any]) -> None:
    answer = shared_operator.post("/tokens", {"label": "x", "scopes": ["log:read"]} | lie)
    assert answer.json()["code"] in ("desk.malformed", "desk.forbidden")
    assert shared_operator.get("/tokens").json()["items"] == []


def test_a_token_with_a_cookie_is_a_token(shared: World, shared_operator: Browser) -> None:
    """Whoever sends both is taken at the token's word, also where it does not hold."""
    answer = shared_operator.request("GET", "/accounts", headers={"Authorization": "Bearer chd_" + "A" * 43})
    assert answer.json()["code"] == "desk.signed_out"
    for header in ("Basic eDp4", "Bearer", "Bearer chd_x", "chd_" + "A" * 43):
        answer = shared_operator.request("GET", "/accounts", headers={"Authorization": header})
        assert answer.json()["code"] == "desk.signed_out", header


def test_the_log_tells_no_name_and_no_secret(world: World, operator: Browser) -> None:
    link = operator.post("/accounts", ADA).json()["link"].partition("=")[2]
    secret = operator.post("/tokens", {"label": "x", "scopes": ["log:read"]}).json()["secret"]
    told = operator.get("/log").text + operator.get("/log/export").text
    for hidden in ("Ada", "ada@example.org", link, secret, *operator.recovery_codes):
        assert hidden not in told
    assert b64(b"") == ""
