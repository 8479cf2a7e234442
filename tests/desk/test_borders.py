"""Nothing crosses a border: every operation that a reseller or an officer has, with the ids of another one.

The routes are walked, so that one that comes later is covered, or fails here until it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import pytest
from fastapi.routing import APIRoute

from chappe.desk.rights import RIGHTS
from chappe.desk.who import Role
from chappe.wire.api import to_base64
from tests.desk.lines_world import LinesWorld, id_of
from tests.desk.test_selling import OTHER, SIREN, Shop
from tests.desk.world import Browser

BODIES: Final[dict[str, Any]] = {
    "orders.make": {"quantity": 1},
    "orders.remake": {"version": 3},
    "lines.renew_by_code": {"code": "0000-0000-0000-0000"},
    "lines.transfer": {},
}
"""What a change is asked with, so that it would be carried out."""
OWN: Final = {"session.end", "passkeys.options", "passkeys.make", "recovery.renew", "tokens.make"}
"""Of oneself, and with no id of anybody."""
PUBLIC_IDS: Final = {"plan"}
"""What everybody of a role sees."""


class Bordered(Shop, LinesWorld):
    """Two resellers who sold something each, and two organisations with a line each."""

    def __init__(self, folder: Any) -> None:
        super().__init__(folder)
        gazette, clinic = self.organisation("La Gazette"), self.organisation("La Clinique")
        self.line("ada", 6, gazette)
        their_line = self.line("ben", 6, clinic)
        order = self.order(self.theirs)["order"]
        self.officer = self.signed_in(Role.OFFICER, organisation=gazette.id)
        theirs = self.signed_in(Role.OFFICER, organisation=clinic.id)
        token = theirs.post("/tokens", {"label": "theirs", "scopes": ["log:read"]}).json()["token"]
        me = theirs.get("/session").json()
        self.secrets: dict[str, str] = {
            "line": id_of(their_line),
            "organisation": to_base64(clinic.id),
            "reseller": self.ids[1],
            "order": order["id"],
            "number": order["invoice"],
            "account": me["account"],
            "token": token["id"],
            "passkey": theirs.get("/passkeys").json()["items"][0]["id"],
        }
        self.names = (*self.secrets.values(), f"Société {OTHER}", "ben@", "La Clinique")


@pytest.fixture(scope="module")
def bordered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bordered]:
    made = Bordered(tmp_path_factory.mktemp("borders"))
    yield made
    made.close()


def routes(world: Bordered, role: Role) -> list[APIRoute]:
    every = [route for route in world.app.routes if isinstance(route, APIRoute)]
    return [route for route in every if role in RIGHTS[str(route.operation_id)].roles]


def asked(world: Bordered, client: Browser, route: APIRoute, query: dict[str, str]) -> Any:
    """With the other one's id in each place of the path."""
    path = re.sub(r"\{([^}]+)\}", lambda found: world.secrets[found[1]], route.path)
    method = next(iter(route.methods or ()))
    body = BODIES.get(str(route.operation_id))
    if body is not None:
        fields = {"organisation": world.secrets["organisation"], "reseller": world.ids[1]}
        model: Any = route.body_field.field_info.annotation if route.body_field else None
        wanted = model.model_fields if model else {}
        body = body | {name: value for name, value in fields.items() if name in wanted}
        body |= {"plan": world.plan["id"]} if "plan" in wanted else {}
    return client.request(method, path, params=query, json=body)


@pytest.mark.parametrize("role", [Role.RESELLER, Role.OFFICER])
def test_no_operation_reaches_another_ones(bordered: Bordered, role: Role) -> None:
    client = bordered.mine if role is Role.RESELLER else bordered.officer
    for route in routes(bordered, role):
        name = str(route.operation_id)
        in_path = re.findall(r"\{([^}]+)\}", route.path)
        assert not PUBLIC_IDS & set(in_path), name
        if name in OWN:
            continue
        method = next(iter(route.methods or ()))
        if in_path or method != "GET":
            answer = asked(bordered, client, route, {})
            assert answer.json()["code"] == "desk.unknown", (name, answer.text)
            continue
        queries: list[dict[str, str]] = [{}]
        for parameter in route.dependant.query_params:
            ids = [bordered.secrets[parameter.name]] if parameter.name in bordered.secrets else []
            if parameter.name in ("after", "subject"):
                ids = list(bordered.secrets.values())
            if parameter.name == "search":
                ids = ["ben", OTHER]
            queries += [{parameter.name: id_} for id_ in ids]
        for query in queries:
            answer = asked(bordered, client, route, query)
            assert answer.status_code < 500, (name, query)
            told = [one for one in bordered.names if one in answer.text]
            assert not told, (name, query, told)


def test_a_reseller_puts_no_lines_into_an_organisation_by_knowing_its_id(bordered: Bordered) -> None:
    """Colleagues trust who is one of them: for an organisation the operator makes the first order."""
    body = {"plan": bordered.plan["id"], "quantity": 1, "organisation": bordered.secrets["organisation"]}
    refused = bordered.mine.post("/orders", body)
    assert refused.json()["code"] == "desk.unknown"
    nobody = bordered.mine.post("/orders", body | {"organisation": bordered.ids[0]})
    assert nobody.json() == refused.json()
    bordered.made(bordered.operator, "/orders", body | {"reseller": bordered.ids[0]})
    assert len(bordered.made(bordered.mine, "/orders", body)["codes"]) == 1


def test_each_sees_the_own(bordered: Bordered) -> None:
    """So that the walk above is not of a desk that shows nobody anything."""
    assert bordered.ids[0] in bordered.mine.get("/resellers").text
    assert f"Société {SIREN}" in bordered.mine.get("/resellers").text
    assert "ada@" in bordered.officer.get("/lines").text
    rooms = ("/resellers", "/lines", "/orders", "/log", "/organisations", "/invoices", "/accounts")
    seen = "".join(bordered.operator.get(room).text for room in rooms)
    hidden = {bordered.secrets["passkey"], bordered.secrets["token"]}
    assert [one for one in bordered.names if one not in seen and one not in hidden] == []
