"""The desk's API (OpenAPI 3.1 at `/v1/desk/openapi.json`): the routes of all its rooms behind one gate."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import version
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from chappe.desk.desk import Desk
from chappe.desk.failures import add_failures
from chappe.desk.gate import DeskRoute
from chappe.desk.models import Failure
from chappe.desk.rights import RIGHTS
from chappe.desk.routes_accounts import add_accounts
from chappe.desk.routes_clock import add_clock
from chappe.desk.routes_lines import add_lines
from chappe.desk.routes_log import add_log
from chappe.desk.routes_numbers import add_numbers
from chappe.desk.routes_orders import add_orders
from chappe.desk.routes_papers import add_papers
from chappe.desk.routes_plans import add_plans
from chappe.desk.routes_rates import add_rates
from chappe.desk.routes_resellers import add_resellers
from chappe.desk.routes_sessions import add_sessions
from chappe.desk.routes_subscribers import add_subscribers
from chappe.desk.routes_tokens import add_tokens
from chappe.desk.sessions import COOKIE

PREFIX: Final = "/v1/desk"
ROOMS: Final[tuple[Callable[[FastAPI, Desk], None], ...]] = (
    add_sessions,
    add_accounts,
    add_tokens,
    add_log,
    add_resellers,
    add_plans,
    add_orders,
    add_papers,
    add_lines,
    add_subscribers,
    add_clock,
    add_numbers,
    add_rates,
)
"""What puts each room's routes on the application; a new room adds itself."""
_ABOUT: Final = (
    "The operator's side of a Chappe relay. A browser signs in with a passkey and sends `Chappe-Desk: 1` "
    "with whatever changes something; a program sends `Authorization: Bearer chd_…`. What makes something "
    "takes an `Idempotency-Key`: the same again gives the first answer."
)


def build_app(desk: Desk) -> FastAPI:
    """The application, to be mounted at `PREFIX`. KeyError for a route without a right."""
    return _make(desk)


def _make(desk: Desk) -> FastAPI:
    app = FastAPI(
        title="Chappe desk",
        version=version("chappe"),
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        responses={"4XX": {"model": Failure}, "5XX": {"model": Failure}},
    )
    app.router.route_class = DeskRoute
    app.state.desk = desk
    add_failures(app)
    for add in ROOMS:
        add(app, desk)
    app.add_route("/openapi.json", _answering(app), methods=["GET"], include_in_schema=False)
    return app


def describe(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, with what each operation asks of who calls it."""
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=_ABOUT,
        routes=app.routes,
        servers=[{"url": PREFIX}],
    )
    document.setdefault("components", {})["securitySchemes"] = {
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
        "token": {"type": "http", "scheme": "bearer"},
    }
    for path in document["paths"].values():
        for operation in path.values():
            right = RIGHTS[operation["operationId"]]
            operation["security"] = [] if right.public else [{"session": []}]
            if right.scope is not None:
                operation["security"].append({"token": [right.scope]})
            if not right.public:
                operation["x-chappe-roles"] = sorted(role.value for role in right.roles)
    return document


def _answering(app: FastAPI) -> Callable[[Request], Awaitable[Response]]:
    @cache
    def described() -> bytes:
        # At the first request: a start that nobody reads it after need not make it.
        return json.dumps(describe(app)).encode()

    async def answer(_request: Request) -> Response:
        return Response(await run_in_threadpool(described), media_type="application/json")

    return answer
