"""How often one network may ask for what is anybody's: pages, the log's tiles, health, the register.

What costs more than a look (codes, guesses, sealed messages, uploads) has bounds of its own where it is
answered, and passes here uncounted.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from chappe.relay.http_errors import failure
from chappe.relay.limits import Attempts
from chappe.wire.errors import ChappeError

_FREE: Final = ("/v1/attachments/", "/v1/links/", "/v1/desk/")
"""Below these a GET has its own bounds, or its answer is large and its connection the bound."""


class Asking:
    """An ASGI application around the relay's."""

    def __init__(self, app: ASGIApp, burst: float, per_second: float, refused: Callable[[str], None]) -> None:
        self._app = app
        self._attempts = Attempts(burst, per_second * 60)
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if _counts(scope):
            host = scope["client"][0] if scope.get("client") else ""
            now = time.monotonic()
            try:
                self._attempts.of(host, now).spend(now)
            except ChappeError as problem:
                self._refused(problem.code)
                await failure(problem)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _counts(scope: Scope) -> bool:
    return (
        scope["type"] == "http" and scope["method"] in ("GET", "HEAD") and not scope["path"].startswith(_FREE)
    )
