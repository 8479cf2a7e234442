"""`POST /v1/deliver`: messages that nobody signed in to send (docs/decisions/0011-sealed-sender.md).

What comes here is let in by its recipients' tokens. Nothing of the request but its messages goes further than
this file: no header, no address, no order in which connections came.
"""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Final

from fastapi import FastAPI, Request, Response

from chappe.relay.http_errors import read_body
from chappe.relay.limits import Allowance
from chappe.relay.ports import Outcome, Stale, Stored
from chappe.relay.relay import Relay
from chappe.wire import delivery
from chappe.wire.errors import ChappeError, error

_COUNTED: Final = ("delivery.refused", "limit.rate")
"""Refusals that are taken from the network's allowance: the rest nobody can have for the asking."""
_PRIVATE: Final = {"Cache-Control": "no-store"}


def add_delivering(app: FastAPI, relay: Relay) -> None:
    @app.post("/v1/deliver")
    async def deliver(request: Request) -> Response:
        host = request.client.host if request.client else ""
        with relay.reserve(host, _announced(request)) as allowance:
            try:
                body = delivery.decode_request(await read_body(request, delivery.MAX_BODY))
            except ChappeError:
                _charge(allowance, 1)
                raise
            outcomes = await relay.deliver(body.messages)
            pairs = zip(body.messages, outcomes, strict=True)
            answers = [_answer(message.id, outcome) for message, outcome in pairs]
            _charge(allowance, sum(isinstance(a, delivery.Turned) and a.code in _COUNTED for a in answers))
        data = delivery.encode(delivery.Delivered(answers))
        return Response(data, media_type=delivery.MEDIA_TYPE, headers=_PRIVATE)


def _announced(request: Request) -> int:
    """How much is coming: that is what room is kept for, so it has to be said. Raises http.malformed,
    http.oversized."""
    text = request.headers.get("content-length", "")
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise error("http.malformed")
    if int(text) > delivery.MAX_BODY:
        raise error("http.oversized")
    return int(text)


def _answer(id_: bytes, outcome: Outcome) -> delivery.Taken | delivery.Turned:
    if isinstance(outcome, Stored):
        return delivery.Taken(id_, outcome.expires)
    if isinstance(outcome, Stale):
        refusal = error("delivery.refused")
        return delivery.Turned(id_, refusal.code, refusal.message, list(outcome.devices))
    assert isinstance(outcome, ChappeError)
    return delivery.Turned(id_, outcome.code, outcome.message)


def _charge(allowance: Allowance, times: int) -> None:
    """As much of it as is left."""
    with suppress(ChappeError):
        for _ in range(times):
            allowance.spend(time.monotonic())
