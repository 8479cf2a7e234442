"""Signing in with passkeys, links and recovery codes; and what a session may not do."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chappe.desk.rights import FRESH_SECONDS
from chappe.desk.sessions import COOKIE, IDLE_SECONDS, LONGEST_SECONDS
from chappe.desk.who import Role
from tests.desk.authenticator import PRESENT, Authenticator, b64
from tests.desk.world import NAME, ORIGIN, Browser, World


def code(answer: Any) -> str:
    found: str = answer.json()["code"]
    return found


def test_from_link_to_passkey_to_session(world: World) -> None:
    person = world.account(Role.OPERATOR)
    browser = world.browser()
    began = browser.post("/session/link", {"secret": person.link})
    assert began.status_code == 200
    assert began.json()["enrolling"] is True
    assert "accounts.list" not in began.json()["operations"]
    assert code(browser.get("/accounts")) == "desk.forbidden"
    cookie = browser.cookies[COOKIE]
    made = browser.make_passkey()
    assert made.status_code == 201
    assert len(made.json()["recovery_codes"]) == 10
    # What the session may do has changed, and so has its secret.
    assert browser.cookies[COOKIE] != cookie
    assert browser.get("/session").json()["enrolling"] is False
    assert browser.get("/accounts").status_code == 200
    assert browser.send("DELETE", "/session").status_code == 204
    assert browser.get("/session").status_code == 401
    again = browser.sign_in()
    assert again.status_code == 200
    assert again.json()["email"] == person.email
    assert browser.get("/accounts").status_code == 200
    history = [one["what"] for one in browser.get("/log").json()["items"]]
    assert history == [
        "account.signed_in",
        "account.signed_out",
        "account.signed_in",
        "recovery.renewed",
        "passkey.made",
        "account.signed_in",
        "account.link_made",
        "account.opened",
    ]


def test_the_cookie_is_for_this_host_and_no_script(world: World) -> None:
    browser = world.browser()
    answer = browser.post("/session/link", {"secret": world.account(Role.AUDITOR).link})
    (cookie,) = answer.headers.get_list("set-cookie")
    assert re.fullmatch(
        rf"{COOKIE}=[A-Za-z0-9_-]{{43}}; HttpOnly; Path=/; SameSite=strict; Secure", cookie
    ), cookie
    assert answer.headers["cache-control"] == "no-store"


def test_a_link_works_once_and_for_a_day_and_the_newest_only(world: World) -> None:
    person = world.account(Role.OPERATOR)
    assert world.browser().post("/session/link", {"secret": person.link}).status_code == 200
    assert code(world.browser().post("/session/link", {"secret": person.link})) == "desk.bad_code"
    old = world.account(Role.OPERATOR)
    world.clock.pass_by(24 * 3600)
    assert code(world.browser().post("/session/link", {"secret": old.link})) == "desk.bad_code"
    operator = world.signed_in(Role.OPERATOR)
    first = world.account(Role.AUDITOR)
    again = operator.post(f"/accounts/{b64(first.account)}/link").json()["link"]
    assert again.startswith(f"{ORIGIN}/console/#link=")
    assert code(world.browser().post("/session/link", {"secret": first.link})) == "desk.bad_code"
    assert world.browser().post("/session/link", {"secret": again.partition("=")[2]}).status_code == 200


@pytest.mark.parametrize("secret", ["", "x", "A" * 43, "é" * 43, "A" * 64])
def test_guessed_links(shared: World, secret: str) -> None:
    assert code(shared.browser().post("/session/link", {"secret": secret})) == "desk.bad_code"


def test_recovery_codes_work_once_each_and_ask_for_a_new_passkey(world: World) -> None:
    browser = world.signed_in(Role.OPERATOR)
    codes = browser.recovery_codes
    lost = world.browser()
    answer = lost.post("/session/recovery", {"code": codes[0].lower().replace("-", " ")})
    assert answer.status_code == 200
    assert answer.json()["enrolling"] is True
    assert answer.json()["recovery_codes"] == 9
    assert code(lost.get("/tokens")) == "desk.forbidden"
    assert code(world.browser().post("/session/recovery", {"code": codes[0]})) == "desk.bad_code"
    made = lost.make_passkey()
    assert made.status_code == 201
    assert made.json()["recovery_codes"] == []
    # Whoever held a session before is out: it may be who has the lost device.
    assert browser.get("/session").status_code == 401
    fresh = lost.post("/recovery-codes").json()["codes"]
    assert len(set(fresh)) == 10
    assert code(world.browser().post("/session/recovery", {"code": codes[1]})) == "desk.bad_code"
    assert world.browser().post("/session/recovery", {"code": fresh[1]}).status_code == 200
    assert (
        code(world.browser().post("/session/recovery", {"code": "0000-0000-0000-0001"})) == "code.malformed"
    )


def test_a_session_ends_when_idle_and_after_twelve_hours(world: World) -> None:
    browser = world.signed_in(Role.OPERATOR)
    world.clock.pass_by(IDLE_SECONDS - 1)
    assert browser.get("/session").status_code == 200
    world.clock.pass_by(IDLE_SECONDS)
    assert code(browser.get("/session")) == "desk.signed_out"
    assert browser.sign_in().status_code == 200
    for _ in range(LONGEST_SECONDS // (IDLE_SECONDS - 1)):
        world.clock.pass_by(IDLE_SECONDS - 1)
        assert browser.get("/session").status_code == 200
    world.clock.pass_by(IDLE_SECONDS - 1)
    assert code(browser.get("/session")) == "desk.signed_out"


def test_what_takes_a_fresh_sign_in(world: World) -> None:
    browser = world.signed_in(Role.OPERATOR)
    body = {"role": "auditor", "name": "Ada", "email": "ada@example.org"}
    world.clock.pass_by(FRESH_SECONDS + 1)
    assert code(browser.post("/accounts", body)) == "desk.sign_in_again"
    assert browser.sign_in().status_code == 200
    assert browser.post("/accounts", body).status_code == 201


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": f"https://sub.{NAME}"},
        {"Origin": ORIGIN + ":444"},
        {"Origin": "http://" + NAME},
        {"Chappe-Desk": ""},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_site_changes_nothing(
    shared: World, shared_operator: Browser, headers: dict[str, str]
) -> None:
    browser = shared_operator
    size = len(browser.get("/tokens").json()["items"])
    answer = browser.post("/tokens", {"label": "x", "scopes": ["log:read"]}, headers)
    assert answer.json()["code"] == "desk.cross_site"
    assert len(browser.get("/tokens").json()["items"]) == size
    # Nor does it sign somebody in as somebody else.
    person = shared.account(Role.OPERATOR)
    answer = shared.browser().post("/session/link", {"secret": person.link}, headers)
    assert answer.json()["code"] == "desk.cross_site"
    assert "set-cookie" not in answer.headers


def test_another_site_reads_nothing(shared: World, shared_operator: Browser) -> None:
    browser = shared_operator
    answer = browser.request("GET", "/accounts", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.json()["code"] == "desk.cross_site"
    assert browser.get("/accounts").headers["cross-origin-resource-policy"] == "same-origin"


def lying(**lies: Any) -> Authenticator:
    return Authenticator(**({"origin": ORIGIN, "rp_id": NAME} | lies))


@pytest.mark.parametrize(
    "authenticator",
    [
        lying(origin="https://evil.example"),
        lying(origin=f"https://sub.{NAME}"),
        lying(rp_id="example.org"),
        lying(flags=PRESENT),
        lying(flags=0),
        lying(cross_origin=True),
        lying(algorithm=-35),
    ],
    ids=["origin", "subdomain", "relying party", "not verified", "not present", "framed", "algorithm"],
)
def test_passkeys_that_are_not_made_here(shared: World, authenticator: Authenticator) -> None:
    browser = shared.browser()
    browser.authenticator = authenticator
    assert browser.post("/session/link", {"secret": shared.account(Role.OPERATOR).link}).status_code == 200
    assert code(browser.make_passkey()) == "desk.passkey"
    assert browser.get("/session").json()["enrolling"] is True


@pytest.mark.parametrize(
    ("field", "lie"),
    [
        ("origin", "https://evil.example"),
        ("rp_id", "example.org"),
        ("flags", PRESENT),
        ("cross_origin", True),
        ("user", b"\1" * 16),
        ("id", b"\1" * 32),
        ("step", 0),
        ("algorithm", -8),
    ],
)
def test_signatures_that_do_not_hold(world: World, field: str, lie: Any) -> None:
    browser = world.signed_in(Role.OPERATOR)
    browser.cookies.clear()
    honest = getattr(browser.authenticator, field)
    setattr(browser.authenticator, field, lie)
    answer = browser.sign_in()
    assert code(answer) == "desk.passkey"
    assert "set-cookie" not in answer.headers
    setattr(browser.authenticator, field, honest)
    assert browser.sign_in().status_code == 200


def test_a_counter_that_goes_back_is_refused_and_logged(world: World) -> None:
    browser = world.signed_in(Role.OPERATOR)
    browser.sign_in()
    browser.authenticator.counter -= 1
    assert "copy" in browser.sign_in().json()["message"]
    assert browser.sign_in().status_code == 200
    assert "passkey.doubted" in [one["what"] for one in browser.get("/log").json()["items"]]


def test_an_authenticator_without_a_counter_signs_in_again_and_again(world: World) -> None:
    browser = world.browser()
    browser.authenticator.step = 0
    browser.enrol(world.account(Role.OPERATOR).link)
    assert [browser.sign_in().status_code for _ in range(3)] == [200] * 3


def test_an_edwards_key_signs_in(world: World) -> None:
    browser = world.browser()
    browser.authenticator = lying(algorithm=-8)
    assert browser.enrol(world.account(Role.OPERATOR).link).status_code == 201
    assert browser.sign_in().status_code == 200


def test_a_challenge_is_used_once_and_for_its_own_purpose(world: World) -> None:
    browser = world.signed_in(Role.OPERATOR)
    options = browser.post("/session/passkey/options").json()["public_key"]
    answer = {"response": browser.authenticator.get(options)}
    assert browser.post("/session/passkey", answer).status_code == 200
    assert code(browser.post("/session/passkey", answer)) == "desk.passkey"
    making = browser.post("/passkeys/options").json()["public_key"]
    crossed = {"response": browser.authenticator.get(making)}
    assert code(browser.post("/session/passkey", crossed)) == "desk.passkey"
    late = browser.post("/session/passkey/options").json()["public_key"]
    world.clock.pass_by(301)
    assert (
        code(browser.post("/session/passkey", {"response": browser.authenticator.get(late)}))
        == "desk.passkey"
    )


def test_a_ceremony_of_one_account_makes_no_passkey_for_another(world: World) -> None:
    one, two = world.signed_in(Role.OPERATOR), world.signed_in(Role.AUDITOR)
    options = one.post("/passkeys/options").json()["public_key"]
    thief = lying()
    body = {"label": "x", "response": thief.create(options)}
    assert code(two.post("/passkeys", body)) == "desk.passkey"
    assert code(one.post("/passkeys", body)) == "desk.passkey"


@pytest.mark.parametrize(
    "response",
    [
        {},
        {"id": 5},
        {"id": "AA", "rawId": "AA", "response": {}, "type": "public-key"},
        {"id": "AA", "rawId": "AA", "type": "public-key", "response": {"clientDataJSON": "AA"}},
        {
            "id": "AA",
            "rawId": "AA",
            "type": "public-key",
            "response": {
                "clientDataJSON": b64(b'{"type":"webauthn.get","challenge":"AA","origin":"x"}'),
                "authenticatorData": b64(b"\0" * 37),
                "signature": "AA",
                "attestationObject": b64(b"\xbf\xff"),
            },
        },
        {"id": ["a"] * 1000, "rawId": None},
    ],
)
def test_answers_that_are_none(shared: World, shared_operator: Browser, response: dict[str, Any]) -> None:
    browser = shared_operator
    assert code(browser.post("/session/passkey", {"response": response})) == "desk.passkey"
    assert code(browser.post("/passkeys", {"label": "x", "response": response})) == "desk.passkey"


def test_passkeys_are_listed_and_the_last_one_stays(world: World) -> None:
    browser = world.signed_in(Role.OPERATOR)
    elsewhere = Browser(world)
    elsewhere.authenticator = browser.authenticator
    assert elsewhere.sign_in().status_code == 200
    (only,) = browser.get("/passkeys").json()["items"]
    assert only["id"] == b64(browser.authenticator.id)
    assert code(browser.send("DELETE", f"/passkeys/{only['id']}")) == "desk.not_now"
    assert code(browser.send("DELETE", "/passkeys/AAAA")) == "desk.unknown"
    second = lying()
    browser.authenticator = second
    assert browser.make_passkey().status_code == 201
    assert code(browser.make_passkey()) == "desk.exists"
    stranger = world.signed_in(Role.OPERATOR)
    assert code(stranger.send("DELETE", f"/passkeys/{only['id']}")) == "desk.unknown"
    assert browser.send("DELETE", f"/passkeys/{only['id']}").status_code == 204
    assert browser.get("/session").status_code == 200
    assert elsewhere.get("/session").status_code == 401
    assert code(elsewhere.sign_in()) == "desk.passkey"


def test_strangers_are_slowed_down(world: World) -> None:
    browser = world.browser()
    answers = [browser.post("/session/link", {"secret": "A" * 43}) for _ in range(40)]
    assert [one.status_code for one in answers[:30]] == [409] * 30
    assert answers[-1].status_code == 429
    assert answers[-1].headers["retry-after"] == "10"
    # One who is signed in is not held up by them.
    assert code(world.program("chd_" + "A" * 43).get("/accounts")) == "limit.rate"
