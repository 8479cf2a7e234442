"""Every field that is stored, as a live page: `/stored`, read from the databases' schema when it is asked.

For everybody: what is kept, why and how long is no secret, and who uses a relay may hold its operator to it.
How much there is of it is the operator's: counts are in `chappe dossier inventory` alone.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from chappe.desk.dossier.paper import STYLE, as_html
from chappe.desk.dossier.stored import Inventory, as_plain, page
from chappe.desk.failures import failure
from chappe.desk.register import language_of
from chappe.wire.errors import ChappeError

Make: TypeAlias = Callable[[], Inventory]
"""The inventory as it is now, without counts. Blocking; raises storage.*."""

_HEADERS: Final = {
    "Cache-Control": "public, max-age=300",
    "Content-Security-Policy": "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def stored_routes(make: Make) -> Sequence[BaseRoute]:
    """At the top of the site, beside the register."""

    async def people(request: Request) -> Response:
        language = language_of(request.query_params.get("lang"), request.headers.get("accept-language", ""))
        try:
            text = await run_in_threadpool(lambda: as_html(page(make(), language)))
        except ChappeError as problem:
            return failure(problem)
        headers = _HEADERS | {"Content-Language": language, "Vary": "Accept-Language"}
        return Response(text, media_type="text/html", headers=headers)

    async def programs(_request: Request) -> Response:
        try:
            plain = await run_in_threadpool(lambda: json.dumps(as_plain(make()), ensure_ascii=False))
        except ChappeError as problem:
            return failure(problem)
        headers = _HEADERS | {"Access-Control-Allow-Origin": "*"}
        return Response(plain, media_type="application/json", headers=headers)

    return [
        Route("/stored", people, methods=["GET"]),
        Route("/stored.json", programs, methods=["GET"]),
    ]
