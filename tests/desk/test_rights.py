"""Every operation with every wrong role, scope and session; and no route without a right.

The routes are walked, so that one that comes later is covered as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Set
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from chappe.desk import tokens
from chappe.desk.api import build_app
from chappe.desk.gate import DeskRoute
from chappe.desk.rights import RIGHTS, SCOPES, operations_of, scopes_of
from chappe.desk.who import CONSOLE, SYSTEM, Actor, Role
from tests.desk.world import Browser, Client, World

SOMEBODY = "AAAAAAAAAAAAAAAAAAAAAA"


class Operation(NamedTuple):
    name: str
    method: str
    path: str


@pytest.fixture(scope="module")
def people(shared: World) -> dict[Role, Browser]:
    reseller = shared.reseller("552100554")
    return {
        Role.OPERATOR: shared.signed_in(Role.OPERATOR),
        Role.AUDITOR: shared.signed_in(Role.AUDITOR),
        Role.RESELLER: shared.signed_in(Role.RESELLER, reseller=reseller),
        Role.OFFICER: shared.signed_in(Role.OFFICER, organisation=b"\5" * 16),
    }


def operations(app: FastAPI) -> list[Operation]:
    """With an id in each place of a path: nothing has it, and nobody gets so far as to see that."""
    found = []
    for route in app.routes:
        if isinstance(route, APIRoute):
            assert route.methods is not None
            path = re.sub(r"\{[^}]+\}", SOMEBODY, route.path)
            found += [Operation(route.operation_id or "", method, path) for method in route.methods]
    return found


def outcome(client: Client, operation: Operation) -> str:
    """Its error code, or `let through`: what comes of it then is not looked at here."""
    body: Any = {} if operation.method in ("POST", "PATCH", "PUT") else None
    answer = client.send(operation.method, operation.path, body)
    code = answer.headers.get("chappe-error", "let through")
    return code if code in ("desk.signed_out", "desk.forbidden", "desk.sign_in_again") else "let through"


def test_every_route_is_guarded_and_every_right_has_a_route(shared: World) -> None:
    guarded = [route for route in shared.app.routes if isinstance(route, APIRoute)]
    assert all(isinstance(route, DeskRoute) for route in guarded)
    assert {route.operation_id for route in guarded} == set(RIGHTS)
    # What is not an operation is the description of them all.
    others = [route for route in shared.app.routes if not isinstance(route, APIRoute)]
    assert [getattr(route, "path", None) for route in others] == ["/openapi.json"]


def test_a_route_without_a_right_does_not_start(shared: World) -> None:
    app = build_app(shared.desk)
    for operation in (None, "lines.invented"):
        with pytest.raises(KeyError):
            app.get("/invented", operation_id=operation)(lambda: None)


def test_nobody_gets_in_without_signing_in(shared: World) -> None:
    for client in (shared.browser(), shared.program(None), shared.program("chd_" + "A" * 43)):
        for operation in operations(shared.app):
            expected = "let through" if RIGHTS[operation.name].public else "desk.signed_out"
            if RIGHTS[operation.name].public and type(client) is Client:
                continue
            assert outcome(client, operation) == expected, operation


@pytest.mark.parametrize("role", Role)
def test_every_operation_with_every_role(shared: World, people: dict[Role, Browser], role: Role) -> None:
    for operation in operations(shared.app):
        right = RIGHTS[operation.name]
        if right.public or operation.name == "session.end":
            continue
        expected = "let through" if role in right.roles else "desk.forbidden"
        assert outcome(people[role], operation) == expected, operation


@pytest.mark.parametrize("role", Role)
def test_every_operation_with_every_scope(shared: World, people: dict[Role, Browser], role: Role) -> None:
    """With its scope alone it is let through; with all others together it is not. What has none never is."""
    wanted = [one for one in operations(shared.app) if not RIGHTS[one.name].public]
    everything = shared.program(_forced(shared, people[role], SCOPES))
    for operation in wanted:
        if RIGHTS[operation.name].scope is None:
            assert outcome(everything, operation) == "desk.forbidden", operation
    for scope in sorted(SCOPES):
        own = scope in scopes_of(role)
        made = people[role].post("/tokens", {"label": "x", "scopes": [scope]})
        assert made.headers.get("chappe-error") == (None if own else "desk.forbidden")
        # Even one that got into the database somehow does not help.
        secret = made.json()["secret"] if own else _forced(shared, people[role], {scope})
        alone, others = (
            shared.program(secret),
            shared.program(_forced(shared, people[role], SCOPES - {scope})),
        )
        for operation in wanted:
            right = RIGHTS[operation.name]
            if right.scope == scope:
                expected = "let through" if role in right.roles else "desk.forbidden"
                assert outcome(alone, operation) == expected, operation
                assert outcome(others, operation) == "desk.forbidden", operation
        for id_ in [one["id"] for one in people[role].get("/tokens").json()["items"][:3]]:
            people[role].post(f"/tokens/{id_}/revoke")


def _forced(world: World, browser: Browser, scopes: Set[str]) -> str:
    """A token with scopes that it could not be made with."""
    secret: str = browser.post("/tokens", {"label": "x", "scopes": ["log:read"]}).json()["secret"]
    found = tokens.find(world.desk.database, secret)
    assert found is not None
    listed = " ".join(sorted(scopes))

    def work(unit: Any) -> None:
        unit.connection.exec_driver_sql("UPDATE tokens SET scopes = ? WHERE token = ?", (listed, found.token))
        unit.log("token.made", found.token)

    world.desk.database.change(SYSTEM, work)
    return secret


def test_a_session_that_enrols_makes_a_passkey_and_no_more(shared: World) -> None:
    browser = shared.browser()
    browser.post("/session/link", {"secret": shared.account(Role.OPERATOR).link})
    for operation in operations(shared.app):
        right = RIGHTS[operation.name]
        if right.public or operation.name == "session.end":
            continue
        expected = "let through" if right.enrolling else "desk.forbidden"
        assert outcome(browser, operation) == expected, operation


def test_the_command_line_beside_the_data_may_what_an_operator_may() -> None:
    assert set(operations_of(CONSOLE)) == {
        name for name, right in RIGHTS.items() if Role.OPERATOR in right.roles
    }
    assert operations_of(Actor("public")) == []
    assert operations_of(SYSTEM) == []


def test_nobody_but_operators_changes_what_is_not_his_own() -> None:
    """Read the table once more, by what it says: whoever is not an operator makes his own sessions, passkeys,
    codes and tokens, and changes nothing else unless it is named here."""
    own = {"session", "passkeys", "recovery", "tokens"}
    # A reseller orders for itself; an officer redeems a code for a line of the own organisation, as its
    # phone does.
    named = {"orders.make", "orders.remake", "lines.renew_by_code", "lines.transfer"}
    for name, right in RIGHTS.items():
        writes = (right.scope or "x:write").endswith(":write") and not right.public
        if writes and name.partition(".")[0] not in own and right.roles != {Role.OPERATOR}:
            assert name in named, f"{name} may be done by {sorted(right.roles)}: is that meant?"


def test_the_data_directory_is_the_operators_alone(shared: World) -> None:
    folder = Path(shared.desk.database.path)
    assert folder.parent.stat().st_mode & 0o077 == 0
