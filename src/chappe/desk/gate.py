"""The one gate before every operation: who asks, from where, and whether the table of rights lets him.

A route of the desk is a `DeskRoute`: its `operation_id` is an operation of `chappe.desk.rights`, or the
program does not start. Nothing of a request is read before the gate has let it pass, but its head.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, Final

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Message

from chappe.desk import sessions, tokens
from chappe.desk.desk import Desk
from chappe.desk.once import Once
from chappe.desk.rights import RIGHTS, Right, permit
from chappe.desk.who import PUBLIC, Actor
from chappe.wire.errors import error

ACTOR_SCOPE: Final = "chappe.desk.actor"
"""Where a caller in the same process (`chappe desk` beside the data) says who it is. No request can set
it."""
PAGE_HEADER: Final = "chappe-desk"
"""What the desk's own page sends with everything that changes something: a form of another site cannot."""
STALL_SECONDS: Final = 30.0
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_SAFE: Final = frozenset({"GET", "HEAD"})
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)


class DeskRoute(APIRoute):
    """A route that is guarded. KeyError, when it is made, for an operation without a right."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()
        operation = self.operation_id or ""
        right = RIGHTS[operation]

        async def guarded(request: Request) -> Response:
            desk: Desk = request.app.state.desk
            actor = await run_in_threadpool(_let_pass, desk, request, operation, right)
            body = await _read(request, right.max_body)
            request.state.actor = actor
            request.state.once = _once(request, operation, body)
            response = await _answered(desk, request, right, answer(Request(request.scope, _replay(body))))
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return guarded


def actor_of(request: Request) -> Actor:
    """Who the gate let pass."""
    actor: Actor = request.state.actor
    return actor


def once_of(request: Request) -> Once | None:
    """What an Idempotency-Key makes of the request."""
    once: Once | None = request.state.once
    return once


Who = Annotated[Actor, Depends(actor_of)]
OnceKey = Annotated[Once | None, Depends(once_of)]


def session_secret(request: Request) -> str | None:
    return request.cookies.get(sessions.COOKIE)


def _let_pass(desk: Desk, request: Request, operation: str, right: Right) -> Actor:
    """Blocking. Raises desk.cross_site, desk.signed_out, desk.forbidden, desk.sign_in_again, limit.rate."""
    inside: Actor | None = request.scope.get(ACTOR_SCOPE)
    if inside is not None:
        permit(operation, inside, desk.database.now())
        return inside
    actor = _who(desk, request)
    permit(operation, actor, desk.database.now())
    if actor.kind != "token" and not right.anywhere:
        _from_our_page(desk, request)
    if right.public:
        # Given back where it turns out well: what a stranger gets wrong costs him.
        _spend(desk, request)
    return actor


def _who(desk: Desk, request: Request) -> Actor:
    kind, _, secret = request.headers.get("authorization", "").partition(" ")
    if kind:
        actor = tokens.find(desk.database, secret.strip()) if kind.lower() == "bearer" else None
        if actor is None:
            _spend(desk, request)
            raise error("desk.signed_out", "This token does not hold; make another one.")
        return actor
    cookie = session_secret(request)
    return (cookie and sessions.find(desk.database, cookie)) or PUBLIC


def _from_our_page(desk: Desk, request: Request) -> None:
    """Against requests that another site makes a browser send. Raises desk.cross_site."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise error("desk.cross_site")
    if request.method in _SAFE:
        return
    if request.headers.get(PAGE_HEADER) != "1" or request.headers.get("origin") != desk.settings.origin:
        raise error("desk.cross_site")


async def _answered(
    desk: Desk, request: Request, right: Right, answering: Coroutine[Any, Any, Response]
) -> Response:
    response = await answering
    if right.public and not right.costs and ACTOR_SCOPE not in request.scope:
        desk.strangers.give_back(_host(request))
    return response


def _spend(desk: Desk, request: Request) -> None:
    desk.strangers.spend(_host(request))


def _host(request: Request) -> str:
    return request.client.host if request.client else ""


def _once(request: Request, operation: str, body: bytes) -> Once | None:
    key = request.headers.get("idempotency-key")
    if key is None or request.method in _SAFE:
        return None
    if not _KEY.fullmatch(key):
        raise error(
            "desk.malformed", "An Idempotency-Key is 16 to 64 letters, digits, dashes or underscores."
        )
    asked = hashlib.sha256()
    for part in (operation.encode(), request.url.path.encode(), body):
        asked.update(len(part).to_bytes(8, "big") + part)
    return Once(key, asked.digest())


async def _read(request: Request, limit: int) -> bytes:
    """Raises http.oversized, network.timeout, http.malformed."""
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or int(announced) > limit:
        raise error("http.oversized")
    pieces = bytearray()
    try:
        async with asyncio.timeout(STALL_SECONDS):
            async for piece in request.stream():
                pieces += piece
                if len(pieces) > limit:
                    raise error("http.oversized")
    except TimeoutError:
        raise error("network.timeout", "The request did not come whole in time.") from None
    except ClientDisconnect:
        raise error("http.malformed") from None
    return bytes(pieces)


def _replay(body: bytes) -> Callable[[], Coroutine[Any, Any, Message]]:
    """The body once more, for what parses it."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive
