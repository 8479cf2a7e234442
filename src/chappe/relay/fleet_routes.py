"""`POST /v1/fleet`: asks of officers, owners and locked phones (docs/protocol.md section 12.5)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from fastapi import FastAPI, Request, Response

from chappe.relay.http_errors import read_body
from chappe.relay.limits import Allowance
from chappe.relay.relay import Relay
from chappe.wire import fleet
from chappe.wire.errors import ChappeError, error

SMALL: Final = 128 * 1024
"""Bytes that a body may have without a place: every ask but a `post` of many proposals."""
PLACES: Final = 32
"""Larger bodies that are read at once, whoever sends them."""
# Refusals of one who showed who he is, or that nobody could have avoided: they cost no attempt.
_FREE: Final = ("storage.", "order.stale")


def add_fleet(app: FastAPI, relay: Relay) -> None:
    """The route. Only an ask whose envelope holds costs no attempt."""
    places = Places()

    @app.post("/v1/fleet")
    async def ask(request: Request) -> Response:
        allowance = relay.attempts(request.client.host if request.client else "")
        with _stranger(allowance), places.hold(request):
            body = await read_body(request, fleet.MAX_BODY)
            envelope = fleet.decode_envelope(body)
            question = fleet.decode_ask(envelope)
            who = await relay.fleet.identify(envelope, question)
            if isinstance(question, fleet.Report):
                # Its envelope shows nothing: only the receipt does.
                return _packed(await relay.fleet.answer(who, question))
        return _packed(await relay.fleet.answer(who, question))


def _packed(answer: fleet.Answer) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(fleet.encode(answer), media_type=fleet.MEDIA_TYPE, headers=headers)


class Places:
    """Room for large bodies, so that many at once do not take the memory. Small ones need none: an order to
    erase always comes through."""

    def __init__(self) -> None:
        self._held = 0

    @contextmanager
    def hold(self, request: Request) -> Iterator[None]:
        """Raises limit.rate."""
        length = request.headers.get("content-length")
        if length is not None and int(length) <= SMALL:
            yield
            return
        if self._held >= PLACES:
            raise error("limit.rate")
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1


@contextmanager
def _stranger(allowance: Allowance) -> Iterator[None]:
    """One is taken while nobody knows who asks, and given back to one who showed it."""
    allowance.spend(time.monotonic())
    try:
        yield
    except ChappeError as problem:
        if problem.code.startswith(_FREE):
            allowance.give_back()
        raise
    allowance.give_back()
