"""The API's description is OpenAPI 3.1 and says what each operation asks; schemathesis finds no answer that
breaks it."""

from __future__ import annotations

from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

from chappe.desk.api import PREFIX, describe
from chappe.desk.rights import RIGHTS
from chappe.desk.who import Role
from tests.desk.world import ORIGIN, Browser, World

EXAMPLES = {Role.OPERATOR: 2, Role.RESELLER: 1}
"""Of good and of bad input, for each operation."""
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    negative_data_rejection,
]
# What would end the session that asks.
LEFT_OUT = {"session.end", "accounts.close", "passkeys.remove"}


def test_it_is_openapi_3_1_and_names_every_operation(shared: World) -> None:
    document = shared.program(None).get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    found = {
        operation["operationId"]: operation
        for path in document["paths"].values()
        for operation in path.values()
    }
    assert set(found) == set(RIGHTS)
    for name, right in RIGHTS.items():
        operation = found[name]
        assert operation["summary"], name
        assert operation["description"], name
        schemes = {scheme for one in operation["security"] for scheme in one}
        expected = set() if right.public else {"session"} | ({"token"} if right.scope else set())
        assert schemes == expected, name


@pytest.mark.parametrize("role", EXAMPLES)
def test_no_answer_breaks_the_description(shared: World, role: Role) -> None:
    """Generated requests, fitting and unfitting, as an operator and as a reseller send them."""
    reseller = shared.reseller("443061841") if role is Role.RESELLER else None
    browser = shared.signed_in(role, reseller=reseller)
    schema = schemathesis.openapi.from_dict(_without_security(describe(shared.app)))
    asked = set()
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        name = operation.definition.raw["operationId"]
        if name not in LEFT_OUT:
            asked.add(name)
            _ask(browser, operation, GenerationMode.POSITIVE, EXAMPLES[role])
            if operation.body or any(operation.iter_parameters()):
                _ask(browser, operation, GenerationMode.NEGATIVE, EXAMPLES[role])
    assert asked == set(RIGHTS) - LEFT_OUT
    assert browser.get("/session").status_code == 200


def _without_security(document: dict[str, Any]) -> dict[str, Any]:
    """Who asks is said by the browser, and tried in test_rights: here what is asked varies, and not who."""
    del document["components"]["securitySchemes"]
    for path in document["paths"].values():
        for operation in path.values():
            del operation["security"]
    return document


def _ask(browser: Browser, operation: Any, mode: GenerationMode, examples: int) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def ask(case: Case[Any]) -> None:
        prepared = requests.Request(**case.as_transport_kwargs(base_url=ORIGIN + PREFIX)).prepare()
        headers = {
            name: value
            for name, value in prepared.headers.items()
            if name.lower() not in ("cookie", "content-length")
        }
        path = (prepared.url or "").removeprefix(ORIGIN + PREFIX)
        answer = browser.request(prepared.method or "", path, content=prepared.body, headers=headers)
        case.validate_response(answer, checks=CHECKS)

    ask()
